"""The latest documents of every title, as intake stored them, and the offsets stored with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.clock import moment
from frontlist.contract import Document, DocumentKey, Dossier, Json, Revision, State, TitleKey
from frontlist.state.database import CHUNK, Database, among, dump, load, metadata
from frontlist.state.statement import Parameters, Statement

#: The document that says to which imprint a title belongs.
STATES_IMPRINT = ("consonance", "metadata")
document_table = sa.Table(
    "document",
    metadata,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("aspect", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("body", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("last_readable", sa.BigInteger),
    sa.Column("merged_into", sa.Text),
    sa.Column("siblings", sa.Text),
    sa.Column("traceparent", sa.Text),  # of a change that is traced
    # Of Consonance's metadata alone, as last stated: a title that is gone still belongs to it.
    sa.Column("imprint", sa.Text),
    sa.Index("document_by_title", "title"),
    sa.Index("document_by_imprint", "imprint"),
    # A document of some kilobytes stays in its row: compressed beside it, it costs twice the CPU to store and to read.
    postgresql_with={"toast_tuple_target": "8160"},
)
offset_table = sa.Table(
    "intake_offset",
    metadata,
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("offset", sa.BigInteger, nullable=False),  # the next to be read
    sa.Column("topic_id", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False, server_default="0"),  # when it was stored
)


@dataclass(frozen=True)
class Stored:
    """A document as read from a topic. For an unreadable one `body` is the last readable document."""

    system: str
    aspect: str
    title: TitleKey
    revision: int
    state: str
    body: Json | None = None
    reason: str | None = None
    last_readable: int | None = None
    merged_into: str | None = None
    siblings: Mapping[str, int] | None = None
    traceparent: str | None = None


@dataclass(frozen=True)
class Newer:
    """A document that was stored; `first`: nothing was known of it before."""

    key: DocumentKey
    title: TitleKey
    first: bool


async def store(db: Database, connection: AsyncConnection, documents: Sequence[Stored]) -> list[Newer]:
    """Keep the newer ones; answers what was newer. The last readable body outlives an unreadable revision."""
    newest: dict[tuple[str, str, str], Stored] = {}
    for each in sorted(documents, key=lambda one: one.revision):
        key = (each.system, each.aspect, each.title)
        newest[key] = _with_last_readable(each, newest.get(key))
    rows = [
        {
            "system": each.system,
            "aspect": each.aspect,
            "title": each.title,
            "revision": each.revision,
            "state": each.state,
            "body": None if each.body is None else dump(each.body),
            "reason": each.reason,
            "last_readable": each.last_readable,
            "merged_into": each.merged_into,
            "siblings": dump(dict(each.siblings or {})),
            "traceparent": each.traceparent,
            "imprint": imprint(each.body) if (each.system, each.aspect) == STATES_IMPRINT else None,
        }
        for each in newest.values()
    ]
    if not rows:
        return []
    c = document_table.c
    # A record that could not even be decoded has no last readable statement of its own: ours stays.
    undecodable = [row for row in rows if row["state"] == "unreadable" and row["body"] is None]
    wanted = [TitleKey(str(row["title"])) for row in undecodable]
    kept = await documents_of(connection, wanted) if wanted else {}
    for row in undecodable:
        old = kept.get((str(row["system"]), str(row["aspect"]), str(row["title"])))
        if old is not None and old.body is not None:
            row["body"], row["last_readable"] = old.body, old.last_readable or old.revision
    known = await _keys(db, connection, {TitleKey(str(row["title"])) for row in rows})
    stored = await db.upsert(
        connection,
        document_table,
        rows,
        where=lambda old, new: old.revision < new.revision,
        also=lambda old, new: {"imprint": sa.func.coalesce(new.imprint, old.imprint)},
        returning=(c.system, c.aspect, c.title),
    )
    return [
        Newer(
            DocumentKey(row.system, row.aspect),
            TitleKey(row.title),
            first=(row.system, row.aspect, row.title) not in known,
        )
        for row in stored
    ]


def _with_last_readable(each: Stored, before: Stored | None) -> Stored:
    """A record that could not even be decoded has no last readable statement of its own."""
    if before is None or before.body is None or each.state != "unreadable" or each.body is not None:
        return each
    return replace(each, body=before.body, last_readable=before.last_readable or before.revision)


async def _keys(db: Database, connection: AsyncConnection, names: set[TitleKey]) -> set[tuple[str, str, str]]:
    c = document_table.c
    query = sa.select(c.system, c.aspect, c.title).where(among(connection, c.title, names))
    return {(row.system, row.aspect, row.title) for row in await connection.execute(query)}


async def documents_of(
    connection: AsyncConnection, titles: Sequence[TitleKey]
) -> dict[tuple[str, str, str], sa.Row[tuple[object, ...]]]:
    return {(row[0], row[1], row[2]): row for row in await _documents(connection, titles=titles)}


@Statement
def _documents(p: Parameters) -> sa.Executable:
    return sa.select(document_table).where(p.among(document_table.c.title, "titles"))


async def dossiers(
    connection: AsyncConnection, titles: Sequence[TitleKey], confirmed: Mapping[tuple[str, str], int]
) -> dict[TitleKey, Dossier]:
    """The dossier of each title. `confirmed`: (system, title) -> when its feed last read it."""
    documents: dict[TitleKey, dict[DocumentKey, Document]] = {title: {} for title in titles}
    for (system, aspect, title), row in (await documents_of(connection, titles)).items():
        key, name = DocumentKey(system, aspect), TitleKey(title)
        at = confirmed.get((system, title))
        documents[name][key] = _document(key, name, row, at)
    return {title: Dossier(title, found) for title, found in documents.items()}


def _document(key: DocumentKey, title: TitleKey, row: sa.Row[tuple[object, ...]], at: int | None) -> Document:
    state: State = "gone" if row.state == "erased" else row.state
    return Document(
        key=key,
        title=title,
        state=state,
        revision=Revision(row.revision),
        body=load(row.body),
        reason=row.reason,
        last_readable=None if row.last_readable is None else Revision(row.last_readable),
        merged_into=None if row.merged_into is None else TitleKey(row.merged_into),
        confirmed_at=None if at is None else moment(at),
        siblings={aspect: Revision(value) for aspect, value in (load(row.siblings) or {}).items()},
    )


async def traced(connection: AsyncConnection, names: Sequence[TitleKey], since: int) -> dict[TitleKey, list[str]]:
    """The `traceparent` of each title's traced documents that were observed since then, the newest first."""
    c = document_table.c
    query = (
        sa.select(c.title, c.traceparent)
        .where(among(connection, c.title, names), c.traceparent.is_not(None), c.revision >= since)
        .order_by(c.revision.desc())
    )
    out: dict[TitleKey, list[str]] = {}
    for row in await connection.execute(query):
        out.setdefault(TitleKey(row.title), []).append(row.traceparent)
    return out


