"""Work and ensure against a small target in memory, on both databases: what is written, and what never is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

import tenants
from frontlist import ASPECTS, Absent, Actual, Capabilities, Done, Ensure, FieldKey, Plan, Refused, Resource, TitleKey
from frontlist.clock import Clock
from frontlist.contract import Context, Desired, DocumentKey, Dossier, Step, StepOutcome
from frontlist.ensure import Delivery, EnsureSettings
from frontlist.errors import DeadLetter, Refuse, Retry
from frontlist.observed import Observed
from frontlist.planning import Active, Planner
from frontlist.state import applied, dossier, findings, installation, outbox, schema, settled, work
from frontlist.state.database import Database
from frontlist.state.images import before_table
from frontlist.work import Worker, WorkSettings

KEY = DocumentKey("consonance", ASPECTS[0])


@dataclass
class Shelf:
    """A target that keeps records in memory. `refuses`: field -> reason; `fails`: raised by the next write."""

    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuses: dict[str, str] = field(default_factory=dict)
    fails: list[Exception] = field(default_factory=list)
    done_all_the_same: bool = False
    writes: list[list[str]] = field(default_factory=list)
    reads: int = 0
    name: str = "shelf"
    batch: int = 10
    once: frozenset[str] = frozenset()

    async def capabilities(self) -> Capabilities:
        return Capabilities()

    async def read(self, desired: Sequence[Desired]) -> Mapping[Resource, Actual | None]:
        self.reads += len(desired)
        found = {each.resource: self.held.get(each.resource.id) for each in desired}
        return {resource: None if values is None else Actual(dict(values)) for resource, values in found.items()}

    def same(self, resource: Resource, key: FieldKey, desired: Any, actual: Any) -> bool:
        return bool(desired == actual)

    def steps(self, desired: Desired, actual: Actual | None, progress: Mapping[str, Any]) -> Sequence[Step]:
        assert isinstance(desired, Ensure)
        held = actual.fields if actual else {}
        differs = {key: value for key, value in desired.fields.items() if held.get(key) != value}
        return [] if "put" in progress or not differs else [Step(desired.resource, "put", differs)]

    async def write(self, steps: Sequence[Step], deadline: float) -> Sequence[StepOutcome]:
        self.writes.append([step.resource.id for step in steps])
        error = self.fails.pop(0) if self.fails else None
        if error is None or self.done_all_the_same:
            out = [self._put(step) for step in steps]
        if error is not None:
            raise error
        return out

    def _put(self, step: Step) -> StepOutcome:
        bad = tuple(key for key in step.payload if key in self.refuses)
        if bad:
            return Refused(bad, self.refuses[bad[0]])
        self.held.setdefault(step.resource.id, {}).update(step.payload)
        return Done()


class Removing(Shelf):
    """A shelf from which records can be taken."""

    def steps(self, desired: Desired, actual: Actual | None, progress: Any) -> Sequence[Step]:
        if isinstance(desired, Absent):
            return [] if actual is None or "take" in progress else [Step(desired.resource, "take", None)]
        return super().steps(desired, actual, progress)

    def _put(self, step: Step) -> StepOutcome:
        if step.name != "take":
            return super()._put(step)
        del self.held[step.resource.id]
        return Done()


@dataclass
class Wishes:
    """A consumer that plans what it is told."""

    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: tuple[frozenset[FieldKey], ...] = ()
    name: str = "wishes"
    wants: frozenset[DocumentKey] = frozenset({KEY})
    flows: frozenset[int] = frozenset({1})

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        wanted = self.fields.get(dossier.title)
        if wanted is None:
            return Plan()
        keyed = {FieldKey(key): value for key, value in wanted.items()}
        return Plan((Ensure(Resource("shelf", "record", dossier.title), keyed, 1, self.groups),))


Known = dict[str, Capabilities]


@dataclass
class Place:
    """A worker with its database, target and consumer."""

    db: Database
    clock: Clock
    shelf: Shelf
    wishes: Wishes

    def worker(self, *, decisions: str = "decisions", known: Known | None = None, **delivery: Any) -> Worker:
        """`known`: what its targets can do; `delivery`: further arguments of its Delivery."""
        settings = EnsureSettings(look_again=900, lease=45, calls_at_once=4)
        bringing = Delivery(
            self.db,
            {self.shelf.name: self.shelf},
            process=self.clock.new_id(),
            clock=self.clock,
            journal="journal",
            **{"settings": settings, **delivery},
        )
        able = {self.shelf.name: Capabilities()} if known is None else known
        return Worker(
            self.db,
            {"wishes": self.wishes},
            bringing,
            Planner("test", lambda: Active(1, None), lambda: able),
            clock=self.clock,
            decisions=decisions,
            settings=WorkSettings(retry_first=0.001, retry_longest=0.001),
        )

    async def dies_after_writing(self) -> None:
        """A worker whose process is killed between a call and its outcome."""
        written = asyncio.Event()

        async def step(name: str) -> None:
            if name == "written":
                written.set()
                await asyncio.Event().wait()

        one = self.worker(step=step)
        dying = asyncio.create_task(one.once())
        await asyncio.wait_for(written.wait(), 20)
        one.delivery.cancel()
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)

    async def wish(self, title: str, /, **fields: Any) -> None:
        """A new revision: the consumer wants this now."""
        self.wishes.fields[title] = fields
        async with self.db.begin() as c:
            now = await self.db.now(c)
            stored = dossier.Stored("consonance", "metadata", TitleKey(title), now, "present", {})
            await dossier.store(self.db, c, [stored])
            await work.mark(self.db, c, [work.Due("wishes", TitleKey(title), now, 40, "test")])

    async def work(self, times: int = 5) -> None:
        """What is due now, and what becomes due by it."""
        worker = self.worker()
        for _ in range(times):
            await asyncio.sleep(0.005)
            if not await worker.once():
                return

    async def row(self, title: str) -> Any:
        async with self.db.read() as c:
            query = work.work_table.select().where(work.work_table.c.title == title)
            return (await c.execute(query)).one()

    async def findings(self) -> list[str]:
        async with self.db.read() as c:
            return [row.kind for row in await findings.open_ones(c)]

    async def held(self, title: str) -> applied.Applied:
        async with self.db.read() as c:
            [found] = (await applied.of_titles(c, "wishes", [TitleKey(title)])).values()
            return found


@pytest.fixture
async def place(database_url: str) -> AsyncIterator[Place]:
    clock = Clock()
    db = Database(database_url, clock)
    await schema.upgrade(db)
    async with db.begin() as c:
        await installation.register(db, c, {"wishes": (frozenset({KEY}), "1")})
        row = {"number": 1, "fingerprint": "f", "text": "", "at": 0}
        await c.execute(installation.activation_table.insert(), [row])
        await settled.save_decisions(db, c, [settled.Decision("mode", "*/*", "apply", 1)])
    yield Place(db, clock, Shelf(), Wishes())
    await db.close()


async def test_what_is_wanted_is_written_once_and_then_nothing_is_called(place: Place) -> None:
    await place.wish("work:1", title="A")
    await place.work()
    await place.wish("work:1", title="A")
    await place.work()
    assert place.shelf.held == {"work:1": {"title": "A"}}
    assert (len(place.shelf.writes), place.shelf.reads) == (1, 1)


async def test_what_is_there_already_is_remembered_without_a_write(place: Place) -> None:
    place.shelf.held["work:1"] = {"title": "A", "theirs": 1}
    await place.wish("work:1", title="A")
    await place.work()
    assert place.shelf.writes == []
    assert (await place.held("work:1")).fields == {"title": "A"}


async def test_titles_go_in_one_array_and_the_refused_one_is_found_by_halves(place: Place) -> None:
    for n in range(4):
        await place.wish(f"work:{n}", title=f"T{n}")
    place.shelf.fails = [Refuse("no"), Refuse("no"), Refuse("no")]
    await place.work(1)
    assert [len(each) for each in place.shelf.writes] == [4, 2, 1, 1, 2]
    assert sorted(place.shelf.held) == ["work:1", "work:2", "work:3"]
    assert await place.findings() == ["dead-letter"]


async def test_a_refused_field_is_parked_with_its_group_and_the_rest_applied(place: Place) -> None:
    place.wishes.groups = (frozenset({FieldKey("amount"), FieldKey("currency")}),)
    place.shelf.refuses = {"currency": "unknown currency"}
    await place.wish("work:1", title="A", amount="1", currency="XXX")
    await place.work()
    assert place.shelf.held["work:1"] == {"title": "A"}
    assert await place.findings() == ["refused-field", "refused-field"]
    calls = len(place.shelf.writes)
    await place.wish("work:1", title="A", amount="1", currency="XXX")
    await place.work()
    assert len(place.shelf.writes) == calls
    place.shelf.refuses = {}
    await place.wish("work:1", title="A", amount="2", currency="GBP")
    await place.work()
    assert place.shelf.held["work:1"] == {"title": "A", "amount": "2", "currency": "GBP"}
    assert await place.findings() == []


async def test_a_dead_letter_is_not_called_again_until_it_changes(place: Place) -> None:
    place.shelf.fails = [DeadLetter("never")]
    await place.wish("work:1", title="A")
    await place.work()
    await place.wish("work:1", title="A")
    await place.work()
    assert len(place.shelf.writes) == 1
    assert (await place.row("work:1")).outcome == "dead-lettered"
    await place.wish("work:1", title="B")
    await place.work()
    assert place.shelf.held == {"work:1": {"title": "B"}}
    assert await place.findings() == []


async def test_what_a_person_removed_is_a_finding_and_never_made_again(place: Place) -> None:
    await place.wish("work:1", title="A")
    await place.work()
    del place.shelf.held["work:1"]
    await place.wish("work:1", title="B")
    await place.work()
    assert place.shelf.held == {}
    assert await place.findings() == ["removed-by-a-person"]


async def test_a_write_without_an_answer_is_read_back_now_and_once_more_later(place: Place) -> None:
    place.shelf.fails, place.shelf.done_all_the_same = [Retry("lost", maybe_done=True)], True
    await place.wish("work:1", title="A")
    await place.work()
    assert (len(place.shelf.writes), place.shelf.held["work:1"]) == (1, {"title": "A"})
    look = (await place.held("work:1")).look_again_at
    assert look is not None
    assert (await place.row("work:1")).due_at == look
    place.shelf.held["work:1"] = {"title": "a request that was carried out late"}
    place.clock.offset_us += 901 * 1_000_000
    await place.work()
    assert place.shelf.held["work:1"] == {"title": "A"}
    assert (await place.held("work:1")).look_again_at is None


async def test_a_failure_that_changed_nothing_leaves_no_doubt(place: Place) -> None:
    place.shelf.fails = [Retry("429", after=0.0)]
    await place.wish("work:1", title="A")
    await place.work(1)
    held = await place.held("work:1")
    assert not held.in_doubt(place.clock.now_us())
    await place.work()
    assert place.shelf.held == {"work:1": {"title": "A"}}


async def test_a_create_without_an_answer_is_not_repeated_before_the_second_look(place: Place) -> None:
    place.shelf.once, place.shelf.fails = frozenset({"put"}), [Retry("lost", maybe_done=True)]
    await place.wish("work:1", title="A")
    await place.work()
    assert (len(place.shelf.writes), (await place.row("work:1")).outcome) == (1, "deferred")
    place.clock.offset_us += 901 * 1_000_000
    await place.work()
    assert place.shelf.held == {"work:1": {"title": "A"}}
    assert len(place.shelf.writes) == 2


async def test_a_bug_of_ours_stops_that_row_alone(place: Place) -> None:
    place.shelf.fails = [KeyError("ours")]
    place.shelf.batch = 1
    await place.wish("work:1", title="A")
    await place.wish("work:2", title="B")
    await place.work()
    rows = {(await place.row(title)).outcome for title in ("work:1", "work:2")}
    assert rows == {"stopped", "applied"}


async def test_a_claim_that_was_lost_writes_nothing(place: Place) -> None:
    await place.wish("work:1", title="A")
    slow = place.worker()

    async def overtaken(name: str) -> None:
        if name == "planned":
            slow.step = slow.delivery.step
            place.clock.offset_us += 3_000_000  # the slow worker's heart stood still
            await place.wish("work:1", title="B")
            await place.work()

    slow.step = overtaken
    await slow.once()
    assert place.shelf.held == {"work:1": {"title": "B"}}
    assert len(place.shelf.writes) == 1


@pytest.mark.parametrize("certain", [False, True])
async def test_a_write_that_was_overtaken_is_found_and_healed(place: Place, certain: bool) -> None:
    """`certain`: what overtook it was read back since, so that only the late answer itself says that there is doubt."""
    await place.wish("work:1", title="A")
    slow = place.worker()
    slow.delivery.settings = replace_lease(slow.delivery.settings, 0.001)
    late = place.shelf.write

    async def write(steps: Sequence[Step], deadline: float) -> Sequence[StepOutcome]:
        place.shelf.write = late  # type: ignore[method-assign]  # the target itself is slow once
        place.clock.offset_us += 3_000_000
        for _ in range(1 + certain):
            await place.wish("work:1", title="B")
            await place.work()
        assert (await place.held("work:1")).certain == certain
        return await late(steps, deadline)

    place.shelf.write = write  # type: ignore[method-assign]
    await slow.once()
    assert (place.shelf.held["work:1"], slow.delivery.stale_writes) == ({"title": "A"}, 1)
    place.clock.offset_us += 3_000_000
    await place.work()
    assert place.shelf.held["work:1"] == {"title": "B"}


def replace_lease(settings: EnsureSettings, seconds: float) -> EnsureSettings:
    return settings.model_copy(update={"lease": seconds})


async def test_before_images_and_the_journal_say_what_was_overwritten(place: Place) -> None:
    place.shelf.held["work:1"] = {"title": "theirs"}
    await place.wish("work:1", title="A")
    await place.work()
    async with place.db.read() as c:
        [image] = (await c.execute(before_table.select())).all()
        journal = [row for row in await outbox.posted(c, 10) if row.topic == "journal"]
    assert (image.field, image.was, image.becomes) == ("title", '"theirs"', '"A"')
    assert json.loads(journal[0].value)["fields"] == {"title": {"was": "theirs", "is": "A", "read": True}}


async def test_another_mapping_in_force_stops_this_process_from_working(place: Place) -> None:
    await place.wish("work:1", title="A")
    async with place.db.begin() as c:
        await installation.activate(place.db, c, "other", "")
    assert await place.worker().once() == 0


class OneRecord(Wishes):
    """Every title wants the same record, as while a product moves from one work to another."""

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        wanted = {FieldKey(key): value for key, value in self.fields[dossier.title].items()}
        return Plan((Ensure(Resource("shelf", "record", "shared"), wanted, 1),))


async def moved(place: Place) -> None:
    """Two titles name one record, the second by a newer statement; until nothing is due any more."""
    place.wishes = OneRecord()
    await place.wish("work:1", title="A")
    await place.wish("work:2", title="B")
    await worked(place)


async def worked(place: Place) -> None:
    worker = place.worker()

    async def quiet() -> bool:
        await worker.once()
        async with place.db.read() as c:
            due = await work.next_due(c, ["wishes"])
            return due is None or due > await place.db.now(c) + 60_000_000

    await tenants.until(quiet, what="nothing is due")


async def test_a_record_that_two_titles_name_is_written_for_one_after_the_other(place: Place) -> None:
    await moved(place)
    assert place.shelf.held == {"shared": {"title": "B"}}
    assert all(len(call) == 1 for call in place.shelf.writes), "never twice in one call"


async def test_an_older_statement_of_the_other_title_writes_nothing_and_is_a_finding(place: Place) -> None:
    await moved(place)
    writes = len(place.shelf.writes)
    async with place.db.begin() as c:
        await work.mark(place.db, c, [work.Due("wishes", TitleKey("work:1"), await place.db.now(c), 40, "again")])
    await worked(place)
    assert (place.shelf.held, len(place.shelf.writes)) == ({"shared": {"title": "B"}}, writes)
    assert await place.findings() == ["claimed-twice"]


async def test_a_newer_statement_of_the_first_title_takes_the_record_back(place: Place) -> None:
    await moved(place)
    await place.wish("work:1", title="C")
    await worked(place)
    assert place.shelf.held == {"shared": {"title": "C"}}


async def test_a_failure_at_the_second_look_leaves_the_doubt(place: Place) -> None:
    await place.wish("work:1", title="A")
    await place.work()
    await place.wish("work:1", title="B")
    place.shelf.fails = [Retry("time-out", maybe_done=True)]
    await place.work()
    place.shelf.held["work:1"]["title"] = "A"  # the request that timed out is carried out late
    place.clock.offset_us += 901 * 1_000_000
    place.shelf.fails = [Retry("429", after=0.0)]
    await place.work()
    assert place.shelf.held["work:1"] == {"title": "B"}


async def test_back_to_a_after_a_lost_b_ends_at_a_although_calls_fail_between(place: Place) -> None:
    await place.wish("work:1", title="A")
    await place.work()
    await place.wish("work:1", title="B")
    place.shelf.fails, place.shelf.done_all_the_same = [Retry("time-out", maybe_done=True)], True
    await place.work(1)
    place.shelf.done_all_the_same = False
    await place.wish("work:1", title="A")
    place.shelf.fails = [Retry("429", after=0.0), Retry("429", after=0.0)]
    await place.work()
    assert place.shelf.held["work:1"] == {"title": "A"}


async def test_a_group_that_is_all_that_was_wanted_is_refused_as_a_whole(place: Place) -> None:
    place.wishes.groups = (frozenset({FieldKey("amount"), FieldKey("currency")}),)
    place.shelf.refuses = {"amount": "too small"}
    await place.wish("work:1", amount="0", currency="GBP")
    await place.work()
    assert place.shelf.held == {}
    assert await place.findings() == ["dead-letter"]


async def test_a_target_that_names_a_done_step_again_stops_its_title(place: Place) -> None:
    steps = place.shelf.steps
    place.shelf.steps = lambda desired, actual, progress: steps(desired, actual, {})  # type: ignore[method-assign]
    await place.wish("work:1", title="A")
    await place.work()
    assert ((await place.row("work:1")).outcome, len(place.shelf.writes)) == ("stopped", 1)


async def test_a_slice_that_breaks_is_tried_title_by_title(place: Place) -> None:
    for n in range(4):
        await place.wish(f"work:{n}", title="\ud800" if n == 2 else f"T{n}")  # no database stores half a character
    await place.work(10)
    assert sorted(place.shelf.held) == ["work:0", "work:1", "work:3"]
    assert (await place.row("work:2")).outcome == "stopped"


class Heard(Observed):
    """What the worker says kept it from its work, turn by turn."""

    def __init__(self) -> None:
        self.troubles: list[str] = []

    def turned(self, part: str, trouble: str = "") -> None:
        self.troubles.append(trouble)


async def test_a_worker_says_that_it_waits_for_what_is_read_back(place: Place) -> None:
    async with place.db.begin() as c:
        await installation.state(place.db, c, {installation.BEHIND: "1"})
    worker, stopping = place.worker(), asyncio.Event()
    worker.observed = heard = Heard()
    running = asyncio.create_task(worker.run(stopping))
    try:
        await tenants.until(lambda: any(heard.troubles), what="a trouble")
        assert "read back" in heard.troubles[-1]
    finally:
        stopping.set()
        await asyncio.wait_for(running, 30)
