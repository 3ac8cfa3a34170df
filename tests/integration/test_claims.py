"""One resource and the titles that want it: who has it, who lets go of it, and who is due by that."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

import tenants
from frontlist import Absent, Capabilities, Ensure, FieldKey, Plan, Resource, TitleKey
from frontlist.contract import (
    Context,
    Document,
    DocumentKey,
    Dossier,
    Mode,
    Revision,
    Target,
)
from frontlist.ensure import Delivery
from frontlist.ordering import stated_at
from frontlist.orders import left_to
from frontlist.state import applied, dossier, findings, recovered, settled, work
from frontlist.state.images import before_table
from frontlist.work import Worker
from integration.test_ensure import Place, Removing, Wishes, worked
from integration.test_ensure import place as place
from integration.test_rules import Gate

SHARED = Resource("shelf", "record", "shared")
OLD, NEW = "work:1", "work:2"
LIVE, OFF = {"live": True}, {"live": False}


class Claims(Wishes):
    """Every title wants the same record, lets go of it (`gone`), or says nothing of it."""

    def __init__(self, *, removes: bool = False) -> None:
        super().__init__()
        self.removes, self.beside = removes, False

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        wanted = dict(self.fields.get(dossier.title) or {})
        if not wanted:
            return Plan()
        gone = wanted.pop("gone", False)
        if gone and self.removes:
            return Plan((Absent(SHARED, 1, "the title has it no longer"),))
        fields = {FieldKey(key): value for key, value in wanted.items()}
        beside = Ensure(Resource("elsewhere", "record", dossier.title), {FieldKey("a"): 1}, 1)
        wants = Ensure(SHARED, fields, 1, create=not gone, releases=gone)
        return Plan((wants, beside) if self.beside else (wants,))


@dataclass
class Claiming(Place):
    """The same with that consumer, and further targets where a worker needs them."""

    wishes: Claims

    def worker(self, more: Mapping[str, Target] | None = None, **delivery: Any) -> Worker:
        found = super().worker(**delivery)
        if more:
            targets = {"shelf": self.shelf, **more}
            found.delivery = Delivery(self.db, targets, process=found.process, clock=self.clock, journal="journal")
            found.planner.capabilities = lambda: dict.fromkeys(targets, Capabilities())
        return found


async def has(place: Place) -> tuple[Any, str, bool]:
    """What stands there, whose it is, and whether it was let go of."""
    async with place.db.read() as c:
        row = (await applied.of_resources(c, "wishes", [SHARED]))[SHARED]
    return place.shelf.held.get("shared"), row.title, row.title_revision == 0


async def claims(place: Place, title: str, **more: Any) -> None:
    await place.wish(title, owner=title, **LIVE, **more)


async def lets_go(place: Place, title: str) -> None:
    await place.wish(title, owner=title, **OFF, gone=True)


async def state(place: Place, title: str, revision: int) -> None:
    """Another revision of what the title says, of which nothing else changes."""
    async with place.db.begin() as c:
        stored = dossier.Stored("consonance", "metadata", TitleKey(title), revision, "present", {})
        await dossier.store(place.db, c, [stored])


async def due(place: Place, title: str) -> None:
    async with place.db.begin() as c:
        await work.mark(place.db, c, [work.Due("wishes", TitleKey(title), await place.db.now(c), 40, "again")])


async def claimed_twice(place: Place) -> list[str]:
    async with place.db.read() as c:
        return [row.title for row in await findings.open_ones(c) if row.kind == "claimed-twice"]


@pytest.fixture
async def at_old(place: Place) -> Claiming:
    """The first title has the record."""
    place = Claiming(place.db, place.clock, place.shelf, Claims())
    await claims(place, OLD)
    await worked(place)
    return place


OF_NEW = ({"owner": NEW, **LIVE}, NEW, False)


async def test_the_old_title_lets_go_first_and_the_new_one_claims(at_old: Claiming) -> None:
    await lets_go(at_old, OLD)
    await worked(at_old)
    assert await has(at_old) == ({"owner": OLD, **OFF}, OLD, True)
    await claims(at_old, NEW)
    await worked(at_old)
    assert await has(at_old) == OF_NEW


async def test_the_new_title_claims_first_and_the_old_one_leaves_it_alone(at_old: Claiming) -> None:
    await claims(at_old, NEW)
    await worked(at_old)
    assert (await has(at_old), await claimed_twice(at_old)) == (OF_NEW, [OLD])
    await lets_go(at_old, OLD)
    reads, writes = at_old.shelf.reads, len(at_old.shelf.writes)
    await worked(at_old)
    assert (await has(at_old), await claimed_twice(at_old)) == (OF_NEW, [])
    assert (at_old.shelf.reads, len(at_old.shelf.writes)) == (reads, writes), "not even looked at"
    assert (await at_old.row(OLD)).outcome == "unchanged"


async def test_both_at_the_same_time_end_at_the_new_title(at_old: Claiming) -> None:
    await lets_go(at_old, OLD)
    await claims(at_old, NEW)
    await worked(at_old)
    assert (await has(at_old), await claimed_twice(at_old)) == (OF_NEW, [])


@pytest.mark.parametrize("first", [OLD, NEW])
async def test_a_plan_that_was_overtaken_by_the_other_title_is_made_anew(at_old: Claiming, first: str) -> None:
    """Each replica has planned before the other one writes."""
    await lets_go(at_old, OLD)
    slow = at_old.worker()
    if first == NEW:
        await work_of(at_old, OLD)
        await claims(at_old, NEW)

    async def meanwhile(name: str) -> None:
        if name == "planned":
            slow.step = slow.delivery.step
            if first == OLD:
                await claims(at_old, NEW)
            else:
                await lets_go(at_old, OLD)
            await at_old.work(1)

    slow.step = meanwhile
    await slow.once()
    await worked(at_old)
    assert (await has(at_old), await claimed_twice(at_old)) == (OF_NEW, [])


async def work_of(place: Place, title: str) -> None:
    """Its row is worked off, without a trace of what it says now."""
    said = place.wishes.fields.pop(title)
    await worked(place)
    place.wishes.fields[title] = said


async def test_a_claim_that_waits_for_another_title_is_due_when_that_lets_go(at_old: Claiming) -> None:
    old = at_old.wishes.fields[OLD]
    await claims(at_old, NEW)
    at_old.wishes.fields[OLD] = old
    await claims(at_old, OLD)  # the newer statement has it again, and the other one is refused from now on
    await worked(at_old)
    assert (await has(at_old), await claimed_twice(at_old)) == (({"owner": OLD, **LIVE}, OLD, False), [NEW])
    await lets_go(at_old, OLD)
    await worked(at_old)
    assert (await has(at_old), await claimed_twice(at_old)) == (OF_NEW, [])


async def test_a_title_that_was_refused_is_due_though_the_other_lets_go_before_it_is_finished(at_old: Claiming) -> None:
    """What it wants of another target takes long, and its findings are settled after that."""
    gate = Gate(name="elsewhere", hangs={NEW})
    await claims(at_old, NEW)
    await work_of(at_old, NEW)
    await claims(at_old, OLD, n=1)
    await worked(at_old)
    at_old.wishes.beside = True
    slow = at_old.worker({"elsewhere": gate})
    await due(at_old, NEW)
    working = asyncio.create_task(slow.once())
    await asyncio.wait_for(gate.arrived.wait(), 20)

    async def refused() -> bool:
        return await claimed_twice(at_old) == [NEW]

    await tenants.until(refused, seconds=20, what="the finding of the title that was refused")
    await lets_go(at_old, OLD)
    await at_old.worker().once()
    assert (await has(at_old))[1:] == (OLD, True)
    gate.go_on.set()
    await working
    await worked(at_old)
    there, *whose = await has(at_old)
    assert (there["owner"], there["live"], whose, await claimed_twice(at_old)) == (NEW, True, [NEW, False], [])


async def test_a_release_that_was_cut_off_makes_the_others_due_when_it_is_settled(at_old: Claiming) -> None:
    await claims(at_old, NEW)
    await claims(at_old, OLD)
    await worked(at_old)
    await lets_go(at_old, OLD)
    await at_old.dies_after_writing()
    assert (await has(at_old))[1:] == (OLD, True)
    at_old.clock.offset_us += 60_000_000  # its process is dead, and so are its leases
    await worked(at_old)
    assert (await has(at_old), await claimed_twice(at_old)) == (OF_NEW, [])


async def test_two_titles_that_both_want_it_settle_at_the_newest_and_writes_stop(at_old: Claiming) -> None:
    await claims(at_old, NEW)
    await worked(at_old)
    writes = len(at_old.shelf.writes)
    for _ in range(3):
        for title in (OLD, NEW):
            await due(at_old, title)
        await worked(at_old)
    assert (await has(at_old), len(at_old.shelf.writes), await claimed_twice(at_old)) == (OF_NEW, writes, [OLD])


async def test_titles_with_one_and_the_same_revision_do_not_take_it_from_each_other(place: Place) -> None:
    place.wishes = Claims()
    for title in (OLD, NEW):
        await claims(place, title)
    async with place.db.read() as c:
        at = await place.db.now(c) + 5_000_000
    for title in (OLD, NEW):
        await state(place, title, at)
    await worked(place)
    there, writes = await has(place), len(place.shelf.writes)
    for title in (OLD, NEW):
        await due(place, title)
    await worked(place)
    assert (await has(place), len(place.shelf.writes)) == (there, writes)
    assert len(await claimed_twice(place)) == 1


async def test_what_was_let_go_of_without_a_field_that_says_so_is_free_all_the_same(at_old: Claiming) -> None:
    """A module without a field for it: the last word is what stands there already."""
    await at_old.wish(OLD, owner=OLD, **LIVE, gone=True)
    writes = len(at_old.shelf.writes)
    await worked(at_old)
    assert ((await has(at_old))[1:], len(at_old.shelf.writes)) == ((OLD, True), writes)
    await claims(at_old, OLD)
    await worked(at_old)
    assert (await has(at_old))[1:] == (OLD, False)


async def test_a_record_that_the_other_title_has_is_not_removed(place: Place) -> None:
    place.wishes, place.shelf = Claims(removes=True), Removing()
    await claims(place, OLD)
    await worked(place)
    await claims(place, NEW)
    await worked(place)
    writes = len(place.shelf.writes)
    await lets_go(place, OLD)
    await worked(place)
    assert (await has(place), len(place.shelf.writes)) == (OF_NEW, writes), "nor removed and made again"


async def test_a_record_that_was_removed_is_made_for_the_other_title(place: Place) -> None:
    place.wishes, place.shelf = Claims(removes=True), Removing()
    await claims(place, OLD)
    await worked(place)
    await lets_go(place, OLD)
    await worked(place)
    assert place.shelf.held == {}
    await claims(place, NEW)
    await worked(place)
    assert await has(place) == OF_NEW


async def test_nothing_is_proposed_for_what_another_title_has(at_old: Claiming) -> None:
    await claims(at_old, NEW)
    await worked(at_old)
    async with at_old.db.begin() as c:
        await settled.save_decisions(at_old.db, c, [settled.Decision("mode", "*/*", Mode.PROPOSE.value, 2)])
    await lets_go(at_old, OLD)
    await worked(at_old)
    async with at_old.db.read() as c:
        assert [row.kind for row in await findings.open_ones(c)] == []
    assert (await at_old.row(OLD)).outcome == "unchanged"


def test_what_the_target_states_itself_is_no_newer_claim() -> None:
    mine, theirs, other = (DocumentKey(*each.split(".")) for each in ("consonance.metadata", "shelf.metadata", "x.y"))

    wishes = Wishes(wants=frozenset({mine, theirs}))

    def found(**revisions: int) -> int:
        named = {"mine": mine, "theirs": theirs, "other": other}
        documents = {
            named[name]: Document(named[name], TitleKey(OLD), "present", Revision(at)) for name, at in revisions.items()
        }
        return stated_at(wishes, Dossier(TitleKey(OLD), documents), "shelf")  # type: ignore[arg-type]

    assert found(mine=5, theirs=9, other=20) == 5
    assert found(theirs=9, other=20) == 9
    assert found() == 0


def test_a_title_that_says_nothing_yet_has_nothing_to_leave() -> None:
    desired = Ensure(SHARED, {}, 1, create=False, releases=True)
    assert left_to(desired, None, TitleKey(OLD)) is None


async def moves(place: Claiming, first: str) -> None:
    """The record goes to the new title, which has no note; `first`: who is worked first."""
    for title in (OLD, NEW) if first == OLD else (NEW, OLD):
        await (lets_go(place, OLD) if title == OLD else claims(place, NEW, note=None))
        await worked(place)


@pytest.mark.parametrize("first", [OLD, NEW])
async def test_what_the_old_title_alone_has_filled_is_emptied(at_old: Claiming, first: str) -> None:
    await claims(at_old, OLD, note="of the old one")
    await worked(at_old)
    await moves(at_old, first)
    assert await has(at_old) == ({"owner": NEW, **LIVE, "note": None}, NEW, False)
    async with at_old.db.read() as c:
        images = await c.execute(before_table.select().where(before_table.c.field == "note"))
    assert [(row.was, row.becomes) for row in images if row.title == NEW] == [('"of the old one"', "null")]


@pytest.mark.parametrize("first", [OLD, NEW])
async def test_what_a_person_made_of_it_meanwhile_is_left(at_old: Claiming, first: str) -> None:
    await claims(at_old, OLD, note="of the old one")
    await worked(at_old)
    at_old.shelf.held["shared"]["note"] = "a person's"
    await moves(at_old, first)
    for _ in range(2):
        await due(at_old, NEW)
        await worked(at_old)
    assert await has(at_old) == ({"owner": NEW, **LIVE, "note": "a person's"}, NEW, False)
    assert await at_old.findings() == []


@pytest.mark.parametrize("first", [OLD, NEW])
async def test_what_nobody_of_us_has_filled_is_left_when_the_record_moves(at_old: Claiming, first: str) -> None:
    at_old.shelf.held["shared"]["note"] = "a person's"
    await moves(at_old, first)
    assert await has(at_old) == ({"owner": NEW, **LIVE, "note": "a person's"}, NEW, False)


async def test_a_write_in_doubt_of_the_old_title_is_emptied_too(at_old: Claiming) -> None:
    """What stands there is not what was remembered, and nobody else has written."""
    await claims(at_old, OLD, note="remembered")
    await worked(at_old)
    await claims(at_old, OLD, note="not remembered")
    await at_old.dies_after_writing()
    at_old.clock.offset_us += 60_000_000
    await moves(at_old, NEW)
    assert await has(at_old) == ({"owner": NEW, **LIVE, "note": None}, NEW, False)


async def test_what_was_let_go_of_and_changed_by_a_person_is_no_drift(at_old: Claiming) -> None:
    await claims(at_old, OLD, note="of the old one")
    await lets_go(at_old, OLD)
    await worked(at_old)
    at_old.shelf.held["shared"]["note"] = "a person's"
    await state(at_old, OLD, 2**61)
    async with at_old.db.begin() as c:
        await recovered.doubt_all(c)
    for _ in range(2):  # in doubt, and once more later, when nothing is
        await due(at_old, OLD)
        await worked(at_old)
        at_old.clock.offset_us += 1000 * 1_000_000
    assert at_old.shelf.held["shared"]["note"] == "a person's"
    assert await at_old.findings() == []
