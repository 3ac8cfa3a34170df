"""Transactions that are cut off."""

from __future__ import annotations

import asyncio
import random

import pytest

import tenants
from frontlist.clock import Clock
from frontlist.state.database import Database


async def test_a_transaction_that_is_cancelled_anywhere_leaves_no_lock_behind(db: Database) -> None:
    """Who writes next gets the lock; SQLite would wait for half a minute, and then fail."""
    chance = random.Random(1)
    async with db.begin() as c:
        await c.exec_driver_sql("CREATE TABLE counter (value BIGINT)")
        await c.exec_driver_sql("INSERT INTO counter VALUES (0)")

    async def count() -> None:
        async with db.begin() as c:
            await c.exec_driver_sql("UPDATE counter SET value = value + 1")
            await c.exec_driver_sql("SELECT value FROM counter")

    for _ in range(150):
        tasks = [asyncio.create_task(count()) for _ in range(chance.randint(1, 6))]
        await asyncio.sleep(chance.random() * 0.008)
        for task in tasks:
            if chance.random() < 0.7:
                task.cancel()
        done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
        assert {type(each) for each in done} <= {type(None), asyncio.CancelledError}
    await asyncio.wait_for(count(), 20)


@pytest.mark.parametrize("times", [2, 3])
async def test_a_transaction_that_is_cancelled_again_while_it_closes_leaves_nothing_that_hangs(
    sqlite_url: str, times: int
) -> None:
    """The end of a loop cancels what is left and waits for it: it would wait for ever."""
    db, before = Database(sqlite_url, Clock()), asyncio.all_tasks()

    async def wait_for_the_lock() -> None:
        async with db.begin():
            pass

    async with db.begin():
        task = asyncio.create_task(wait_for_the_lock())
        await tenants.until(lambda: db.engine.pool.checkedout() == 2, what="a connection that waits")  # type: ignore[attr-defined]
        for _ in range(times):
            task.cancel()
            for _ in range(5):
                await asyncio.sleep(0)
        left = asyncio.all_tasks() - before
        for each in left if times > 2 else ():
            each.cancel()
    await asyncio.wait_for(asyncio.gather(*left, return_exceptions=True), 20)
    await asyncio.wait_for(wait_for_the_lock(), 20)
    await db.close()


async def test_a_lock_that_is_held_for_long_keeps_others_away_and_ends_with_its_block(database_url: str) -> None:
    db, other = Database(database_url, Clock()), Database(database_url, Clock())
    async with db.alone("rebuild") as mine:
        assert mine
        async with other.alone("rebuild") as theirs, other.alone("something else") as free:
            # SQLite takes one process anyway (`runtime.alone`).
            assert (theirs, free) == (db.sqlite, True)
    async with other.alone("rebuild") as theirs:
        assert theirs
    await db.close()
    await other.close()
