"""Forgetting a person on request: published anew without them, and taken out of all that we keep ourselves.

Until a title was written anew, what is overwritten there is not kept either.
The mirror keeps the id, so that it goes on being omitted. What may hold a name in any text goes as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import pins, runtime
from frontlist.capture import lease_of
from frontlist.contract import Resource, TitleKey
from frontlist.decisions import decide
from frontlist.errors import ConfigurationError
from frontlist.source import Raw, RawKey, Source
from frontlist.state import dirty, erased, installation, processes, settled
from frontlist.state.applied import applied_table
from frontlist.state.captured import captured_table
from frontlist.state.database import CHUNK, dump, load, takes_long
from frontlist.state.dead import dead_table
from frontlist.state.dossier import document_table
from frontlist.state.findings import finding_table
from frontlist.state.held import held_table
from frontlist.state.images import before_table
from frontlist.state.mirror import raw_table
from frontlist.state.outbox import outbox_table
from frontlist.vanishing import without

WHO = re.compile(r"contact:[1-9][0-9]{0,17}")


@dataclass
class Forgotten:
    """What was taken out, as counts; `titles` are published anew."""

    who: str
    titles: list[TitleKey] = field(default_factory=list)
    removed: dict[str, int] = field(default_factory=dict)


async def forget(it: runtime.Installation, who: str) -> Forgotten:
    """In one transaction with its decision; asked a second time it cleans what has come since."""
    if not WHO.fullmatch(who):
        raise ConfigurationError(
            f"{who!r} names nobody", where="frontlist forget", cure="say contact:ID, e.g. contact:12"
        )
    done = Forgotten(who)
    async with it.db.begin() as c:
        await takes_long(c)
        # What is being captured names them, or is newer than what would be cleaned here.
        await processes.hold_up(it.db, c, map(lease_of, it.sources))
        now = await it.db.now(c)
        decided = await settled.decisions(c, erased.KIND)
        omit = frozenset({*decided, who})
        for name, source in it.sources.items():
            titles = await _scrub(c, name, source, who, omit)
            await dirty.mark(it.db, c, name, titles)
            done.titles = sorted({*done.titles, *titles})
        for start in range(0, len(done.titles), CHUNK):
            part = done.titles[start : start + CHUNK]
            await _publish(it, c, part)
            for what, number in (await _erase(it, c, part, omit)).items():
                done.removed[what] = done.removed.get(what, 0) + number
        await erased.put(it.db, c, await installation.registered(c), done.titles, now)
        done.removed["reports"] = await _reports(it, c, done.titles)
        # The titles too: what the journal tells of them from before is not taken back in a rebuild.
        body = erased.body(now, done.titles, decided.get(who))
        await decide(it.db, c, it.decisions, {(erased.KIND, who): body})
    return done


async def forget_again(it: runtime.Installation, since: int) -> None:
    """Who was forgotten since that time: a backup of it still names them."""
    async with it.db.read() as c:
        names = await erased.decided_since(c, since, await it.db.now(c))
    for who in names:
        await forget(it, who)


async def _scrub(c: AsyncConnection, system: str, source: Source, who: str, omit: frozenset[str]) -> set[TitleKey]:
    """The mirror's objects that name the person, now with the id alone; answers their titles."""
    r = raw_table.c
    number = who.partition(":")[2]
    query = sa.select(raw_table).where(r.system == system, r.body.contains(number, autoescape=True))
    titles: set[TitleKey] = set()
    for row in (await c.execute(query)).all():
        raw = Raw(RawKey(row.kind, row.id), load(row.body), row.unreadable)
        clean = source.omitted(raw, omit)
        if clean.body != raw.body:
            mine = (r.system == system, r.kind == row.kind, r.id == row.id)
            await c.execute(sa.update(raw_table).where(*mine).values(body=dump(clean.body)))
        if source.names(raw, who):
            titles.add(TitleKey(row.title))
    return (
        titles
        | await _stated(c, captured_table, captured_table.c.readable_body, system, who)
        | await _stated(c, document_table, document_table.c.body, system, who)
    )


