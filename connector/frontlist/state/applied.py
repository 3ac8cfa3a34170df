"""What a target was told: the intent allowed to write and the write known to be done."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import FieldKey, Json, Resource, TitleKey
from frontlist.state import images
from frontlist.state.database import Database, dump, load, metadata
from frontlist.state.statement import Parameters, Statement, locking, typed

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
    sa.Index("applied_by_title", "title", "consumer"),
    # Intended and remembered soon after each other: the new version of a row fits beside it, so no index is touched.
    postgresql_with={"fillfactor": "50"},
)
#: Its primary key.
KEYS = ("target", "kind", "id", "consumer")


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

    def overwrites(self, now: int) -> Iterator[images.Image]:
        """The values that stand there, or that nothing did."""
        at, becomes = now if self.at is None else self.at, self.fields or {}
        place = self.resource, self.consumer, self.title, self.claim
        for name, was in self.was.items():
            yield images.Image(*place, name, was, becomes.get(name), at, self.run)
        if self.creates:
            yield images.Image(*place, images.CREATED, None, None, at, self.run)


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
    rows = await _of_titles(connection, consumer=consumer, titles=titles)
    return {each.resource: each for each in map(_row, rows)}


@Statement
def _of_titles(p: Parameters) -> sa.Executable:
    c = applied_table.c
    return sa.select(applied_table).where(c.consumer == sa.bindparam("consumer"), p.among(c.title, "titles"))


async def of_resources(
    connection: AsyncConnection, consumer: str, resources: Iterable[Resource]
) -> dict[Resource, Applied]:
    wanted = set(resources)
    if not wanted:
        return {}
    rows = map(_row, await _of_resources(connection, **_places(wanted), consumer=consumer))
    return {each.resource: each for each in rows if each.resource in wanted}


@Statement
def _of_resources(p: Parameters) -> sa.Executable:
    return sa.select(applied_table).where(*_among(p), applied_table.c.consumer == sa.bindparam("consumer"))


async def locked(connection: AsyncConnection, resources: Iterable[Resource]) -> dict[tuple[Resource, str], Applied]:
    """What all consumers hold of these resources; nobody changes it before this transaction ends."""
    wanted = set(resources)
    if not wanted:
        return {}
    rows = map(_row, await _locked(connection, **_places(wanted)))
    return {(each.resource, each.consumer): each for each in rows if each.resource in wanted}


@Statement
def _locked(p: Parameters) -> sa.Executable:
    query = sa.select(applied_table).where(*_among(p)).order_by(*(applied_table.c[name] for name in KEYS))
    return query.with_for_update()


def _among(p: Parameters) -> list[sa.ColumnElement[bool]]:
    """Finds these resources by the key, and others with the same ids, which are hardly ever there."""
    c = applied_table.c
    return [p.among(c.target, "targets"), p.among(c.kind, "kinds"), p.among(c.id, "ids")]


def _places(resources: Collection[Resource]) -> dict[str, Any]:
    return {
        "targets": {each.target for each in resources},
        "kinds": {each.kind for each in resources},
        "ids": {each.id for each in resources},
    }


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
        (
            *key(each.resource, each.consumer),
            each.title,
            each.claim,
            dump(each.vector),
            None if each.fields is None else dump(each.fields),
            now,
            0 if each.releases else each.revision,
            dump(each.progress),
        )
        for each in intents
        if each.resource not in taken
    ]
    accepted = await _intend.rows(connection, sorted(rows, key=_place))
    got = {Resource(target, kind, id_) for target, kind, id_ in accepted}
    kept = [image for each in intents if each.resource in got for image in each.overwrites(now)]
    await images.keep(db, connection, kept)
    return got, taken


@Statement
def _intend(p: Parameters) -> sa.Executable:
    c = applied_table.c
    stated = ("title", "intent_claim", "intent_vector", "intent_fields", "intent_at", "title_revision", "progress")
    return p.upsert(
        applied_table,
        (*KEYS, *stated),
        where=lambda old, new: old.intent_claim < new.intent_claim,
        also=lambda old, new: {
            "doubt_since": sa.case((old.intent_claim > old.applied_claim, new.intent_at), else_=old.doubt_since)
        },
        returning=(c.target, c.kind, c.id),
    )


def _place(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(row[: len(KEYS)])


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


async def keep_progress(
    connection: AsyncConnection, steps: Sequence[tuple[Resource, str, int, Mapping[str, Json]]]
) -> None:
    """(resource, consumer, claim, progress): a step's result is kept before the next step begins."""
    rows = [(*key(resource, consumer), claim, dump(progress)) for resource, consumer, claim, progress in steps]
    await _keep_progress(connection, given=sorted(rows, key=_place))


@Statement
def _keep_progress(p: Parameters) -> sa.Executable:
    c, given = applied_table.c, p.rows("given", typed(applied_table, (*KEYS, "intent_claim", "progress")))
    mine = sa.update(applied_table).where(*same(given), c.intent_claim == given.c.intent_claim)
    return mine.values(progress=given.c.progress)


async def remember(db: Database, connection: AsyncConnection, outcomes: Sequence[Outcome]) -> set[tuple[Resource, str]]:
    """What is known to be done; answers (resource, consumer) of those refused, since a newer intent stands: stale."""
    if not outcomes:
        return set()
    now = await db.now(connection)
    rows = [
        (
            *key(each.resource, each.consumer),
            each.claim,
            None if each.fields is None else dump(each.fields),
            each.present,
            each.removed,
            dump(each.progress),
            dump(each.refused),
            None if each.dead is None else dump(each.dead),
            each.look_again_at,
            each.read_at,
        )
        for each in outcomes
    ]
    kept = await _remember(connection, given=rows, now=now)
    known = {(Resource(target, kind, id_), consumer) for target, kind, id_, consumer in kept}
    stale = {(each.resource, each.consumer) for each in outcomes} - known
    await doubt(connection, stale, now, None)
    return stale


