"""What a target was told: the intent allowed to write, the write known to be done, and what it overwrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import FieldKey, Json, Resource, TitleKey
from frontlist.state.database import Database, among, dump, load, metadata, typed

applied_table = sa.Table(
    "applied",
    metadata,
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    # Of the newest statement by which the title claims it; 0: it lets go of it.
    sa.Column("title_revision", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("intent_claim", sa.BigInteger, nullable=False),
    sa.Column("intent_vector", sa.Text, nullable=False),
    sa.Column("intent_fields", sa.Text),  # null: Absent
    sa.Column("intent_at", sa.BigInteger, nullable=False),
    sa.Column("applied_claim", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("applied_fields", sa.Text),
    sa.Column("applied_at", sa.BigInteger),
    sa.Column("present", sa.Boolean, nullable=False, server_default=sa.false()),
    # It is to be there, and was not when it was read last.
    sa.Column("removed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("progress", sa.Text, nullable=False, server_default="{}"),
    sa.Column("refused", sa.Text, nullable=False, server_default="{}"),
    sa.Column("dead", sa.Text),
    # Set when a write may have happened that nobody remembers; cleared only by a read begun after it.
    sa.Column("doubt_since", sa.BigInteger),
    sa.Column("look_again_at", sa.BigInteger),
    sa.Index("applied_by_title", "consumer", "title"),
    postgresql_with={"fillfactor": "70"},
)
#: Its primary key.
KEYS = ("target", "kind", "id", "consumer")
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
    sa.Column("at", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True)
class Applied:
    """One consumer's hold on one resource. `fields` None: nothing was ever applied, or we took it away.

    `removed`: it is to be there, and was not when it was read last; so it is read whenever its title is due.
    """

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
    title_revision: int = 0
    removed: bool = False

    @property
    def certain(self) -> bool:
        """Nothing may have been written that nobody remembers."""
        return self.intent_claim <= self.applied_claim and self.doubt_since is None

    def in_doubt(self, now: int) -> bool:
        """It is not certain, or it is time for the second look."""
        return not self.certain or (self.look_again_at is not None and self.look_again_at <= now)


@dataclass(frozen=True)
class Intent:
    """What is about to be written. `vector`: activation and "<system>.<aspect>" -> number; `was`: the old values.

    `run`: what set it off, where it has a name ("replay/<id>"); `creates`: nothing stood there. `revision`: of the
    statement by which the title claims the resource, or by which it lets go of it (`releases`).
    """

    resource: Resource
    consumer: str
    title: TitleKey
    claim: int
    vector: Mapping[str, int]
    fields: Mapping[FieldKey, Json] | None
    was: Mapping[FieldKey, Json]
    progress: Mapping[str, Json] = field(default_factory=dict)
    run: str = ""
    at: int | None = None  # when it was done, where that is long past
    creates: bool = False
    revision: int = 0
    releases: bool = False


@dataclass(frozen=True)
class Past:
    """A write that the journal tells of; the intent's fields are those written. `undoable`: its images are kept."""

    intent: Intent
    undoable: bool


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
    removed: bool = False


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
        title_revision=row.title_revision,
        removed=row.removed,
    )


async def of_titles(connection: AsyncConnection, consumer: str, titles: Sequence[TitleKey]) -> dict[Resource, Applied]:
    query = sa.select(applied_table).where(
        applied_table.c.consumer == consumer, among(connection, applied_table.c.title, titles)
    )
    return {each.resource: each for each in map(_row, await connection.execute(query))}


async def of_resources(
    db: Database, connection: AsyncConnection, consumer: str, resources: Iterable[Resource]
) -> dict[Resource, Applied]:
    wanted = set(resources)
    if not wanted:
        return {}
    query = sa.select(applied_table).join(*_among(db, wanted)).where(applied_table.c.consumer == consumer)
    return {each.resource: each for each in map(_row, await connection.execute(query))}


async def locked(
    db: Database, connection: AsyncConnection, resources: Iterable[Resource]
) -> dict[tuple[Resource, str], Applied]:
    """What all consumers hold of these resources; nobody changes it before this transaction ends."""
    wanted = set(resources)
    if not wanted:
        return {}
    query = sa.select(applied_table).join(*_among(db, wanted)).order_by(*(applied_table.c[name] for name in KEYS))
    rows = await connection.execute(query if db.sqlite else query.with_for_update(of=applied_table))
    return {(each.resource, each.consumer): each for each in map(_row, rows)}


