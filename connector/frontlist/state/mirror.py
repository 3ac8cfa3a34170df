"""The mirror: raw objects of the systems as they were last read, the titles that they belong to and their ISBNs."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import Json, TitleKey
from frontlist.source import Raw, RawKey
from frontlist.state.database import CHUNK, Database, among, dump, load, metadata, partial_index
from frontlist.state.statement import Parameters, Statement, locking, typed

raw_table = sa.Table(
    "raw",
    metadata,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text),
    sa.Column("unreadable", sa.Text),
    sa.Column("read_began", sa.BigInteger, nullable=False),
    sa.Column("seen_pass", sa.BigInteger, nullable=False),
    sa.Column("missing_since", sa.BigInteger),
    # Of the body, so that one of 8 MiB need not be read and written again by a pass in which nothing changed.
    sa.Column("fingerprint", sa.Text),
    sa.Column("watched", sa.Text),
    sa.Index("raw_by_title", "title", "system"),
    partial_index("raw_missing", "system", where="missing_since IS NOT NULL"),
    partial_index("raw_unclaimed", "system", "kind", where="title LIKE 'object:%' AND body IS NOT NULL"),
)
#: Which raw objects state which ISBN, by its key.
isbn_table = sa.Table(
    "raw_isbn",
    metadata,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("isbn", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Index("raw_isbn_by_object", "system", "kind", "id"),
)


@dataclass(frozen=True)
class Stored:
    """What became of objects that were read.

    `changed`: the titles to be assembled. `late`: of which something newer was already here. `kept`: all others, with
    what the mirror showed of them before (without a body; None: nothing). `written`: those of them that changed.
    `left`: the title that each of those had which moved.
    """

    changed: set[TitleKey] = field(default_factory=set)
    late: list[RawKey] = field(default_factory=list)
    kept: dict[RawKey, Raw | None] = field(default_factory=dict)
    written: list[RawKey] = field(default_factory=list)
    left: dict[RawKey, TitleKey] = field(default_factory=dict)


async def store_raws(
    db: Database,
    connection: AsyncConnection,
    system: str,
    raws: Mapping[RawKey, tuple[Raw, TitleKey]],
    began: int,
    passed: int,
) -> Stored:
    """Keep what was read. Of what is as it was, only that it was seen is written."""
    before = await _known(connection, system, list(raws))
    found = Stored()
    rows: list[dict[str, Any]] = []
    seen: list[RawKey] = []
    for key, (raw, title) in raws.items():
        old = before.get(key)
        if old is not None and old.read_began > began:
            found.late.append(key)
            continue
        found.kept[key] = None if old is None else Raw(key, None, old.unreadable, load(old.watched))
        print_ = _print(raw.body)
        watched = None if raw.watched is None else dump(raw.watched)
        same = old is not None and (old.fingerprint, old.unreadable, old.title) == (print_, raw.unreadable, title)
        if same and old is not None and old.watched == watched:
            seen.append(key)
            continue
        found.written.append(key)
        if not same:
            found.changed.update({title, TitleKey(old.title)} if old else {title})
        if old is not None and old.title != title:
            found.left[key] = TitleKey(old.title)
        rows.append(
            {
                "system": system,
                "kind": key.kind,
                "id": key.id,
                "title": title,
                "body": None if raw.body is None else dump(raw.body),
                "unreadable": raw.unreadable,
                "read_began": began,
                "seen_pass": passed,
                "missing_since": None,
                "fingerprint": print_,
                "watched": watched,
            }
        )
    if rows:
        await db.upsert(connection, raw_table, rows)
    await _seen(connection, system, seen, began, passed)
    return found


async def _seen(connection: AsyncConnection, system: str, keys: Sequence[RawKey], began: int, passed: int) -> None:
    c = raw_table.c
    for kind, ids in _by_kind(keys):
        mine = (c.system == system, c.kind == kind, among(connection, c.id, ids))
        values = {"read_began": began, "seen_pass": passed, "missing_since": None}
        await connection.execute(sa.update(raw_table).where(*mine).values(**values))


def _print(body: Json | None) -> str | None:
    """Of what an object says, without the day on which it was read: an unchanged pass makes no event."""
    if body is None:
        return None
    timeless = {key: value for key, value in body.items() if key != "as_of"} if isinstance(body, dict) else body
    return hashlib.sha256(dump(timeless).encode("utf-8", "surrogatepass")).hexdigest()


def _by_kind(keys: Iterable[RawKey]) -> Iterator[tuple[str, list[str]]]:
    """Ids of one kind, so many as a statement takes; sorted, so that two writers never deadlock."""
    by_kind: dict[str, list[str]] = {}
    for key in sorted(set(keys)):
        by_kind.setdefault(key.kind, []).append(key.id)
    for kind, ids in by_kind.items():
        for start in range(0, len(ids), CHUNK):
            yield kind, ids[start : start + CHUNK]


async def _known(connection: AsyncConnection, system: str, keys: Sequence[RawKey]) -> dict[RawKey, Any]:
    """The rows without their bodies."""
    c = raw_table.c
    out: dict[RawKey, Any] = {}
    for kind, ids in _by_kind(keys):
        query = sa.select(
            c.id, c.title, c.unreadable, c.read_began, c.fingerprint, c.watched, c.body.is_not(None).label("there")
        ).where(c.system == system, c.kind == kind, among(connection, c.id, ids))
        out |= {RawKey(kind, row.id): row for row in await connection.execute(query)}
    return out


async def save_isbns(
    db: Database, connection: AsyncConnection, system: str, stated: Mapping[RawKey, frozenset[str]]
) -> dict[RawKey, frozenset[str]]:
    """What each of the objects states now; answers what they stated before. Only differences are written."""
    before = await isbns_of(connection, system, list(stated))
    c = isbn_table.c
    fresh = [(key, isbn) for key, now in stated.items() for isbn in now - before.get(key, frozenset())]
    rows = [{"system": system, "isbn": isbn, "kind": key.kind, "id": key.id} for key, isbn in fresh]
    if rows:
        await db.upsert(connection, isbn_table, rows)
    for key, had in before.items():
        if lost := had - stated[key]:
            mine = (c.system == system, c.kind == key.kind, c.id == key.id, among(connection, c.isbn, lost))
            await connection.execute(sa.delete(isbn_table).where(*mine))
    return before


async def isbns_of(connection: AsyncConnection, system: str, keys: Sequence[RawKey]) -> dict[RawKey, frozenset[str]]:
    c = isbn_table.c
    found: dict[RawKey, set[str]] = {}
    for kind, ids in _by_kind(keys):
        query = sa.select(c.id, c.isbn).where(c.system == system, c.kind == kind, among(connection, c.id, ids))
        for row in await connection.execute(query):
            found.setdefault(RawKey(kind, row.id), set()).add(row.isbn)
    return {key: frozenset(isbns) for key, isbns in found.items()}


async def titles_stating(connection: AsyncConnection, isbns: Iterable[str]) -> set[TitleKey]:
    """The works, of whatever system, with an object that states one of these ISBNs."""
    i, r = isbn_table.c, raw_table.c
    here = sa.and_(i.system == r.system, i.kind == r.kind, i.id == r.id)
    wanted = sorted(set(isbns))
    out: set[TitleKey] = set()
    for start in range(0, len(wanted), CHUNK):
        query = (
            sa.select(r.title)
            .select_from(isbn_table.join(raw_table, here))
            .where(among(connection, i.isbn, wanted[start : start + CHUNK]), r.title.like("work:%"))
        )
        out |= {TitleKey(title) for title in (await connection.execute(query)).scalars()}
    return out


async def strangers_stating(connection: AsyncConnection, system: str, isbns: Iterable[str]) -> dict[str, list[RawKey]]:
    """ISBN -> the living objects that state it and that no title claims."""
    i, r = isbn_table.c, raw_table.c
    here = sa.and_(i.system == r.system, i.kind == r.kind, i.id == r.id)
    wanted = sorted(set(isbns))
    out: dict[str, list[RawKey]] = {}
    for start in range(0, len(wanted), CHUNK):
        query = (
            sa.select(i.isbn, i.kind, i.id)
            .select_from(isbn_table.join(raw_table, here))
            .where(
                i.system == system,
                among(connection, i.isbn, wanted[start : start + CHUNK]),
                r.title.like("object:%"),
                r.body.is_not(None),
            )
            .order_by(i.kind, i.id)
        )
        for row in await connection.execute(query):
            out.setdefault(row.isbn, []).append(RawKey(row.kind, row.id))
    return out


async def strangers(connection: AsyncConnection, system: str, keys: Sequence[RawKey]) -> set[RawKey]:
    """Those of the objects that live and that no title claims."""
    found = await _known(connection, system, keys)
    return {key for key, row in found.items() if row.there and row.title.startswith("object:")}


async def living(connection: AsyncConnection, system: str, keys: Sequence[RawKey]) -> set[RawKey]:
    return {key for key, row in (await _known(connection, system, keys)).items() if row.there}


async def mark_missing(
    db: Database, connection: AsyncConnection, system: str, keys: Sequence[RawKey], now: int
) -> None:
    """Asked for by id and not there, for the first time: asked again later. `now` 0: its deletion was stated."""
    c = raw_table.c
    for kind, ids in _by_kind(keys):
        mine = (c.system == system, c.kind == kind, among(connection, c.id, ids), c.missing_since.is_(None))
        await connection.execute(sa.update(raw_table).where(*mine).values(missing_since=now))


async def unseen(connection: AsyncConnection, system: str, kinds: Iterable[str], passed: int) -> list[RawKey]:
    """Live raw objects that the pass just completed did not show."""
    query = sa.select(raw_table.c.kind, raw_table.c.id).where(
        raw_table.c.system == system,
        raw_table.c.kind.in_(list(kinds)),
        raw_table.c.seen_pass < passed,
        raw_table.c.body.is_not(None),
        raw_table.c.missing_since.is_(None),
    )
    return [RawKey(row.kind, row.id) for row in await connection.execute(query)]


async def missing_long(connection: AsyncConnection, system: str, before: int) -> list[RawKey]:
    """Missing since before that time, to be asked for a second time."""
    query = sa.select(raw_table.c.kind, raw_table.c.id).where(
        raw_table.c.system == system, raw_table.c.body.is_not(None), raw_table.c.missing_since <= before
    )
    return [RawKey(row.kind, row.id) for row in await connection.execute(query)]


async def titles_of(connection: AsyncConnection, system: str, keys: Sequence[RawKey]) -> dict[RawKey, TitleKey]:
    return {key: TitleKey(row.title) for key, row in (await _known(connection, system, keys)).items()}


async def moved_to(connection: AsyncConnection, system: str, title: TitleKey) -> TitleKey | None:
    """The title that now holds the object of an `object:<module>/<id>` key."""
    kind, _, id_ = title.removeprefix("object:").partition("/")
    if not title.startswith("object:"):
        return None
    return (await titles_of(connection, system, [RawKey(kind, id_)])).get(RawKey(kind, id_))


async def pages(connection: AsyncConnection, system: str) -> AsyncIterator[list[Raw]]:
    """All raw objects, so many at a time as may be held in memory."""
    c = raw_table.c
    at: tuple[str, str] = ("", "")
    while True:
        query = (
            sa.select(raw_table)
            .where(c.system == system, sa.tuple_(c.kind, c.id) > sa.tuple_(*at))
            .order_by(c.kind, c.id)
            .limit(CHUNK)
        )
        rows = (await connection.execute(query)).all()
        if not rows:
            return
        yield [_raw(row) for row in rows]
        at = (rows[-1].kind, rows[-1].id)


async def raws(connection: AsyncConnection, system: str, keys: Sequence[RawKey]) -> list[Raw]:
    """Those of the objects that the mirror knows."""
    c = raw_table.c
    out: list[Raw] = []
    for kind, ids in _by_kind(keys):
        query = sa.select(raw_table).where(c.system == system, c.kind == kind, among(connection, c.id, ids))
        out += [_raw(row) for row in await connection.execute(query)]
    return out


async def retitle(
    connection: AsyncConnection, system: str, titles: Mapping[RawKey, TitleKey]
) -> dict[RawKey, TitleKey]:
    """Give raw objects these titles; answers those that changed, with the title that each had before."""
    before = await titles_of(connection, system, list(titles))
    moved = {key: had for key, had in before.items() if had != titles[key]}
    await _retitle.rows(connection, [(key.kind, key.id, titles[key]) for key in moved], whose=system)
    return moved


@Statement
def _retitle(p: Parameters) -> sa.Executable:
    rows = p.rows("given", typed(raw_table, ("kind", "id", "title")))
    given = locking(rows, raw_table, *_same(rows))
    return sa.update(raw_table).where(*_same(given)).values(title=given.c.title)


def _same(given: sa.FromClause) -> tuple[sa.ColumnElement[bool], ...]:
    c = raw_table.c
    return c.system == sa.bindparam("whose"), c.kind == given.c.kind, c.id == given.c.id


def _raw(row: Any) -> Raw:
    return Raw(RawKey(row.kind, row.id), load(row.body), row.unreadable, load(row.watched))


async def unclaimed(connection: AsyncConnection, linked: Mapping[str, Json]) -> dict[str, str]:
    """4ALLPORTAL module -> why nothing may be created there: it holds objects that no title claims.

    `linked`: modules whose link report a person accepted.
    """
    rows = await _unclaimed(connection, linked=sorted(linked))
    return {kind: f"module {kind} holds {number} objects that no title claims" for kind, number in rows}


@Statement
def _unclaimed(p: Parameters) -> sa.Executable:
    c = raw_table.c
    # Literal, as the partial index is not found by a plan that knows no parameter. Each plan asks.
    stranger = c.title.like(sa.literal_column("'object:%'"))
    mine = (c.system == "fourallportal", sa.not_(p.among(c.kind, "linked")), stranger, c.body.is_not(None))
    return sa.select(c.kind, sa.func.count()).where(*mine).group_by(c.kind)


async def mirrored(connection: AsyncConnection, system: str, keys: Sequence[RawKey]) -> set[RawKey]:
    """Those of the objects that the mirror knows, be they there or gone."""
    return set(await _known(connection, system, keys))


async def keys_of(connection: AsyncConnection, system: str, titles: Sequence[TitleKey]) -> list[RawKey]:
    query = sa.select(raw_table.c.kind, raw_table.c.id).where(
        raw_table.c.system == system, among(connection, raw_table.c.title, titles)
    )
    return [RawKey(row.kind, row.id) for row in await connection.execute(query)]


async def raws_of(
    connection: AsyncConnection, system: str, titles: Sequence[TitleKey]
) -> dict[TitleKey, dict[RawKey, Raw]]:
    query = sa.select(raw_table).where(raw_table.c.system == system, among(connection, raw_table.c.title, titles))
    out: dict[TitleKey, dict[RawKey, Raw]] = {title: {} for title in titles}
    for row in await connection.execute(query):
        raw = _raw(row)
        out[TitleKey(row.title)][raw.key] = raw
    return out


async def confirmed_at(connection: AsyncConnection, titles: Sequence[TitleKey]) -> dict[tuple[str, str], int]:
    """(system, title) -> when the oldest of its raw objects was last read."""
    rows = await _confirmed_at(connection, titles=titles)
    return {(system, title): int(at) for system, title, at in rows}


@Statement
def _confirmed_at(p: Parameters) -> sa.Executable:
    c = raw_table.c
    query = sa.select(c.system, c.title, sa.func.min(c.read_began)).where(p.among(c.title, "titles"))
    return query.group_by(c.system, c.title)


async def titles(connection: AsyncConnection, system: str) -> list[TitleKey]:
    """All titles that the mirror holds objects of."""
    query = sa.select(raw_table.c.title).where(raw_table.c.system == system).distinct()
    return [TitleKey(title) for title in (await connection.execute(query)).scalars()]
