"""What was settled: links, decisions and consumers' notes, each under a number; the higher number wins."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import Json, Resource, TitleKey
from frontlist.state.applied import applied_table
from frontlist.state.database import CHUNK, Database, among, dump, load, metadata
from frontlist.state.installation import BEHIND, activation_table, fact_table
from frontlist.state.statement import Parameters, Statement, typed

#: What a link's source is, where that is not a title.
PRODUCT = "product"
#: (target, kind, source id) -> the id there; `source_id` is Consonance's, e.g. a product id.
link_table = sa.Table(
    "link",
    metadata,
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("source_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Text),  # null: the link was taken back
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),  # product or title: both may have the same number in Consonance
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Index("link_by_id", "target", "kind", "id"),
    sa.Index("link_by_title", "title"),
    sa.Index("link_by_source", "source_id"),
)
#: Objects whose link is another one since capture last gave them their title.
relink_table = sa.Table(
    "relink",
    metadata,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
)
#: kind is one of: mode, accepted, adopted, linked, unlinked, doubtful, report, mapping, installation, note, forget,
#: pinned, confirmed, rejected, pause.
decision_table = sa.Table(
    "decision",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("body", sa.Text),
    sa.Column("number", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True)
class Link:
    """`role`: what the source is, a product or a title; a product may have the number of its own work."""

    target: str
    kind: str
    source_id: str
    id: str | None
    title: TitleKey
    role: str
    number: int

    @property
    def key(self) -> str:
        return f"{self.target}/{self.kind}/{self.source_id}"

    @property
    def body(self) -> Json:
        """Its record's value on the topic."""
        return {"id": self.id, "title": self.title, "role": self.role, "number": self.number}


@dataclass(frozen=True)
class Decision:
    kind: str
    key: str
    body: Json
    number: int

    @property
    def value(self) -> Json:
        """Its record's value on the topic."""
        return {"body": self.body, "number": self.number}


async def save_links(db: Database, connection: AsyncConnection, links: Sequence[Link]) -> list[TitleKey]:
    """Answers the titles whose links changed: those that gained one and those that lost one."""
    newest = {each.key: each for each in sorted(links, key=lambda each: each.number)}
    rows = [
        {
            "target": each.target,
            "kind": each.kind,
            "source_id": each.source_id,
            "id": each.id,
            "title": each.title,
            "role": each.role,
            "number": each.number,
        }
        for each in newest.values()
    ]
    if not rows:
        return []
    c = link_table.c
    keys = sa.tuple_(c.target, c.kind, c.source_id).in_([(e.target, e.kind, e.source_id) for e in newest.values()])
    before = {
        f"{row.target}/{row.kind}/{row.source_id}": row
        for row in await connection.execute(sa.select(link_table).where(keys))
    }
    changed = await db.upsert(
        connection,
        link_table,
        rows,
        where=lambda old, new: old.number < new.number,
        returning=(c.target, c.kind, c.source_id),
    )
    now = [newest[f"{row.target}/{row.kind}/{row.source_id}"] for row in changed]
    had = [before[each.key] for each in now if each.key in before]
    named = [(each.target, each.kind, each.id, each.number) for each in now]
    named += [(row.target, row.kind, row.id, newest[f"{row.target}/{row.kind}/{row.source_id}"].number) for row in had]
    await _relink(db, connection, {(system, kind, id_): number for system, kind, id_, number in named if id_})
    return [TitleKey(title) for title in sorted({each.title for each in now} | {row.title for row in had})]


async def _relink(db: Database, connection: AsyncConnection, objects: Mapping[tuple[str, str, str], int]) -> None:
    rows = [
        {"system": system, "kind": kind, "id": id_, "number": number} for (system, kind, id_), number in objects.items()
    ]
    if rows:
        await db.upsert(connection, relink_table, rows, where=lambda old, new: old.number < new.number)


async def to_relink(connection: AsyncConnection, system: str, limit: int) -> dict[tuple[str, str], int]:
    """(kind, id) -> number of objects whose title has to be looked at again."""
    c = relink_table.c
    query = sa.select(c.kind, c.id, c.number).where(c.system == system).order_by(c.number).limit(limit)
    return {(row.kind, row.id): row.number for row in await connection.execute(query)}


