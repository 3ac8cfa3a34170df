"""The rules of working, one by one (docs/decisions/0004 has the table); those that no other test holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import tenants
from frontlist import (
    EVERY_FIELD,
    Absent,
    Capabilities,
    Ensure,
    FieldKey,
    Plan,
    Resource,
    TitleKey,
    Writes,
    hookimpl,
    joining,
    process,
    recovering,
    runtime,
    sweeping,
)
from frontlist.brakes import Brakes, BrakeSettings
from frontlist.breaker import BreakerSettings
from frontlist.budget import Budget
from frontlist.contract import Context, Dossier, Step, StepOutcome, Wait
from frontlist.ending import within_grace
from frontlist.ensure import Delivery, EnsureSettings
from frontlist.errors import DeadLetter, Pause, Refuse, Retry
from frontlist.planning import Active, Planner
from frontlist.plugins import Plugins
from frontlist.runtime import Installation
from frontlist.state import applied, captured, dossier, findings, installation, processes, sweeps, work
from frontlist.state.database import number_table
from frontlist.storing import Storing
from frontlist.sweeping import Selection
from frontlist.systems.consonance.settings import ConsonanceSettings
from frontlist.systems.fourallportal.settings import FourallportalSettings
from frontlist.vanishing import Drafted, hold
from frontlist.work import Worker, WorkSettings
from frontlist_sandbox.consonance.model import Tenant
from integration.test_aftermath import TITLES, Scene
from integration.test_aftermath import scene as scene
from integration.test_ensure import KEY, Place, Removing, Shelf, Wishes
from integration.test_ensure import place as place
from integration.test_intake import NOW, good

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 86_400 * SECOND


@dataclass
class Gate(Shelf):
    """A target of which writes can be made to hang. `hangs`: titles; `most`: calls that were under way at once."""

    hangs: set[str] = field(default_factory=set)
    most: int = 0
    deadlines: list[float] = field(default_factory=list)
    failing: dict[str, Exception] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.arrived, self.go_on = asyncio.Event(), asyncio.Event()
        self.inside = 0
        self.batch = 1

    async def write(self, steps: Sequence[Step], deadline: float) -> Sequence[StepOutcome]:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.deadlines.append(deadline - asyncio.get_running_loop().time())
        try:
            if self.hangs & {step.resource.id for step in steps}:
                self.arrived.set()
                await self.go_on.wait()
            for step in steps:
                if step.resource.id in self.failing:
                    self.writes.append([step.resource.id])
                    raise self.failing[step.resource.id]
            return await super().write(steps, deadline)
        finally:
            self.inside -= 1


@pytest.fixture
def gate(place: Place) -> Gate:
    place.shelf = found = Gate()
    return found


class Stated(Wishes):
    def writes(self, mapping: Any) -> Writes:
        return {("shelf", "record"): frozenset({EVERY_FIELD})}


class Bringing:
    """The plugin of `wishes`."""

    @hookimpl
    def frontlist_consumers(self) -> Sequence[Any]:
        return [Stated()]


@pytest.fixture
async def it(place: Place, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation over the same database, of which `wishes` is the one consumer."""
    nowhere = tenants.Sandbox("http://127.0.0.1:9")
    nobody = tenants.Pair(nowhere, nowhere, Tenant())
    url = place.db.url.render_as_string(hide_password=False)
    found = tenants.settings(tmp_path, url, "127.0.0.1:9", "t", nobody)
    it = runtime.Installation(found, Plugins({"wishes": Bringing()}), clock=place.clock)
    yield it
    await it.close()


def worker(place: Place, consumers: Sequence[Wishes] = (), **more: Any) -> Worker:
    """With settings of its own; its claims are a process's of its own."""
    settings = EnsureSettings(**{"look_again": 900, "lease": 45, "calls_at_once": 4, **more.pop("ensure", {})})
    delivery = Delivery(
        place.db,
        {"shelf": place.shelf},
        process=place.clock.new_id(),
        clock=place.clock,
        journal="journal",
        settings=settings,
        **{key: more.pop(key) for key in ("breaker", "budgets") if key in more},
    )
    return Worker(
        place.db,
        {each.name: each for each in consumers or [place.wishes]},
        delivery,
        Planner("test", lambda: Active(1, None), lambda: {"shelf": Capabilities()}),
        clock=place.clock,
        decisions="decisions",
        waiting=more.pop("waiting", dict),
        settings=WorkSettings(**{"retry_first": 0.001, "retry_longest": 0.001, **more.pop("work", {})}),
    )


@asynccontextmanager
async def running(found: Worker) -> AsyncIterator[asyncio.Event]:
    """A worker that claims by itself, until the end of the block or of the event."""
    stopping = asyncio.Event()
    task = asyncio.create_task(found.run(stopping))
    try:
        yield stopping
    finally:
        stopping.set()
        await asyncio.wait_for(task, 30)


async def rows(place: Place) -> dict[str, Any]:
    async with place.db.read() as c:
        return {row.title: row for row in await c.execute(work.work_table.select())}


