"""Capture's side: feeds, the mirror of raw objects, dirty titles, and what was reserved, published and confirmed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import Json, TitleKey
from frontlist.source import Page, Raw, RawKey
from frontlist.state.database import CHUNK, Database, dump, load, metadata

feed_table = sa.Table(
    "feed",
    metadata,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("cursor", sa.Text),
    sa.Column("pass", sa.BigInteger, nullable=False, server_default="1"),
    sa.Column("completed_at", sa.BigInteger),
    sa.Column("read_at", sa.BigInteger),
    sa.Column("error", sa.Text),
)
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
    sa.Index("raw_by_title", "system", "title"),
)
dirty_table = sa.Table(
    "dirty",
    metadata,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("read_again", sa.Boolean, nullable=False),
)
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
class FeedState:
    name: str
    cursor: Json | None
    passed: int
    completed_at: int | None
    error: str | None


@dataclass(frozen=True)
class Mark:
    """A title that has to be assembled; `read_again`: its raw objects first."""

    title: TitleKey
    number: int
    read_again: bool


@dataclass(frozen=True)
class Captured:
    """What was last confirmed of a document, and what is reserved but not known to be published."""

    revision: int
    fingerprint: str | None
    reserved: int | None
    readable_revision: int | None
    readable_body: str | None


async def feeds(connection: AsyncConnection, system: str) -> dict[str, FeedState]:
    rows = await connection.execute(sa.select(feed_table).where(feed_table.c.system == system))
    return {
        row.name: FeedState(row.name, load(row.cursor), row._mapping["pass"], row.completed_at, row.error)
        for row in rows
    }


async def save_feed(
    db: Database, connection: AsyncConnection, system: str, state: FeedState, page: Page, now: int
) -> int:
    """The cursor moves with what it delivered; answers the pass that counts from now on."""
    turned = page.exhausted and page.sweep
    passed = state.passed + (1 if turned else 0)
    row = {
        "system": system,
        "name": state.name,
        "cursor": dump(page.cursor),
        "pass": passed,
        "completed_at": now if page.exhausted else state.completed_at,
        "read_at": now,
        "error": None,
    }
    await db.upsert(connection, feed_table, [row])
    return passed


async def fail_feed(db: Database, connection: AsyncConnection, system: str, name: str, error: str | None) -> None:
    await db.upsert(connection, feed_table, [{"system": system, "name": name, "error": error}])


async def store_raws(
    db: Database,
    connection: AsyncConnection,
    system: str,
    raws: Mapping[RawKey, tuple[Raw, TitleKey]],
    began: int,
    passed: int,
) -> tuple[set[TitleKey], list[RawKey]]:
    """Keep what was read; answers the titles that changed, and the keys of which something newer was already here."""
    before = await _raws(connection, system, list(raws))
    changed: set[TitleKey] = set()
    late: list[RawKey] = []
    rows: list[dict[str, Any]] = []
    for key, (raw, title) in raws.items():
        old = before.get(key)
        if old is not None and old.read_began > began:
            late.append(key)
            continue
        body = None if raw.body is None else dump(raw.body)
        if old is not None and body is not None and _timeless(old.body) == _timeless(body):
            body = old.body
        if old is None or (old.body, old.unreadable, old.title) != (body, raw.unreadable, title):
            changed |= {title} | ({TitleKey(old.title)} if old else set())
        rows.append(
            {
                "system": system,
                "kind": key.kind,
                "id": key.id,
                "title": title,
                "body": body,
                "unreadable": raw.unreadable,
                "read_began": began,
                "seen_pass": passed,
                "missing_since": None,
            }
        )
    if rows:
        await db.upsert(connection, raw_table, rows)
    return changed, late


def _timeless(body: str | None) -> Json:
    """What an object says, without the day on which it was read: an unchanged pass makes no event."""
    found = load(body)
    return {key: value for key, value in found.items() if key != "as_of"} if isinstance(found, dict) else found


async def _raws(connection: AsyncConnection, system: str, keys: Sequence[RawKey]) -> dict[RawKey, Any]:
    out: dict[RawKey, Any] = {}
    by_kind: dict[str, list[str]] = {}
    for key in keys:
        by_kind.setdefault(key.kind, []).append(key.id)
    for kind, ids in by_kind.items():
        for start in range(0, len(ids), CHUNK):
            query = sa.select(raw_table).where(
                raw_table.c.system == system,
                raw_table.c.kind == kind,
                raw_table.c.id.in_(ids[start : start + CHUNK]),
            )
            for row in await connection.execute(query):
                out[RawKey(kind, row.id)] = row
    return out


async def mark_missing(
    db: Database, connection: AsyncConnection, system: str, keys: Sequence[RawKey], now: int
) -> None:
    """Asked for by id and not there, for the first time: asked again later. `now` 0: its deletion was stated."""
    for key in keys:
        await connection.execute(
            sa.update(raw_table).where(*_is(system, key), raw_table.c.missing_since.is_(None)).values(missing_since=now)
        )


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
    return {key: TitleKey(row.title) for key, row in (await _raws(connection, system, keys)).items()}


async def moved_to(connection: AsyncConnection, system: str, title: TitleKey) -> TitleKey | None:
    """The title that now holds the object of an `object:<module>/<id>` key."""
    kind, _, id_ = title.removeprefix("object:").partition("/")
    if not title.startswith("object:"):
        return None
    return (await titles_of(connection, system, [RawKey(kind, id_)])).get(RawKey(kind, id_))


async def retitle(connection: AsyncConnection, system: str, title: Callable[[Raw], TitleKey]) -> set[TitleKey]:
    """Give every raw object its title anew; answers the titles that gained or lost one."""
    query = sa.select(raw_table).where(raw_table.c.system == system)
    changed: set[TitleKey] = set()
    for row in (await connection.execute(query)).all():
        key = RawKey(row.kind, row.id)
        now = title(Raw(key, load(row.body), row.unreadable))
        if now != row.title:
            changed |= {now, TitleKey(row.title)}
            await connection.execute(sa.update(raw_table).where(*_is(system, key)).values(title=now))
    return changed


async def unclaimed(connection: AsyncConnection, linked: Mapping[str, Json]) -> dict[str, str]:
    """4ALLPORTAL module -> why nothing may be created there: it holds objects that no title claims.

    `linked`: modules whose link report a person accepted.
    """
    c = raw_table.c
    query = (
        sa.select(c.kind, sa.func.count())
        .where(c.system == "fourallportal", c.title.like("object:%"), c.body.is_not(None))
        .group_by(c.kind)
    )
    return {
        row[0]: f"module {row[0]} holds {row[1]} objects that no title claims"
        for row in await connection.execute(query)
        if row[0] not in linked
    }


async def read_through(connection: AsyncConnection, system: str) -> frozenset[str]:
    """The feeds of a system that have completed a pass."""
    found = await feeds(connection, system)
    return frozenset(name for name, state in found.items() if state.completed_at is not None)


async def mirrored(connection: AsyncConnection, system: str, keys: Sequence[RawKey]) -> set[RawKey]:
    """Those of the objects that the mirror knows, be they there or gone."""
    return set(await _raws(connection, system, keys))


async def keys_of(connection: AsyncConnection, system: str, titles: Sequence[TitleKey]) -> list[RawKey]:
    query = sa.select(raw_table.c.kind, raw_table.c.id).where(
        raw_table.c.system == system, raw_table.c.title.in_(titles)
    )
    return [RawKey(row.kind, row.id) for row in await connection.execute(query)]


async def raws_of(
    connection: AsyncConnection, system: str, titles: Sequence[TitleKey]
) -> dict[TitleKey, dict[RawKey, Raw]]:
    query = sa.select(raw_table).where(raw_table.c.system == system, raw_table.c.title.in_(titles))
    out: dict[TitleKey, dict[RawKey, Raw]] = {title: {} for title in titles}
    for row in await connection.execute(query):
        key = RawKey(row.kind, row.id)
        out[TitleKey(row.title)][key] = Raw(key, load(row.body), row.unreadable)
    return out


async def confirmed_at(connection: AsyncConnection, titles: Sequence[TitleKey]) -> dict[tuple[str, str], int]:
    """(system, title) -> when the oldest of its raw objects was last read."""
    query = (
        sa.select(raw_table.c.system, raw_table.c.title, sa.func.min(raw_table.c.read_began))
        .where(raw_table.c.title.in_(titles))
        .group_by(raw_table.c.system, raw_table.c.title)
    )
    return {(row[0], row[1]): int(row[2]) for row in await connection.execute(query)}


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
    query = (
        sa.select(dirty_table)
        .where(dirty_table.c.system == system, dirty_table.c.read_again == read_again)
        .order_by(dirty_table.c.number)
        .limit(limit)
    )
    return [Mark(TitleKey(row.title), row.number, row.read_again) for row in await connection.execute(query)]


async def read_again_done(connection: AsyncConnection, system: str, marks: Sequence[Mark]) -> None:
    for each in marks:
        await connection.execute(sa.update(dirty_table).where(*_is_mark(system, each)).values(read_again=False))


async def unmark(connection: AsyncConnection, system: str, marks: Sequence[Mark]) -> None:
    """Only where nothing marked the title again meanwhile."""
    for each in marks:
        await connection.execute(sa.delete(dirty_table).where(*_is_mark(system, each)))


async def captured(
    connection: AsyncConnection, system: str, titles: Sequence[TitleKey]
) -> dict[tuple[TitleKey, str], Captured]:
    query = sa.select(captured_table).where(captured_table.c.system == system, captured_table.c.title.in_(titles))
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


async def confirm(
    connection: AsyncConnection,
    system: str,
    aspect: str,
    title: TitleKey,
    revision: int,
    fingerprint: str,
    readable: tuple[int, str] | None,
) -> None:
    """The document at this revision is on the topic; an older confirmation never overwrites a newer one."""
    c = captured_table.c
    mine = (c.system == system, c.aspect == aspect, c.title == title)
    values: dict[str, Any] = {"revision": revision, "fingerprint": fingerprint}
    if readable:
        values |= {"readable_revision": readable[0], "readable_body": readable[1]}
    await connection.execute(sa.update(captured_table).where(*mine, c.revision < revision).values(**values))
    await connection.execute(
        sa.update(captured_table)
        .where(*mine, c.reserved_revision <= revision)
        .values(reserved_revision=None, reserved_fingerprint=None)
    )


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
    db: Database,
    connection: AsyncConnection,
    system: str,
    aspect: str,
    title: TitleKey,
    revision: int,
    fingerprint: str,
    readable: tuple[int, str] | None,
) -> bool:
    """What our own topic holds is confirmed; answers whether it is news that we never reserved."""
    mine = (captured_table.c.system == system, captured_table.c.aspect == aspect, captured_table.c.title == title)
    old = (await connection.execute(sa.select(captured_table).where(*mine))).first()
    surprise = old is None or (old.revision < revision and old.reserved_revision != revision)
    row = {"system": system, "aspect": aspect, "title": title, "revision": 0}
    await db.upsert(connection, captured_table, [row], keep=("revision",))
    await confirm(connection, system, aspect, title, revision, fingerprint, readable)
    await db.upsert(connection, last_revision_table, [{"system": system, "value": 0}], keep=("value",))
    await connection.execute(
        sa.update(last_revision_table)
        .where(last_revision_table.c.system == system, last_revision_table.c.value < revision)
        .values(value=revision)
    )
    return surprise


async def titles(connection: AsyncConnection, system: str) -> list[TitleKey]:
    """All titles that the mirror holds objects of."""
    query = sa.select(raw_table.c.title).where(raw_table.c.system == system).distinct()
    return [TitleKey(title) for title in (await connection.execute(query)).scalars()]


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
    known = await titles(connection, system)
    await connection.execute(sa.delete(published_table).where(published_table.c.topic.like(f"%.{system}.%")))
    mine = captured_table.c.system == system
    await connection.execute(sa.update(captured_table).where(mine).values(fingerprint=None))
    await mark(db, connection, system, known, read_again=True)
    return len(known)


def _is(system: str, key: RawKey) -> tuple[Any, ...]:
    return (raw_table.c.system == system, raw_table.c.kind == key.kind, raw_table.c.id == key.id)


def _is_mark(system: str, each: Mark) -> tuple[Any, ...]:
    c = dirty_table.c
    return (c.system == system, c.title == each.title, c.number == each.number)