async def relinked(connection: AsyncConnection, system: str, objects: Mapping[tuple[str, str], int]) -> None:
    """Only where no newer link asked for it meanwhile."""
    c = relink_table.c
    for (kind, id_), number in sorted(objects.items()):
        mine = (c.system == system, c.kind == kind, c.id == id_, c.number == number)
        await connection.execute(sa.delete(relink_table).where(*mine))


async def links_of(
    connection: AsyncConnection, titles: Sequence[TitleKey], products: Mapping[TitleKey, Collection[str]] | None = None
) -> dict[TitleKey, dict[Resource, str]]:
    """title -> (target, kind, source id) -> the id there.

    `products`: title -> the products that it has today, whose links count for it too, though they were made while
    another title had them: a product has one record, wherever it moves.
    """
    out: dict[TitleKey, dict[Resource, str]] = {title: {} for title in titles}
    for target, kind, source, id_, title in await _links_of(connection, titles=titles):
        out[TitleKey(title)][Resource(target, kind, source)] = id_
    wanted = sorted({each for some in (products or {}).values() for each in some})
    if not wanted:
        return out
    found: dict[str, list[tuple[str, str, str]]] = {}
    for target, kind, source, id_ in await _links_of_products(connection, sources=wanted):
        found.setdefault(source, []).append((target, kind, id_))
    for name, ids in (products or {}).items():
        out[name] |= {Resource(target, kind, each): id_ for each in ids for target, kind, id_ in found.get(each, ())}
    return out


@Statement
def _links_of(p: Parameters) -> sa.Executable:
    c = link_table.c
    query = sa.select(c.target, c.kind, c.source_id, c.id, c.title).where(c.id.is_not(None))
    return query.where(p.among(c.title, "titles"))


@Statement
def _links_of_products(p: Parameters) -> sa.Executable:
    c = link_table.c
    query = sa.select(c.target, c.kind, c.source_id, c.id).where(c.id.is_not(None))
    return query.where(p.among(c.source_id, "sources"), c.role == PRODUCT)


async def titles_by_object(connection: AsyncConnection, target: str) -> dict[Resource, TitleKey]:
    """(target, kind, object id) -> the title that it is linked to."""
    c = link_table.c
    query = sa.select(c.kind, c.id, c.title).where(c.target == target, c.id.is_not(None))
    return {Resource(target, row.kind, row.id): TitleKey(row.title) for row in await connection.execute(query)}


async def titles_of_objects(
    connection: AsyncConnection, target: str, objects: Iterable[tuple[str, str]]
) -> dict[Resource, TitleKey]:
    """Of (kind, id), where linked: the title that it is linked to, or that has claimed it since."""
    c, a = link_table.c, applied_table.c
    wanted = sorted(set(objects))
    out: dict[Resource, TitleKey] = {}
    for start in range(0, len(wanted), CHUNK):
        part = [(target, *each) for each in wanted[start : start + CHUNK]]
        # Links and claims draw their numbers from one sequence.
        since = sa.and_(a.target == c.target, a.kind == c.kind, a.id == c.id, a.intent_claim > c.number)
        query = (
            sa.select(c.kind, c.id, sa.func.coalesce(a.title, c.title).label("title"))
            .select_from(link_table.outerjoin(applied_table, since))
            .where(sa.tuple_(c.target, c.kind, c.id).in_(part))
            .order_by(sa.func.coalesce(a.title_revision, 0), sa.func.coalesce(a.intent_claim, 0))
        )
        for row in await connection.execute(query):
            out[Resource(target, row.kind, row.id)] = TitleKey(row.title)
    return out


async def save_decisions(db: Database, connection: AsyncConnection, decisions: Sequence[Decision]) -> list[Decision]:
    """Answers those that took effect."""
    newest = {(each.kind, each.key): each for each in sorted(decisions, key=lambda each: each.number)}
    rows = [
        {"kind": each.kind, "key": each.key, "body": dump(each.body), "number": each.number} for each in newest.values()
    ]
    if not rows:
        return []
    c = decision_table.c
    changed = await db.upsert(
        connection,
        decision_table,
        rows,
        where=lambda old, new: old.number < new.number,
        returning=(c.kind, c.key),
    )
    return [newest[row.kind, row.key] for row in changed]