async def _stated(c: AsyncConnection, table: sa.Table, body: sa.Column[str], system: str, who: str) -> set[TitleKey]:
    """Titles of statements that name the person, though the object may be gone or unreadable by now."""
    number = who.partition(":")[2]
    query = sa.select(table.c.title, body).where(table.c.system == system, body.contains(number, autoescape=True))
    rows = (await c.execute(query)).all()
    return {TitleKey(title) for title, text in rows if without(said := load(text), frozenset({who})) != said}


async def _publish(it: runtime.Installation, c: AsyncConnection, titles: Sequence[TitleKey]) -> None:
    """By every system that states something of them: until all is newer, what stands there may name the person."""
    t = captured_table.c
    rows = (await c.execute(sa.select(t.system, t.title).where(t.title.in_(titles)).distinct())).all()
    for name in it.sources:
        await dirty.mark(it.db, c, name, [TitleKey(row.title) for row in rows if row.system == name])


async def _forget_statements(c: AsyncConnection, titles: Sequence[TitleKey], omit: frozenset[str]) -> None:
    """What capture last read of them is kept without the persons: a title that is held is published so."""
    t = captured_table.c
    for row in (await c.execute(sa.select(captured_table).where(t.title.in_(titles)))).all():
        body = None if row.readable_body is None else dump(without(load(row.readable_body), omit))
        mine = (t.system == row.system, t.aspect == row.aspect, t.title == row.title)
        await c.execute(sa.update(captured_table).where(*mine).values(fingerprint=None, readable_body=body))


async def _erase(
    it: runtime.Installation, c: AsyncConnection, titles: Sequence[TitleKey], omit: frozenset[str]
) -> dict[str, int]:
    """All that may hold the name in some text; each document is published again whatever its hash."""
    await _forget_statements(c, titles, omit)
    d = document_table.c
    unreadable = sa.update(document_table).where(d.title.in_(titles), d.state == "unreadable")
    read = (await c.execute(unreadable.values(body=None, last_readable=None))).rowcount
    o = outbox_table.c
    return {
        "last readable statements": read,
        "before-images": await _delete(c, before_table, before_table.c.title.in_(titles)),
        "dead letters": await _delete(c, dead_table, dead_table.c.title.in_(titles)),
        "held writes": await _delete(c, held_table, held_table.c.title.in_(titles)),
        "findings": await _delete(c, finding_table, finding_table.c.title.in_(titles)),
        "unsent journal lines": await _delete(c, outbox_table, sa.and_(o.topic == it.journal, o.key.in_(titles))),
        "pins": await _unpin(it, c, titles),
    }


async def _delete(c: AsyncConnection, table: sa.Table, where: sa.ColumnElement[bool]) -> int:
    return (await c.execute(sa.delete(table).where(where))).rowcount


async def _unpin(it: runtime.Installation, c: AsyncConnection, titles: Sequence[TitleKey]) -> int:
    """Values that people put back may name the person; the plan of today holds in their place."""
    a = applied_table.c
    rows = await c.execute(sa.select(a.consumer, a.target, a.kind, a.id).where(a.title.in_(titles)))
    keys = [pins.name(row.consumer, Resource(row.target, row.kind, row.id)) for row in rows]
    found: list[str] = []
    for start in range(0, len(keys), CHUNK):
        found += await settled.decisions(c, pins.KIND, keys[start : start + CHUNK])
    await decide(it.db, c, it.decisions, {(pins.KIND, key): None for key in found})
    return len(found)


async def _reports(it: runtime.Installation, c: AsyncConnection, titles: Iterable[TitleKey]) -> int:
    """Reports of link and adopt show values of titles; those that name one of these are taken back."""
    named = set(titles)
    if not named:
        return 0
    reports = await settled.decisions(c, "report")
    hit = [key for key, body in reports.items() if any(f'"{title}"' in dump(body) for title in named)]
    await decide(it.db, c, it.decisions, {("report", key): None for key in hit})
    return len(hit)