async def due(place: Place, title: str, priority: int = work.Priority.METADATA) -> None:
    async with place.db.begin() as c:
        await work.mark(place.db, c, [work.Due("wishes", TitleKey(title), await place.db.now(c), priority, "test")])


# --- no stale write --------------------------------------------------------------------------------------------------


async def test_documents_are_read_after_the_claim_number_was_drawn(place: Place) -> None:
    """What comes between claim and reading is planned from, so the claim number is never newer than what was read."""

    class Stating(Wishes):
        def plan(self, dossier: Dossier, context: Context) -> Plan:
            said = {FieldKey("title"): dossier.get("consonance", "metadata").body["title"]}
            return Plan((Ensure(Resource("shelf", "record", dossier.title), said, 1),))

    place.wishes = Stating()
    storing = Storing(place.db, "t")
    await storing.take([good("work:1", 0, body={"title": "A"})])
    one = place.worker()

    async def step(name: str) -> None:
        if name == "claimed":
            await storing.take([good("work:1", 1, NOW + 1, body={"title": "B"})])

    one.step = step
    assert await one.once() == 1
    assert (place.shelf.writes, place.shelf.held) == ([["work:1"]], {"work:1": {"title": "B"}})


async def test_the_vector_of_a_plan_is_stored_with_its_intent(place: Place) -> None:
    """Claim number, activation of the mapping, and the revision of each document."""
    await place.wish("work:1", title="A")
    await place.work()
    async with place.db.read() as c:
        [row] = await c.execute(sa.select(applied.applied_table))
        [document] = await c.execute(sa.select(dossier.document_table))
    assert applied.load(row.intent_vector) == {"activation": 1, "consonance.metadata": document.revision}
    assert row.intent_claim == (await rows(place))["work:1"].claim


async def test_titles_of_a_consumer_that_waits_are_not_claimed_and_those_of_others_are(place: Place) -> None:
    other = Wishes({"work:2": {"title": "B"}}, name="other")
    await place.wish("work:1", title="A")
    async with place.db.begin() as c:
        await work.mark(place.db, c, [work.Due("other", TitleKey("work:2"), await place.db.now(c), 40, "test")])
    waits = {"wishes": "the shelf was not asked yet what it can do"}
    found = worker(place, [place.wishes, other], waiting=lambda: waits)
    await found.once()
    assert set(place.shelf.held) == {"work:2"}
    waits.clear()
    await found.once()
    assert set(place.shelf.held) == {"work:1", "work:2"}


async def test_a_worker_whose_claim_was_taken_over_writes_nothing(place: Place) -> None:
    """Also before whoever has it now has written anything."""
    await place.wish("work:1", title="A")
    slow = place.worker()

    async def step(name: str) -> None:
        if name == "planned":
            place.clock.offset_us += 3 * SECOND  # the slow worker's heart stood still
            async with place.db.begin() as c:
                await processes.beat(place.db, c, "another", "work")
                taken = await work.claim(place.db, c, "another", await place.db.now(c), 10, ["wishes"])
                assert [each.title for each in taken] == ["work:1"]

    slow.step = step
    await slow.once()
    assert place.shelf.writes == []


async def test_a_database_whose_numbers_went_back_is_read_back_before_anything_is_claimed(place: Place) -> None:
    """Also where no record came since the backup, so that intake alone would notice nothing."""
    await place.wish("work:1", title="A")
    one = place.worker()
    assert await one.once() == 1
    await place.wish("work:1", title="B")
    async with place.db.begin() as c:
        await c.execute(
            sa.update(number_table).values(value=1)
            if place.db.sqlite
            else sa.text("SELECT setval('frontlist_number', 1)")
        )
    assert await one.once() == 0
    async with place.db.read() as c:
        assert await installation.fact(c, installation.BEHIND) == installation.NOTICED
    assert (await rows(place))["work:1"].claimed_by is None
    assert len(place.shelf.writes) == 1


@pytest.mark.parametrize("began", ["before the backup", "after the backup"])
async def test_a_database_that_lost_a_heartbeat_is_read_back_before_anything_is_claimed(
    place: Place, began: str
) -> None:
    """Though another process has raised its numbers since."""
    await place.wish("work:1", title="A")
    one = place.worker()
    assert await one.once() == 1
    await place.wish("work:1", title="B")
    t = processes.process_table
    mine = t.c.id == one.process
    earlier = sa.update(t).where(mine).values(heartbeat_at=t.c.heartbeat_at - 1)
    async with place.db.begin() as c:
        await c.execute(earlier if began == "before the backup" else sa.delete(t).where(mine))
    assert await one.once() == 0
    async with place.db.read() as c:
        assert await installation.fact(c, installation.BEHIND) == installation.NOTICED
    assert await one.once() == 0
    assert len(place.shelf.writes) == 1
    # Once it was read back.
    async with place.db.begin() as c:
        await installation.forget(c, installation.BEHIND)
    assert await one.once() == 1
    assert len(place.shelf.writes) == 2


