"""A lost database: refused beside a history, rebuilt from the topics, and nothing is created twice."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import tenants
from acceptance.test_crashes import edit, ours, record
from frontlist import process, recovering, runtime
from frontlist.errors import ConfigurationError
from frontlist.settings import Settings
from frontlist.state import installation, schema, settled
from frontlist.state.applied import applied_table
from frontlist.state.dossier import document_table
from frontlist.state.findings import finding_table
from frontlist.state.images import before_table

WHOLE = True


async def with_words(it, pair) -> None:
    """All is settled, and a text of ours is in Consonance."""
    await tenants.settled(it)
    edit(pair, 61001, "the words")
    await tenants.until(lambda: ours(pair, 61001) == ["the words"], what="the text")
    await tenants.settled(it)


async def test_a_lost_database_is_rebuilt_and_nothing_is_created_twice(
    tmp_path: Path, database_url, kafka_bootstrap, topic_prefix, pair
) -> None:
    first = tenants.settings(tmp_path, f"sqlite:///{tmp_path}/first.sqlite", kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(first), tenants.running(first) as it:
        await with_words(it, pair)
    records, texts = pair.records(), ours(pair, 61001)
    second = tenants.settings(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(second, mode=None):
        with pytest.raises(ConfigurationError, match="frontlist rebuild"):
            async with tenants.running(second):
                pass
        async with runtime.opened(second) as it:
            counts = await recovering.rebuild(it)
        assert counts[f"{topic_prefix}.consonance.metadata.v1"] >= 13
        pair.dam.forget_calls()
        pair.consonance.forget_calls()
        async with tenants.running(second) as it:
            await tenants.settled(it)
            edit(pair, 61002, "after the rebuild")
            await tenants.until(lambda: ours(pair, 61002) == ["after the rebuild"], what="a change after the rebuild")
            await tenants.settled(it)
    assert len(pair.records()) == len(records)
    assert ours(pair, 61001) == texts


async def test_what_a_person_deleted_stays_gone_after_a_rebuild(
    tmp_path: Path, database_url, kafka_bootstrap, topic_prefix, pair
) -> None:
    """A record in 4ALLPORTAL, a text in Consonance; what is there is not written again."""
    first = tenants.settings(tmp_path, f"sqlite:///{tmp_path}/first.sqlite", kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(first), tenants.running(first) as it:
        await with_words(it, pair)
    gone = pair.records()[0]["id"]
    pair.dam.send("DELETE", f"/sandbox/objects/product/{gone}")
    [text] = [one for one in pair.tenant.works[61001].marketing_texts if one.external_text_markdown == "the words"]
    pair.consonance.send("DELETE", f"/sandbox/works/61001/marketing_texts/{text.id}")
    assert ours(pair, 61001) == []
    second = tenants.settings(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(second, mode=None):
        async with runtime.opened(second) as it:
            await recovering.rebuild(it)
        pair.dam.forget_calls()
        async with tenants.running(second) as it:
            await tenants.settled(it)
            async with it.db.read() as c:
                found = await c.execute(finding_table.select().where(finding_table.c.kind == "removed-by-a-person"))
            assert sorted(row.where_.split("/")[1] for row in found) == ["product", "text"]
    assert gone not in {each["id"] for each in pair.records()}
    assert ours(pair, 61001) == []
    assert pair.dam.writes() == 0


async def test_after_a_rebuild_an_empty_value_erases_what_we_wrote_and_nothing_else(
    tmp_path: Path, database_url, kafka_bootstrap, topic_prefix, pair
) -> None:
    first = tenants.settings(tmp_path, f"sqlite:///{tmp_path}/first.sqlite", kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(first), tenants.running(first) as it:
        await tenants.settled(it)
        pair.consonance.send("PATCH", "/sandbox/works/61001", {"authorship_description": "ours, once"})
        await tenants.until(lambda: cell(pair, "author_line") == "ours, once", what="the line")
        await tenants.settled(it)
        assert cell(pair, "subtitle") is None
    pair.dam.send("POST", "/sandbox/objects/title", {"id": record(pair, 61001)["id"], "subtitle": "a person's"})
    pair.consonance.send("PATCH", "/sandbox/works/61001", {"authorship_description": None})
    # Published, and not worked before the database is lost.
    async with tenants.running(first, parts=("capture", "intake")) as it:
        await tenants.until(lambda: said_nowhere(it, "ours, once"), what="the empty line on the topics")
    second = tenants.settings(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(second, mode=None):
        async with runtime.opened(second) as it:
            await recovering.rebuild(it)
        async with tenants.running(second) as it:
            await tenants.until(lambda: cell(pair, "author_line") is None, what="the line erased")
            await tenants.settled(it)
    assert cell(pair, "subtitle") == "a person's"


async def said_nowhere(it: runtime.Installation, words: str) -> bool:
    async with it.db.read() as c:
        bodies = (await c.execute(sa.select(document_table.c.body))).scalars().all()
    return not any(words in (body or "") for body in bodies)


def cell(pair: tenants.Pair, field: str) -> Any:
    return tenants.value(record(pair, 61001), field)


class KilledError(Exception):
    """The rebuild ends here."""


async def half(settings: Settings, place: int) -> None:
    """A rebuild that is killed when so many topics are read."""

    def say(line: str) -> None:
        if line.startswith(f"topic {place} of "):
            raise KilledError

    async with runtime.opened(settings, rebuilding=True) as it:
        with pytest.raises(KilledError):
            await recovering.rebuild(it, say)


async def contents(settings: Settings) -> dict[str, Any]:
    """What a rebuild restores."""
    async with runtime.opened(settings) as it, it.db.read() as c:
        links, decisions = await settled.everything(c)
        documents = await c.execute(document_table.select())
        rows = await c.execute(applied_table.select())
        images = await c.execute(before_table.select().order_by(before_table.c.number))
        identity = ("installation", "identity")  # one of its own for each database
        active = await installation.active(c)
        return {
            "links": sorted(map(repr, links)),
            "decisions": sorted(repr(each) for each in decisions if (each.kind, each.key) != identity),
            "documents": sorted(map(repr, documents)),
            # Each rebuild doubts from its own time on, and draws its own numbers.
            "applied": sorted(repr({**row._mapping, "doubt_since": None}) for row in rows),
            "before-images": [repr({**row._mapping, "number": 0}) for row in images],
            "consumers": sorted(await installation.registered(c)),
            "mapping": active and active.fingerprint,
        }


async def test_half_a_rebuild_is_refused_by_everything_else_until_another_one_made_it_whole(
    tmp_path: Path, sqlite_url, kafka_bootstrap, topic_prefix, pair
) -> None:
    def named(name: str) -> Settings:
        return tenants.settings(tmp_path, f"sqlite:///{tmp_path}/{name}", kafka_bootstrap, topic_prefix, pair)

    first, whole, broken = named("first"), named("whole"), named("broken")
    async with tenants.prepared(first), tenants.running(first) as it:
        await tenants.settled(it)
    async with tenants.prepared(whole, mode=None), runtime.opened(whole) as it:
        topics = len(await recovering.rebuild(it))
    async with tenants.prepared(broken, mode=None):
        for place in range(1, topics + 1):
            await half(broken, place)
            with pytest.raises(ConfigurationError, match="was interrupted") as refused:
                async with tenants.running(broken):
                    pass
            assert "`frontlist rebuild` again" in refused.value.cure
        async with runtime.opened(broken, rebuilding=True) as it:
            await recovering.rebuild(it)
        assert await contents(broken) == await contents(whole)
        assert (await contents(whole))["before-images"]
        pair.dam.forget_calls()
        async with tenants.running(broken) as it:
            await tenants.settled(it)
    assert pair.dam.writes() == 0


async def test_a_start_that_began_before_the_rebuild_is_refused_too(
    tmp_path: Path, database_url, kafka_bootstrap, topic_prefix, pair
) -> None:
    """Its database was empty when it was opened."""
    found = tenants.settings(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(found, mode=None), runtime.opened(found) as early:
        await half(found, 1)
        with pytest.raises(ConfigurationError, match="was interrupted"):
            await asyncio.wait_for(process.run(early, asyncio.Event()), 60)


async def test_a_database_that_an_installation_works_with_is_not_rebuilt(
    tmp_path: Path, postgresql_url, kafka_bootstrap, topic_prefix, pair
) -> None:
    found = tenants.settings(tmp_path, postgresql_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(found), tenants.running(found) as it:
        await tenants.settled(it)
        async with runtime.opened(found, rebuilding=True) as other:
            with pytest.raises(ConfigurationError, match="is not empty") as refused:
                await recovering.rebuild(other)
        assert "empty one" in refused.value.cure
        edit(pair, 61001, "goes on")
        await tenants.until(lambda: ours(pair, 61001) == ["goes on"], what="a change beside it")
        await tenants.settled(it)


async def test_of_two_rebuilds_at_once_the_second_is_refused(
    tmp_path: Path, database_url, kafka_bootstrap, topic_prefix, pair
) -> None:
    found = tenants.settings(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)
    begun, go_on = threading.Event(), threading.Event()

    def say(_: str) -> None:
        begun.set()
        assert go_on.wait(60)

    async def first() -> None:
        async with runtime.opened(found) as it:
            await recovering.rebuild(it, say)

    async with tenants.prepared(found, mode=None):
        rebuilding = asyncio.create_task(asyncio.to_thread(asyncio.run, first()))
        try:
            assert await asyncio.to_thread(begun.wait, 60)
            async with runtime.opened(found, rebuilding=True) as it:
                with pytest.raises(ConfigurationError, match="another process"):
                    await recovering.rebuild(it)
        finally:
            go_on.set()
            await rebuilding
        async with runtime.opened(found):
            pass  # whole


async def test_another_tenants_database_is_refused(
    tmp_path: Path, sqlite_url, kafka_bootstrap, topic_prefix, pair
) -> None:
    found = tenants.settings(tmp_path, sqlite_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(found), tenants.running(found):
        pass
    other = found.model_copy(update={"tenant": "another"})
    with pytest.raises(ConfigurationError, match="belongs to installation 'test'"):
        async with tenants.running(other):
            pass


async def test_the_schema_is_upgraded_twice_without_harm(database_url) -> None:
    from frontlist.clock import Clock
    from frontlist.state.database import Database

    db = Database(database_url, Clock())
    await schema.upgrade(db)
    await schema.upgrade(db)
    await schema.check(db)
    await db.close()
