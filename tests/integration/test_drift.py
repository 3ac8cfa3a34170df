"""Cells of ours that somebody else changes: noticed by the feed, set back once, and never in a hot loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

import tenants
from frontlist import Absent, Actual, Done, Ensure, Plan, Resource, TitleKey, drift, runtime
from frontlist.contract import Context, Desired, Dossier, FieldKey, Step, StepOutcome
from frontlist.instruments import Instruments
from frontlist.settings import Settings
from frontlist.source import Raw, RawKey
from frontlist.state import findings, settled
from frontlist.state.applied import applied_table
from frontlist.state.drift import look_table
from frontlist.state.images import before_table
from frontlist.state.mirror import Stored
from integration.test_ensure import Place, Shelf, Wishes
from integration.test_ensure import place as place

PRODUCT, SIBLING = 94001, 94002
OURS, THEIRS = "author_line", "description_short"


def record(pair: tenants.Pair, product: int = PRODUCT) -> dict[str, Any]:
    return next(each for each in pair.records() if tenants.value(each, "consonance_product_id") == product)


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


async def gone(it: runtime.Installation) -> list[str]:
    async with it.db.read() as c:
        return sorted(row.where_ for row in await findings.open_ones(c) if row.kind == "removed-by-a-person")


async def found(it: runtime.Installation, where: str) -> bool:
    return where in await gone(it)


def delete(pair: tenants.Pair) -> dict[str, Any]:
    deleted = record(pair)
    pair.dam.send("DELETE", f"/sandbox/objects/product/{deleted['id']}")
    return deleted


async def test_a_record_that_a_person_deletes_is_a_finding_though_nothing_of_its_title_changes(
    installation: Settings, pair: tenants.Pair
) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        forget(pair)
        where = f"fourallportal/product/{delete(pair)['id']}"
        await tenants.until(lambda: found(it, where), what="the finding")
        await tenants.settled(it)
        assert (await gone(it), pair.dam.writes(), pair.consonance.writes()) == ([where], 0, 0)


async def test_the_finding_stays_while_the_title_is_worked_again_and_closes_once_the_record_is_back(
    installation: Settings, pair: tenants.Pair
) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        deleted = delete(pair)
        where = f"fourallportal/product/{deleted['id']}"
        await tenants.until(lambda: found(it, where), what="the finding")
        await tenants.settled(it)
        pair.consonance.send("PATCH", f"/sandbox/products/{SIBLING}", {"page_counts": {"page_count": 777}})
        await tenants.until(
            lambda: tenants.value(record(pair, SIBLING), "page_count") == 777, what="its sibling's pages"
        )
        await tenants.settled(it)
        it.clock.offset_us += 25 * 3_600_000_000
        await tenants.settled(it)
        assert await gone(it) == [where]
        pair.dam.send("POST", "/sandbox/objects/product", {"id": deleted["id"], **deleted["fields"]})
        await tenants.until(lambda: closed(it), what="the finding closed")
        await tenants.settled(it)
        assert await gone(it) == []


async def closed(it: runtime.Installation) -> bool:
    return not await gone(it)


@dataclass
class Emptied(Shelf):
    """A shelf from which we may take records ourselves; `then`: what happens while we do."""

    then: Callable[[], Awaitable[None]] | None = None

    def steps(self, desired: Desired, actual: Actual | None, progress: Mapping[str, Any]) -> Sequence[Step]:
        if isinstance(desired, Ensure):
            return super().steps(desired, actual, progress)
        return [Step(desired.resource, "take", None)] if actual and not progress else []

    async def write(self, steps: Sequence[Step], deadline: float) -> Sequence[StepOutcome]:
        if steps[0].name != "take":
            return await super().write(steps, deadline)
        for step in steps:
            del self.held[step.resource.id]
        if self.then is not None:
            await self.then()
        return [Done() for _ in steps]


@dataclass
class Linked(Wishes):
    """The record of a title is the one that it is linked to. `away`: it is to be gone."""

    to: dict[str, str] = field(default_factory=dict)
    away: bool = False

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        record = Resource("shelf", "record", self.to.get(dossier.title, dossier.title))
        if self.away:
            return Plan((Absent(record, 1, "not wanted any more", brake=False),))
        return Plan((Ensure(record, {FieldKey("title"): "A"}, 1),))


class Feed:
    """What `notice` asks a source for."""

    name = "shelf"

    def contradicts(self, raw: Raw, fields: Mapping[FieldKey, Any]) -> frozenset[FieldKey]:
        return frozenset()


async def shows_gone(place: Place, id_: str) -> int:
    """Capture stores that the record is gone; answers how many are read again for that."""
    key = RawKey("record", id_)
    stored = Stored()
    stored.written.append(key)
    async with place.db.begin() as c:
        began, read = await place.db.now(c), {key: (Raw(key, None), TitleKey(id_))}
        await drift.notice(place.db, c, Feed(), read, stored, began, 600_000_000)  # type: ignore[arg-type]
        query = sa.select(sa.func.count()).where(applied_table.c.look_again_at.is_not(None))
        return int((await c.execute(query)).scalar_one())


async def test_what_we_took_away_ourselves_is_neither_looked_for_nor_a_finding(place: Place) -> None:
    place.wishes, place.shelf = Linked(), Emptied(held={"work:1": {"title": "A"}})
    await place.wish("work:1", title="A")
    await place.work()
    place.wishes.away = True

    async def noticed() -> None:
        await shows_gone(place, "work:1")

    place.shelf.then = noticed  # capture is so quick that the write is not even remembered
    await place.wish("work:1")
    await place.work()
    assert (place.shelf.held, await place.findings()) == ({}, [])
    assert await shows_gone(place, "work:1") == 0
    assert (await place.row("work:1")).due_at is None


async def test_a_record_that_is_gone_after_its_title_was_linked_to_another_is_no_finding(place: Place) -> None:
    place.wishes = Linked(to={"work:1": "old"})
    await place.wish("work:1")
    await place.work()
    place.wishes.to["work:1"] = "new"
    await place.wish("work:1")
    await place.work()
    del place.shelf.held["old"]
    assert await shows_gone(place, "old") == 1
    await place.work()
    assert (place.shelf.held, await place.findings()) == ({"new": {"title": "A"}}, [])
    assert (await place.row("work:1")).due_at is None
    place.wishes.to["work:1"] = "old"  # the link is taken back: what a person deleted is not made again
    await place.wish("work:1")
    await place.work()
    assert (sorted(place.shelf.held), await place.findings()) == (["new"], ["removed-by-a-person"])


async def test_what_is_found_to_be_gone_under_observe_is_a_finding_once_the_mode_applies(place: Place) -> None:
    await place.wish("work:1", title="A")
    await place.work()
    await mode(place, "observe")
    del place.shelf.held["work:1"]
    assert await shows_gone(place, "work:1") == 1
    await place.work()
    assert await place.findings() == []
    await mode(place, "apply")
    await place.wish("work:1", title="A")
    await place.work()
    assert (place.shelf.held, await place.findings()) == ({}, ["removed-by-a-person"])
    place.shelf.held["work:1"] = {"title": "A"}
    await place.wish("work:1", title="A")
    await place.work()
    assert await place.findings() == []
    reads = place.shelf.reads
    await place.wish("work:1", title="A")
    await place.work()
    assert place.shelf.reads == reads, "it is there again, so it need not be read"


async def mode(place: Place, name: str) -> None:
    async with place.db.begin() as c:
        [number] = await place.db.draw(c)
        await settled.save_decisions(place.db, c, [settled.Decision("mode", "*/*", name, number)])