async def newer(connection: AsyncConnection, decisions: Sequence[Decision]) -> list[Decision]:
    """Those that would take effect; no row is locked."""
    if not decisions:
        return []
    rows = await _numbers(connection, given=[(each.kind, each.key) for each in decisions])
    known = {(kind, key): number for kind, key, number in rows}
    return [each for each in decisions if each.number > known.get((each.kind, each.key), -1)]


@Statement
def _numbers(p: Parameters) -> sa.Executable:
    c, given = decision_table.c, p.rows("given", typed(decision_table, ("kind", "key")))
    return sa.select(c.kind, c.key, c.number).join(given, sa.and_(c.kind == given.c.kind, c.key == given.c.key))


async def decisions(connection: AsyncConnection, kind: str, keys: Sequence[str] | None = None) -> dict[str, Json]:
    """key -> body of the decisions of a kind; taken-back ones (null) are left out."""
    query = sa.select(decision_table.c.key, decision_table.c.body).where(decision_table.c.kind == kind)
    if keys is not None:
        query = query.where(among(connection, decision_table.c.key, keys))
    found = {row.key: load(row.body) for row in await connection.execute(query)}
    return {key: body for key, body in found.items() if body is not None}


async def in_force(connection: AsyncConnection, *kinds: str) -> tuple[int | None, dict[str, dict[str, Json]]]:
    """The number of the active mapping, and kind -> key -> body, as `decisions` for each of these.

    None is active while a database from an older backup has not caught up.
    """
    found = _by_kind(await _in_force(connection, kinds=kinds), (*kinds, ""))
    return found.pop("").get(""), found


@Statement
def _in_force(p: Parameters) -> sa.Executable:
    c = decision_table.c
    behind = sa.exists().where(fact_table.c.name == BEHIND)
    number = sa.cast(sa.func.max(activation_table.c.number), sa.Text)
    nothing: Any = sa.literal_column("''")
    active = sa.select(nothing, nothing, number).where(~behind)
    decided = sa.select(c.kind, c.key, c.body).where(p.among(c.kind, "kinds"))
    return sa.union_all(active, decided)


async def about(
    connection: AsyncConnection, consumer: str, titles: Sequence[TitleKey], *kinds: str
) -> dict[str, dict[str, Json]]:
    """All of these kinds, and what is `adopted` of the titles and what the consumer noted of them (`note`)."""
    notes = [note_key(consumer, title) for title in titles]
    found = await _about(connection, kinds=kinds, titles=titles, notes=notes)
    return _by_kind(found, (*kinds, "adopted", "note"))


@Statement
def _about(p: Parameters) -> sa.Executable:
    c = decision_table.c
    adopted = sa.and_(c.kind == "adopted", p.among(c.key, "titles"))
    noted = sa.and_(c.kind == "note", p.among(c.key, "notes"))
    return sa.select(c.kind, c.key, c.body).where(sa.or_(p.among(c.kind, "kinds"), adopted, noted))


def _by_kind(rows: Iterable[Any], kinds: Iterable[str]) -> dict[str, dict[str, Json]]:
    """kind -> key -> body; taken-back ones (null) are left out."""
    out: dict[str, dict[str, Json]] = {kind: {} for kind in kinds}
    for kind, key, text in rows:
        if (body := load(text)) is not None:
            out[kind][key] = body
    return out


async def decision(connection: AsyncConnection, kind: str, key: str) -> Json:
    return (await decisions(connection, kind, [key])).get(key)


def note_key(consumer: str, title: str) -> str:
    return f"{consumer}/{title}"


async def everything(connection: AsyncConnection) -> tuple[list[Link], list[Decision]]:
    """All links and decisions, for topics that have to be filled anew."""
    links = [
        Link(row.target, row.kind, row.source_id, row.id, TitleKey(row.title), row.role, row.number)
        for row in await connection.execute(sa.select(link_table).order_by(link_table.c.number))
    ]
    decided = await connection.execute(sa.select(decision_table).order_by(decision_table.c.number))
    return links, [Decision(row.kind, row.key, load(row.body), row.number) for row in decided]


async def counts(connection: AsyncConnection) -> dict[str, int]:
    query = sa.select(decision_table.c.kind, sa.func.count()).group_by(decision_table.c.kind)
    found: list[Any] = list((await connection.execute(query)).all())
    links = (await connection.execute(sa.select(sa.func.count()).select_from(link_table))).scalar_one()
    return {row[0]: row[1] for row in found} | {"link": links}
