"""What a transaction wants on a topic, until it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import Json
from frontlist.state import numbered
from frontlist.state.database import Database, among, dump, metadata
from frontlist.state.statement import Parameters, Statement

outbox_table = sa.Table(
    "outbox",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("value", sa.Text),
    sa.Column("at", sa.BigInteger, nullable=False),
)


async def post(db: Database, connection: AsyncConnection, records: Sequence[tuple[str, str, Json]]) -> None:
    """(topic, key, value) for the outbox, sent in this order after the transaction."""
    if not records:
        return
    now = await db.now(connection)
    rows = [(topic, key, dump(value), now) for topic, key, value in records]
    await numbered.add(db, connection, _post, rows)


@Statement
def _post(p: Parameters) -> sa.Executable:
    return numbered.insert(p, outbox_table, ("topic", "key", "value", "at"))


async def posted(connection: AsyncConnection, limit: int) -> list[Any]:
    return list((await connection.execute(sa.select(outbox_table).order_by(outbox_table.c.number).limit(limit))).all())


async def sent(connection: AsyncConnection, numbers: Sequence[int]) -> None:
    await connection.execute(sa.delete(outbox_table).where(among(connection, outbox_table.c.number, numbers)))
