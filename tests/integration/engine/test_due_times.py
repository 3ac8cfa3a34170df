"""The next moment at which a plan changes comes on time, once, however many replicas and whatever was missed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from frontlist import Ensure, FieldKey, Plan, Resource
from frontlist.clock import moment
from frontlist.contract import Context, Dossier

from .attacking import Consumer, Loop, Replica, Stage, opened

TITLES = tuple(f"work:{n}" for n in range(6))
#: Seconds after a due time at which the replicas look.
AFTER = 5.0


def month_of(at: datetime) -> int:
    return at.year * 100 + at.month


def next_first(at: datetime) -> datetime:
    return (at.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


class Calendar(Consumer):
    """Says the month, and that its answer changes with the next one. `planned`: how often for which month."""

    def __init__(self) -> None:
        self.planned: Counter[tuple[str, int]] = Counter()

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        month = month_of(context.now)
        self.planned[dossier.title, month] += 1
        wanted = Ensure(Resource("shelf", "record", dossier.title), {FieldKey("month"): month}, 1)
        return Plan((wanted,), next_at=next_first(context.now))


class Years:
    """Three replicas of one installation, and its calendar."""

    def __init__(self, stage: Stage, skews: tuple[float, ...]) -> None:
        self.stage, self.calendar = stage, Calendar()
        stage.replicas = [Replica(stage, skew, 2, self.calendar) for skew in skews]

    @property
    def now(self) -> datetime:
        return moment(self.stage.clock.now_us())

    async def move_to(self, at: datetime) -> None:
        await self.stage.move((at - self.now).total_seconds())

    async def work(self) -> None:
        """All replicas at once, until none finds anything."""
        while any(await asyncio.gather(*(each.worker.once() for each in self.stage.replicas if not each.dead))):
            pass

    def counted(self) -> tuple[Counter[tuple[str, int]], Counter[str]]:
        """What was planned and written since the last time."""
        plans, writes = Counter(self.calendar.planned), Counter(self.stage.writes)
        self.calendar.planned.clear()
        self.stage.writes.clear()
        return plans, writes

    def once_each(self) -> tuple[Counter[tuple[str, int]], Counter[str]]:
        return Counter({(title, month_of(self.now)): 1 for title in TITLES}), Counter(dict.fromkeys(TITLES, 1))

    def holds(self) -> dict[str, int]:
        return {title: each.fields["month"] for title, each in self.stage.vaults["shelf"].objects.items()}


def lived(url: str, story: Callable[[Years], Awaitable[Any]]) -> None:
    """Plays a story on an installation whose titles were all written this month."""
    loop = Loop()

    async def played() -> None:
        db = await opened(url)
        stage = Stage(loop, db)
        await stage.reset()
        # PostgreSQL's clock counts; SQLite has one process, and its clock.
        years = Years(stage, (0.0, 0.0, 0.0) if db.sqlite else (0.0, 7200.0, -7200.0))
        for title in TITLES:
            await stage.revise(title, 40)
        await years.work()
        assert years.counted() == years.once_each()
        try:
            await story(years)
        finally:
            await stage.close()
            await db.close()

    try:
        loop.run_until_complete(played())
    finally:
        loop.close()


def test_each_due_time_fires_once_through_three_years(database_url: str) -> None:
    async def story(years: Years) -> None:
        for _ in range(36):
            first = next_first(years.now)
            await years.move_to(first - timedelta(seconds=AFTER))
            await years.work()
            assert years.counted() == (Counter(), Counter()), "before its time"
            await years.move_to(first + timedelta(seconds=AFTER))
            await years.work()
            assert years.counted() == years.once_each()
            assert years.holds() == dict.fromkeys(TITLES, month_of(years.now))

    lived(database_url, story)


def test_due_times_that_passed_in_downtime_fire_once_together(database_url: str) -> None:
    async def story(years: Years) -> None:
        for days in (200, 800, 45):
            await years.move_to((years.now + timedelta(days=days)).replace(day=10))
            await years.work()
            assert years.counted() == years.once_each()
            assert years.holds() == dict.fromkeys(TITLES, month_of(years.now))

    lived(database_url, story)


def test_a_due_time_whose_worker_died_is_done_by_another(database_url: str) -> None:
    async def story(years: Years) -> None:
        await years.move_to(next_first(years.now) + timedelta(seconds=AFTER))
        dying = years.stage.replicas[0]
        dying.begin("planned")
        await years.stage.rest()
        dying.kill()
        await years.stage.move(3.0)
        await years.work()
        plans, writes = years.counted()
        assert (set(plans), writes) == tuple(map(set, years.once_each()[:1])) + years.once_each()[1:]
        assert sorted(plans.values()) == [1, 1, 1, 1, 2, 2], "those of the dead one's claim are planned anew"

    lived(database_url, story)


def test_a_change_between_two_due_times_neither_moves_nor_doubles_them(database_url: str) -> None:
    async def story(years: Years) -> None:
        first = next_first(years.now)
        await years.move_to(first - timedelta(days=1))
        for title in TITLES[:2]:
            await years.stage.revise(title, 40)
        await years.work()
        assert years.counted() == (Counter({(t, month_of(years.now)): 1 for t in TITLES[:2]}), Counter())
        await years.move_to(first + timedelta(seconds=AFTER))
        await years.work()
        assert years.counted() == years.once_each()

    lived(database_url, story)


assert month_of(next_first(datetime(2026, 12, 31, 23, tzinfo=UTC))) == 202701
