"""What a target was told: the intent allowed to write, the write known to be done, and what it overwrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import FieldKey, Json, Resource, TitleKey
from frontlist.state.database import CHUNK, Database, dump, load, metadata

applied_table = sa.Table(
    "applied",
    metadata,
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("title_revision", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("intent_claim", sa.BigInteger, nullable=False),
    sa.Column("intent_vector", sa.Text, nullable=False),
    sa.Column("intent_fields", sa.Text),  # null: Absent
    sa.Column("intent_at", sa.BigInteger, nullable=False),
    sa.Column("applied_claim", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("applied_fields", sa.Text),
    sa.Column("applied_at", sa.BigInteger),
    sa.Column("present", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("progress", sa.Text, nullable=False, server_default="{}"),
    sa.Column("refused", sa.Text, nullable=False, server_default="{}"),
    sa.Column("dead", sa.Text),
    # Set when a write may have happened that nobody remembers; cleared only by a read begun after it.
    sa.Column("doubt_since", sa.BigInteger),
    sa.Column("look_again_at", sa.BigInteger),
    sa.Index("applied_by_title", "consumer", "title"),
    postgresql_with={"fillfactor": "70"},
)
#: The "field" of a before-image that says: nothing stood there.
CREATED = FieldKey("")
before_table = sa.Table(
    "before_image",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("consumer", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("claim", sa.BigInteger, nullable=False),
    sa.Column("field", sa.Text, nullable=False),
    sa.Column("was", sa.Text),
    sa.Column("becomes", sa.Text),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Index("before_image_by_resource", "target", "kind", "id"),
    sa.Index("before_image_by_title", "title"),
    sa.Index("before_image_by_run", "run"),
    sa.Index("before_image_by_time", "at"),
)
outbox_table = sa.Table(
    "outbox",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("value", sa.Text),
)


@dataclass(frozen=True)
class Applied:
    """One consumer's hold on one resource. `fields` None: nothing was ever applied, or it was removed."""

    resource: Resource
    consumer: str
    title: TitleKey
    intent_claim: int
    intent_fields: Mapping[FieldKey, Json] | None
    applied_claim: int
    fields: Mapping[FieldKey, Json] | None
    present: bool
    progress: Mapping[str, Json] = field(default_factory=dict)
    refused: Mapping[str, Json] = field(default_factory=dict)
    dead: Json = None
    doubt_since: int | None = None
    look_again_at: int | None = None

    def in_doubt(self, now: int) -> bool:
        """Something may have been written that nobody remembers, or it is time for the second look."""
        unremembered = self.intent_claim > self.applied_claim or self.doubt_since is not None
        return unremembered or (self.look_again_at is not None and self.look_again_at <= now)


@dataclass(frozen=True)
class Intent:
    """What is about to be written. `vector`: activation and "<system>.<aspect>" -> number; `was`: the old values.

    `run`: what set it off, where it has a name ("replay/<id>"); `creates`: nothing stood there.
    """

    resource: Resource
    consumer: str
    title: TitleKey
    claim: int
    vector: Mapping[str, int]
    fields: Mapping[FieldKey, Json] | None
    was: Mapping[FieldKey, Json]
    run: str = ""
    creates: bool = False


@dataclass(frozen=True)
class Outcome:
    """What is remembered of a resource after its calls; `refused`: field -> {"fingerprint", "reason", "since"}.

    `read_at`: when the read began on which this rests; it settles only doubts older than itself.
    """

    resource: Resource
    consumer: str
    claim: int
    fields: Mapping[FieldKey, Json] | None
    present: bool
    progress: Mapping[str, Json] = field(default_factory=dict)
    refused: Mapping[str, Json] = field(default_factory=dict)
    dead: Json = None
    look_again_at: int | None = None
    read_at: int = 0


def _row(row: Any) -> Applied:
    return Applied(
        resource=Resource(row.target, row.kind, row.id),
        consumer=row.consumer,
        title=TitleKey(row.title),
        intent_claim=row.intent_claim,
        intent_fields=load(row.intent_fields),
        applied_claim=row.applied_claim,
        fields=load(row.applied_fields),
        present=row.present,
        progress=load(row.progress),
        refused=load(row.refused),
        dead=load(row.dead),
        doubt_since=row.doubt_since,
        look_again_at=row.look_again_at,
    )


