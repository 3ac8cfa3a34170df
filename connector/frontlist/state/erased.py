"""Titles from which a person was erased: until they were written anew, nothing that is overwritten there is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import TitleKey
from frontlist.state.database import Database, among, metadata

erased_table = sa.Table(
    "erased",
    metadata,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
)


async def put(
    db: Database, connection: AsyncConnection, consumers: Iterable[str], titles: Sequence[TitleKey], at: int
) -> None:
    rows = [{"consumer": name, "title": title, "at": at} for name in consumers for title in titles]
    if rows:
        await db.upsert(connection, erased_table, rows)


async def of(connection: AsyncConnection, consumer: str, titles: Sequence[TitleKey]) -> dict[TitleKey, int]:
    """title -> when somebody was erased from it."""
    e = erased_table.c
    query = sa.select(e.title, e.at).where(e.consumer == consumer, among(connection, e.title, titles))
    return {TitleKey(row.title): row.at for row in await connection.execute(query)}


async def written(connection: AsyncConnection, consumer: str, title: TitleKey, at: int) -> None:
    """What stands there now was planned from documents without that person."""
    e = erased_table.c
    await connection.execute(sa.delete(erased_table).where(e.consumer == consumer, e.title == title, e.at <= at))
