"""Heartbeats and leases, on both databases."""

from __future__ import annotations

import asyncio

from frontlist.clock import Clock
from frontlist.state import processes
from frontlist.state.database import Database
from frontlist.state.processes import Lease

SECOND = 1_000_000


async def acquire(db: Database, holder: str, *names: str, seconds: float = 10.0) -> dict[str, Lease]:
    async with db.begin() as c:
        return await processes.acquire(db, c, [(name, holder) for name in names], seconds)


async def held(db: Database, lease: Lease) -> bool:
    async with db.begin() as c:
        return await processes.held(c, [lease]) == {lease.name}


async def test_a_lease_is_held_by_one_until_it_runs_out(db: Database, clock: Clock) -> None:
    mine = (await acquire(db, "a", "x"))["x"]
    assert await acquire(db, "b", "x") == {}
    clock.offset_us += 11 * SECOND
    theirs = (await acquire(db, "b", "x"))["x"]
    assert theirs.token > mine.token
    assert (await held(db, mine), await held(db, theirs)) == (False, True)


async def test_of_several_leases_those_that_are_free_are_given(db: Database) -> None:
    await acquire(db, "a", "x")
    assert set(await acquire(db, "b", "x", "y", "z")) == {"y", "z"}


async def test_the_holder_gets_its_lease_again_under_a_new_token(db: Database) -> None:
    first = (await acquire(db, "a", "x"))["x"]
    second = (await acquire(db, "a", "x"))["x"]
    assert second.token > first.token
    assert not await held(db, first)


async def test_an_extended_lease_lasts_longer_under_its_token(db: Database, clock: Clock) -> None:
    mine = (await acquire(db, "a", "x"))["x"]
    clock.offset_us += 9 * SECOND
    async with db.begin() as c:
        longer = (await processes.extend(db, c, [mine], 10.0))["x"]
    assert (longer.token, longer.until > mine.until) == (mine.token, True)
    clock.offset_us += 5 * SECOND
    assert await acquire(db, "b", "x") == {}


async def test_a_lost_lease_is_neither_extended_nor_given_back(db: Database, clock: Clock) -> None:
    mine = (await acquire(db, "a", "x"))["x"]
    clock.offset_us += 11 * SECOND
    theirs = (await acquire(db, "b", "x"))["x"]
    async with db.begin() as c:
        assert await processes.extend(db, c, [mine], 10.0) == {}
        await processes.give_back(c, [mine])
    assert await held(db, theirs)


async def test_what_was_given_back_is_free_at_once(db: Database) -> None:
    mine = (await acquire(db, "a", "x"))["x"]
    async with db.begin() as c:
        await processes.give_back(c, [mine])
    assert set(await acquire(db, "b", "x")) == {"x"}


async def test_of_many_that_ask_at_once_one_gets_the_lease(db: Database) -> None:
    got = await asyncio.gather(*(acquire(db, f"p{i}", "y", "x") for i in range(8)))
    assert sorted(name for each in got for name in each) == ["x", "y"]


async def test_a_heart_that_stopped_is_not_living(db: Database, clock: Clock) -> None:
    async with db.begin() as c:
        await processes.beat(db, c, "a", "work")
        assert [row.id for row in await processes.living(c, await db.now(c))] == ["a"]
    clock.offset_us += processes.DEAD_AFTER + SECOND
    async with db.begin() as c:
        await processes.beat(db, c, "b", "work")
        assert [row.id for row in await processes.living(c, await db.now(c))] == ["b"]
        await processes.leave(c, "b")
        assert await processes.living(c, await db.now(c)) == []