async def test_what_was_read_back_while_a_worker_was_away_is_not_read_back_for_it_again(place: Place) -> None:
    one = place.worker()
    await place.wish("work:1", title="A")
    assert await one.once() == 1
    await place.wish("work:1", title="B")
    async with place.db.begin() as c:
        await processes.leave(c, one.process)
        await installation.state(place.db, c, {installation.CAUGHT_UP: str(await place.db.now(c))})
    assert await one.once() == 1
    async with place.db.read() as c:
        assert await installation.fact(c, installation.BEHIND) is None


async def test_who_notices_a_backup_leaves_the_time_of_it_that_another_has_said(place: Place) -> None:
    """From then on the journal is read, and who was forgotten since is forgotten again."""
    async with place.db.begin() as c:
        await installation.notice(place.db, c)
        assert await installation.fact(c, installation.BEHIND) == installation.NOTICED
        await installation.state(place.db, c, {installation.BEHIND: "5"})
        await installation.notice(place.db, c)
        assert await installation.fact(c, installation.BEHIND) == "5"


async def test_a_process_whose_heart_is_held_up_keeps_what_it_has_in_hand(place: Place, gate: Gate) -> None:
    await place.wish("work:1", title="A")
    gate.hangs = {"work:1"}
    one = place.worker()
    active = one.planner.active

    def after_a_while() -> Active:
        """Between the heartbeat and the claim."""
        place.clock.offset_us += 2 * processes.DEAD_AFTER
        return active()

    one.planner.active = after_a_while
    async with asyncio.TaskGroup() as group:
        hanging = group.create_task(one.once())
        await asyncio.wait_for(gate.arrived.wait(), 20)
        assert await one.once() == 0
        assert await place.worker().once() == 0
        gate.go_on.set()
    assert hanging.result() == 1


async def test_what_is_read_back_frees_the_claims_that_the_backup_had(place: Place, it: Installation) -> None:
    """The process of that name may live, and would wait for itself."""
    await place.wish("work:0", title="A")
    one = place.worker()
    assert await one.once() == 1
    await place.wish("work:1", title="A")
    async with place.db.begin() as c:
        now = await place.db.now(c)
        await processes.beat(place.db, c, one.process, "work")
        assert len(await work.claim(place.db, c, one.process, now, 10, ["wishes"])) == 1
    assert await one.once() == 0
    await recovering.nothing_is_sure(it)
    async with place.db.begin() as c:
        await installation.forget(c, installation.BEHIND)
    assert await one.once() == 2


async def test_a_plan_of_a_mapping_that_is_no_longer_active_writes_nothing(place: Place) -> None:
    await place.wish("work:1", title="A")
    one = place.worker()

    async def step(name: str) -> None:
        if name == "planned":
            async with place.db.begin() as c:
                await installation.activate(place.db, c, "another", "")

    one.step = step
    await one.once()
    assert (place.shelf.writes, (await rows(place))["work:1"].due_at is not None) == ([], True)


async def test_the_intent_stands_in_the_database_before_the_call_and_the_write_after_it(place: Place) -> None:
    seen: list[tuple[bool, Any]] = []

    class Looking(Shelf):
        async def write(self, steps: Sequence[Step], deadline: float) -> Sequence[StepOutcome]:
            held = await place.held("work:1")
            seen.append((held.intent_claim > held.applied_claim, held.intent_fields))
            return await super().write(steps, deadline)

    place.shelf = Looking()
    await place.wish("work:1", title="A")
    await place.work()
    held = await place.held("work:1")
    assert seen == [(True, {"title": "A"})]
    assert (held.intent_claim, held.fields) == (held.applied_claim, {"title": "A"})


@dataclass
class Others(Wishes):
    """Another consumer, which wants something else of the same titles. `shared`: of one record of the same titles."""

    name: str = "others"
    record: str = ""

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        wanted = {FieldKey(key): value for key, value in self.fields.get(dossier.title, {}).items()}
        return Plan((Ensure(Resource("shelf", "record", self.record or f"{dossier.title}/2"), wanted, 1),))


async def _at_once(place: Place, gate: Gate, first: Wishes, second: Wishes, titles: tuple[str, str]) -> None:
    """The first one's call hangs; the second replica works meanwhile."""
    async with place.db.begin() as c:
        wants = {each.name: (frozenset({KEY}), "1") for each in (first, second)}
        await installation.register(place.db, c, wants)
    for each, title in zip((first, second), titles, strict=True):
        each.fields[title] = {each.name: "wanted"}
        async with place.db.begin() as c:
            now = await place.db.now(c)
            stored = dossier.Stored("consonance", "metadata", TitleKey(title), now, "present", {})
            await dossier.store(place.db, c, [stored])
            await work.mark(place.db, c, [work.Due(each.name, TitleKey(title), now, 40, "test")])
    one, two = worker(place, [first]), worker(place, [second])
    slow = asyncio.create_task(one.once())
    await asyncio.wait_for(gate.arrived.wait(), 20)
    await asyncio.wait_for(two.once(), 20)
    calls = len(gate.writes)
    gate.go_on.set()
    await asyncio.wait_for(slow, 20)
    assert (gate.most, calls) == (1, 0)
    await asyncio.sleep(0.3)
    await two.once()
    assert len(gate.writes) == 2


