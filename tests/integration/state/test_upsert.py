"""Many rows at once, the same on both databases."""

from __future__ import annotations

import pytest

from frontlist.clock import Clock
from frontlist.state import schema
from frontlist.state.database import Database, among
from frontlist.state.dossier import offset_table
from frontlist.state.statement import MOST

MANY = sum(MOST) + 1


@pytest.fixture
async def db(database_url: str):
    found = Database(database_url, Clock())
    await schema.upgrade(found)
    yield found
    await found.close()


async def stored(db: Database, offset: int, *, count: int = MANY) -> int:
    """How many rows took the offset, which only grows."""
    rows = [{"topic": "t", "partition": i, "offset": offset, "topic_id": ""} for i in range(count)]
    async with db.begin() as c:
        taken = await db.upsert(
            c,
            offset_table,
            rows,
            where=lambda old, new: old.offset < new.offset,
            returning=(offset_table.c.partition,),
        )
    return len({row.partition for row in taken})


async def test_more_rows_than_a_statement_takes_are_stored_and_only_the_newer_ones_replaced(db: Database) -> None:
    assert await stored(db, 5) == MANY
    assert await stored(db, 4) == 0
    assert await stored(db, 6, count=3) == 3
    assert await stored(db, 6) == MANY - 3


async def test_rows_among_many_values_are_found(db: Database) -> None:
    await stored(db, 5, count=700)
    async with db.read() as c:
        query = offset_table.select().where(among(c, offset_table.c.partition, range(600, 5000)))
        assert len((await c.execute(query)).all()) == 100