async def intend(
    db: Database,
    connection: AsyncConnection,
    intents: Sequence[Intent],
    there: Mapping[tuple[Resource, str], Applied],
) -> tuple[set[Resource], set[Resource]]:
    """Store the intents with their before-images. Answers (accepted, claimed by another title since).

    Refused where a newer claim stands, where another title claimed the resource by a revision as new, and where it lets
    go of what another title has. An intent that replaces an unremembered one leaves its doubt behind. `there`: what
    `locked` answered in this transaction, in which the caller has checked claim and lease.
    """
    if not intents:
        return set(), set()
    now = await db.now(connection)
    taken = _claimed_since(intents, there.values())
    rows = [
        {
            **_key(each.resource, each.consumer),
            "title": each.title,
            "intent_claim": each.claim,
            "intent_vector": dump(each.vector),
            "intent_fields": None if each.fields is None else dump(each.fields),
            "intent_at": now,
            "title_revision": 0 if each.releases else each.revision,
            "progress": dump(each.progress),
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


def _claimed_since(intents: Sequence[Intent], there: Iterable[Applied]) -> set[Resource]:
    """Those that another title has claimed by a revision that is not older: of equal ones the first stands.

    Let go of is only what no other title has: its row of this consumer stands, whatever its revision.
    """
    by_resource: dict[Resource, list[Applied]] = {}
    for row in there:
        by_resource.setdefault(row.resource, []).append(row)
    return {
        each.resource
        for each in intents
        for row in by_resource.get(each.resource, ())
        if row.title != each.title
        and (
            (each.releases and row.consumer == each.consumer)
            or (row.title_revision > 0 and row.title_revision >= each.revision)
        )
    }


def _among(db: Database, resources: Iterable[Resource]) -> tuple[sa.FromClause, Any]:
    """What to join, so that only rows of these resources are met."""
    names = ("target", "kind", "id")
    given = db.rows(
        "given",
        typed(applied_table, names),
        [dict(zip(names, (r.target, r.kind, r.id), strict=True)) for r in sorted(set(resources))],
    )
    c = applied_table.c
    return given, sa.and_(c.target == given.c.target, c.kind == given.c.kind, c.id == given.c.id)


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
            "at": now if each.at is None else each.at,
            "run": each.run,
        }
        for number, (each, name, was) in zip(numbers, images, strict=True)
    ]
    await db.add(connection, before_table, rows)


async def keep_progress(
    db: Database, connection: AsyncConnection, steps: Sequence[tuple[Resource, str, int, Mapping[str, Json]]]
) -> None:
    """(resource, consumer, claim, progress): a step's result is kept before the next step begins."""
    names = (*KEYS, "intent_claim", "progress")
    rows = [
        {**_key(resource, consumer), "intent_claim": claim, "progress": dump(progress)}
        for resource, consumer, claim, progress in sorted(steps, key=lambda each: (each[0], each[1]))
    ]
    given = db.rows("given", typed(applied_table, names), rows)
    c = applied_table.c
    await connection.execute(
        sa.update(applied_table)
        .where(*_same(given), c.intent_claim == given.c.intent_claim)
        .values(progress=given.c.progress)
    )


async def remember(db: Database, connection: AsyncConnection, outcomes: Sequence[Outcome]) -> set[tuple[Resource, str]]:
    """What is known to be done; answers (resource, consumer) of those refused, since a newer intent stands: stale."""
    if not outcomes:
        return set()
    now = await db.now(connection)
    names = (
        *KEYS,
        "intent_claim",
        "applied_fields",
        "present",
        "removed",
        "progress",
        "refused",
        "dead",
        "look_again_at",
    )
    rows = [
        {
            **_key(each.resource, each.consumer),
            "intent_claim": each.claim,
            "applied_fields": None if each.fields is None else dump(each.fields),
            "present": each.present,
            "removed": each.removed,
            "progress": dump(each.progress),
            "refused": dump(each.refused),
            "dead": None if each.dead is None else dump(each.dead),
            "look_again_at": each.look_again_at,
            "read_at": each.read_at,
        }
        for each in sorted(outcomes, key=lambda one: (one.resource, one.consumer))
    ]
    c = applied_table.c
    await _lock(db, connection, rows)
    given = db.rows("given", {**typed(applied_table, names), "read_at": sa.BigInteger()}, rows)
    v = given.c
    kept = await connection.execute(
        sa.update(applied_table)
        .where(*_same(given), c.intent_claim == v.intent_claim)
        .values(
            applied_claim=v.intent_claim,
            applied_fields=v.applied_fields,
            applied_at=now,
            present=v.present,
            removed=v.removed,
            progress=v.progress,
            refused=v.refused,
            dead=v.dead,
            doubt_since=sa.case((c.doubt_since > v.read_at, c.doubt_since)),
            look_again_at=_look(v),
        )
        .returning(c.target, c.kind, c.id, c.consumer)
    )
    known = {(Resource(row.target, row.kind, row.id), row.consumer) for row in kept}
    stale = {(each.resource, each.consumer) for each in outcomes} - known
    await doubt(db, connection, stale, now, None)
    return stale


