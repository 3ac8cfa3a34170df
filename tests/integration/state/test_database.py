"""Transactions that are cut off."""

from __future__ import annotations

import asyncio
import random

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
