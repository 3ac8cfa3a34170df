"""Tables that fill faster than PostgreSQL's autovacuum comes by."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from frontlist.clock import Clock
from frontlist.state import schema, statistics
from frontlist.state.database import Database

FILL = """
INSERT INTO document (system, aspect, title, revision, state)
SELECT 'consonance', 'metadata', 'work:' || i, 1, 'present' FROM generate_series(1, 5000) AS i
"""


@pytest.fixture
async def db(postgresql_url: str) -> AsyncIterator[Database]:
    db = Database(postgresql_url, Clock())
    await schema.upgrade(db)
    yield db
    await db.close()


async def known(db: Database, table: str) -> float:
    async with db.read() as c:
        return float(
            (await c.exec_driver_sql(f"SELECT reltuples FROM pg_class WHERE relname = '{table}'")).scalar_one()
        )


async def test_a_table_that_has_grown_unseen_is_analysed_once_and_an_empty_one_is_waited_for(db: Database) -> None:
    async with db.begin() as c:
        await c.exec_driver_sql(FILL)
    async with db.begin() as c:
        assert sorted(await statistics.first(db, c)) == ["applied", "work"]
    assert await known(db, "document") == pytest.approx(5000, rel=0.1)
    assert await known(db, "work") < statistics.FEW


async def test_what_is_known_of_all_tables_need_not_be_asked_again(db: Database) -> None:
    async with db.begin() as c:
        for name in statistics.TABLES:
            await c.exec_driver_sql(f"UPDATE pg_class SET reltuples = 1000 WHERE relname = '{name}'")
        assert not await statistics.first(db, c)