async def titles(connection: AsyncConnection, systems_aspects: Sequence[DocumentKey]) -> list[TitleKey]:
    """Every title of which one of these documents is known."""
    c = document_table.c
    wanted = sa.tuple_(c.system, c.aspect).in_([(key.system, key.aspect) for key in systems_aspects])
    query = sa.select(c.title).where(wanted).distinct().order_by(c.title)
    return [TitleKey(title) for title in (await connection.execute(query)).scalars()]


async def offsets(connection: AsyncConnection) -> dict[tuple[str, int], tuple[int, str]]:
    """(topic, partition) -> (next offset, topic id)."""
    rows = await connection.execute(sa.select(offset_table))
    return {(row.topic, row.partition): (row.offset, row.topic_id) for row in rows}


async def save_offsets(
    db: Database, connection: AsyncConnection, ends: Mapping[tuple[str, int], int], topic_ids: Mapping[str, str]
) -> None:
    """Only forwards: a slow member that was replaced never moves them back."""
    now = await db.now(connection)
    rows = [
        {"topic": topic, "partition": partition, "offset": at, "topic_id": topic_ids.get(topic, ""), "at": now}
        for (topic, partition), at in ends.items()
    ]
    if rows:
        await db.upsert(connection, offset_table, rows, where=lambda old, new: old.offset < new.offset)


async def stored_at(connection: AsyncConnection) -> int:
    """When an offset was stored last; 0: never."""
    at: int | None = (await connection.execute(sa.select(sa.func.max(offset_table.c.at)))).scalar_one()
    return at or 0


async def forget_offsets(connection: AsyncConnection, topic_ids: Mapping[str, str]) -> int:
    """Offsets of topics that have another id now mean nothing; answers of how many topics."""
    gone = {name for (name, _), (_, id_) in (await offsets(connection)).items() if topic_ids.get(name, id_) != id_}
    await connection.execute(sa.delete(offset_table).where(offset_table.c.topic.in_(gone)))
    return len(gone)


def imprint(body: Json) -> str | None:
    """The name of the imprint as Consonance's metadata states it."""
    stated = body.get("imprint") if isinstance(body, Mapping) else None
    name = stated.get("name") if isinstance(stated, Mapping) else None
    return name if isinstance(name, str) else None


async def imprints(connection: AsyncConnection, titles: Iterable[TitleKey]) -> dict[TitleKey, str]:
    """title -> its imprint, "" where none is stated."""
    c = document_table.c
    wanted = sorted(set(titles))
    out: dict[TitleKey, str] = dict.fromkeys(wanted, "")
    for start in range(0, len(wanted), CHUNK):
        query = sa.select(c.title, c.imprint).where(
            among(connection, c.title, wanted[start : start + CHUNK]), c.imprint.is_not(None)
        )
        out |= {TitleKey(row.title): row.imprint for row in await connection.execute(query)}
    return out


async def of_imprint(connection: AsyncConnection, name: str) -> list[TitleKey]:
    """All titles of an imprint, those that are gone too; "" = of none."""
    c = document_table.c
    mine = sa.and_(c.system == STATES_IMPRINT[0], c.aspect == STATES_IMPRINT[1])
    query = sa.select(c.title).where(mine, c.imprint == name if name else c.imprint.is_(None)).order_by(c.title)
    return [TitleKey(title) for title in (await connection.execute(query)).scalars()]


async def imprint_size(connection: AsyncConnection, name: str) -> int:
    """How many titles an imprint has; "" = those of none."""
    c = document_table.c
    mine = sa.and_(c.system == STATES_IMPRINT[0], c.aspect == STATES_IMPRINT[1])
    query = sa.select(sa.func.count()).where(mine, c.imprint == name if name else c.imprint.is_(None))
    return int((await connection.execute(query)).scalar_one())
