"""Which revisions of documents were reserved, published and confirmed, and how far our own topics were read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import TitleKey
from frontlist.state import dirty, mirror
from frontlist.state.database import Database, among, metadata
from frontlist.state.statement import Parameters, Statement, locking, typed

captured_table = sa.Table(
    "captured",
    metadata,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("aspect", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("fingerprint", sa.Text),
    sa.Column("readable_revision", sa.BigInteger),
    sa.Column("readable_body", sa.Text),
    sa.Column("reserved_revision", sa.BigInteger),
    sa.Column("reserved_fingerprint", sa.Text),
)
last_revision_table = sa.Table(
    "last_revision",
    metadata,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)
published_table = sa.Table(
    "published",
    metadata,
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("offset", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True)
class Captured:
    """What was last confirmed of a document, and what is reserved but not known to be published."""

    revision: int
    fingerprint: str | None
    reserved: int | None
    readable_revision: int | None
    readable_body: str | None


@dataclass(frozen=True)
class Published:
    """A document that is on its topic.

    `readable`: the revision and the body of its last readable statement; None: as it was before. `gone`: nothing of
    it is kept.
    """

    aspect: str
    title: TitleKey
    revision: int
    fingerprint: str
    readable: tuple[int, str] | None = None
    gone: bool = False


async def captured(
    connection: AsyncConnection, system: str, titles: Sequence[TitleKey]
) -> dict[tuple[TitleKey, str], Captured]:
    query = sa.select(captured_table).where(
        captured_table.c.system == system, among(connection, captured_table.c.title, titles)
    )
    return {
        (TitleKey(row.title), row.aspect): Captured(
            row.revision, row.fingerprint, row.reserved_revision, row.readable_revision, row.readable_body
        )
        for row in await connection.execute(query)
    }


async def reserve(
    db: Database, connection: AsyncConnection, system: str, prints: Sequence[tuple[TitleKey, str, str]]
) -> dict[tuple[TitleKey, str], int]:
    """A revision for each (title, aspect, fingerprint), larger than any reserved before."""
    now = await db.now(connection)
    await db.upsert(connection, last_revision_table, [{"system": system, "value": 0}], keep=("value",))
    query = sa.select(last_revision_table.c.value).where(last_revision_table.c.system == system)
    last = (await connection.execute(query if db.sqlite else query.with_for_update())).scalar_one()
    first = max(now, last + 1)
    out = {(title, aspect): first + i for i, (title, aspect, _) in enumerate(prints)}
    await connection.execute(
        sa.update(last_revision_table).where(last_revision_table.c.system == system).values(value=first + len(prints))
    )
    rows = [
        {
            "system": system,
            "aspect": aspect,
            "title": title,
            "reserved_revision": out[title, aspect],
            "reserved_fingerprint": fingerprint,
        }
        for title, aspect, fingerprint in prints
    ]
    if rows:
        await db.upsert(connection, captured_table, rows)
    return out


async def confirm(connection: AsyncConnection, system: str, published: Iterable[Published]) -> None:
    """These documents are on their topics; an older confirmation never overwrites a newer one."""
    newest: dict[tuple[str, TitleKey], Published] = {}
    stating: dict[tuple[str, TitleKey], Published] = {}
    for each in sorted(published, key=lambda one: one.revision):
        newest[each.aspect, each.title] = each
        if each.gone or each.readable is not None:
            stating[each.aspect, each.title] = each
    rows = []
    for place, each in newest.items():
        said = stating.get(place)
        last, body = said.readable if said is not None and said.readable is not None else (None, None)
        rows.append((*place, each.revision, each.fingerprint, last, body, None if said is None else said.revision))
    await _confirm.rows(connection, rows, whose=system)


@Statement
def _confirm(p: Parameters) -> sa.Executable:
    names = ("aspect", "title", "revision", "fingerprint", "readable_revision", "readable_body")
    rows = p.rows("given", {**typed(captured_table, names), "stated_at": sa.BigInteger()})
    given = locking(rows, captured_table, *_same(rows))
    c, v = captured_table.c, given.c
    newer, known = c.revision < v.revision, c.reserved_revision <= v.revision
    values = {name: sa.case((newer, v[name]), else_=c[name]) for name in ("revision", "fingerprint")}
    for name in ("readable_revision", "readable_body"):
        values[name] = sa.case((c.revision < v.stated_at, v[name]), else_=c[name])
    for name in ("reserved_revision", "reserved_fingerprint"):
        values[name] = sa.case((known, None), else_=c[name])
    return sa.update(captured_table).where(*_same(given), sa.or_(newer, known)).values(values)


def _same(given: sa.FromClause) -> tuple[sa.ColumnElement[bool], ...]:
    c = captured_table.c
    return c.system == sa.bindparam("whose"), c.aspect == given.c.aspect, c.title == given.c.title


async def read_time(db: Database, connection: AsyncConnection, system: str) -> int:
    """When a read begins: the clock, but always later than the read before, also after the clock was set back."""
    name = f"{system}/read"
    now = await db.now(connection)
    c = last_revision_table.c
    await db.upsert(connection, last_revision_table, [{"system": name, "value": 0}], keep=("value",))
    later = sa.case((c.value >= now, c.value + 1), else_=now)
    update = sa.update(last_revision_table).where(c.system == name).values(value=later).returning(c.value)
    return int((await connection.execute(update)).scalar_one())


async def learn(
    db: Database, connection: AsyncConnection, system: str, published: Sequence[Published]
) -> set[TitleKey]:
    """What our own topics hold is confirmed; answers the titles of news that we never reserved."""
    if not published:
        return set()
    known = await _reserved(connection, system, {each.title for each in published})
    surprises = {
        each.title
        for each in published
        for revision, reserved in [known.get((each.aspect, each.title), (-1, None))]
        if revision < each.revision != reserved
    }
    rows = {
        (each.aspect, each.title): {"system": system, "aspect": each.aspect, "title": each.title, "revision": 0}
        for each in published
    }
    await db.upsert(connection, captured_table, list(rows.values()), keep=("revision",))
    await confirm(connection, system, published)
    await db.upsert(connection, last_revision_table, [{"system": system, "value": 0}], keep=("value",))
    c, newest = last_revision_table.c, max(each.revision for each in published)
    await connection.execute(
        sa.update(last_revision_table).where(c.system == system, c.value < newest).values(value=newest)
    )
    return surprises


async def _reserved(
    connection: AsyncConnection, system: str, titles: Iterable[TitleKey]
) -> dict[tuple[str, TitleKey], tuple[int, int | None]]:
    """(aspect, title) -> the revisions that are confirmed and reserved."""
    c = captured_table.c
    query = sa.select(c.aspect, c.title, c.revision, c.reserved_revision)
    rows = await connection.execute(query.where(c.system == system, among(connection, c.title, titles)))
    return {(aspect, TitleKey(title)): (revision, reserved) for aspect, title, revision, reserved in rows}


async def still_reserved(connection: AsyncConnection, system: str) -> list[TitleKey]:
    query = (
        sa.select(captured_table.c.title)
        .where(captured_table.c.system == system, captured_table.c.reserved_revision.is_not(None))
        .distinct()
    )
    return [TitleKey(title) for title in (await connection.execute(query)).scalars()]


async def positions(connection: AsyncConnection) -> dict[tuple[str, int], int]:
    rows = await connection.execute(sa.select(published_table))
    return {(row.topic, row.partition): row.offset for row in rows}


async def save_positions(db: Database, connection: AsyncConnection, ends: Mapping[tuple[str, int], int]) -> None:
    rows = [{"topic": topic, "partition": partition, "offset": at} for (topic, partition), at in ends.items()]
    if rows:
        await db.upsert(connection, published_table, rows, where=lambda old, new: old.offset < new.offset)


async def forget_published(db: Database, connection: AsyncConnection, system: str) -> int:
    """Nothing counts as published any more: every title is read and published again; answers how many."""
    known = await mirror.titles(connection, system)
    await connection.execute(sa.delete(published_table).where(published_table.c.topic.like(f"%.{system}.%")))
    mine = captured_table.c.system == system
    await connection.execute(sa.update(captured_table).where(mine).values(fingerprint=None))
    await dirty.mark(db, connection, system, known, read_again=True)
    return len(known)
