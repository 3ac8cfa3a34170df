"""A process that is frozen inside a transaction: PostgreSQL ends the transaction, and the process goes on later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

import tenants
from frontlist.checking.database import unbounded
from frontlist.clock import Clock
from frontlist.state import installation, schema
from frontlist.state.database import LONGEST, STATEMENT, Database, gone, takes_long
from integration.test_ensure import Place
from integration.test_ensure import place as place
from integration.test_rules import SECOND, rows, running, worker

HOLDING = """
import asyncio, sys

from frontlist.clock import Clock
from frontlist.state import installation
from frontlist.state.database import Database, gone


def said():
    return asyncio.to_thread(sys.stdin.readline)


async def hold(db):
    async with db.begin() as c:
        await installation.state(db, c, {"tenant": "lost"})
        driver = (await c.get_raw_connection()).driver_connection
        statement = await driver.prepare("SELECT repeat('x', 100000) FROM generate_series(1, 20000)")
        print("prepared", flush=True)
        await said()
        await statement.fetch()


async def main():
    db = Database(sys.argv[1], Clock(), longest=2.0, unread=2.0)
    try:
        await hold(db)
    except Exception as error:
        print("paused" if gone(error) else repr(error), flush=True)
    async with db.begin() as c:
        await installation.state(db, c, {"tenant": "went on"})
    print("went on", flush=True)
    await db.close()


asyncio.run(main())
"""


class Process:
    """It holds a row in a transaction of which a statement is prepared, and begins that when told."""

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-c", HOLDING, url]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self._of = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def says(self) -> str:
        assert self._of.stdout is not None
        return self._of.stdout.readline().strip()

    def begins(self) -> None:
        assert self._of.stdin is not None
        self._of.stdin.write("\n")
        self._of.stdin.flush()

    def freezes(self) -> None:
        self._of.send_signal(signal.SIGSTOP)

    def goes_on(self) -> None:
        self._of.send_signal(signal.SIGCONT)

    def ends(self) -> None:
        self._of.kill()
        self._of.communicate()


@pytest.fixture
async def db(postgresql_url: str) -> AsyncIterator[Database]:
    found = Database(postgresql_url, Clock())
    await schema.upgrade(found)
    async with found.begin() as c:
        await installation.state(found, c, {"tenant": "before"})
    yield found
    await found.close()


@pytest.fixture
def process(db: Database) -> Iterator[Process]:
    with ExitStack() as stack:
        found = Process(db.url.render_as_string(hide_password=False))
        stack.callback(found.ends)
        assert found.says() == "prepared"
        yield found


async def locked(db: Database) -> bool:
    try:
        async with db.begin() as c:
            await c.execute(sa.text("SET LOCAL lock_timeout = '300ms'"))
            await installation.state(db, c, {"tenant": "after"})
    except sa.exc.DBAPIError:
        return True
    return False


async def waits_for(db: Database, event: str) -> bool:
    """Whether the process's connection waits for this."""
    of = sa.text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event = :event AND state = 'active'"
    )
    async with db.read() as c:
        return bool((await c.execute(of, {"event": event})).scalar_one())


async def free_again(db: Database, process: Process) -> None:
    """And the process, which was told nothing, pauses and goes on."""

    async def free() -> bool:
        return not await locked(db)

    await tenants.until(free, what="the row that was locked")
    process.goes_on()


async def test_between_prepare_and_execute_its_locks_are_free_in_time(db: Database, process: Process) -> None:
    assert await waits_for(db, "ClientRead"), "neither idle nor in a statement that takes time"
    process.freezes()
    assert await locked(db)
    await free_again(db, process)
    process.begins()
    assert [process.says(), process.says()] == ["paused", "went on"]


async def test_in_the_midst_of_an_answer_its_locks_are_free_in_time(db: Database, process: Process) -> None:
    """The server sends more than the network holds, and looks at no other time-out while it waits."""
    process.begins()

    async def sending() -> bool:
        return await waits_for(db, "ClientWrite")

    await tenants.until(sending, what="the server waits for the process")
    process.freezes()
    assert await locked(db)
    await free_again(db, process)
    assert [process.says(), process.says()] == ["paused", "went on"]


async def test_what_takes_long_is_not_ended_and_what_comes_after_it_is(db: Database) -> None:
    short = Database(db.url.render_as_string(hide_password=False), Clock(), longest=0.5)
    wait = sa.text("SELECT pg_sleep(1.5)")
    async with short.begin() as c:
        await takes_long(c)
        await c.execute(wait)
        await installation.state(short, c, {"tenant": "after"})
    async with short.read() as c:
        assert await installation.fact(c, "tenant") == "after"
    async with short.alone("rebuild") as mine:
        async with db.read() as c:
            await c.execute(wait)
        async with db.alone("rebuild") as theirs:
            assert (mine, theirs) == (True, False)
    with pytest.raises(sa.exc.DBAPIError) as caught:
        async with short.begin() as c:
            await c.execute(wait)
    assert gone(caught.value)
    await short.close()


async def test_a_transaction_may_take_longer_than_a_statement(db: Database) -> None:
    """Else PostgreSQL would say that a transaction took too long where a statement did."""
    async with db.read() as c:
        said = [
            (await c.execute(sa.text(f"SHOW {name}"))).scalar_one() for name in ("transaction_timeout", "lock_timeout")
        ]
    assert (said, STATEMENT < LONGEST) == ([f"{LONGEST:.0f}s", "5s"], True)


async def test_check_warns_where_the_server_does_not_end_every_transaction(database_url: str) -> None:
    """As one before PostgreSQL 17, or one behind a pooler."""
    for longest, warned in ((LONGEST, []), (0.0, ["frozen processes"])):
        db = Database(database_url, Clock(), longest=longest)
        async with db.read() as c:
            assert [each.what for each in await unbounded(db, c)] == ([] if db.sqlite else warned)
        await db.close()


class Freezing(Database):
    """At these of its transactions, counted from one, it stands still before the commit until PostgreSQL ends it."""

    at: frozenset[int] = frozenset()
    count = 0

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        async with super().begin() as c:
            yield c
            self.count += 1
            if self.count in self.at:
                await self._freeze(c)

    async def _freeze(self, connection: AsyncConnection) -> None:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        pid = driver.get_server_pid()
        await driver.prepare("SELECT 1 + $1")

        async def ended() -> bool:
            async with self.read() as c:
                there = sa.text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
                return not (await c.execute(there, {"pid": pid})).scalar_one()

        await tenants.until(ended, what="its end")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("every", [2, 3])
async def test_a_worker_whose_transactions_are_ended_pauses_and_goes_on(place: Place, every: int) -> None:
    """Nothing is lost, and nothing written again."""
    for n in range(3):
        await place.wish(f"work:{n}", title="A")
    freezing = Freezing(place.db.url.render_as_string(hide_password=False), place.clock, longest=0.5)
    freezing.at = frozenset(range(every, 13, every))
    async with running(worker(replace(place, db=freezing), ensure={"lease": 5.0})):

        async def all_done() -> bool:
            soon = place.clock.now_us() + 60 * SECOND  # what is in doubt is looked at once more later
            there = (await rows(place)).values()
            still = [each for each in there if each.claimed_by or (each.due_at or soon) < soon]
            return freezing.count > 12 and not still

        await tenants.until(all_done, what="all of it")
    assert place.shelf.held == {f"work:{n}": {"title": "A"} for n in range(3)}
    assert [sorted(each) for each in place.shelf.writes] == [["work:0", "work:1", "work:2"]]
    await freezing.close()