async def test_a_title_is_written_by_one_consumer_at_a_time_over_all_replicas(place: Place, gate: Gate) -> None:
    gate.hangs = {"work:1"}
    await _at_once(place, gate, Wishes(), Others(), ("work:1", "work:1"))


async def test_a_resource_is_written_for_one_title_at_a_time_over_all_replicas(place: Place, gate: Gate) -> None:
    gate.hangs = {"shared"}
    first, second = Others(name="first", record="shared"), Others(name="second", record="shared")
    await _at_once(place, gate, first, second, ("work:1", "work:2"))


async def test_the_deadline_of_a_call_ends_before_its_lease(place: Place, gate: Gate) -> None:
    await place.wish("work:1", title="A")
    await worker(place, ensure={"lease": 10.0}).once()
    assert [0 < left < 9.0 for left in gate.deadlines] == [True]


# --- in doubt --------------------------------------------------------------------------------------------------------


async def test_what_is_in_doubt_is_settled_whatever_its_hash(place: Place) -> None:
    """A, then B without an answer, then A again: what was last applied says A, and what stands there is B."""
    await place.wish("work:1", title="A")
    await place.work()
    place.shelf.fails, place.shelf.done_all_the_same = [Retry("lost", maybe_done=True)], True
    await place.wish("work:1", title="B")
    await place.work(1)
    assert place.shelf.held["work:1"] == {"title": "B"}
    await place.wish("work:1", title="A")
    await place.work()
    assert place.shelf.held["work:1"] == {"title": "A"}
    assert (await place.held("work:1")).look_again_at is not None


async def test_a_crash_between_call_and_answer_is_read_back_now_and_once_more_later(place: Place) -> None:
    await place.wish("work:1", title="A")
    await place.dies_after_writing()
    place.clock.offset_us += 60 * SECOND
    reads = place.shelf.reads
    await place.work()
    held = await place.held("work:1")
    assert (place.shelf.reads, len(place.shelf.writes)) == (reads + 1, 1)
    assert held.look_again_at is not None
    place.clock.offset_us += 901 * SECOND
    await place.work()
    assert (place.shelf.reads, (await place.held("work:1")).look_again_at) == (reads + 2, None)


async def test_what_is_in_doubt_is_settled_though_the_plan_no_longer_names_it(place: Place) -> None:
    place.shelf.fails, place.shelf.done_all_the_same = [Retry("lost", maybe_done=True)], True
    await place.wish("work:1", title="A")
    await place.work(1)
    place.wishes.fields.pop("work:1")
    await due(place, "work:1")
    reads = place.shelf.reads
    await place.work()
    held = await place.held("work:1")
    assert (place.shelf.reads, held.doubt_since, held.look_again_at is not None) == (reads + 1, None, True)
    place.clock.offset_us += 901 * SECOND
    await place.work()
    assert (place.shelf.reads, (await place.held("work:1")).look_again_at) == (reads + 2, None)
    assert len(place.shelf.writes) == 1


def without_its_target(place: Place) -> Worker:
    """A process in which nobody brings the shelf any more."""
    found = place.worker(known={})
    found.delivery = Delivery(place.db, {}, process=found.process, clock=place.clock, journal="journal")
    return found


@pytest.mark.parametrize("planned", [True, False])
async def test_what_is_in_doubt_in_a_system_that_was_taken_out_is_looked_at_now_and_then(
    place: Place, planned: bool
) -> None:
    titles = [f"work:{n}" for n in range(5)]
    for title in titles:
        place.shelf.fails, place.shelf.done_all_the_same = [Retry("lost", maybe_done=True)], True
        await place.wish(title, title="A")
        await place.work(1)
    for title in titles:
        if not planned:
            place.wishes.fields.pop(title)
        await due(place, title)
    place.clock.offset_us += 901 * SECOND  # the second look is due
    for _ in range(2):
        worker = without_its_target(place)
        assert await worker.once() == 5
        found = [await place.row(title) for title in titles]
        pauses = {row.due_at - row.finished_at for row in found}
        assert len(pauses) > 1, "each at its own time"
        assert min(pauses) >= HOUR / 2
        assert max(pauses) <= 3 * HOUR / 2
        assert await place.findings() == ["target-gone"] * 5
        assert await worker.once() == 0
        place.clock.offset_us += 2 * HOUR
    for _ in range(3):
        await place.work()
        assert await place.findings() == []
        place.clock.offset_us += HOUR
    assert all([(await place.held(title)).certain for title in titles])


