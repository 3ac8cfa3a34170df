"""Writes that a brake holds for a person, and the titles that it let through in the last 24 hours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import FieldKey, Json, Resource, TitleKey
from frontlist.state.database import CHUNK, Database, among, dump, load, metadata

held_table = sa.Table(
    "held",
    metadata,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("field", sa.Text, primary_key=True),  # "" where the resource as a whole would go
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("imprint", sa.Text, nullable=False),
    sa.Column("effect", sa.Text, nullable=False),
    sa.Column("was", sa.Text),
    sa.Column("becomes", sa.Text),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),  # renewed with the value: what makes a list a fixed one
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("settled", sa.Text),  # confirmed, rejected, written, superseded
    sa.Column("settled_at", sa.BigInteger),
    sa.Index("held_by_title", "consumer", "title"),
    sa.Index("held_by_group", "imprint", "effect"),
    sa.Index("held_by_number", "number"),
)
passed_table = sa.Table(
    "brake_passed",
    metadata,
    sa.Column("imprint", sa.Text, primary_key=True),
    sa.Column("effect", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True, order=True)
class Cell:
    """What would be written: a field of a resource of a consumer; field "" = the resource goes."""

    consumer: str
    resource: Resource
    field: FieldKey

    def __str__(self) -> str:
        return f"{self.consumer}/{self.resource}/{self.field}"


@dataclass(frozen=True)
class Held:
    cell: Cell
    title: TitleKey
    imprint: str
    effect: str
    was: Json
    becomes: Json
    fingerprint: str
    number: int = 0
    at: int = 0
    settled: str | None = None


@dataclass(frozen=True)
class Group:
    """What waits together; `list`: the number under which its present rows are confirmed."""

    imprint: str
    effect: str
    titles: int
    cells: int
    since: int
    list: int


async def count_titles(connection: AsyncConnection) -> dict[str, int]:
    """consumer -> titles with something that waits for a person."""
    c = held_table.c
    query = sa.select(c.consumer, sa.func.count(c.title.distinct())).where(c.settled.is_(None)).group_by(c.consumer)
    return {row[0]: int(row[1]) for row in await connection.execute(query)}


async def hold(db: Database, connection: AsyncConnection, cells: Sequence[Held], now: int) -> None:
    """The caller has the brakes' lock. One that is held already with the same value keeps its number."""
    known = {each.cell: each for each in await of_cells(connection, [each.cell for each in cells])}
    fresh = [
        each
        for each in cells
        if (old := known.get(each.cell)) is None
        or (old.fingerprint, old.effect, old.imprint, old.settled)
        != (each.fingerprint, each.effect, each.imprint, None)
    ]
    numbers = await db.draw(connection, len(fresh))
    rows = [
        {
            **_place(each.cell),
            "title": each.title,
            "imprint": each.imprint,
            "effect": each.effect,
            "was": dump(each.was),
            "becomes": dump(each.becomes),
            "fingerprint": each.fingerprint,
            "number": number,
            "at": now,
            "settled": None,
            "settled_at": None,
        }
        for number, each in zip(numbers, fresh, strict=True)
    ]
    if rows:
        await db.upsert(connection, held_table, rows)


async def of_cells(connection: AsyncConnection, cells: Iterable[Cell]) -> list[Held]:
    c = held_table.c
    keys = sorted((e.consumer, e.resource.target, e.resource.kind, e.resource.id, e.field) for e in set(cells))
    out: list[Held] = []
    for start in range(0, len(keys), CHUNK):
        where = sa.tuple_(c.consumer, c.target, c.kind, c.id, c.field).in_(keys[start : start + CHUNK])
        out += map(_held, await connection.execute(sa.select(held_table).where(where)))
    return out


async def of_titles(connection: AsyncConnection, consumer: str, titles: Collection[TitleKey]) -> list[Held]:
    """Those that wait, and those that were confirmed and not yet written."""
    c = held_table.c
    query = sa.select(held_table).where(
        c.consumer == consumer,
        among(connection, c.title, titles),
        sa.or_(c.settled.is_(None), c.settled == "confirmed"),
    )
    return [_held(row) for row in await connection.execute(query)]


async def settle(connection: AsyncConnection, cells: Iterable[Held], how: str, now: int) -> list[Held]:
    """Only what is still as it was looked at, its value and whether a person has settled it; answers these."""
    settled = []
    c = held_table.c
    for each in sorted(cells, key=lambda one: one.cell):
        key = [getattr(c, name) == value for name, value in _place(each.cell).items()]
        same = (c.number == each.number, c.settled.is_not_distinct_from(each.settled))
        update = sa.update(held_table).where(*key, *same).values(settled=how, settled_at=now)
        if (await connection.execute(update)).rowcount:
            settled.append(each)
    return settled


async def groups(connection: AsyncConnection) -> list[Group]:
    """What waits now."""
    c = held_table.c
    query = (
        sa.select(
            c.imprint,
            c.effect,
            sa.func.count(c.title.distinct()),
            sa.func.count(),
            sa.func.min(c.at),
            sa.func.max(c.number),
        )
        .where(c.settled.is_(None))
        .group_by(c.imprint, c.effect)
        .order_by(c.imprint, c.effect)
    )
    return [Group(*row) for row in await connection.execute(query)]


async def listed(connection: AsyncConnection, number: int) -> tuple[str, str, list[Held]] | None:
    """(imprint, effect, what still waits) of the list that this number fixes; None: no such number."""
    c = held_table.c
    named = (await connection.execute(sa.select(c.imprint, c.effect).where(c.number == number))).first()
    if named is None:
        return None
    query = (
        sa.select(held_table)
        .where(c.imprint == named.imprint, c.effect == named.effect, c.number <= number, c.settled.is_(None))
        .order_by(c.number)
    )
    return named.imprint, named.effect, [_held(row) for row in await connection.execute(query)]


async def waiting(connection: AsyncConnection) -> set[tuple[str, str]]:
    """(imprint, effect) of which something waits for a person."""
    return {(each.imprint, each.effect) for each in await groups(connection)}


async def passed(connection: AsyncConnection, imprint: str, effect: str, since: int) -> set[TitleKey]:
    """The titles that were let through after that time."""
    c = passed_table.c
    query = sa.select(c.title).where(c.imprint == imprint, c.effect == effect, c.at > since)
    return {TitleKey(title) for title in (await connection.execute(query)).scalars()}


async def let_pass(
    db: Database, connection: AsyncConnection, titles: Iterable[tuple[str, str, TitleKey]], now: int
) -> None:
    """(imprint, effect, title) counts from now."""
    rows = [{"imprint": i, "effect": e, "title": t, "at": now} for i, e, t in sorted(set(titles))]
    if rows:
        await db.upsert(connection, passed_table, rows)


def _held(row: Any) -> Held:
    cell = Cell(row.consumer, Resource(row.target, row.kind, row.id), FieldKey(row.field))
    return Held(
        cell,
        TitleKey(row.title),
        row.imprint,
        row.effect,
        load(row.was),
        load(row.becomes),
        row.fingerprint,
        row.number,
        row.at,
        row.settled,
    )


def _place(cell: Cell) -> dict[str, str]:
    r = cell.resource
    return {"consumer": cell.consumer, "target": r.target, "kind": r.kind, "id": r.id, "field": cell.field}