async def of_titles(connection: AsyncConnection, consumer: str, titles: Sequence[TitleKey]) -> dict[Resource, Applied]:
    query = sa.select(applied_table).where(applied_table.c.consumer == consumer, applied_table.c.title.in_(titles))
    return {each.resource: each for each in map(_row, await connection.execute(query))}


async def of_resources(
    connection: AsyncConnection, consumer: str, resources: Iterable[Resource]
) -> dict[Resource, Applied]:
    out: dict[Resource, Applied] = {}
    wanted = sorted(set(resources))
    c = applied_table.c
    for start in range(0, len(wanted), CHUNK):
        part = [(r.target, r.kind, r.id) for r in wanted[start : start + CHUNK]]
        query = sa.select(applied_table).where(c.consumer == consumer, sa.tuple_(c.target, c.kind, c.id).in_(part))
        out |= {each.resource: each for each in map(_row, await connection.execute(query))}
    return out


async def intend(
    db: Database, connection: AsyncConnection, intents: Sequence[Intent]
) -> tuple[set[Resource], set[Resource]]:
    """Store the intents with their before-images. Answers (accepted, claimed by another title since).

    Refused where a newer claim stands, and where another title claimed the resource by a newer revision. An intent that
    replaces an unremembered one leaves its doubt behind. The caller has checked claim and lease in this transaction.
    """
    if not intents:
        return set(), set()
    now = await db.now(connection)
    taken = await _claimed_since(connection, intents)
    rows = [
        {
            **_key(each.resource, each.consumer),
            "title": each.title,
            "intent_claim": each.claim,
            "intent_vector": dump(each.vector),
            "intent_fields": None if each.fields is None else dump(each.fields),
            "intent_at": now,
            "title_revision": _newest(each.vector),
            "doubt_since": None,
        }
        for each in intents
        if each.resource not in taken
    ]
    c = applied_table.c
    accepted = await db.upsert(
        connection,
        applied_table,
        rows,
        where=lambda old, new: old.intent_claim < new.intent_claim,
        keep=("doubt_since",),
        returning=(c.target, c.kind, c.id),
        also=lambda old, _new: {
            "doubt_since": sa.case((old.intent_claim > old.applied_claim, now), else_=old.doubt_since)
        },
    )
    got = {Resource(row.target, row.kind, row.id) for row in accepted}
    await _keep_before_images(db, connection, [each for each in intents if each.resource in got], now)
    return got, taken


async def _claimed_since(connection: AsyncConnection, intents: Sequence[Intent]) -> set[Resource]:
    """Those that a newer revision of another title claims."""
    mine = {each.resource: each for each in intents}
    keys = sorted((r.target, r.kind, r.id) for r in mine)
    c = applied_table.c
    out: set[Resource] = set()
    for start in range(0, len(keys), CHUNK):
        query = sa.select(c.target, c.kind, c.id, c.title, c.title_revision).where(
            sa.tuple_(c.target, c.kind, c.id).in_(keys[start : start + CHUNK])
        )
        for row in await connection.execute(query):
            intent = mine[Resource(row.target, row.kind, row.id)]
            if row.title != intent.title and row.title_revision > _newest(intent.vector):
                out.add(intent.resource)
    return out


def _newest(vector: Mapping[str, int]) -> int:
    return max((value for name, value in vector.items() if name != "activation"), default=0)


async def _keep_before_images(db: Database, connection: AsyncConnection, intents: Sequence[Intent], now: int) -> None:
    images = [(each, name, was) for each in intents for name, was in each.was.items()]
    images += [(each, CREATED, None) for each in intents if each.creates]
    numbers = await db.draw(connection, len(images))
    rows = [
        {
            "number": number,
            **_key(each.resource, each.consumer),
            "title": each.title,
            "claim": each.claim,
            "field": name,
            "was": dump(was),
            "becomes": dump((each.fields or {}).get(name)),
            "at": now,
            "run": each.run,
        }
        for number, (each, name, was) in zip(numbers, images, strict=True)
    ]
    for start in range(0, len(rows), CHUNK):
        await connection.execute(sa.insert(before_table), rows[start : start + CHUNK])