async def test_a_sweep_ends_though_a_system_was_taken_out(place: Place) -> None:
    place.shelf.fails, place.shelf.done_all_the_same = [Retry("lost", maybe_done=True)], True
    await place.wish("work:1", title="A")
    await place.work(1)
    id_ = await sweeping.begin(place.db, place.clock, "replay", Selection(), {"wishes": [TitleKey("work:1")]})
    await sweeping.feed(place.db)
    await without_its_target(place).once()
    async with place.db.read() as c:
        assert (await sweeps.progress(c, id_))["outcomes"] == {"deferred": 1}


# --- what happens next -----------------------------------------------------------------------------------------------


async def test_pauses_before_a_retry_have_full_jitter_and_double(place: Place) -> None:
    place.shelf.batch = 100
    for n in range(60):
        await place.wish(f"work:{n}", title="A")
    found = worker(place, work={"retry_first": 100.0, "retry_longest": 1000.0})
    place.shelf.fails = [Retry("no")]
    await found.once()

    async def pauses() -> list[float]:
        return sorted((row.not_before - row.finished_at) / SECOND for row in (await rows(place)).values())

    first = await pauses()
    assert 0 <= first[0] < 60 < 140 < first[-1] <= 200, "anything from nothing to the longest"
    place.shelf.fails = [Retry("no")] * 2
    place.clock.offset_us += 300 * SECOND
    await found.once()
    assert 200 < (await pauses())[-1] <= 400
    for _ in range(5):
        place.shelf.fails = [Retry("no")] * 200
        place.clock.offset_us += 2000 * SECOND
        await found.once()
    assert 400 < (await pauses())[-1] <= 1000


async def test_what_a_target_asks_for_is_the_not_before_of_that_title_and_holds_up_no_other(
    place: Place, gate: Gate
) -> None:
    gate.failing = {"work:1": Retry("503", status=503, after=77.0)}
    await place.wish("work:1", title="A")
    await place.wish("work:2", title="B")
    await worker(place).once()
    one = (await rows(place))["work:1"]
    assert (one.not_before - one.finished_at, one.outcome) == (77 * SECOND, "retry")
    assert gate.held == {"work:2": {"title": "B"}}
    del gate.failing["work:1"]
    await due(place, "work:1")
    assert await worker(place).once() == 0, "a change does not shorten what the target asked for"
    place.clock.offset_us += 78 * SECOND
    await worker(place).once()
    assert gate.held["work:1"] == {"title": "A"}


BREAKER = BreakerSettings(failures=5, first=30.0, longest=60.0, refused_key=30.0)


@pytest.mark.parametrize(
    ("error", "most"), [(Retry("503", status=503), 8), (Pause("401"), 4)], ids=["five titles in a row", "401"]
)
async def test_a_target_that_fails_is_left_alone_until_one_title_probes(
    place: Place, gate: Gate, error: Exception, most: int
) -> None:
    """`most`: what opens it, and what was under way then."""
    for n in range(30):
        await place.wish(f"work:{n}", title="A")
        gate.failing[f"work:{n}"] = error
    found = worker(place, breaker=BREAKER)
    await found.once()
    calls = len(gate.writes)
    assert 0 < calls <= most
    place.clock.offset_us += 3 * SECOND
    await found.once()
    assert len(gate.writes) == calls, "while it is open nothing is called"
    place.clock.offset_us += 90 * SECOND
    await found.once()
    assert len(gate.writes) == calls + 1, "one probes"
    gate.failing.clear()
    for _ in range(3):
        place.clock.offset_us += 90 * SECOND
        await found.once()
    assert len(gate.held) == 30


@dataclass
class Picky(Gate):
    """It refuses records for a field that it does not name."""

    bad: frozenset[str] = frozenset()
    divisible: bool = True

    async def write(self, steps: Sequence[Step], deadline: float) -> Sequence[StepOutcome]:
        if any(self.bad & set(step.payload) for step in steps):
            self.writes.append([step.resource.id for step in steps])
            raise Refuse("something is wrong")
        return await super().write(steps, deadline)


async def test_a_refusal_that_names_no_field_is_bisected_over_the_fields(place: Place) -> None:
    place.shelf = Picky(bad=frozenset({"currency"}))
    place.wishes.groups = (frozenset({FieldKey("amount"), FieldKey("currency")}),)
    await place.wish("work:1", title="A", pages=3, weight=4, amount="1", currency="XXX")
    await place.work()
    assert place.shelf.held["work:1"] == {"title": "A", "pages": 3, "weight": 4}
    assert await place.findings() == ["refused-field", "refused-field"]


async def test_a_refused_field_is_tried_again_daily(place: Place) -> None:
    place.shelf.refuses = {"currency": "unknown"}
    await place.wish("work:1", title="A", currency="XXX")
    await place.work()
    row = (await rows(place))["work:1"]
    assert row.due_at - row.finished_at == DAY
    place.shelf.refuses = {}
    place.clock.offset_us += DAY + SECOND
    await place.work()
    assert (place.shelf.held["work:1"], await place.findings()) == ({"title": "A", "currency": "XXX"}, [])


