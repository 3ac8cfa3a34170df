"""Time slots of one budget for all replicas: who draws some moves the next free moment."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.state.database import Database, metadata

budget_table = sa.Table(
    "budget",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("free_at", sa.BigInteger, nullable=False),
)


async def draw(db: Database, connection: AsyncConnection, name: str, count: int, apart: int) -> int:
    """`count` slots, `apart` microseconds apart; answers how many microseconds from now the first one is."""
    now = await db.now(connection)
    c = budget_table.c
    rows = await db.upsert(
        connection,
        budget_table,
        [{"name": name, "free_at": now + count * apart}],
        also=lambda old, _new: {
            # Slots far ahead come from a clock that was set back: they count for nothing.
            "free_at": sa.case((sa.and_(old.free_at > now, old.free_at < now + 60_000_000), old.free_at), else_=now)
            + count * apart
        },
        returning=(c.free_at,),
    )
    return int(rows[0].free_at) - count * apart - now
