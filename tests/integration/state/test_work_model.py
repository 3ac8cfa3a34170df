"""Any order of marking, claiming, finishing and dying against a model of a few lines, on both databases."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frontlist.clock import Clock
from frontlist.contract import TitleKey
from frontlist.state import processes, work
from frontlist.state.database import Database

TITLES = ("work:1", "work:2", "work:3")
#: Times that markings and claims are about; far from the clock, which only says who is alive.
MOMENTS = st.integers(0, 6)
MARKINGS = st.tuples(st.sampled_from(TITLES), MOMENTS, st.sampled_from(work.Priority))
PROCESSES = st.sampled_from(("p1", "p2"))
ACTIONS = st.one_of(
    st.tuples(st.just("mark"), st.lists(MARKINGS, min_size=1, max_size=3, unique_by=lambda each: each[0])),
    st.tuples(st.just("claim"), PROCESSES, st.integers(1, 3)),
    st.tuples(st.just("finish"), st.integers(0, 5), st.none() | MOMENTS, MOMENTS),
    st.tuples(st.just("release"), PROCESSES),
    st.tuples(st.just("silence")),
)


@dataclass
class Row:
    due_at: int | None = None
    priority: int = 0
    not_before: int = 0
    number: int = 0
    claim: int = 0
    claimed_by: str | None = None


@dataclass
class Model:
    """What the rows must be; `now` moves by one with each action."""

    now: int = 0
    rows: dict[str, Row] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)
    claims: list[work.Claim] = field(default_factory=list)
    largest: int = 0

    def mark(self, title: str, at: int, priority: int) -> None:
        row = self.rows.setdefault(title, Row())
        row.priority = priority if row.due_at is None else min(row.priority, priority)
        row.due_at = at if row.due_at is None else min(row.due_at, at)

    def claimable(self) -> list[tuple[int, int]]:
        """(priority, time) of what a claim may take, the most urgent first."""
        return sorted(
            (row.priority, row.due_at)
            for row in self.rows.values()
            if row.due_at is not None
            and max(row.due_at, row.not_before) <= self.now
            and row.claimed_by not in self.alive
        )

    def finish(self, done: work.Finished) -> None:
        row = self.rows[done.claim.title]
        if row.claim != done.claim.claim:
            return
        row.claimed_by = None
        if row.number == done.claim.number:
            row.due_at, row.not_before = done.due_at, done.not_before


class Driver:
    """Does each action in the database and in the model, and compares."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db, self.clock, self.model = db, clock, Model()

    async def do(self, name: str, *arguments: Any) -> None:
        self.model.now += 1
        await getattr(self, f"_{name}")(*arguments)
        await self._compare()

    async def _mark(self, markings: list[tuple[str, int, int]]) -> None:
        dues = [work.Due("metadata", TitleKey(title), at, priority, "") for title, at, priority in markings]
        async with self.db.begin() as c:
            await work.mark(self.db, c, dues)
        for marking in markings:
            self.model.mark(*marking)
        async with self.db.read() as c:
            numbers = {row.title: row.number for row in await c.execute(sa.select(work.work_table))}
        for title in {marking[0] for marking in markings}:
            assert numbers[title] > self.model.largest
            self.model.rows[title].number = numbers[title]
        self._drawn(*numbers.values())

    async def _claim(self, process: str, limit: int) -> None:
        async with self.db.begin() as c:
            for living in self.model.alive | {process}:
                await processes.beat(self.db, c, living, "work")
            self.model.alive.add(process)
            wanted, now = self.model.claimable()[:limit], await self.db.now(c)
            await self._shift(c, now)
            got = await work.claim(self.db, c, process, now, limit, ["metadata"])
            await self._shift(c, -now)
        rows = [self.model.rows[each.title] for each in got]
        assert sorted((row.priority, row.due_at or 0) for row in rows) == wanted
        for each, row in zip(got, rows, strict=True):
            assert each.number == row.number
            assert each.claim > self.model.largest
            row.claim, row.claimed_by = each.claim, process
        self._drawn(*(each.claim for each in got))
        self.model.claims += got

    async def _shift(self, c: Any, by: int) -> None:
        """The model's small times become the clock's, for as long as a claim compares them with heartbeats."""
        t = work.work_table.c
        by -= self.model.now if by > 0 else -self.model.now
        await c.execute(sa.update(work.work_table).values(due_at=t.due_at + by, not_before=t.not_before + by))

    async def _finish(self, which: int, at: int | None, not_before: int) -> None:
        if which >= len(self.model.claims):
            return
        done = work.Finished(self.model.claims[which], "done", due_at=at, not_before=not_before)
        async with self.db.begin() as c:
            await work.finish(self.db, c, [done], self.model.now)
        self.model.finish(done)

    async def _release(self, process: str) -> None:
        async with self.db.begin() as c:
            await work.release(self.db, c, process)
        for row in self.model.rows.values():
            row.claimed_by = None if row.claimed_by == process else row.claimed_by

    async def _silence(self) -> None:
        """Longer than a heart may stop."""
        self.clock.offset_us += processes.DEAD_AFTER + 1_000_000
        self.model.alive.clear()

    def _drawn(self, *numbers: int) -> None:
        self.model.largest = max(self.model.largest, *numbers, 0)

    async def _compare(self) -> None:
        async with self.db.read() as c:
            found = {
                row.title: Row(row.due_at, row.priority, row.not_before, row.number, row.claim, row.claimed_by)
                for row in await c.execute(sa.select(work.work_table))
            }
        assert found == self.model.rows


@given(actions=st.lists(ACTIONS, max_size=25))
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_rows_are_as_the_model_says_after_any_order_of_events(db: Database, clock: Clock, actions: Any) -> None:
    async with db.begin() as c:
        await c.execute(sa.delete(work.work_table))
        await c.execute(sa.delete(processes.process_table))
    driver = Driver(db, clock)
    for action in actions:
        await driver.do(*action)