async def test_a_refused_field_is_tried_again_when_the_targets_schema_or_options_change(place: Place) -> None:
    async def introspected(**options: frozenset[str]) -> None:
        async with place.db.begin() as c:
            await process.allowed_anew(place.db, c, {"shelf": Capabilities(values=options)})

    await introspected(currency=frozenset({"GBP"}))
    place.shelf.refuses = {"currency": "unknown"}
    await place.wish("work:1", title="A", currency="XXX")
    await place.work()
    place.shelf.refuses = {}
    await introspected(currency=frozenset({"GBP"}))
    await place.work()
    assert place.shelf.held["work:1"] == {"title": "A"}
    await introspected(currency=frozenset({"GBP", "XXX"}))
    await place.work()
    assert place.shelf.held["work:1"] == {"title": "A", "currency": "XXX"}


async def test_a_refused_field_is_tried_again_when_the_mapping_changes(place: Place, it: Installation) -> None:
    place.shelf.refuses = {"currency": "unknown"}
    await place.wish("work:1", title="A", currency="XXX")
    await place.work()
    place.shelf.refuses = {}
    active = await joining.activate(it)
    assert (await rows(place))["work:1"].due_at <= place.clock.now_us()
    found = worker(place)
    found.planner.active = lambda: active
    await found.once()
    assert place.shelf.held["work:1"] == {"title": "A", "currency": "XXX"}


@pytest.mark.parametrize(("field", "severity"), [("sellable", "high"), ("title", "normal")])
async def test_a_refused_narrowing_alerts(place: Place, field: str, severity: str) -> None:
    class Narrowing(Wishes):
        def plan(self, dossier: Dossier, context: Context) -> Plan:
            [wish] = super().plan(dossier, context).desired
            assert isinstance(wish, Ensure)
            return Plan((replace(wish, narrows=frozenset({FieldKey("sellable")})),))

    place.wishes, place.shelf.refuses = Narrowing(), {field: "no"}
    await place.wish("work:1", sellable=False, title="A")
    await place.work()
    async with place.db.read() as c:
        assert [row.severity for row in await findings.open_ones(c)] == [severity]


async def test_a_dead_letter_holds_up_no_other_resource_of_its_title(place: Place, gate: Gate) -> None:
    class Two(Wishes):
        def plan(self, dossier: Dossier, context: Context) -> Plan:
            wanted = {FieldKey("title"): "A"}
            return Plan(tuple(Ensure(Resource("shelf", "record", each), wanted, 1) for each in ("bad", "good")))

    place.wishes = Two()
    gate.failing = {"bad": DeadLetter("never")}
    await place.wish("work:1", title="A")
    await place.work()
    assert (gate.held, (await rows(place))["work:1"].outcome) == ({"good": {"title": "A"}}, "dead-lettered")


async def test_what_stopped_is_tried_daily_so_that_its_due_times_still_come(place: Place) -> None:
    class Broken(Wishes):
        broken = True

        def plan(self, dossier: Dossier, context: Context) -> Plan:
            if self.broken and dossier.title == "work:1":
                raise KeyError("ours")
            return super().plan(dossier, context)

    place.wishes = wishes = Broken()
    await place.wish("work:1", title="A")
    await place.wish("work:2", title="B")
    await place.work()
    row = (await rows(place))["work:1"]
    assert (row.outcome, row.due_at - row.finished_at) == ("stopped", DAY)
    assert place.shelf.held == {"work:2": {"title": "B"}}
    wishes.broken = False
    place.clock.offset_us += DAY + SECOND
    await place.work()
    assert place.shelf.held["work:1"] == {"title": "A"}


async def test_what_stopped_is_tried_at_each_release(place: Place, it: Installation) -> None:
    class Broken(Wishes):
        def plan(self, dossier: Dossier, context: Context) -> Plan:
            raise KeyError("ours")

    place.wishes = Broken()
    await place.wish("work:1", title="A")
    await place.work()
    assert (await rows(place))["work:1"].due_at > place.clock.now_us()
    await joining.register(it)
    assert (await rows(place))["work:1"].due_at <= place.clock.now_us()
    await place.work()
    await joining.register(it)
    assert (await rows(place))["work:1"].due_at > place.clock.now_us(), "it is the same release"


async def test_an_array_that_fails_on_the_server_again_is_bisected(place: Place) -> None:
    class Choking(Shelf):
        async def write(self, steps: Sequence[Step], deadline: float) -> Sequence[StepOutcome]:
            if any(step.resource.id == "work:2" for step in steps):
                self.writes.append([step.resource.id for step in steps])
                raise Retry("500", status=500)
            return await super().write(steps, deadline)

    place.shelf = shelf = Choking()
    for n in range(4):
        await place.wish(f"work:{n}", title="A")
    await place.work(1)
    assert (shelf.held, [len(each) for each in shelf.writes]) == ({}, [4]), "once may be chance"
    await place.work(1)
    assert sorted(shelf.held) == ["work:0", "work:1", "work:3"]


# --- missing parents -------------------------------------------------------------------------------------------------


@dataclass
class Waiting(Wishes):
    """Nothing is wanted of a title before its document is there."""

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        if not dossier.get("consonance", "metadata").present:
            return Plan(waits=(Wait("consonance.metadata", "not seen yet"),))
        return super().plan(dossier, context)


