"""Migrations, versions of the schema, and the one sequence of numbers, on both databases."""

from __future__ import annotations

import asyncio
import socket

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from frontlist.clock import Clock
from frontlist.errors import ConfigurationError
from frontlist.state import schema
from frontlist.state.database import Database, metadata

DAY = 86_400_000_000


async def draw(db: Database, count: int = 1) -> list[int]:
    async with db.begin() as c:
        return await db.draw(c, count)


def differences(connection: sa.Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


async def test_the_migrations_make_what_the_tables_say(db: Database) -> None:
    async with db.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


def test_the_revisions_that_we_know_are_those_of_the_migrations() -> None:
    scripts = ScriptDirectory(str(schema.MIGRATIONS)).walk_revisions()
    assert [script.revision for script in scripts] == list(reversed(schema.REVISIONS))


async def test_upgrading_twice_changes_nothing(db: Database) -> None:
    before = await draw(db)
    await schema.upgrade(db)
    await schema.check(db)
    assert await draw(db) > before


async def test_an_empty_database_says_how_it_is_made(database_url: str) -> None:
    empty = Database(database_url, Clock())
    with pytest.raises(ConfigurationError, match="empty") as refused:
        await schema.check(empty)
    assert "frontlist db upgrade" in str(refused.value)
    await empty.close()


async def test_a_database_that_takes_the_connection_and_says_nothing_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        db = Database(f"postgresql://frontlist:wrong@127.0.0.1:{silent.getsockname()[1]}/frontlist", Clock())
        with pytest.raises(ConfigurationError, match="does not answer: TimeoutError"):
            await schema.check(db)
        await db.close()


async def test_a_schema_that_this_program_does_not_know_is_refused(db: Database) -> None:
    async with db.begin() as c:
        await c.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="9999, which this version"):
        await schema.check(db)


async def test_numbers_ascend_over_all_that_draw(db: Database) -> None:
    parts = await asyncio.gather(*(draw(db, 5) for _ in range(6)))
    assert all(part == sorted(part) for part in parts)
    assert len({number for part in parts for number in part}) == 30
    assert min(await draw(db)) > max(number for part in parts for number in part)


async def test_numbers_begin_at_the_clock(db: Database) -> None:
    async with db.begin() as c:
        now = await db.now(c)
    assert 0 <= now - (await draw(db))[0] < 60_000_000


async def test_raised_numbers_are_above_the_clock_and_never_go_back(db: Database, clock: Clock) -> None:
    clock.offset_us += DAY
    async with db.begin() as c:
        now = await db.now(c)
        await db.raise_numbers(c)
    [high] = await draw(db)
    assert high > now
    clock.offset_us -= 2 * DAY
    async with db.begin() as c:
        await db.raise_numbers(c)
    assert (await draw(db))[0] > high


async def test_what_is_not_committed_is_not_there(db: Database) -> None:
    async def broken_off() -> None:
        async with db.begin() as c:
            await c.execute(sa.text("INSERT INTO fact (name, value) VALUES ('x', 'y')"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await broken_off()
    async with db.read() as c:
        assert (await c.execute(sa.text("SELECT count(*) FROM fact"))).scalar_one() == 0