@Statement
def _remember(p: Parameters) -> sa.Executable:
    stated = ("applied_fields", "present", "removed", "progress", "refused", "dead", "look_again_at")
    columns = {**typed(applied_table, (*KEYS, "intent_claim", *stated)), "read_at": sa.BigInteger()}
    rows = p.rows("given", columns)
    given = locking(rows, applied_table, *same(rows))
    c, v = applied_table.c, given.c
    return (
        sa.update(applied_table)
        .where(*same(given), c.intent_claim == v.intent_claim)
        .values(
            applied_claim=v.intent_claim,
            applied_at=sa.bindparam("now"),
            doubt_since=sa.case((c.doubt_since > v.read_at, c.doubt_since)),
            **{name: v[name] for name in stated[:-1]},
            look_again_at=_look(v),
        )
        .returning(c.target, c.kind, c.id, c.consumer)
    )


def _look(new: Any) -> Any:
    """A look that was asked for after the read on which this rests stays due, whoever asked (drift, doubt)."""
    old = applied_table.c.look_again_at
    sooner = sa.case((sa.or_(new.look_again_at.is_(None), old < new.look_again_at), old), else_=new.look_again_at)
    return sa.case((old > new.read_at, sooner), else_=new.look_again_at)


async def doubt(
    connection: AsyncConnection, resources: Iterable[tuple[Resource, str]], now: int, look_again_at: int | None
) -> None:
    """A call may have been carried out that nobody remembers: to be read back, and once more at `look_again_at`."""
    rows = [key(resource, consumer) for resource, consumer in set(resources)]
    if rows:
        await _doubt(connection, given=rows, now=now, again=look_again_at)


@Statement
def _doubt(p: Parameters) -> sa.Executable:
    rows = p.rows("given", typed(applied_table, KEYS))
    given = locking(rows, applied_table, *same(rows))
    again = sa.bindparam("again", type_=sa.BigInteger)
    return (
        sa.update(applied_table)
        .where(*same(given))
        .values(doubt_since=sa.bindparam("now"), look_again_at=sa.func.coalesce(again, applied_table.c.look_again_at))
    )


async def try_again(connection: AsyncConnection, refused: Iterable[Applied]) -> None:
    """What these fields were refused for holds no longer: they go out again with the next plan."""
    c = applied_table.c
    for each in sorted(refused, key=lambda one: (one.resource, one.consumer)):
        mine = [c[name] == value for name, value in zip(KEYS, key(each.resource, each.consumer), strict=True)]
        await connection.execute(sa.update(applied_table).where(*mine).values(refused="{}"))


async def with_refused(connection: AsyncConnection, target: str | None = None) -> list[Applied]:
    """Those of which the target (None: any) would not have some field."""
    c = applied_table.c
    there = [c.refused != "{}", *([] if target is None else [c.target == target])]
    return [_row(row) for row in await connection.execute(sa.select(applied_table).where(*there))]


async def overtaken(
    connection: AsyncConnection, claims: Iterable[tuple[Resource, str, int]]
) -> set[tuple[Resource, str]]:
    """(resource, consumer) of those for which a newer claim has intended something since."""
    rows = [(*key(resource, consumer), claim) for resource, consumer, claim in claims]
    if not rows:
        return set()
    found = await _overtaken(connection, given=rows)
    return {(Resource(target, kind, id_), consumer) for target, kind, id_, consumer in found}


@Statement
def _overtaken(p: Parameters) -> sa.Executable:
    c, given = applied_table.c, p.rows("given", typed(applied_table, (*KEYS, "intent_claim")))
    newer = sa.and_(*same(given), c.intent_claim > given.c.intent_claim)
    return sa.select(c.target, c.kind, c.id, c.consumer).join(given, newer)


async def look_again(
    connection: AsyncConnection, consumer: str, titles: Sequence[TitleKey], now: int, targets: Sequence[str]
) -> dict[TitleKey, int]:
    """title -> when its next doubtful resource has to be looked at; one without a time of its own, in a minute.

    `targets`: those that can be looked at; what is overdue elsewhere is for the caller to say.
    """
    given = {"consumer": consumer, "titles": titles, "targets": targets}
    rows = await _look_again(connection, **given, now=now, later=now + 60_000_000)
    return {TitleKey(title): at for title, at in rows}


@Statement
def _look_again(p: Parameters) -> sa.Executable:
    c = applied_table.c
    unsettled = sa.or_(c.doubt_since.is_not(None), c.intent_claim > c.applied_claim)
    at = sa.func.min(sa.func.coalesce(c.look_again_at, sa.bindparam("later", type_=sa.BigInteger)))
    mine = (c.consumer == sa.bindparam("consumer"), p.among(c.title, "titles"))
    there = sa.or_(p.among(c.target, "targets"), c.look_again_at > sa.bindparam("now", type_=sa.BigInteger))
    doubtful = sa.or_(unsettled, c.look_again_at.is_not(None))
    return sa.select(c.title, at).where(*mine, there, doubtful).group_by(c.title)


def key(resource: Resource, consumer: str) -> tuple[str, str, str, str]:
    """In the order of `KEYS`."""
    return resource.target, resource.kind, resource.id, consumer


def same(given: sa.FromClause) -> list[Any]:
    return [applied_table.c[name] == given.c[name] for name in KEYS]