async def test_a_title_waits_for_its_document_and_wakes_when_it_comes(place: Place) -> None:
    place.wishes = Waiting()
    await due(place, "work:1")
    await place.work()
    row = (await rows(place))["work:1"]
    assert (row.outcome, row.due_at) == ("deferred", None)
    place.wishes.fields["work:1"] = {"title": "A"}
    await Storing(place.db, "t").take([good("work:1")])
    await place.work()
    assert place.shelf.held == {"work:1": {"title": "A"}}


async def test_who_waits_for_a_resource_is_due_when_it_was_created(place: Place) -> None:
    """Another consumer's fields of a record wait for the one consumer that may create it."""

    class Adding(Others):
        def plan(self, dossier: Dossier, context: Context) -> Plan:
            [wish] = super().plan(dossier, context).desired
            assert isinstance(wish, Ensure)
            return Plan((replace(wish, create=False),))

    adding = Adding(record="work:1", fields={"work:1": {"blurb": "words"}})
    async with place.db.begin() as c:
        await installation.register(place.db, c, {"others": (frozenset({KEY}), "1")})
        await work.mark(place.db, c, [work.Due("others", TitleKey("work:1"), await place.db.now(c), 10, "test")])
    await worker(place, [adding]).once()
    assert ((await rows(place))["work:1"].outcome, place.shelf.held) == ("deferred", {})
    await place.wish("work:1", title="A")
    await worker(place).once()
    await worker(place, [adding]).once()
    assert place.shelf.held == {"work:1": {"title": "A", "blurb": "words"}}


async def test_one_slow_title_holds_up_no_other(place: Place, gate: Gate) -> None:
    gate.hangs = {"work:0"}
    for n in range(20):
        await place.wish(f"work:{n}", title="A")
    async with running(worker(place)):
        await tenants.until(lambda: len(gate.held) == 19, what="all others")
        gate.go_on.set()
    assert len(gate.held) == 20


# --- priority and budget ---------------------------------------------------------------------------------------------


async def test_a_call_that_hangs_never_locks_rights_out(place: Place, gate: Gate) -> None:
    """One of the calls at once is kept for them."""
    gate.hangs = {f"work:{n}" for n in range(10)}
    for n in range(10):
        await place.wish(f"work:{n}", title="A")
    async with running(worker(place)):
        await tenants.until(lambda: gate.inside == 3, what="all that others may have")
        place.wishes.fields["work:r"] = {"sellable": False}
        await due(place, "work:r", work.Priority.RIGHTS)
        await tenants.until(lambda: "work:r" in gate.held, what="the restriction")
        assert gate.inside == 3
        gate.go_on.set()


async def test_each_tenth_claim_is_for_what_has_been_due_for_longest(place: Place) -> None:
    await place.wish("work:old", title="A")
    async with place.db.begin() as c:
        await c.execute(sa.update(work.work_table).values(priority=work.Priority.BACKFILL))
    found = worker(place, work={"claim": 1})
    order = []
    for n in range(12):
        await place.wish(f"work:{n}", title="A")
        await place.wish(f"work:{n}b", title="A")
        await found.once()
        order += [title for title in place.shelf.held if title not in order]
    assert order.index("work:old") == 9


async def test_replicas_share_one_budget(place: Place) -> None:
    """Twenty calls at twenty a second, drawn by two that do not know each other, take a second and no less."""
    loop = asyncio.get_running_loop()
    budgets = [Budget(20.0), Budget(20.0)]
    for each in budgets:
        each.share(place.db, "shelf")
    began = loop.time()
    await asyncio.gather(*(each.wait() for each in budgets for _ in range(10)))
    assert loop.time() - began >= 0.9


async def test_replicas_share_the_calls_at_once(place: Place, gate: Gate) -> None:
    """Of four places two replicas have two each, one of them for rights; who is left has them all."""
    titles, rights = [f"work:{n}" for n in range(10)], [f"work:r{n}" for n in range(10)]
    gate.hangs = {*titles, *rights}
    left, right = worker(place, work={"claim": 4}), worker(place, work={"claim": 4})

    def places() -> list[int]:
        return [each.delivery.lanes["shelf"].at_once for each in (left, right)]

    async with running(left):
        async with running(right):
            await tenants.until(lambda: places() == [2, 2], what="both know of each other")
            for title in titles:
                await place.wish(title, title="A")
            await tenants.until(lambda: gate.inside == 2, what="one call each")
            for title in rights:
                place.wishes.fields[title] = {"sellable": False}
                await due(place, title, work.Priority.RIGHTS)
            await tenants.until(lambda: gate.inside == 4, what="and one for rights each")
            gate.go_on.set()
            await tenants.until(lambda: len(gate.held) == 20, what="all of them")
            assert gate.most == 4
        await tenants.until(lambda: places()[0] == 4, what="the other one is gone")


