"""What each plan asks is answered by an index of PostgreSQL, however much there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.clock import Clock
from frontlist.contract import TitleKey
from frontlist.state import mirror, processes, schema, settled, work
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

LINKS = f"""
INSERT INTO link (target, kind, source_id, id, title, role, number)
SELECT 'fourallportal', 'product', i::text, 'p' || i, 'work:' || i / 2, 'product', i
FROM generate_series(1, {MANY}) AS i
"""
DUE = f"""
INSERT INTO work (consumer, title, due_at, priority, reason, live, number, claim)
SELECT 'metadata', 'work:' || i, i, CASE WHEN i % 2 = 0 THEN 40 ELSE 90 END, '', true, i, i
FROM generate_series(1, {MANY}) AS i
"""


@pytest.fixture
async def db(postgresql_url: str) -> AsyncIterator[Database]:
    db = Database(postgresql_url, Clock())
    await schema.upgrade(db)
    async with db.begin() as c:
        for each in (RAW, DECISIONS, LINKS, DUE):
            await c.exec_driver_sql(each)
    # As autovacuum does in time.
    async with db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as c:
        await c.exec_driver_sql("VACUUM ANALYZE raw, decision, link, work")
    yield db
    await db.close()


async def unclaimed(c: AsyncConnection) -> None:
    found = await mirror.unclaimed(c, {"file": True})
    assert found == {"product": "module product holds 100 objects that no title claims"}


async def accepted(c: AsyncConnection) -> None:
    assert len(await settled.decisions(c, "accepted")) == MANY / 1000


async def confirmed(c: AsyncConnection) -> None:
    assert len(await mirror.confirmed_at(c, [TitleKey("work:1"), TitleKey("work:2")])) == 2


async def links(c: AsyncConnection) -> None:
    title = TitleKey("work:5")
    found = (await settled.links_of(c, [title], {title: ["99"]}))[title]
    assert sorted(found.values()) == ["p10", "p11", "p99"]


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (unclaimed, "raw_unclaimed"),
        (accepted, "decision_pkey"),
        (confirmed, "raw_by_title"),
        (links, "link_by_title"),
        (links, "link_by_source"),
    ],
)
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


async def test_a_claim_reads_what_it_takes_however_much_is_due(db: Database) -> None:
    async with db.begin() as c:
        await processes.beat(db, c, "p", "work")
        for oldest in (False, True):
            for _ in range(TIMES):
                assert len(await work.claim(db, c, "p", MANY, 10, ["metadata"], oldest=oldest)) == 10
        await c.exec_driver_sql("SELECT pg_stat_force_next_flush()")
    async with db.begin() as c:
        query = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'work_due'"
        read = int((await c.exec_driver_sql(query)).scalar_one())
    # All claims together pass by what is in hand, and never read all that is due.
    assert read < MANY


async def scans(db: Database, index: str) -> int:
    async with db.begin() as c:
        query = f"SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = '{index}'"
        return int((await c.exec_driver_sql(query)).scalar_one())
