"""Cells of ours that somebody else changes: noticed by the feed, set back once, and never in a hot loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import tenants
from frontlist import runtime
from frontlist.instruments import Instruments
from frontlist.settings import Settings
from frontlist.state import findings
from frontlist.state.applied import applied_table, before_table
from frontlist.state.drift import look_table

PRODUCT = 94001
OURS, THEIRS = "author_line", "description_short"


@pytest.fixture
def pair() -> Iterator[tenants.Pair]:
    with tenants.pair() as both:
        yield both


@pytest.fixture
def installation(
    tmp_path: Path, database_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> Settings:
    return tenants.settings(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)


def record(pair: tenants.Pair) -> dict[str, Any]:
    return next(each for each in pair.records() if tenants.value(each, "consonance_product_id") == PRODUCT)


def edit(pair: tenants.Pair, **fields: Any) -> None:
    pair.dam.send("POST", "/sandbox/objects/product", {"id": record(pair)["id"], **fields})


async def rows(it: runtime.Installation, table: sa.Table) -> list[Any]:
    async with it.db.read() as c:
        return list((await c.execute(sa.select(table))).all())


async def drifts(it: runtime.Installation) -> list[str]:
    async with it.db.read() as c:
        return [row.where_ for row in await findings.open_ones(c) if row.kind == "drift"]


def forget(pair: tenants.Pair) -> None:
    pair.dam.forget_calls()
    pair.consonance.forget_calls()


async def test_an_edit_of_our_cell_is_set_back_with_a_finding_and_nothing_else_is_written(
    installation: Settings, pair: tenants.Pair
) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        before, id_ = pair.records(), record(pair)["id"]
        was = tenants.value(record(pair), OURS)
        assert was
        forget(pair)
        edit(pair, **{OURS: "Somebody else"})
        await tenants.until(lambda: tenants.value(record(pair), OURS) == was, what="the value of Consonance")
        await tenants.settled(it)
        assert await drifts(it) == [f"fourallportal/product/{id_} {OURS}"]
        images = [row for row in await rows(it, before_table) if row.was == '"Somebody else"']
        assert [(row.id, row.field) for row in images] == [(id_, OURS)]
        assert (pair.dam.writes(), pair.consonance.writes()) == (1, 0)
        assert isinstance(it.observed, Instruments)
        labels = 'became="set back",field="product/author_line",target="fourallportal"'
        assert f"frontlist_drifted_cells_total{{{labels}}} 1.0" in it.observed.text().decode()
        assert [fields(each) for each in pair.records()] == [fields(each) for each in before]


def fields(found: dict[str, Any]) -> tuple[str, Any]:
    return found["id"], found["fields"]


async def test_a_cleared_cell_of_ours_is_set_back_too(installation: Settings, pair: tenants.Pair) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        was = tenants.value(record(pair), OURS)
        edit(pair, **{OURS: None})
        await tenants.until(lambda: tenants.value(record(pair), OURS) == was, what="the value of Consonance")


async def test_a_cleared_marker_is_set_back_though_the_record_looks_unclaimed(
    installation: Settings, pair: tenants.Pair
) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        work, id_ = tenants.value(record(pair), "consonance_work_id"), record(pair)["id"]
        edit(pair, consonance_work_id=None)
        await tenants.until(lambda: tenants.value(record(pair), "consonance_work_id") == work, what="the marker")
        await tenants.settled(it)
        assert record(pair)["id"] == id_


async def test_our_own_writes_and_edits_of_other_cells_are_no_drift(installation: Settings, pair: tenants.Pair) -> None:
    """What comes back of our own is compared in the mirror: no call, no mark."""
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        pair.consonance.send("PATCH", "/sandbox/works/61001", {"authorship_description": "A new line"})
        await tenants.until(lambda: tenants.value(record(pair), OURS) == "A new line", what="the new line")
        await tenants.settled(it)
        forget(pair)
        edit(pair, **{THEIRS: [{"dimensions": {"locale": "en_GB"}, "value": "Their draft."}]})
        await tenants.until(lambda: seen(it, "Their draft."), what="the draft in the mirror")
        await tenants.settled(it)
        assert await rows(it, look_table) == []
        assert await drifts(it) == []
        assert reads(pair) == []
        assert pair.dam.writes() == 0


def reads(pair: tenants.Pair) -> list[str]:
    """Calls to read records for writing; the feed's own are through the connector."""
    calls = pair.dam.get("/sandbox/calls")["calls"]
    return [each["path"] for each in calls if "/modules/" in each["path"] and "/objects" in each["path"]]


async def seen(it: runtime.Installation, text: str) -> bool:
    async with it.db.read() as c:
        query = "SELECT count(*) FROM raw WHERE body LIKE '%" + text + "%'"
        return bool((await c.exec_driver_sql(query)).scalar_one())


async def test_a_cell_that_somebody_changes_again_and_again_is_set_back_once_in_a_while(
    installation: Settings, pair: tenants.Pair
) -> None:
    """The second edit waits for `capture.drift_rest`, however often it is made."""
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        was = tenants.value(record(pair), OURS)
        edit(pair, **{OURS: "Edit 0"})
        await tenants.until(lambda: tenants.value(record(pair), OURS) == was, what="the first healing")
        await tenants.settled(it)
        forget(pair)
        for n in range(1, 4):
            edit(pair, **{OURS: f"Edit {n}"})
            await tenants.until(lambda n=n: watched(it, f"Edit {n}"), what="the edit in the mirror")
        await tenants.settled(it)
        assert (tenants.value(record(pair), OURS), pair.dam.writes(), reads(pair)) == ("Edit 3", 0, [])
        [mark] = await rows(it, look_table)
        async with it.db.read() as c:
            assert mark.look_at > await it.db.now(c) + 300_000_000
        it.clock.offset_us += 601_000_000
        await tenants.until(lambda: tenants.value(record(pair), OURS) == was, what="the second healing")
        await tenants.settled(it)
        assert pair.dam.writes() == 1


async def watched(it: runtime.Installation, text: str) -> bool:
    async with it.db.read() as c:
        query = "SELECT count(*) FROM raw WHERE watched LIKE '%" + text + "%'"
        return bool((await c.exec_driver_sql(query)).scalar_one())


async def test_drift_under_observe_is_neither_written_nor_looked_at_again_and_again(
    installation: Settings, pair: tenants.Pair
) -> None:
    from frontlist.cli.deciding import decide

    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        await decide(it, "mode", "*/*", "observe")
        await tenants.settled(it)
        forget(pair)
        edit(pair, **{OURS: "Somebody else"})
        await tenants.until(lambda: watched(it, "Somebody else"), what="the edit in the mirror")
        await tenants.until(lambda: looked(it), what="the look")
        assert (tenants.value(record(pair), OURS), pair.dam.writes()) == ("Somebody else", 0)


async def looked(it: runtime.Installation) -> bool:
    return bool(await rows(it, look_table)) and all(row.look_again_at is None for row in await rows(it, applied_table))