def test_the_defaults_are_gentle() -> None:
    """Calls a second."""
    defaults = [each.model_fields["calls_per_second"].default for each in (ConsonanceSettings, FourallportalSettings)]
    assert defaults == [2.0, 4.0]


async def test_a_lease_is_held_for_a_call_and_never_for_a_back_off(place: Place, gate: Gate) -> None:
    gate.failing = {"work:1": Retry("503", status=503, after=1000.0)}
    await place.wish("work:1", title="A")
    await worker(place).once()
    async with place.db.read() as c:
        assert list(await c.execute(sa.select(processes.lease_table))) == []


# --- brakes ----------------------------------------------------------------------------------------------------------


async def test_an_explicit_restriction_of_rights_is_never_braked(scene: Scene) -> None:
    """A price beside it waits."""
    scene.brakes = BrakeSettings(share=0.0, floor=0)
    await scene.stand(TITLES, sellable=True, price="10.00")
    for title in TITLES:
        await scene.wish(title, sellable=False, price="1.00")
    await scene.work()
    assert [scene.shelf.held[title] for title in TITLES] == [{"sellable": False, "price": "10.00"}] * len(TITLES)


@pytest.mark.parametrize(("brake", "stay"), [(False, []), (True, TITLES)])
async def test_what_goes_for_an_explicit_restriction_is_never_braked(
    scene: Scene, brake: bool, stay: Sequence[str]
) -> None:
    class Going(Wishes):
        def plan(self, dossier: Dossier, context: Context) -> Plan:
            return Plan((Absent(Resource("shelf", "record", dossier.title), 1, "not to be shown", brake=brake),))

    scene.brakes, scene.shelf = BrakeSettings(share=0.0, floor=0), Removing()
    await scene.stand(TITLES, title="A")
    scene.wishes = Going()
    for title in TITLES:
        await scene.wish(title)
    await scene.work()
    assert sorted(scene.shelf.held) == sorted(stay)


async def test_what_passed_a_brake_counts_for_24_hours_and_for_every_replica(scene: Scene) -> None:
    """Each turn is worked by a worker of its own, as by another replica."""
    scene.brakes = BrakeSettings(share=0.0, floor=2)
    await scene.stand(TITLES, price="10.00")
    for title in TITLES[:2]:
        await scene.wish(title, price="1.00")
        await scene.work()
    scene.clock.offset_us += 23 * 3_600 * SECOND
    await scene.wish(TITLES[2], price="1.00")
    await scene.work()
    assert [scene.shelf.held[title]["price"] for title in TITLES[:3]] == ["1.00", "1.00", "10.00"]


async def test_rights_of_a_title_that_vanishes_at_capture_are_published_all_the_same(place: Place) -> None:
    title = TitleKey("work:1")
    drafts = [
        Drafted(title, "metadata", "gone", None, False, "f1"),
        Drafted(title, "rights", "present", {"for_sale": False}, False, "f2"),
    ]
    braking = Brakes(place.db, BrakeSettings(share=0.0, floor=0))
    known = {(title, each.aspect): captured.Captured(1, "f0", None, 1, "{}") for each in drafts}
    async with place.db.begin() as c:
        held = await hold(braking, c, "consonance", [title], drafts, known, frozenset(), "decisions")
    assert held == {(title, "metadata")}


# --- shutdown --------------------------------------------------------------------------------------------------------


async def test_at_the_end_calls_are_finished_and_everything_else_is_free_at_once(place: Place, gate: Gate) -> None:
    gate.hangs = {f"work:{n}" for n in range(20)}
    for n in range(20):
        await place.wish(f"work:{n}", title="A")
    found = worker(place)
    async with running(found) as stopping:
        await tenants.until(lambda: gate.inside == 3, what="calls under way")
        stopping.set()

        async def released() -> bool:
            return sum(row.claimed_by is not None for row in (await rows(place)).values()) == 3

        await tenants.until(released, what="what waits is given back while calls go on")
        await place.wish("work:late", title="A")
        gate.go_on.set()
    assert len(gate.held) == 3, "calls under way end, and nothing new is claimed"
    assert {row.claimed_by for row in (await rows(place)).values()} == {None}
    async with place.db.read() as c:
        assert list(await c.execute(sa.select(processes.lease_table))) == []


async def test_at_the_end_what_is_given_up_is_free_at_once(place: Place, gate: Gate) -> None:
    """Nobody waits until the process counts as dead; what was called is in doubt."""
    gate.hangs = {"work:1"}
    await place.wish("work:1", title="A")
    stopping = asyncio.Event()
    task = asyncio.create_task(within_grace(stopping, worker(place).run(stopping), grace=0.1))
    await asyncio.wait_for(gate.arrived.wait(), 20)
    assert (await rows(place))["work:1"].claimed_by is not None
    stopping.set()
    await asyncio.wait_for(task, 20)
    assert (await rows(place))["work:1"].claimed_by is None
    async with place.db.read() as c:
        now = await place.db.now(c)
        assert (await processes.living(c, now), (await place.held("work:1")).in_doubt(now)) == ([], True)
