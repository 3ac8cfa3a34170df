"""Dead letters, brakes, undo, pins and sweeps around the engine, against a target in memory, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

import tenants
from frontlist import Brake, Capabilities, Ensure, FieldKey, Plan, TitleKey
from frontlist.brakes import Brakes, BrakeSettings
from frontlist.clock import Clock
from frontlist.contract import Context, Dossier, Resource
from frontlist.errors import DeadLetter, Retry
from frontlist.keeping import Keeper, KeepSettings, sizes
from frontlist.settling import confirm, discard, let_through, reject
from frontlist.state import (
    census,
    dead,
    dossier,
    drift,
    erased,
    held,
    installation,
    processes,
    schema,
    settled,
    sweeps,
    work,
)
from frontlist.state.database import Database
from frontlist.state.images import before_table
from frontlist.sweeping import ReconcileSettings, Selection, Sweeper, begin, feed, turn
from frontlist.work import Worker
from integration.test_ensure import KEY, Place, Shelf, Wishes

HOUR = 3_600_000_000
RECORD = Resource("shelf", "record", "work:1")
DAY = 24 * HOUR


@dataclass
class Braked(Wishes):
    """Wishes whose price and link have brakes."""

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        [wish] = super().plan(dossier, context).desired or (None,)
        if not isinstance(wish, Ensure):
            return Plan()
        brake = {FieldKey("price"): Brake.PRICE, FieldKey("copy"): Brake.TEXT}
        return Plan((Ensure(wish.resource, wish.fields, wish.flow, self.groups, brake=brake),))


@dataclass
class Scene(Place):
    """A place with brakes, whose titles all belong to one imprint."""

    brakes: BrakeSettings = field(default_factory=lambda: BrakeSettings(share=0.0, floor=2))
    reconcile: ReconcileSettings = field(default_factory=ReconcileSettings)
    topic: str = "decisions"
    known: dict[str, Capabilities] = field(default_factory=lambda: {"shelf": Capabilities()})

    def worker(self, **more: Any) -> Worker:
        braking = Brakes(self.db, self.brakes)
        leaves = self.reconcile.leaves
        return super().worker(decisions=self.topic, known=self.known, braking=braking, leaves=leaves, **more)

    async def wish(self, title: str, /, **fields: Any) -> None:
        self.wishes.fields[title] = fields
        async with self.db.begin() as c:
            now = await self.db.now(c)
            body = {"imprint": {"name": "Blue Heron"}}
            stored = dossier.Stored("consonance", "metadata", TitleKey(title), now, "present", body)
            await dossier.store(self.db, c, [stored])
            await work.mark(self.db, c, [work.Due("wishes", TitleKey(title), now, 40, "consonance.metadata")])

    async def stand(self, titles: Sequence[str], **fields: Any) -> None:
        """These titles are written so, and that was long ago."""
        for title in titles:
            await self.wish(title, **fields)
        await self.work()
        assert all(self.shelf.held[title] == fields for title in titles)
        self.clock.offset_us += 2 * DAY

    async def state(self, title: str, aspect: str, state: Any, body: Any) -> None:
        self.clock.offset_us += 1000
        async with self.db.begin() as c:
            now = await self.db.now(c)
            stored = dossier.Stored("consonance", aspect, TitleKey(title), now, state, body)
            await dossier.store(self.db, c, [stored])

    async def again(self, title: str) -> None:
        async with self.db.begin() as c:
            now = await self.db.now(c)
            await work.mark(self.db, c, [work.Due("wishes", TitleKey(title), now, 40, "test")])
        await self.work()

    async def erased(self) -> list[str]:
        async with self.db.read() as c:
            return sorted(await erased.of(c, "wishes", [TitleKey(each) for each in self.wishes.fields]))

    async def decide(self, kind: str, key: str, body: Any) -> None:
        async with self.db.begin() as c:
            [number] = await self.db.draw(c)
            await settled.save_decisions(self.db, c, [settled.Decision(kind, key, body, number)])

    async def letters(self) -> list[dead.Letter]:
        async with self.db.read() as c:
            return await dead.find(c, dead.Filter())

    async def groups(self) -> list[held.Group]:
        async with self.db.read() as c:
            return await held.groups(c)

    async def images(self) -> list[Any]:
        async with self.db.read() as c:
            return list((await c.execute(before_table.select())).all())

    async def pins(self) -> dict[str, Any]:
        async with self.db.read() as c:
            return await settled.decisions(c, "pinned")

    async def sweep(self, kind: sweeps.Kind = "replay", *titles: str) -> str:
        chosen = [TitleKey(each) for each in titles or self.wishes.fields]
        return await begin(self.db, self.clock, kind, Selection(), {"wishes": chosen})

    async def progress(self, id_: str) -> dict[str, Any]:
        async with self.db.read() as c:
            return await sweeps.progress(c, id_)


@pytest.fixture
async def scene(database_url: str) -> AsyncIterator[Scene]:
    clock = Clock()
    db = Database(database_url, clock)
    await schema.upgrade(db)
    async with db.begin() as c:
        await installation.register(db, c, {"wishes": (frozenset({KEY}), "1")})
        row = {"number": 1, "fingerprint": "f", "text": "", "at": 0}
        await c.execute(installation.activation_table.insert(), [row])
        await settled.save_decisions(db, c, [settled.Decision("mode", "*/*", "apply", 1)])
    yield Scene(db, clock, Shelf(), Braked())
    await db.close()


TITLES = [f"work:{n}" for n in range(5)]


# --- dead letters ----------------------------------------------------------------------------------------------------


async def test_a_dead_letter_is_kept_and_a_re_drive_lets_it_through_once(scene: Scene) -> None:
    scene.shelf.fails = [DeadLetter("never"), DeadLetter("still not")]
    await scene.wish("work:1", title="A")
    await scene.work()
    [letter] = await scene.letters()
    assert (letter.reason, letter.times, letter.fields) == ("never", 1, {"title": "A"})
    await scene.wish("work:1", title="A")
    await scene.work()
    assert (len(scene.shelf.writes), (await scene.letters())[0].times) == (1, 1), "known, so not called"
    assert await let_through(scene.db, [letter]) == 1
    await scene.work()
    [again] = await scene.letters()
    assert (len(scene.shelf.writes), again.times, again.reason) == (2, 2, "still not")
    await scene.wish("work:1", title="A")
    await scene.work()
    assert len(scene.shelf.writes) == 2, "let through once"
    await let_through(scene.db, [again])
    await scene.work()
    assert (scene.shelf.held["work:1"], await scene.letters()) == ({"title": "A"}, [])


async def test_a_superseded_dead_letter_closes_itself_and_so_does_one_that_is_no_longer_planned(scene: Scene) -> None:
    scene.shelf.fails = [DeadLetter("never A")]
    await scene.wish("work:1", title="A")
    await scene.work()
    scene.shelf.fails = [DeadLetter("never B")]
    await scene.wish("work:1", title="B")
    await scene.work()
    assert [each.reason for each in await scene.letters()] == ["never B"]
    await scene.wish("work:1")
    scene.wishes.fields.pop("work:1")
    await scene.work()
    assert await scene.letters() == []


async def test_a_discarded_dead_letter_is_heard_of_no_more_until_it_is_tried_again(scene: Scene) -> None:
    scene.shelf.fails = [DeadLetter("never")]
    await scene.wish("work:1", title="A")
    await scene.work()
    assert (await discard(scene.db, await scene.letters()), await scene.findings()) == (1, [])
    await scene.wish("work:1", title="A")
    await scene.work()
    assert (await scene.letters(), await scene.findings(), len(scene.shelf.writes)) == ([], [], 1)
    scene.shelf.fails = [DeadLetter("never B")]
    await scene.wish("work:1", title="B")
    await scene.work()
    assert (len(await scene.letters()), await scene.findings()) == (1, ["dead-letter"])


async def test_dead_letters_are_found_by_what_a_person_knows_of_them(scene: Scene) -> None:
    scene.shelf.batch = 1
    scene.shelf.fails = [DeadLetter("Currency unknown"), DeadLetter("Too long")]
    await scene.wish("work:1", title="A")
    await scene.wish("work:2", title="B")
    await scene.work(1)
    letters = {each.title: each for each in await scene.letters()}
    filters = {
        dead.Filter(reason="currency"): 1,
        dead.Filter(consumer="other"): 0,
        dead.Filter(target="shelf", kind="record"): 2,
        dead.Filter(titles=(TitleKey("work:2"),)): 1,
        dead.Filter(numbers=(letters[TitleKey("work:1")].number,)): 1,
        dead.Filter(since=scene.clock.now_us() + HOUR): 0,
        dead.Filter(reason="100%"): 0,
    }
    async with scene.db.read() as c:
        assert {each: len(await dead.find(c, each)) for each in filters} == filters


# --- brakes ----------------------------------------------------------------------------------------------------------


async def test_harmful_changes_above_the_limit_wait_while_the_rest_of_the_title_goes_on(scene: Scene) -> None:
    await scene.stand(TITLES, price="10.00", title="A")
    for title in TITLES:
        await scene.wish(title, price="1.00", title="B")
    await scene.work()
    prices = sorted(each["price"] for each in scene.shelf.held.values())
    assert prices == ["1.00", "1.00", "10.00", "10.00", "10.00"]
    assert {each["title"] for each in scene.shelf.held.values()} == {"B"}
    [group] = await scene.groups()
    assert (group.imprint, group.effect, group.titles) == ("Blue Heron", "price", 3)
    assert (await scene.findings()) == ["held"] * 3
    rows = [(await scene.row(title)).outcome for title in TITLES]
    assert sorted(rows) == ["applied", "applied", "held", "held", "held"]


async def test_what_is_held_never_goes_out_by_waiting_and_holds_up_all_that_comes_after_it(scene: Scene) -> None:
    await scene.stand(TITLES, price="10.00")
    for title in TITLES[:4]:
        await scene.wish(title, price="0")
    await scene.work()
    scene.clock.offset_us += 2 * DAY
    await scene.wish(TITLES[4], price="0")
    await scene.work()
    assert [scene.shelf.held[title]["price"] for title in TITLES] == ["0", "0", "10.00", "10.00", "10.00"]


async def test_a_person_confirms_a_fixed_list_and_what_came_since_waits_on(scene: Scene) -> None:
    await scene.stand(TITLES, price="10.00")
    for title in TITLES[:4]:
        await scene.wish(title, price="0")
    await scene.work()
    [shown] = await scene.groups()
    await scene.wish(TITLES[4], price="0")
    await scene.wish(TITLES[2], price="1.00")  # another value than the one on the list
    await scene.work()
    assert await confirm(scene.db, scene.topic, shown.list) == 1
    await scene.work()
    assert [scene.shelf.held[title]["price"] for title in TITLES] == ["0", "0", "10.00", "0", "10.00"]
    assert [group.cells for group in await scene.groups()] == [2]


async def test_a_confirmation_is_for_the_value_that_the_person_saw(scene: Scene) -> None:
    await scene.stand(TITLES, price="10.00")
    for title in TITLES[:3]:
        await scene.wish(title, price="0")
    await scene.work()
    [group] = await scene.groups()
    await confirm(scene.db, scene.topic, group.list)
    await scene.wish(TITLES[2], price="1.00")
    await scene.work()
    assert scene.shelf.held[TITLES[2]]["price"] == "10.00"


async def test_a_confirmation_is_used_up_by_the_write(scene: Scene) -> None:
    await scene.stand(TITLES, price="10.00")
    for title in TITLES:
        await scene.wish(title, price="0")
    await scene.work()
    [group] = await scene.groups()
    await confirm(scene.db, scene.topic, group.list)
    await scene.work()
    assert {each["price"] for each in scene.shelf.held.values()} == {"0"}
    assert (await scene.groups(), await scene.findings()) == ([], [])
    async with scene.db.read() as c:
        assert await settled.decisions(c, "confirmed") == {}


@pytest.mark.parametrize(("at", "price"), [("claimed", "0"), ("planned", "10.00")])
async def test_a_confirmation_that_comes_while_its_title_is_in_hand_is_used_up_too(
    scene: Scene, at: str, price: str
) -> None:
    """It comes before the plan, which then writes it; or after a plan that wants it no longer."""
    await scene.stand(TITLES, price="10.00")
    for title in TITLES:
        await scene.wish(title, price="0")
    await scene.work()
    [group] = await scene.groups()
    for title in TITLES[2:]:
        await scene.wish(title, price=price)
    worker = scene.worker()
    said: list[int] = []

    async def step(name: str) -> None:
        if name == at and not said:
            said.append(await confirm(scene.db, scene.topic, group.list))

    worker.step = step
    await worker.once()
    await scene.work()
    assert (said, {scene.shelf.held[title]["price"] for title in TITLES[2:]}) == ([3], {price})
    async with scene.db.read() as c:
        assert await settled.decisions(c, "confirmed") == {}


async def test_what_a_person_rejects_stays_until_its_source_changes(scene: Scene) -> None:
    await scene.stand(TITLES, price="10.00")
    for title in TITLES:
        await scene.wish(title, price="0")
    await scene.work()
    [group] = await scene.groups()
    assert await reject(scene.db, scene.topic, group.list) == 3
    await scene.work()
    kept = [title for title in TITLES if scene.shelf.held[title]["price"] == "10.00"]
    assert (len(kept), await scene.groups(), await scene.findings()) == (3, [], [])
    await scene.wish(kept[0], price="12.00")
    await scene.work()
    assert scene.shelf.held[kept[0]]["price"] == "12.00"
    assert len(await scene.pins()) == 2


async def test_what_its_source_takes_back_is_held_no_longer(scene: Scene) -> None:
    await scene.stand(TITLES, price="10.00")
    for title in TITLES:
        await scene.wish(title, price="0")
    await scene.work()
    for title in TITLES:
        await scene.wish(title, price="11.00")
    await scene.work()
    assert {each["price"] for each in scene.shelf.held.values()} == {"11.00"}
    assert (await scene.groups(), await scene.findings()) == ([], [])


async def test_a_held_field_takes_its_group_with_it(scene: Scene) -> None:
    scene.brakes = BrakeSettings(share=0.0, floor=0)
    scene.wishes.groups = (frozenset({FieldKey("price"), FieldKey("currency")}),)
    await scene.stand(["work:1"], price="10.00", currency="GBP")
    await scene.wish("work:1", price="1000", currency="JPY", title="B")
    await scene.work()
    assert scene.shelf.held["work:1"] == {"price": "10.00", "currency": "GBP", "title": "B"}


async def test_an_erasure_that_is_held_waits_on_while_the_rest_is_written(scene: Scene) -> None:
    scene.brakes = BrakeSettings(share=0.0, floor=0)
    await scene.stand(["work:1"], price="10.00", title="A")
    for title in ("B", "C"):
        await scene.wish("work:1", price=None, title=title)
        await scene.work()
        assert scene.shelf.held["work:1"] == {"price": "10.00", "title": title}
        assert [group.cells for group in await scene.groups()] == [1]
    await scene.wish("work:1", price="11.00", title="D")
    await scene.work()
    assert (scene.shelf.held["work:1"]["price"], await scene.groups()) == ("11.00", [])


async def test_a_failed_write_is_counted_once(scene: Scene) -> None:
    await scene.stand(TITLES[:2], price="10.00")
    scene.shelf.fails = [Retry("429", after=0.0)] * 3
    for title in TITLES[:2]:
        await scene.wish(title, price="0")
    await scene.work(8)
    assert ({each["price"] for each in scene.shelf.held.values()}, await scene.groups()) == ({"0"}, [])


# --- sweeps and drift ------------------------------------------------------------------------------------------------


async def drain(scene: Scene, window: int = 2) -> None:
    while await feed(scene.db, window):
        await scene.work()


async def test_a_replay_compares_with_what_stands_there_and_says_what_became_of_each_title(scene: Scene) -> None:
    await scene.stand(TITLES, title="A")
    scene.shelf.held["work:3"]["title"] = "somebody's"
    reads = scene.shelf.reads
    id_ = await scene.sweep("replay")
    await drain(scene)
    said = await scene.progress(id_)
    assert scene.shelf.reads == reads + 5
    assert (said["titles"], said["done"], said["outcomes"]) == (5, 5, {"applied": 1, "unchanged": 4})
    assert scene.shelf.held["work:3"]["title"] == "A"
    [image] = [each for each in await scene.images() if each.field == "title" and each.was is not None]
    assert image.run == f"replay/{id_}"


async def test_a_stopped_replay_goes_on_where_it_stood(scene: Scene) -> None:
    await scene.stand(TITLES, title="A")
    id_ = await scene.sweep()
    await feed(scene.db, 2)
    await turn(scene.db, id_, "stopped")
    await scene.work()
    assert (await scene.progress(id_))["done"] == 0
    assert await feed(scene.db, 2) == 0
    await turn(scene.db, id_, "running")
    await drain(scene)
    assert (await scene.progress(id_))["done"] == 5


async def test_a_live_change_in_between_does_not_lose_the_reading_back(scene: Scene) -> None:
    await scene.stand(["work:1"], title="A")
    scene.shelf.held["work:1"]["title"] = "somebody's"
    id_ = await scene.sweep()
    await feed(scene.db)
    await scene.wish("work:1", title="A")
    await scene.work()
    await feed(scene.db)
    assert scene.shelf.held["work:1"]["title"] == "A"
    assert (await scene.progress(id_))["done"] == 1


async def test_a_system_that_is_not_known_yet_has_not_been_read_back(scene: Scene) -> None:
    await scene.stand(["work:1"], title="A")
    scene.shelf.held["work:1"]["title"] = "somebody's"
    id_ = await scene.sweep("reconcile")
    await feed(scene.db)
    scene.known = {}
    await scene.work(1)
    assert (await scene.progress(id_))["done"] == 0
    scene.known = {"shelf": Capabilities()}
    scene.clock.offset_us += HOUR
    await scene.work()
    assert (scene.shelf.held["work:1"]["title"], (await scene.progress(id_))["outcomes"]) == ("A", {"applied": 1})


@dataclass
class Elsewhere(Braked):
    """Writes to the shelf and to a target that nobody configured."""

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        here = super().plan(dossier, context).desired
        return Plan((*here, *(replace(e, resource=replace(e.resource, target="nowhere")) for e in here)))  # type: ignore[type-var]


async def test_a_system_that_is_not_known_yet_is_planned_once_a_minute_and_at_once_when_it_is_known(
    scene: Scene,
) -> None:
    scene.known = {}
    await scene.wish("work:1", title="A")
    await scene.work()
    row = await scene.row("work:1")
    assert (row.outcome, row.detail) == ("deferred", "shelf is not introspected yet")
    assert row.due_at - row.finished_at > 50_000_000
    scene.known = {"shelf": Capabilities()}
    await scene.again("work:1")
    assert scene.shelf.held["work:1"] == {"title": "A"}


async def test_a_target_that_nobody_configured_holds_up_no_other_and_is_planned_daily(scene: Scene) -> None:
    scene.wishes = Elsewhere()
    await scene.wish("work:1", title="A")
    await scene.work()
    row = await scene.row("work:1")
    assert scene.shelf.held["work:1"] == {"title": "A"}
    assert (row.outcome, row.detail) == ("deferred", "no target nowhere is configured")
    assert row.due_at - row.finished_at > 20 * HOUR


async def test_what_is_paused_has_not_been_read_back_and_keeps_its_findings(scene: Scene) -> None:
    scene.shelf.held["work:1"] = {"title": "somebody's"}
    scene.shelf.fails = [DeadLetter("never")]
    await scene.wish("work:1", title="A")
    await scene.work()
    await scene.decide("pause", "shelf/*", {"why": "an upgrade"})
    id_ = await scene.sweep("reconcile")
    await feed(scene.db)
    await scene.work()
    assert ((await scene.progress(id_))["done"], await scene.findings()) == (0, ["dead-letter"])
    await scene.decide("pause", "shelf/*", None)
    scene.clock.offset_us += 2 * HOUR
    await scene.work()
    assert (await scene.progress(id_))["outcomes"] == {"dead-lettered": 1}


async def test_reconcile_counts_drift_by_field_and_heals_or_leaves_it_by_policy(scene: Scene) -> None:
    scene.reconcile = ReconcileSettings(leave=["shelf/record/blurb"])
    await scene.stand(TITLES, title="A", blurb="ours")
    for title in TITLES[:2]:
        scene.shelf.held[title] |= {"title": "theirs", "blurb": "better"}
    id_ = await scene.sweep("reconcile")
    await drain(scene)
    async with scene.db.read() as c:
        counted = {each["field"]: (each["healed"], each["left"]) for each in await sweeps.drift(c, id_)}
    assert counted == {"title": (2, 0), "blurb": (0, 2)}
    assert scene.shelf.held["work:0"] == {"title": "A", "blurb": "better"}
    assert len(await scene.pins()) == 2
    id_ = await scene.sweep("reconcile")
    await drain(scene)
    assert (await scene.progress(id_))["outcomes"] == {"unchanged": 5}, "what was left is no drift any more"
    await scene.wish("work:0", title="A", blurb="ours, corrected")
    await scene.work()
    assert scene.shelf.held["work:0"]["blurb"] == "ours, corrected"
    assert len(await scene.pins()) == 1


async def test_a_field_that_goes_from_a_to_b_and_back_is_not_pinned_any_more(scene: Scene) -> None:
    scene.reconcile = ReconcileSettings(leave=["shelf/*/blurb"])
    await scene.stand(["work:1"], blurb="A")
    scene.shelf.held["work:1"]["blurb"] = "theirs"
    await scene.sweep("reconcile")
    await drain(scene)
    for blurb in ("B", "A"):
        await scene.wish("work:1", blurb=blurb)
        await scene.work()
    assert (scene.shelf.held["work:1"], await scene.pins()) == ({"blurb": "A"}, {})


async def test_a_reconcile_begins_by_itself_so_many_days_after_the_last_one(scene: Scene) -> None:
    await scene.stand(["work:1"], title="A")
    async with scene.db.begin() as c:
        now = await scene.db.now(c)
        await c.execute(installation.activation_table.update().values(at=now))
    sweeper = Sweeper(scene.db, scene.clock, ReconcileSettings(every_days=7), ["wishes"])
    assert await sweeper.once() == 0
    scene.clock.offset_us += 7 * DAY
    scene.shelf.held["work:1"]["title"] = "theirs"
    other = Sweeper(scene.db, scene.clock, ReconcileSettings(every_days=7), ["wishes"])
    assert [await sweeper.once(), await other.once()] == [1, 0], "one process at a time"
    assert (await scene.row("work:1")).priority == work.Priority.SWEEP
    await scene.work()
    await sweeper.once()
    async with scene.db.read() as c:
        [sweep] = await sweeps.find(c)
    assert (scene.shelf.held["work:1"], sweep.kind, sweep.state) == ({"title": "A"}, "reconcile", "done")
    assert await sweeper.once() == 0
    assert await Sweeper(scene.db, scene.clock, ReconcileSettings(every_days=0), ["wishes"]).once() == 0


async def test_a_consumer_that_is_not_installed_any_more_stops_no_reconcile(scene: Scene) -> None:
    await scene.stand(["work:1"], title="A")
    async with scene.db.begin() as c:
        await installation.register(scene.db, c, {"gone": (frozenset({KEY}), "1")})
        await c.execute(installation.activation_table.update().values(at=await scene.db.now(c)))
    scene.clock.offset_us += 7 * DAY
    sweeper = Sweeper(scene.db, scene.clock, ReconcileSettings(every_days=7), ["wishes"])
    assert await sweeper.once() == 1
    await scene.work()
    await sweeper.once()
    async with scene.db.read() as c:
        [sweep] = await sweeps.find(c)
    assert (sweep.selection["consumers"], sweep.state) == (["wishes"], "done")


async def test_a_consumer_that_does_not_work_takes_no_window_from_the_others(scene: Scene) -> None:
    await scene.stand(TITLES, title="A")
    titles = [TitleKey(each) for each in TITLES]
    id_ = await begin(scene.db, scene.clock, "reconcile", Selection(), {"gone": titles, "wishes": titles})
    await drain(scene)
    assert (await scene.progress(id_))["done"] == 5


async def test_what_is_over_is_taken_out_after_its_time_and_nothing_else(scene: Scene) -> None:
    scene.shelf.held["work:1"] = {"title": "theirs"}
    await scene.wish("work:1", title="A")
    await scene.work()
    scene.shelf.fails = [DeadLetter("never")]
    await scene.wish("work:2", title="B")
    await scene.work()
    keeper = Keeper(scene.db, scene.clock, KeepSettings())
    scene.clock.offset_us += 89 * DAY
    assert await keeper.once() == {"process": 2}
    scene.clock.offset_us += 2 * DAY
    assert await keeper.once() == {"before_image": 2}, "an image is made before the write, also of one that fails"
    assert len(await scene.letters()) == 1, "open, so it stays"
    scene.clock.offset_us += 400 * DAY
    assert await keeper.once() == {"work": 1}, "the dead letter is tried daily, so its row is never over"
    async with scene.db.read() as c:
        assert (await sizes(c))["dead_letter"] == 1


async def test_the_drift_of_an_ended_sweep_goes_with_it_and_so_do_old_looks_leases_and_processes(
    scene: Scene,
) -> None:
    await scene.stand(["work:1"], title="A")
    old = await scene.sweep()
    await drain(scene)
    rows = [sweeps.Drift(each, RECORD, "title", kept=False) for each in (old, "")]
    async with scene.db.begin() as c:
        await sweeps.count_drift(scene.db, c, rows)
        await drift.mark(scene.db, c, await drift.held(c, [RECORD]), await scene.db.now(c), HOUR)
        await processes.acquire(scene.db, c, [("shelf/work:9", "dead")], 45.0)
        await processes.beat(scene.db, c, "dead", "work")
    scene.clock.offset_us += 100 * DAY
    new = await scene.sweep()
    async with scene.db.begin() as c:
        await sweeps.count_drift(scene.db, c, [sweeps.Drift(new, RECORD, "title", kept=False)])
        await processes.beat(scene.db, c, "alive", "work")
        known = (await c.execute(processes.process_table.select())).all()
        assert "dead" in {row.id for row in known}, "the keeper alone takes processes out"
    went = await Keeper(scene.db, scene.clock, KeepSettings()).once()
    assert went.pop("process") >= 1
    assert went == {"before_image": 1, "sweep": 1, "sweep_title": 1, "drift": 1, "drift_look": 1, "lease": 1}
    async with scene.db.read() as c:
        left = (await c.execute(sweeps.drift_table.select())).all()
        assert {row.sweep for row in left} == {"", new}
        assert [row.id for row in (await c.execute(processes.process_table.select())).all()] == ["alive"]


async def test_only_one_process_keeps(scene: Scene) -> None:
    settings = KeepSettings()
    await scene.stand(["work:1"], title="A")
    first, second = (Keeper(scene.db, scene.clock, settings) for _ in range(2))
    scene.clock.offset_us += 100 * DAY
    assert [bool(await each.once()) for each in (first, second)] == [True, False]


async def test_a_row_that_comes_back_while_it_is_pruned_stays(scene: Scene) -> None:
    await scene.stand(["work:1"], title="A")
    scene.clock.offset_us += 500 * DAY
    keeper = Keeper(scene.db, scene.clock, KeepSettings())
    async with scene.db.begin() as c:
        now = await scene.db.now(c)
        await work.mark(scene.db, c, [work.Due("wishes", TitleKey("work:1"), now, 40, "test")])
        pruning = asyncio.create_task(keeper.once())
        if not scene.db.sqlite:
            await tenants.until(lambda: waiting(scene.db), what="the pruning that waits for us")
    assert "work" not in await asyncio.wait_for(pruning, 30)
    assert (await scene.row("work:1")).due_at == now


async def waiting(db: Database) -> bool:
    """Whether somebody waits for a row that another changes."""
    async with db.read() as c:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return bool((await c.exec_driver_sql(query)).scalar_one())


@pytest.mark.parametrize("aspects", [["metadata"], ["formats"], ["metadata", "formats"], []])
async def test_what_is_overwritten_is_kept_again_once_all_that_a_title_states_was_published_without_the_person(
    scene: Scene, aspects: list[str]
) -> None:
    await scene.stand(["work:1"], title="A")
    await scene.state("work:1", "metadata", "gone", None)
    for aspect in aspects:
        await scene.state("work:1", aspect, "present", {"imprint": {"name": "Blue Heron"}})
    async with scene.db.begin() as c:
        await erased.put(scene.db, c, ["wishes"], [TitleKey("work:1")], await scene.db.now(c))
    for left in range(len(aspects), 0, -1):
        await scene.again("work:1")
        assert await scene.erased() == ["work:1"], f"{left} documents are older"
        await scene.state("work:1", aspects[left - 1], "present", {"imprint": {"name": "Blue Heron"}})
    await scene.again("work:1")
    assert await scene.erased() == []


async def test_what_waits_for_a_person_is_counted_by_titles_and_a_discarded_letter_not_at_all(scene: Scene) -> None:
    await scene.stand(TITLES, price="10.00")
    for title in TITLES:
        await scene.wish(title, price="1.00")
    await scene.work()
    scene.shelf.fails = [DeadLetter("never")]
    await scene.wish("work:9", title="A")
    await scene.work()
    async with scene.db.read() as c:
        found = await census.take(scene.db, c)
    assert (found.held, found.dead) == ({"wishes": 3}, {("wishes", "shelf"): 1})
    await discard(scene.db, await scene.letters())
    async with scene.db.read() as c:
        assert (await census.take(scene.db, c)).dead == {}
