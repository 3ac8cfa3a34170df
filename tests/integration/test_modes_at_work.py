"""Modes between plan and ensure: what is proposed waits for a person, what is off is silent, imprints differ."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

import tenants
from frontlist import process, runtime
from frontlist.cli.deciding import decide
from frontlist.mapping import MappingError
from frontlist.settings import Settings
from frontlist.state import dossier, findings, work
from frontlist.state import installation as facts


@pytest.fixture
def installation(tmp_path: Path, sqlite_url, kafka_bootstrap, topic_prefix, pair) -> Settings:
    return tenants.settings(tmp_path, sqlite_url, kafka_bootstrap, topic_prefix, pair)


async def proposals(it: runtime.Installation) -> list[str]:
    async with it.db.read() as c:
        cures = [row.cure for row in await findings.open_ones(c) if row.kind == "proposal"]
    return [cure.split("mode accept ")[1].split("`")[0] for cure in cures]


async def test_what_is_proposed_is_written_once_a_person_accepts_it(installation: Settings, pair) -> None:
    async with tenants.prepared(installation, mode="propose"), tenants.running(installation) as it:
        await tenants.settled(it)
        said = await proposals(it)
        assert (len(said), pair.records()) == (36, [])
        wanted = next(each for each in said if "/product/" in each)
        await decide(it, "accepted", wanted, True)
        await tenants.until(lambda: len(pair.records()) == 1, what="the accepted record")
        await tenants.settled(it)
        assert [each["id"] for each in pair.records()] == [wanted.split("/")[2]]
        assert wanted not in await proposals(it)


async def test_one_imprint_applies_while_the_others_observe_and_a_lower_mode_acts_at_once(
    installation: Settings, pair
) -> None:
    async with tenants.prepared(installation, mode=None), tenants.running(installation) as it:
        await decide(it, "mode", "1/Gaslamp Classics", "apply")
        await tenants.until(lambda: bool(pair.records()), what="records of one imprint")
        await tenants.settled(it)
        assert {tenants.value(each, "imprint") for each in pair.records()} == {"Gaslamp Classics"}
        await decide(it, "mode", "1/Gaslamp Classics", "off")
        pair.dam.forget_calls()
        pair.consonance.send("PATCH", "/sandbox/works/61001", {"authorship_description": "not to be written"})
        await tenants.settled(it)
        assert pair.dam.writes() == 0


async def test_a_paused_system_is_not_written_and_goes_on_when_the_pause_is_lifted(
    installation: Settings, pair
) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        await decide(it, "pause", "fourallportal/*", {"why": "an upgrade of the DAM"})
        pair.dam.forget_calls()
        pair.consonance.send("PATCH", "/sandbox/works/61001", {"authorship_description": "after the pause"})
        await tenants.until(lambda: _said(it, "work:61001", "an upgrade of the DAM"), what="the reason in the row")
        assert pair.dam.writes() == 0
        await decide(it, "pause", "fourallportal/*", None)
        await tenants.until(lambda: _line(pair) == "after the pause", what="the line")


async def test_a_live_change_that_waited_for_a_pause_is_as_live_as_it_was(installation: Settings, pair) -> None:
    async with tenants.prepared(installation):
        async with tenants.running(installation) as it:
            await tenants.settled(it)
            await decide(it, "pause", "fourallportal/*", {"why": "an upgrade of the DAM"})
            pair.consonance.send("PATCH", "/sandbox/works/61001", {"authorship_description": "a live change"})
            await tenants.until(lambda: _said(it, "work:61001", "an upgrade of the DAM"), what="the reason in the row")
        async with runtime.opened(installation) as it:
            await decide(it, "pause", "fourallportal/*", None)
            async with it.db.read() as c:
                query = sa.select(work.work_table).where(work.work_table.c.title == "work:61001")
                rows = (await c.execute(query.where(work.work_table.c.outcome == "deferred"))).all()
                assert [(row.due_at <= await it.db.now(c), row.live) for row in rows] == [(True, True)]


async def test_a_pause_of_backfill_lets_live_changes_through(installation: Settings, pair) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        await decide(it, "pause", "fourallportal/backfill", {"why": "a launch day"})
        pair.consonance.send("PATCH", "/sandbox/works/61001", {"authorship_description": "a live change"})
        await tenants.until(lambda: _line(pair) == "a live change", what="the line")


def _line(pair: tenants.Pair) -> object:
    return next(
        tenants.value(each, "author_line")
        for each in pair.records("title")
        if tenants.value(each, "consonance_work_id") == 61001
    )


async def _said(it: runtime.Installation, title: str, why: str) -> bool:
    async with it.db.read() as c:
        query = sa.select(work.work_table.c.detail).where(work.work_table.c.title == title)
        return any(why in (detail or "") for detail in (await c.execute(query)).scalars())


async def test_a_changed_mapping_makes_every_title_due_and_a_wrong_one_refuses(installation: Settings, pair) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        assert {tenants.value(each, "publisher") for each in pair.records()} == {None}
    text = installation.mapping.read_text()
    installation.mapping.write_text(text.replace("      imprint: imprint\n", "      imprint: publisher\n", 1))
    async with tenants.running(installation) as it:
        await tenants.until(
            lambda: all(tenants.value(each, "publisher") for each in pair.records()), what="the other field"
        )
        await tenants.settled(it)
        before = await _active(it)
    installation.mapping.write_text(text.replace("      imprint: imprint\n", "      imprint: no_such_field\n", 1))
    with pytest.raises(Exception, match=r"mapping\.yaml:\d+: .*no_such_field"):
        async with tenants.running(installation):
            pass
    async with runtime.opened(installation) as it:
        assert await _active(it) == before, "the wrong one has taken no other's place"


async def test_a_wrong_mapping_at_the_first_start_reads_and_writes_nothing_of_4allportal(
    installation: Settings, pair
) -> None:
    text = installation.mapping.read_text()
    installation.mapping.write_text(text.replace("      imprint: imprint\n", "      imprint: no_such_field\n", 1))
    async with tenants.prepared(installation):
        pair.dam.forget_calls()
        with pytest.raises(BaseExceptionGroup) as caught:
            async with tenants.running(installation):
                pass
        pair.dam.fault(kind="hang", path="^/api/modules/")  # so that all else is quicker than what compares it
        stopping = asyncio.Event()
        async with runtime.opened(installation) as it:
            running = asyncio.create_task(process.run(it, stopping))
            await tenants.until(lambda: running.done() or _reads(it), what="the documents of Consonance")
            assert not running.done()
            stopping.set()
            await asyncio.wait_for(running, installation.shutdown.grace)
    assert caught.group_contains(MappingError, match="no_such_field")
    described = re.compile(r"/api/modules/[^/]+|/api/system/value-options")
    paths = {call["path"] for call in pair.dam.get("/sandbox/calls")["calls"]}
    assert paths
    assert {path for path in paths if not described.fullmatch(path)} == set()


async def _reads(it: runtime.Installation) -> bool:
    async with it.db.read() as c:
        return (await c.execute(sa.select(dossier.document_table).limit(1))).first() is not None


async def _active(it: runtime.Installation) -> int | None:
    async with it.db.read() as c:
        return await facts.active_number(c)
