"""One budget for all replicas: slots drawn from the database, whatever its clock does."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.budget import Budget
from frontlist.clock import Clock
from frontlist.state import slots
from frontlist.state.database import Database

SECOND = 1_000_000
#: Slots further ahead than this come from a clock that was set back.
FARTHEST = 60 * SECOND

DRAWS = st.tuples(st.just("draw"), st.integers(1, 5), st.sampled_from([SECOND // 100, SECOND // 2, 5 * SECOND]))
MOVES = st.tuples(st.just("move"), st.sampled_from([-400 * 86_400, -3600, -30, -1, 1, 30, 3600]))


async def draw(db: Database, count: int, apart: int) -> tuple[int, int, int]:
    """(the first slot and the moment after the last one, pause), in microseconds."""
    async with db.begin() as c:
        pause = await slots.draw(db, c, "dam", count, apart)
        free = (await c.execute(sa.select(slots.budget_table.c.free_at))).scalar_one()
    return free - count * apart, free, pause


@given(events=st.lists(st.one_of(DRAWS, MOVES), max_size=20))
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_slot_is_given_twice_and_a_clock_that_was_set_back_locks_nobody_out(
    db: Database, clock: Clock, events: list[tuple[Any, ...]]
) -> None:
    clock.offset_us, free = 0, 0
    async with db.begin() as c:
        await c.execute(sa.delete(slots.budget_table))
    for name, *numbers in events:
        if name == "move":
            clock.offset_us += numbers[0] * SECOND
            continue
        async with db.read() as c:
            before = await db.now(c)
        first, then, pause = await draw(db, *numbers)
        assert 0 <= pause <= FARTHEST
        assert first >= before, "a slot in the past"
        assert first >= free or free >= before + FARTHEST, "slots that were given already"
        free = then


async def test_two_processes_draw_different_slots_at_the_same_time(db: Database) -> None:
    apart = SECOND
    drawn = await asyncio.gather(*(draw(db, 2, apart) for _ in range(8)))
    firsts = sorted(first for first, _, _ in drawn)
    assert all(later >= first + 2 * apart for first, later in itertools.pairwise(firsts))


class Slow(Database):
    """A database of which a connection is not to be had at once."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        await asyncio.sleep(0.4)
        async with super().begin() as c:
            yield c


async def test_two_processes_together_are_never_faster_than_the_rate(db: Database) -> None:
    await _paced(Slow(str(db.url.render_as_string(hide_password=False)), db.clock))


async def _paced(db: Database) -> None:
    loop, times = asyncio.get_running_loop(), list[float]()
    began, apart, slack = loop.time() + 0.4, 0.5, 0.2

    async def calls(budget: Budget) -> None:
        for _ in range(3):
            await budget.wait()
            times.append(loop.time())

    budgets = [Budget(1.0 / apart) for _ in range(2)]
    for each in budgets:
        each.share(db, "dam")
    await asyncio.gather(*map(calls, budgets))
    await db.close()
    for i, at in enumerate(sorted(times)):
        assert at >= began + i * apart - slack, f"call {i} came {at - began:.2f} s after the first could begin"
