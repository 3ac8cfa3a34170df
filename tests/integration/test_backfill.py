"""Consonance under a closed window: whatever compares or settles goes on, only what would write waits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

import tenants
from acceptance.test_crashes import edit, ours
from frontlist import Brake, Ensure, FieldKey, Plan, Resource, TitleKey
from frontlist.brakes import Brakes, BrakeSettings
from frontlist.clock import moment
from frontlist.contract import Context, Dossier
from frontlist.due import all_due
from frontlist.errors import Retry
from frontlist.gentleness import FACT, Backfill, BackfillSettings
from frontlist.settings import Settings
from frontlist.state import applied, dossier, installation, processes, recovered, sweeps, work
from frontlist.state.work import Priority
from frontlist.step import no_step
from frontlist.sweeping import Selection, begin, feed
from frontlist.work import Worker
from integration.test_ensure import Place, Shelf, Wishes
from integration.test_ensure import place as place

HOUR = 3_600_000_000
WORK = 61001


def opens(now: datetime, hours: int) -> tuple[time, time]:
    """A window of two hours that is open so many hours from now, and closed now."""
    begins = now + timedelta(hours=hours)
    return time(begins.hour), time((begins + timedelta(hours=2)).hour)


@dataclass
class Copy(Wishes):
    """A consumer of texts in Consonance, of which a title may have several."""

    texts: tuple[str, ...] = ("long",)
    brake: Mapping[FieldKey, Brake] = field(default_factory=dict)

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        fields = {FieldKey(key): value for key, value in self.fields.get(dossier.title, {}).items()}
        brake = {key: each for key, each in self.brake.items() if key in fields}
        places = [Resource("consonance", "text", f"{dossier.title}/{name}") for name in self.texts]
        return Plan(tuple(Ensure(each, fields, 1, brake=brake) for each in places))


@dataclass
class Deaf(Shelf):
    """One that cannot be read: what was applied counts as what is there."""

    readable: bool = False


@dataclass
class Night(Place):
    """A place whose target is Consonance. `titles`: so many in a window, which opens in five hours."""

    titles: int = 100
    brakes: BrakeSettings = field(default_factory=BrakeSettings)

    def __post_init__(self) -> None:
        self.shelf.name = "consonance"
        begins, ends = opens(moment(self.clock.now_us()), 5)
        self.window = BackfillSettings(begins=begins, ends=ends, titles=self.titles)

    def worker(self, **more: Any) -> Worker:
        backfill = Backfill(self.db, self.window, ZoneInfo("UTC"), self.clock)
        return super().worker(backfill=backfill, braking=Brakes(self.db, self.brakes), **more)

    async def wish(self, title: str, /, **fields: Any) -> None:
        """A change that nobody made just now: a new mapping, or a title that is heard of for the first time."""
        await self._stated(title, Priority.BACKFILL, fields)

    async def changed(self, title: str, /, **fields: Any) -> None:
        """A live change."""
        await self._stated(title, Priority.METADATA, fields)

    async def _stated(self, title: str, priority: Priority, fields: dict[str, Any]) -> None:
        self.wishes.fields[title] = fields
        async with self.db.begin() as c:
            now = await self.db.now(c)
            body = {"imprint": {"name": "Blue Heron"}}
            stored = dossier.Stored("consonance", "metadata", TitleKey(title), now, "present", body)
            await dossier.store(self.db, c, [stored])
            await work.mark(self.db, c, [work.Due("wishes", TitleKey(title), now, priority, "test")])

    def passes(self, hours: int) -> None:
        self.clock.offset_us += hours * HOUR

    async def written(self, title: str = "work:1", /, **fields: Any) -> None:
        """By a live change, long ago."""
        await self.changed(title, **fields)
        await self.work()
        assert self.shelf.held[f"{title}/long"] == fields
        self.passes(48)
        self.shelf.writes.clear()

    async def outcome(self, title: str = "work:1") -> str:
        return str((await self.row(title)).outcome)

    async def counted(self) -> list[str]:
        """The titles that count in the last window."""
        async with self.db.read() as c:
            return list(json.loads(await installation.fact(c, FACT) or '{"titles": []}')["titles"])

    async def applied(self) -> list[applied.Applied]:
        async with self.db.read() as c:
            return list(
                (await applied.of_titles(c, "wishes", [TitleKey(each) for each in self.wishes.fields])).values()
            )

    async def doubts(self) -> int:
        now = self.clock.now_us()
        return sum(each.intent_claim > each.applied_claim or each.in_doubt(now) for each in await self.applied())

    async def leases(self) -> int:
        async with self.db.read() as c:
            held = processes.lease_table.c.until > await self.db.now(c)
            query = sa.select(sa.func.count()).select_from(processes.lease_table)
            return int((await c.execute(query.where(held))).scalar_one())


@pytest.fixture
async def night(place: Place) -> Night:
    return Night(place.db, place.clock, Shelf(), Copy())


async def test_what_stands_there_as_wanted_is_remembered_outside_the_window(night: Night) -> None:
    night.shelf.held["work:1/long"] = {"markdown": "A"}
    await night.wish("work:1", markdown="A")
    await night.work()
    assert (await night.outcome(), night.shelf.writes, await night.counted()) == ("unchanged", [], [])
    [held] = await night.applied()
    assert held.fields == {"markdown": "A"}


@pytest.mark.parametrize("shelf", [Shelf, Deaf])
async def test_what_would_be_written_waits_for_the_window_and_leaves_nothing_behind(
    night: Night, shelf: type[Shelf]
) -> None:
    night.shelf = shelf(name="consonance")
    await night.wish("work:1", markdown="A")
    await night.work()
    await night.work()
    row = await night.row("work:1")
    assert (row.outcome, row.detail, row.claimed_by) == ("deferred", "backfill waits for its window", None)
    assert night.shelf.reads == (1 if shelf is Shelf else 0), "it is not asked for again and again"
    assert row.due_at > night.clock.now_us() + 3 * HOUR
    assert (night.shelf.writes, await night.applied(), await night.leases(), await night.counted()) == ([], [], 0, [])
    night.passes(5)
    await night.work()
    assert (await night.outcome(), night.shelf.held) == ("applied", {"work:1/long": {"markdown": "A"}})
    assert await night.counted() == ["work:1"]


async def test_a_live_change_never_waits_not_even_where_a_backfill_does(night: Night) -> None:
    await night.wish("work:1", markdown="A")
    await night.work()
    assert await night.outcome() == "deferred"
    await night.changed("work:1", markdown="B")
    await night.work()
    assert (await night.outcome(), night.shelf.held) == ("applied", {"work:1/long": {"markdown": "B"}})
    assert await night.counted() == []


async def test_what_is_in_doubt_is_settled_outside_the_window(night: Night) -> None:
    night.passes(5)
    night.shelf.fails, night.shelf.once = [Retry("lost", maybe_done=True)], frozenset({"put"})
    await night.wish("work:1", markdown="A")
    await night.work()
    assert (len(night.shelf.writes), await night.doubts(), await night.counted()) == (1, 1, ["work:1"])
    night.passes(3)  # the window is over, and nothing was there: it is made again
    await night.work()
    assert (await night.outcome(), night.shelf.held) == ("applied", {"work:1/long": {"markdown": "A"}})
    night.passes(1)
    await night.work()
    assert await night.doubts() == 0


async def test_after_a_restored_backup_everything_is_settled_outside_the_window(night: Night) -> None:
    await night.written("work:1", markdown="A")
    await night.written("work:2", markdown="B")
    night.shelf.held["work:2/long"] = {"markdown": "of before the backup"}
    await night.wish("work:3", markdown="C")
    async with night.db.begin() as c:
        await recovered.doubt_all(c)
        everyone = await installation.registered(c)
        await work.mark(night.db, c, await all_due(night.db, c, everyone, await night.db.now(c), "restored"))
    await night.work()
    assert [await night.outcome(f"work:{n}") for n in (1, 2, 3)] == ["unchanged", "applied", "deferred"]
    night.passes(1)
    await night.work()
    assert (await night.doubts(), night.shelf.writes, await night.counted()) == (0, [["work:2/long"]], [])


async def test_a_replay_of_what_is_as_wanted_is_done_and_a_difference_keeps_it_until_the_window(night: Night) -> None:
    await night.written("work:1", markdown="A")
    await night.written("work:2", markdown="B")
    night.shelf.held["work:2/long"] = {"markdown": "somebody's"}
    titles = {"wishes": [TitleKey("work:1"), TitleKey("work:2")]}
    id_ = await begin(night.db, night.clock, "replay", Selection(), titles)
    await feed(night.db)
    await night.work()
    await feed(night.db)
    async with night.db.read() as c:
        assert (await sweeps.progress(c, id_))["done"] == 1
    assert (night.shelf.writes, await night.counted()) == ([], [])
    night.passes(5)
    await night.work()
    await feed(night.db)
    async with night.db.read() as c:
        [found] = await sweeps.find(c, id_)
        assert (await sweeps.progress(c, id_))["outcomes"] == {"applied": 1, "unchanged": 1}
    assert (found.state, night.shelf.held["work:2/long"]) == ("done", {"markdown": "B"})
    assert await night.counted() == ["work:2"]


async def test_what_waits_for_the_window_holds_up_no_sweep(night: Night) -> None:
    """More titles than a sweep has due at a time; those behind them are read back by day."""
    titles = [f"work:{n}" for n in range(1, 6)]
    for title in titles:
        await night.written(title, markdown="A")
    for title in titles[:3]:
        night.shelf.held[f"{title}/long"]["markdown"] = "somebody's"
    id_ = await begin(night.db, night.clock, "reconcile", Selection(), {"wishes": [TitleKey(each) for each in titles]})

    async def sweep() -> tuple[int, int]:
        while await feed(night.db, 2):
            await night.work()
        async with night.db.read() as c:
            said = await sweeps.progress(c, id_)
        return said["done"], said["due"]

    assert await sweep() == (2, 3)
    assert [await night.outcome(title) for title in titles] == ["deferred"] * 3 + ["unchanged"] * 2
    assert night.shelf.writes == []
    night.passes(5)
    await night.work()
    assert await sweep() == (5, 0)
    assert {each["markdown"] for each in night.shelf.held.values()} == {"A"}


async def test_a_night_counts_titles_that_are_written_each_once(night: Night) -> None:
    night = Night(night.db, night.clock, Shelf(), Copy(texts=("long", "short")), titles=2)
    for n in (1, 2, 3):
        night.shelf.held |= {f"work:{n}/{name}": {"markdown": "A"} for name in ("long", "short")}
    night.passes(5)
    for n in range(1, 7):
        await night.wish(f"work:{n}", markdown="A")
    await night.work()
    outcomes = [await night.outcome(f"work:{n}") for n in range(1, 7)]
    assert outcomes == ["unchanged"] * 3 + ["applied"] * 2 + ["deferred"]
    assert await night.counted() == ["work:4", "work:5"]
    await night.wish("work:4", markdown="B")  # it counts already
    await night.work()
    assert await night.outcome("work:4") == "applied"
    night.passes(24)
    await night.work()
    assert (await night.outcome("work:6"), await night.counted()) == ("applied", ["work:6"])


async def test_a_title_that_may_not_be_written_after_all_does_not_count(night: Night) -> None:
    night.passes(5)
    await night.wish("work:1", markdown="A")
    worker = night.worker()

    async def lower(name: str) -> None:
        if name == "planned":
            worker.step = no_step
            async with night.db.begin() as c:
                await installation.activate(night.db, c, "other", "")

    worker.step = lower
    await worker.once()
    assert (await night.outcome(), night.shelf.writes, await night.counted()) == ("busy", [], [])


@pytest.fixture
async def braked(night: Night) -> Night:
    """No price of any title may change by much."""
    night.wishes = Copy(brake={FieldKey("price"): Brake.PRICE})
    night.brakes = BrakeSettings(share=0.0, floor=0)
    await night.written(price="10", markdown="A")
    return night


async def test_what_a_brake_holds_does_not_count(braked: Night) -> None:
    braked.passes(5)
    await braked.wish("work:1", price="1", markdown="A")
    await braked.work()
    assert (await braked.outcome(), await braked.counted()) == ("held", [])


async def test_what_a_brake_holds_is_a_finding_though_the_rest_waits_for_the_window(braked: Night) -> None:
    await braked.wish("work:1", price="1", markdown="B")
    await braked.work()
    assert (await braked.outcome(), braked.shelf.writes) == ("deferred", [])
    assert await braked.findings() == ["held"]
    braked.passes(5)
    await braked.work()
    assert braked.shelf.held == {"work:1/long": {"price": "10", "markdown": "B"}}
    assert (await braked.counted(), await braked.findings()) == (["work:1"], ["held"])


# --- between the sandboxes --------------------------------------------------------------------------------------------


@pytest.fixture
def closed(tmp_path: Path, database_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair) -> Settings:
    begins, ends = opens(datetime.now(UTC).astimezone(ZoneInfo("Europe/London")), 5)
    window = {"begins": begins.isoformat(), "ends": ends.isoformat()}
    return tenants.settings(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair, backfill=window)


async def test_texts_in_consonance_are_compared_and_settled_by_day_and_set_back_by_night(
    closed: Settings, pair: tenants.Pair
) -> None:
    title = TitleKey(f"work:{WORK}")
    async with tenants.prepared(closed), tenants.running(closed) as it:
        await tenants.settled(it)
        edit(pair, WORK, "the words")
        await tenants.until(lambda: ours(pair, WORK) == ["the words"], what="the text")
        await tenants.settled(it)

        async def ended(id_: str) -> bool:
            async with it.db.read() as c:
                return (await sweeps.find(c, id_))[0].state == "done"

        pair.consonance.forget_calls()
        first = await begin(it.db, it.clock, "replay", Selection(), {"metadata": [title]})
        await tenants.until(lambda: ended(first), what="the replay")
        async with it.db.begin() as c:
            await recovered.doubt_all(c)
            everyone = await installation.registered(c)
            await work.mark(it.db, c, await all_due(it.db, c, everyone, await it.db.now(c), "restored"))
        await tenants.until(lambda: sure(it), seconds=180, what="no doubt")
        assert pair.consonance.writes() == 0

        [text] = [
            each for each in pair.tenant.works[WORK].marketing_texts if each.external_text_markdown == "the words"
        ]
        text.external_text_markdown = "somebody's words"
        second = await begin(it.db, it.clock, "replay", Selection(), {"metadata": [title]})
        await tenants.until(lambda: waits(it, title), what="the difference that waits")
        assert (ours(pair, WORK), pair.consonance.writes()) == (["somebody's words"], 0)
        it.clock.offset_us += 5 * HOUR
        await tenants.until(lambda: ended(second), what="the second replay")
        assert ours(pair, WORK) == ["the words"]


async def sure(it: Any) -> bool:
    """Whether nothing in Consonance is in doubt."""
    query = sa.select(applied.applied_table).where(applied.applied_table.c.target == "consonance")
    async with it.db.read() as c:
        now, rows = await it.db.now(c), (await c.execute(query)).all()
    assert rows
    unsure = [row for row in rows if row.intent_claim > row.applied_claim or row.doubt_since is not None]
    return not unsure and all(row.look_again_at is None or row.look_again_at > now for row in rows)


async def waits(it: Any, title: TitleKey) -> bool:
    w = work.work_table.c
    async with it.db.read() as c:
        query = sa.select(w.detail).where(w.title == title, w.consumer == "metadata", w.outcome == "deferred")
        return "backfill waits for its window" in (await c.execute(query)).scalars().all()