async def keep_progress(
    connection: AsyncConnection, resource: Resource, consumer: str, claim: int, progress: Mapping[str, Json]
) -> None:
    """A step's result is kept before the next step begins."""
    await connection.execute(
        sa.update(applied_table)
        .where(*_is(resource, consumer), applied_table.c.intent_claim == claim)
        .values(progress=dump(progress))
    )


async def remember(db: Database, connection: AsyncConnection, outcomes: Sequence[Outcome]) -> set[Resource]:
    """What is known to be done; answers those that were refused, because a newer intent stands: stale writes."""
    now = await db.now(connection)
    stale: set[Resource] = set()
    c = applied_table.c
    for each in sorted(outcomes, key=lambda one: one.resource):
        result = await connection.execute(
            sa.update(applied_table)
            .where(*_is(each.resource, each.consumer), c.intent_claim == each.claim)
            .values(
                applied_claim=each.claim,
                applied_fields=None if each.fields is None else dump(each.fields),
                applied_at=now,
                present=each.present,
                progress=dump(each.progress),
                refused=dump(each.refused),
                dead=None if each.dead is None else dump(each.dead),
                doubt_since=sa.case((c.doubt_since > each.read_at, c.doubt_since)),
                look_again_at=each.look_again_at,
            )
        )
        if not result.rowcount:
            stale.add(each.resource)
            await doubt(connection, [each.resource], each.consumer, now, None)
    return stale


async def doubt(
    connection: AsyncConnection, resources: Sequence[Resource], consumer: str, now: int, look_again_at: int | None
) -> None:
    """A call may have been carried out that nobody remembers: to be read back, and once more at `look_again_at`."""
    values: dict[str, Any] = {"doubt_since": now}
    if look_again_at is not None:
        values["look_again_at"] = look_again_at
    for resource in sorted(resources):
        await connection.execute(sa.update(applied_table).where(*_is(resource, consumer)).values(**values))


async def look_again(
    connection: AsyncConnection, consumer: str, titles: Sequence[TitleKey], now: int
) -> dict[TitleKey, int]:
    """title -> when its next doubtful resource has to be looked at; one without a time of its own, in a minute."""
    c = applied_table.c
    unsettled = sa.or_(c.doubt_since.is_not(None), c.intent_claim > c.applied_claim)
    at = sa.func.min(sa.func.coalesce(c.look_again_at, now + 60_000_000))
    query = (
        sa.select(c.title, at.label("at"))
        .where(c.consumer == consumer, c.title.in_(titles), sa.or_(unsettled, c.look_again_at.is_not(None)))
        .group_by(c.title)
    )
    return {TitleKey(row.title): row.at for row in await connection.execute(query)}


async def doubt_all(connection: AsyncConnection) -> None:
    """A database from an older backup: nothing that it remembers is sure."""
    await connection.execute(sa.update(applied_table).values(applied_claim=-1))


async def post(db: Database, connection: AsyncConnection, records: Sequence[tuple[str, str, Json]]) -> None:
    """(topic, key, value) for the outbox, sent in this order after the transaction."""
    numbers = await db.draw(connection, len(records))
    rows = [
        {"number": number, "topic": topic, "key": key, "value": dump(value)}
        for number, (topic, key, value) in zip(numbers, records, strict=True)
    ]
    for start in range(0, len(rows), CHUNK):
        await connection.execute(sa.insert(outbox_table), rows[start : start + CHUNK])


async def posted(connection: AsyncConnection, limit: int) -> list[Any]:
    return list((await connection.execute(sa.select(outbox_table).order_by(outbox_table.c.number).limit(limit))).all())


async def sent(connection: AsyncConnection, numbers: Sequence[int]) -> None:
    await connection.execute(sa.delete(outbox_table).where(outbox_table.c.number.in_(numbers)))


def _key(resource: Resource, consumer: str) -> dict[str, str]:
    return {"target": resource.target, "kind": resource.kind, "id": resource.id, "consumer": consumer}


def _is(resource: Resource, consumer: str) -> tuple[Any, ...]:
    c = applied_table.c
    return (c.target == resource.target, c.kind == resource.kind, c.id == resource.id, c.consumer == consumer)