def _look(new: Any) -> Any:
    """A look that was asked for after the read on which this rests stays due, whoever asked (drift, doubt)."""
    old = applied_table.c.look_again_at
    sooner = sa.case((sa.or_(new.look_again_at.is_(None), old < new.look_again_at), old), else_=new.look_again_at)
    return sa.case((old > new.read_at, sooner), else_=new.look_again_at)


async def doubt(
    db: Database,
    connection: AsyncConnection,
    resources: Iterable[tuple[Resource, str]],
    now: int,
    look_again_at: int | None,
) -> None:
    """A call may have been carried out that nobody remembers: to be read back, and once more at `look_again_at`."""
    rows = [_key(resource, consumer) for resource, consumer in sorted(set(resources))]
    if not rows:
        return
    values: dict[str, Any] = {"doubt_since": now}
    if look_again_at is not None:
        values["look_again_at"] = look_again_at
    await _lock(db, connection, rows)
    given = db.rows("given", typed(applied_table, KEYS), rows)
    await connection.execute(sa.update(applied_table).where(*_same(given)).values(**values))


async def try_again(connection: AsyncConnection, refused: Iterable[Applied]) -> None:
    """What these fields were refused for holds no longer: they go out again with the next plan."""
    c = applied_table.c
    for each in sorted(refused, key=lambda one: (one.resource, one.consumer)):
        mine = [c[name] == value for name, value in _key(each.resource, each.consumer).items()]
        await connection.execute(sa.update(applied_table).where(*mine).values(refused="{}"))


async def with_refused(connection: AsyncConnection, target: str | None = None) -> list[Applied]:
    """Those of which the target (None: any) would not have some field."""
    c = applied_table.c
    there = [c.refused != "{}", *([] if target is None else [c.target == target])]
    return [_row(row) for row in await connection.execute(sa.select(applied_table).where(*there))]


async def overtaken(
    db: Database, connection: AsyncConnection, claims: Iterable[tuple[Resource, str, int]]
) -> set[tuple[Resource, str]]:
    """(resource, consumer) of those for which a newer claim has intended something since."""
    rows = [{**_key(resource, consumer), "intent_claim": claim} for resource, consumer, claim in claims]
    if not rows:
        return set()
    given = db.rows("given", typed(applied_table, (*KEYS, "intent_claim")), rows)
    c = applied_table.c
    newer = sa.and_(*_same(given), c.intent_claim > given.c.intent_claim)
    found = await connection.execute(sa.select(c.target, c.kind, c.id, c.consumer).join(given, newer))
    return {(Resource(row.target, row.kind, row.id), row.consumer) for row in found}


async def look_again(
    connection: AsyncConnection, consumer: str, titles: Sequence[TitleKey], now: int, targets: Sequence[str]
) -> dict[TitleKey, int]:
    """title -> when its next doubtful resource has to be looked at; one without a time of its own, in a minute.

    `targets`: those that can be looked at; what is overdue elsewhere is for the caller to say.
    """
    c = applied_table.c
    unsettled = sa.or_(c.doubt_since.is_not(None), c.intent_claim > c.applied_claim)
    at = sa.func.min(sa.func.coalesce(c.look_again_at, now + 60_000_000))
    query = (
        sa.select(c.title, at.label("at"))
        .where(
            c.consumer == consumer,
            sa.or_(c.target.in_(targets), c.look_again_at > now),
            among(connection, c.title, titles),
            sa.or_(unsettled, c.look_again_at.is_not(None)),
        )
        .group_by(c.title)
    )
    return {TitleKey(row.title): row.at for row in await connection.execute(query)}


async def doubt_all(connection: AsyncConnection) -> None:
    """A database from an older backup: nothing that it remembers is sure."""
    await connection.execute(sa.update(applied_table).values(applied_claim=-1))


async def clear(connection: AsyncConnection) -> None:
    """Nothing is known of any write."""
    await connection.execute(sa.delete(applied_table))
    await connection.execute(sa.delete(before_table))


async def forget_images(connection: AsyncConnection, until: int, titles: Sequence[TitleKey] | None = None) -> None:
    """Before-images of writes up to a time; `titles`: of these alone."""
    b = before_table.c
    chosen = [b.at <= until] if titles is None else [b.at <= until, among(connection, b.title, titles)]
    await connection.execute(sa.delete(before_table).where(*chosen))


