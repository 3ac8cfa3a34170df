"""What each plan asks is answered by an index of PostgreSQL, however much there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.clock import Clock
from frontlist.state import captured, schema, settled
from frontlist.state.database import Database

MANY = 100_000
#: From the sixth time on PostgreSQL may take a plan that knows no parameter.
TIMES = 10
RAW = f"""
INSERT INTO raw (system, kind, id, title, body, read_began, seen_pass)
SELECT 'fourallportal', CASE WHEN i % 1000 = 0 THEN 'product' ELSE 'file' END, i::text,
       CASE WHEN i % 100 = 0 THEN 'object:' || i ELSE 'work:' || i END, repeat('x', 1000), 0, 0
FROM generate_series(1, {MANY}) AS i
"""
DECISIONS = f"""
INSERT INTO decision (kind, key, body, number)
SELECT CASE WHEN i % 1000 = 0 THEN 'accepted' ELSE 'note' END, 'k' || i, 'true', i
FROM generate_series(1, {MANY}) AS i
"""


@pytest.fixture
async def db(postgresql_url: str) -> AsyncIterator[Database]:
    db = Database(postgresql_url, Clock())
    await schema.upgrade(db)
    async with db.begin() as c:
        for each in (RAW, DECISIONS):
            await c.exec_driver_sql(each)
    # As autovacuum does in time.
    async with db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as c:
        await c.exec_driver_sql("VACUUM ANALYZE raw, decision")
    yield db
    await db.close()


async def unclaimed(c: AsyncConnection) -> None:
    found = await captured.unclaimed(c, {"file": True})
    assert found == {"product": "module product holds 100 objects that no title claims"}


async def accepted(c: AsyncConnection) -> None:
    assert len(await settled.decisions(c, "accepted")) == MANY / 1000


@pytest.mark.parametrize(("ask", "index"), [(unclaimed, "raw_unclaimed"), (accepted, "decision_pkey")])
async def test_it_is_asked_of_an_index(
    db: Database, ask: Callable[[AsyncConnection], Awaitable[None]], index: str
) -> None:
    before = await scans(db, index)
    async with db.begin() as c:
        for _ in range(TIMES):
            await ask(c)
        await c.exec_driver_sql("SELECT pg_stat_force_next_flush()")
    after = await scans(db, index)
    assert after - before >= TIMES


async def scans(db: Database, index: str) -> int:
    async with db.begin() as c:
        query = f"SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = '{index}'"
        return int((await c.exec_driver_sql(query)).scalar_one())
