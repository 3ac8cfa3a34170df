"""Dirty titles: marked under a number to be assembled again, some of them after their raw objects were read again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import TitleKey
from frontlist.state.database import Database, among, metadata
from frontlist.state.mirror import raw_table

dirty_table = sa.Table(
    "dirty",
    metadata,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("read_again", sa.Boolean, nullable=False),
)


@dataclass(frozen=True)
class Mark:
    """A title that has to be assembled; `read_again`: its raw objects first."""

    title: TitleKey
    number: int
    read_again: bool


async def mark(
    db: Database, connection: AsyncConnection, system: str, titles: Iterable[TitleKey], *, read_again: bool = False
) -> None:
    wanted = sorted(set(titles))
    numbers = await db.draw(connection, len(wanted))
    rows = [
        {"system": system, "title": title, "number": number, "read_again": read_again}
        for title, number in zip(wanted, numbers, strict=True)
    ]
    if rows:
        await db.upsert(connection, dirty_table, rows, keep=() if read_again else ("read_again",))


async def marked(connection: AsyncConnection, system: str, limit: int, *, read_again: bool) -> list[Mark]:
    """The oldest first. Not among those to be read again: what waits for the second question about an object."""
    c = dirty_table.c
    query = (
        sa.select(dirty_table)
        .where(c.system == system, c.read_again == read_again, *([~_missing()] if read_again else []))
        .order_by(c.number)
        .limit(limit)
    )
    return [Mark(TitleKey(row.title), row.number, row.read_again) for row in await connection.execute(query)]


async def pending(connection: AsyncConnection, system: str) -> bool:
    """Whether a title is dirty, or an object is missing that may have to be asked for again."""
    d, r = dirty_table.c, raw_table.c
    dirty = sa.exists().where(d.system == system)
    missing = sa.exists().where(r.system == system, r.missing_since.is_not(None), r.body.is_not(None))
    return bool((await connection.execute(sa.select(sa.or_(dirty, missing)))).scalar_one())


async def read_again_done(connection: AsyncConnection, system: str, marks: Sequence[Mark]) -> None:
    await connection.execute(sa.update(dirty_table).where(*_are(connection, system, marks)).values(read_again=False))


async def all_read_again(connection: AsyncConnection, system: str, number: int) -> None:
    """All that was marked up to this number, where no object is missing, was read again by the feeds themselves."""
    c = dirty_table.c
    mine = (c.system == system, c.read_again, c.number <= number, ~_missing())
    await connection.execute(sa.update(dirty_table).where(*mine).values(read_again=False))


def _missing() -> sa.ColumnElement[bool]:
    """Whether an object of a dirty title was asked for once and not found."""
    d, r = dirty_table.c, raw_table.c
    there = (r.body.is_not(None), r.missing_since.is_not(None))
    return sa.exists().where(r.system == d.system, r.title == d.title, *there)


async def unmark(connection: AsyncConnection, system: str, marks: Sequence[Mark]) -> None:
    """Only where nothing marked the title again meanwhile."""
    await connection.execute(sa.delete(dirty_table).where(*_are(connection, system, marks)))


def _are(connection: AsyncConnection, system: str, marks: Sequence[Mark]) -> list[sa.ColumnElement[bool]]:
    """A number is of one mark, so titles only find it."""
    c = dirty_table.c
    titles, numbers = [each.title for each in marks], [each.number for each in marks]
    return [c.system == system, among(connection, c.title, titles), among(connection, c.number, numbers)]