async def restore(db: Database, connection: AsyncConnection, past: Sequence[Past]) -> None:
    """What a journal tells, in its order; all of it is in doubt, and no title claims anything before it is planned.

    Of each consumer and resource claims ascend: a line that comes twice, of a write that came too late, or that a
    backup knows, is passed over. Of a write that it knows as intended alone, the before-images are there. Fields
    gather: a line holds only those that were written then.
    """
    now = await db.now(connection)
    there = await locked(db, connection, [each.intent.resource for each in past])
    known = {place: (row.intent_claim, row.applied_claim, row.fields) for place, row in there.items()}
    rows: dict[tuple[Resource, str], dict[str, Any]] = {}
    done: list[dict[str, Any]] = []
    kept: list[Intent] = []
    for each in past:
        one = each.intent
        place = one.resource, one.consumer
        intended, remembered, before = known.get(place, (-1, -1, None))
        if one.claim < intended or one.claim == intended == remembered:
            continue
        fields = None if one.fields is None else {**({} if one.creates else before or {}), **one.fields}
        known[place] = one.claim, one.claim, fields
        stands = {"applied_fields": None if fields is None else dump(fields), "present": fields is not None}
        if one.claim == intended:
            done.append({**_key(*place), **stands})
            continue
        rows[place] = {
            **_key(*place),
            **stands,
            "title": one.title,
            "title_revision": 0,
            "intent_claim": one.claim,
            "intent_vector": dump(one.vector),
            "intent_fields": stands["applied_fields"],
            "intent_at": one.at or now,
            "applied_claim": one.claim,
            "applied_at": one.at or now,
            "removed": False,
            "progress": dump({}),
            "refused": dump({}),
            "dead": None,
            "doubt_since": now,
            "look_again_at": None,
        }
        if each.undoable:
            kept.append(one)
    await _were_done(db, connection, done)
    await db.upsert(connection, applied_table, list(rows.values()))
    await _keep_before_images(db, connection, kept, now)


async def _were_done(db: Database, connection: AsyncConnection, done: Sequence[Mapping[str, Any]]) -> None:
    """What stands by writes that were intended when the backup was made; they stay in doubt."""
    if not done:
        return
    names = (*KEYS, "applied_fields", "present")
    given = db.rows("given", typed(applied_table, names), done)
    stands = {"applied_fields": given.c.applied_fields, "present": given.c.present}
    await connection.execute(sa.update(applied_table).where(*_same(given)).values(**stands))


async def none_newer(connection: AsyncConnection, number: int) -> None:
    """No restored claim is above it: another machine's clock may have been ahead, and new claims must be larger."""
    c = applied_table.c
    newer = sa.update(applied_table).where(c.intent_claim > number)
    remembered = sa.case((c.applied_claim > number, number), else_=c.applied_claim)
    await connection.execute(newer.values(intent_claim=number, applied_claim=remembered))


async def post(db: Database, connection: AsyncConnection, records: Sequence[tuple[str, str, Json]]) -> None:
    """(topic, key, value) for the outbox, sent in this order after the transaction."""
    if not records:
        return
    numbers = await db.draw(connection, len(records))
    now = await db.now(connection) if records else 0
    rows = [
        {"number": number, "topic": topic, "key": key, "value": dump(value), "at": now}
        for number, (topic, key, value) in zip(numbers, records, strict=True)
    ]
    await db.add(connection, outbox_table, rows)


async def posted(connection: AsyncConnection, limit: int) -> list[Any]:
    return list((await connection.execute(sa.select(outbox_table).order_by(outbox_table.c.number).limit(limit))).all())


async def sent(connection: AsyncConnection, numbers: Sequence[int]) -> None:
    await connection.execute(sa.delete(outbox_table).where(among(connection, outbox_table.c.number, numbers)))


def _key(resource: Resource, consumer: str) -> dict[str, str]:
    return {"target": resource.target, "kind": resource.kind, "id": resource.id, "consumer": consumer}


async def _lock(db: Database, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """In the order of their keys: an UPDATE alone takes rows as it meets them, and two would wait for each other."""
    if db.sqlite:
        return
    given = db.rows("given", typed(applied_table, KEYS), rows)
    c = applied_table.c
    query = sa.select(c.id).join(given, sa.and_(*_same(given))).order_by(*(c[name] for name in KEYS))
    await connection.execute(query.with_for_update(of=applied_table))


def _same(given: sa.FromClause) -> list[Any]:
    return [applied_table.c[name] == given.c[name] for name in KEYS]
