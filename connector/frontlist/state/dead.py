"""Dead letters: what a target will never accept, known by (consumer, resource, fingerprint).

The engine's gate is `applied.dead`; here stands what people look at, and what a re-drive lets through once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import Json, Resource, TitleKey
from frontlist.state.applied import applied_table
from frontlist.state.database import CHUNK, Database, among, dump, load, metadata, plain

DISCARDED = "discarded"
dead_table = sa.Table(
    "dead_letter",
    metadata,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),  # what people call it by
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("fields", sa.Text),  # null: Absent
    sa.Column("times", sa.Integer, nullable=False, server_default="1"),
    sa.Column("first_at", sa.BigInteger, nullable=False),
    sa.Column("last_at", sa.BigInteger, nullable=False),
    sa.Column("redriven_at", sa.BigInteger),
    sa.Column("closed_at", sa.BigInteger),
    sa.Column("closed_by", sa.Text),  # success, superseded, no longer planned, discarded
    sa.Index("dead_letter_by_title", "consumer", "title"),
)


@dataclass(frozen=True)
class Refused:
    """What a target just said of a desired state (`called`), or what is known to be refused and was not tried."""

    resource: Resource
    title: TitleKey
    fingerprint: str
    reason: str
    fields: Json
    called: bool


@dataclass(frozen=True)
class Letter:
    consumer: str
    resource: Resource
    fingerprint: str
    title: TitleKey
    number: int
    reason: str
    fields: Json
    times: int
    first_at: int
    last_at: int
    redriven_at: int | None
    closed_at: int | None
    closed_by: str | None

    @property
    def discarded(self) -> bool:
        return self.closed_by == DISCARDED


@dataclass(frozen=True)
class Filter:
    """Which dead letters; what is empty does not restrict. `titles` None: all."""

    consumer: str = ""
    target: str = ""
    kind: str = ""
    titles: Sequence[TitleKey] | None = None
    since: int = 0
    reason: str = ""
    numbers: Sequence[int] = ()


def known() -> sa.ColumnElement[bool]:
    """SQL: what still says something of a resource."""
    return sa.or_(dead_table.c.closed_at.is_(None), dead_table.c.closed_by == DISCARDED)


async def bury(db: Database, connection: AsyncConnection, consumer: str, refused: Sequence[Refused], now: int) -> None:
    """New ones are opened; one that is known counts the calls it cost, and is opened again by them."""
    numbers = await db.draw(connection, len(refused))
    rows = [
        {
            "consumer": consumer,
            **_place(each.resource),
            "fingerprint": each.fingerprint,
            "title": each.title,
            "number": number,
            "reason": plain(each.reason),
            "fields": None if each.fields is None else dump(each.fields),
            "times": int(each.called),
            "first_at": now,
            "last_at": now,
            "redriven_at": None,
            "closed_at": None,
            "closed_by": None,
        }
        for number, each in zip(numbers, refused, strict=True)
    ]
    untried = [row for row in rows if not row["times"]]
    if untried:
        await db.upsert(connection, dead_table, untried, keep=tuple(untried[0]))
    if tried := [row for row in rows if row["times"]]:
        await db.upsert(
            connection,
            dead_table,
            tried,
            keep=("number", "first_at"),
            also=lambda old, new: {"times": old.times + new.times},
        )


async def of_titles(
    connection: AsyncConnection, consumer: str, titles: Sequence[TitleKey]
) -> dict[Resource, list[Letter]]:
    """Open ones, and those that a person discarded."""
    c = dead_table.c
    query = sa.select(dead_table).where(c.consumer == consumer, among(connection, c.title, titles), known())
    out: dict[Resource, list[Letter]] = {}
    for each in map(_letter, await connection.execute(query)):
        out.setdefault(each.resource, []).append(each)
    return out


async def close(connection: AsyncConnection, letters: Iterable[Letter], why: str, now: int) -> int:
    """Answers how many were still open."""
    closed = 0
    for each in sorted(letters, key=lambda one: one.number):
        update = sa.update(dead_table).where(*_is(each), dead_table.c.closed_at.is_(None))
        closed += (await connection.execute(update.values(closed_at=now, closed_by=why))).rowcount
    return closed


async def find(connection: AsyncConnection, wanted: Filter, *, limit: int | None = None) -> list[Letter]:
    """Open ones, the oldest first."""
    c = dead_table.c
    query = sa.select(dead_table).where(c.closed_at.is_(None), c.last_at >= wanted.since).order_by(c.number)
    for column, value in ((c.consumer, wanted.consumer), (c.target, wanted.target), (c.kind, wanted.kind)):
        query = query.where(column == value) if value else query
    if wanted.reason:
        query = query.where(sa.func.lower(c.reason).contains(wanted.reason.lower(), autoescape=True))
    if wanted.numbers:
        query = query.where(among(connection, c.number, wanted.numbers))
    found: list[Letter] = []
    for part in [None] if wanted.titles is None else _parts(wanted.titles):
        some = query if part is None else query.where(among(connection, c.title, part))
        found += map(_letter, await connection.execute(some))
    return sorted(found, key=lambda each: each.number)[:limit]


async def let_through(connection: AsyncConnection, letters: Iterable[Letter], now: int) -> None:
    """The engine no longer holds these back; refused again, they are dead again."""
    a = applied_table.c
    for each in sorted(letters, key=lambda one: (one.resource, one.consumer)):
        r = each.resource
        mine = (a.target == r.target, a.kind == r.kind, a.id == r.id, a.consumer == each.consumer)
        await connection.execute(sa.update(applied_table).where(*mine).values(dead=None))
        await connection.execute(sa.update(dead_table).where(*_is(each)).values(redriven_at=now))


async def count_open(connection: AsyncConnection) -> dict[tuple[str, str], int]:
    """(consumer, target) -> open dead letters, for metrics."""
    c = dead_table.c
    query = sa.select(c.consumer, c.target, sa.func.count()).where(c.closed_at.is_(None)).group_by(c.consumer, c.target)
    return {(row[0], row[1]): int(row[2]) for row in await connection.execute(query)}


def _parts(titles: Sequence[TitleKey]) -> list[Sequence[TitleKey]]:
    return [titles[start : start + CHUNK] for start in range(0, len(titles), CHUNK)]


def _letter(row: Any) -> Letter:
    return Letter(
        row.consumer,
        Resource(row.target, row.kind, row.id),
        row.fingerprint,
        TitleKey(row.title),
        row.number,
        row.reason,
        load(row.fields),
        row.times,
        row.first_at,
        row.last_at,
        row.redriven_at,
        row.closed_at,
        row.closed_by,
    )


def _place(resource: Resource) -> dict[str, str]:
    return {"target": resource.target, "kind": resource.kind, "id": resource.id}


def _is(each: Letter) -> tuple[Any, ...]:
    c, r = dead_table.c, each.resource
    return (
        c.consumer == each.consumer,
        c.target == r.target,
        c.kind == r.kind,
        c.id == r.id,
        c.fingerprint == each.fingerprint,
    )
