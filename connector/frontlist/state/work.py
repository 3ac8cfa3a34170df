"""Work rows: (consumer, title) due at a time, with a number for each marking and a claim for each attempt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.clock import DAY
from frontlist.contract import TitleKey
from frontlist.state.database import NUMBERS, Database, among, metadata, partial_index
from frontlist.state.processes import DEAD_AFTER, alive
from frontlist.state.statement import Parameters, Statement, typed


class Priority(IntEnum):
    """The smaller is done first; live changes before backfill and sweeps."""

    RIGHTS = 10
    MILESTONES = 20
    FORMATS = 30
    METADATA = 40
    ASSETS = 50
    BACKFILL = 90
    SWEEP = 95


#: Of a change of each aspect.
PRIORITIES = {
    "rights": Priority.RIGHTS,
    "milestones": Priority.MILESTONES,
    "formats": Priority.FORMATS,
    "metadata": Priority.METADATA,
    "assets": Priority.ASSETS,
}

work_table = sa.Table(
    "work",
    metadata,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, primary_key=True),
    sa.Column("due_at", sa.BigInteger),
    sa.Column("not_before", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    # Whether a live change is among what made it due; a backfill is written more gently.
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("claimed_by", sa.Text),
    sa.Column("claim", sa.BigInteger, nullable=False, server_default="0"),
    # Microseconds since 1970.
    sa.Column("claimed_at", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("outcome", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("finished_at", sa.BigInteger),
    partial_index("work_due", "priority", "due_at", where="due_at IS NOT NULL"),
    # Claimed and finished soon after each other: both new versions of a row fit beside it, so no index is touched.
    postgresql_with={"fillfactor": "50"},
)


@dataclass(frozen=True)
class Due:
    """A marking: `at` in microseconds since 1970; `priority`: one of `Priority`, of which rows are claimed by level."""

    consumer: str
    title: TitleKey
    at: int
    priority: int
    reason: str

    @property
    def live(self) -> bool:
        return self.priority < Priority.BACKFILL


@dataclass(frozen=True)
class Claim:
    """A row in hand: `number` as it was marked, `claim` drawn after the row was locked."""

    consumer: str
    title: TitleKey
    number: int
    claim: int
    priority: int
    attempts: int
    reason: str
    live: bool = True


@dataclass(frozen=True)
class Finished:
    """What became of a claim. `due_at`: the next time the answer changes, or None; `not_before`: back-off.

    `priority`: of that time, which is then live; None: as the row is.
    """

    claim: Claim
    outcome: str
    detail: str = ""
    due_at: int | None = None
    not_before: int = 0
    attempts: int = 0
    priority: int | None = None


async def mark(db: Database, connection: AsyncConnection, dues: Iterable[Due]) -> None:
    """The sooner time and the higher priority win; each marking draws a new number. Back-off (`not_before`) stays."""
    by_key: dict[tuple[str, TitleKey], Due] = {}
    for due in dues:
        other = by_key.get((due.consumer, due.title), due)
        first = min(due, other, key=lambda each: (each.at, each.priority))
        by_key[due.consumer, due.title] = replace(first, priority=min(due.priority, other.priority))
    if not by_key:
        return
    numbers = await db.draw(connection, len(by_key))
    rows = [
        (due.consumer, due.title, due.at, int(Priority(due.priority)), due.reason, due.live, number)
        for due, number in zip(sorted(by_key.values(), key=_key), numbers, strict=True)
    ]
    await _mark.rows(connection, rows)


@Statement
def _mark(p: Parameters) -> sa.Executable:
    least = sa.func.min if p.sqlite else sa.func.least
    return p.upsert(
        work_table,
        ("consumer", "title", "due_at", "priority", "reason", "live", "number"),
        also=lambda old, new: {
            "due_at": sa.case((old.due_at.is_(None), new.due_at), else_=least(old.due_at, new.due_at)),
            # A timer set for long after lends neither its priority nor its liveliness to what makes it due now.
            "priority": sa.case((_asleep(old, new), new.priority), else_=least(old.priority, new.priority)),
            "live": sa.case((_asleep(old, new), new.live), else_=sa.or_(old.live, new.live)),
        },
    )


def _asleep(old: Any, new: Any) -> Any:
    return sa.or_(old.due_at.is_(None), old.due_at > new.due_at + DAY)


async def hasten(db: Database, connection: AsyncConnection, now: int, within: float) -> None:
    """What is due within so many seconds is due now, as urgent and as live as it was; also what is in hand."""
    c = work_table.c
    soon = c.due_at <= now + round(within * 1_000_000)
    query = sa.select(c.consumer, c.title, c.reason).where(soon).order_by(c.consumer, c.title)
    rows = (await connection.execute(query.with_for_update())).all()
    await connection.execute(sa.update(work_table).where(soon, c.due_at > now).values(due_at=now))
    # Marked too, so that a claim under way does not put it off again.
    await mark(db, connection, [Due(r.consumer, TitleKey(r.title), now, Priority.SWEEP, r.reason) for r in rows])


def _key(each: Due | Claim) -> tuple[str, str]:
    return each.consumer, each.title


async def claim(
    db: Database,
    connection: AsyncConnection,
    process: str,
    now: int,
    limit: int,
    consumers: Sequence[str],
    *,
    least_urgent: int | None = None,
    oldest: bool = False,
) -> list[Claim]:
    """The most urgent due rows that no live process holds. The claim number is drawn after the row is locked.

    `least_urgent`: the priority up to which rows are wanted. `oldest`: what has been due for longest, whatever its
    priority.
    """
    up_to = max(Priority) if least_urgent is None else least_urgent
    values = {"now": now, "consumers": consumers, "limit": limit}
    if db.sqlite:
        rows = (await (_oldest_due if oldest else _due)(connection, **values, least_urgent=int(up_to))).all()
        numbers = await db.draw(connection, len(rows))
        given = [(row.consumer, row.title, number) for row, number in zip(rows, numbers, strict=True)]
        claimed = await _take(connection, given=given, process=process, now=now)
    else:
        levels = [(int(each),) for each in sorted(Priority) if each <= up_to]
        take = _claim_oldest if oldest else _claim
        claimed = await take(connection, **values, process=process, levels=levels)
    claims = [
        Claim(consumer, TitleKey(title), number, claim, priority, attempts, reason, bool(live))
        for consumer, title, number, claim, priority, attempts, reason, live in claimed
    ]
    return sorted(claims, key=lambda each: (each.priority, each.claim))


def _free(p: Parameters, level: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Due rows that no live process holds.

    Who is alive is told as the statement began; of a row that another claimed since, only the row itself tells.
    """
    c, now = work_table.c, sa.bindparam("now", type_=sa.BigInteger)
    given_up = sa.and_(c.claimed_at <= now - DEAD_AFTER, c.claimed_by.not_in(alive(now)))
    free = sa.or_(c.claimed_by.is_(None), given_up)
    due = sa.select(c.consumer, c.title, c.due_at).where(level, c.due_at <= now, c.not_before <= now)
    return due.where(p.among(c.consumer, "consumers"), free).limit(_limit())


def _limit() -> sa.BindParameter[int]:
    return sa.bindparam("limit", type_=sa.Integer)


def _claimed(due: sa.FromClause, number: Any) -> sa.Executable:
    c = work_table.c
    return (
        sa.update(work_table)
        .where(c.consumer == due.c.consumer, c.title == due.c.title)
        .values(claimed_by=sa.bindparam("process"), claim=number, claimed_at=sa.bindparam("now"))
        .returning(c.consumer, c.title, c.number, c.claim, c.priority, c.attempts, c.reason, c.live)
    )


def _by_level(p: Parameters, oldest: bool) -> sa.Executable:
    """The index gives the rows of a level in the order of their time, however many are due."""
    c, levels = work_table.c, p.rows("levels", typed(work_table, ("priority",)))
    rows = _free(p, c.priority == levels.c.priority).order_by(c.due_at).with_for_update(skip_locked=True)
    some = rows.correlate(levels).lateral("some")
    due = sa.select(some.c.consumer, some.c.title).select_from(levels.join(some, sa.true())).limit(_limit())
    due = due.order_by(some.c.due_at) if oldest else due
    return _claimed(due.cte("due").prefix_with("MATERIALIZED"), NUMBERS.next_value())


_claim, _claim_oldest = (Statement(partial(_by_level, oldest=each)) for each in (False, True))


def _by(p: Parameters, order: Sequence[sa.ColumnElement[int]]) -> sa.Executable:
    return _free(p, work_table.c.priority <= sa.bindparam("least_urgent")).order_by(*order)


_due = Statement(partial(_by, order=(work_table.c.priority, work_table.c.due_at)))
_oldest_due = Statement(partial(_by, order=(work_table.c.due_at,)))


@Statement
def _take(p: Parameters) -> sa.Executable:
    """For SQLite, which draws no numbers in a statement and has one writer at a time."""
    given = p.rows("given", typed(work_table, ("consumer", "title", "claim")))
    return _claimed(given, given.c.claim)


async def finish(db: Database, connection: AsyncConnection, finished: Sequence[Finished], now: int) -> None:
    """Clear or set the next time, only where nothing marked the row again; the claim ends in any case."""
    if not finished:
        return
    rows = [_finished(each) for each in sorted(finished, key=_finished_key)]
    await _finish(connection, given=rows, now=now)


@Statement
def _finish(p: Parameters) -> sa.Executable:
    names = ("consumer", "title", "number", "claim", "due_at", "not_before", "attempts", "priority", "outcome")
    given = p.rows("given", typed(work_table, (*names, "detail")))
    c, v = work_table.c, given.c
    unmarked = c.number == v.number
    return (
        sa.update(work_table)
        .where(c.consumer == v.consumer, c.title == v.title, c.claim == v.claim)
        .values(
            due_at=sa.case((unmarked, v.due_at), else_=c.due_at),
            not_before=sa.case((unmarked, v.not_before), else_=c.not_before),
            attempts=sa.case((unmarked, v.attempts), else_=c.attempts),
            priority=sa.case((unmarked, sa.func.coalesce(v.priority, c.priority)), else_=c.priority),
            live=sa.case((sa.and_(unmarked, v.priority.is_not(None)), sa.true()), else_=c.live),
            claimed_by=None,
            outcome=v.outcome,
            detail=v.detail,
            finished_at=sa.bindparam("now"),
        )
    )


def _finished_key(each: Finished) -> tuple[str, str]:
    return _key(each.claim)


def _finished(each: Finished) -> tuple[Any, ...]:
    """In the order of `_finish`."""
    one = each.claim
    left = (each.due_at, each.not_before, each.attempts, each.priority, each.outcome, each.detail)
    return one.consumer, one.title, one.number, one.claim, *left


async def still_mine(
    connection: AsyncConnection, process: str, claims: Iterable[Claim], *, skip_locked: bool = False
) -> set[int]:
    """The claims by which this process still holds their rows; these are locked until the transaction ends.

    `skip_locked`: what another transaction is about to change does not count, so nobody is waited for.
    """
    mine = _places(claims)
    if not mine["claims"]:
        return set()
    lock = _lock_unlocked if skip_locked else _lock
    return set((await lock(connection, **mine, process=process)).scalars())


def _lock_mine(p: Parameters, skip_locked: bool) -> sa.Executable:
    c = work_table.c
    query = sa.select(c.claim).where(*_among(p), c.claimed_by == sa.bindparam("process"))
    return query.order_by(c.consumer, c.title).with_for_update(skip_locked=skip_locked)


def _places(claims: Iterable[Claim]) -> dict[str, Any]:
    listed = list(claims)
    return {
        "consumers": {each.consumer for each in listed},
        "titles": [each.title for each in listed],
        "claims": [each.claim for each in listed],
    }


def _among(p: Parameters) -> list[sa.ColumnElement[bool]]:
    """The rows of these claims: a claim is of one row, so consumers and titles only find it."""
    c = work_table.c
    return [p.among(c.consumer, "consumers"), p.among(c.title, "titles"), p.among(c.claim, "claims")]


_lock, _lock_unlocked = (Statement(partial(_lock_mine, skip_locked=each)) for each in (False, True))


async def overtaken(connection: AsyncConnection, claims: Iterable[Claim]) -> set[int]:
    """The claims whose rows became more urgent since."""
    given = [(each.claim, each.priority, each.consumer, each.title) for each in claims]
    return set((await _overtaken(connection, given=given)).scalars()) if given else set()


@Statement
def _overtaken(p: Parameters) -> sa.Executable:
    given = p.rows("given", typed(work_table, ("claim", "priority", "consumer", "title")))
    c = work_table.c
    same = sa.and_(c.consumer == given.c.consumer, c.title == given.c.title, c.claim == given.c.claim)
    return sa.select(c.claim).join(given, same).where(c.priority < given.c.priority)


async def release(db: Database, connection: AsyncConnection, process: str, but: Iterable[Claim] = ()) -> None:
    """What this process holds is free at once, but what it still has in hand."""
    c = work_table.c
    mine = sa.update(work_table).where(c.claimed_by == process).values(claimed_by=None)
    kept = [each.claim for each in but]
    await connection.execute(mine.where(sa.not_(among(connection, c.claim, kept))) if kept else mine)


async def free_all(connection: AsyncConnection) -> None:
    """Nobody has anything in hand: who claimed it did so before the backup that this database comes from."""
    c = work_table.c
    await connection.execute(sa.update(work_table).where(c.claimed_by.is_not(None)).values(claimed_by=None))


async def stopped(connection: AsyncConnection, consumers: Sequence[str], now: int, reason: str) -> list[Due]:
    """What to mark so that everything of these consumers that stopped is tried again."""
    c = work_table.c
    query = sa.select(c.consumer, c.title, c.priority).where(c.outcome == "stopped", c.consumer.in_(consumers))
    return [
        Due(row.consumer, TitleKey(row.title), now, row.priority, reason) for row in await connection.execute(query)
    ]


async def next_due(connection: AsyncConnection, consumers: Sequence[str]) -> int | None:
    """When the next unclaimed row becomes due, in microseconds since 1970."""
    c = work_table.c
    later = sa.case((c.due_at > c.not_before, c.due_at), else_=c.not_before)
    query = sa.select(sa.func.min(later)).where(
        c.due_at.is_not(None), c.claimed_by.is_(None), c.consumer.in_(consumers)
    )
    at: int | None = (await connection.execute(query)).scalar_one_or_none()
    return at


async def counts(connection: AsyncConnection, now: int) -> list[sa.Row[Any]]:
    """Per consumer and outcome: rows, due ones, and the oldest due time."""
    c = work_table.c
    due = sa.case((c.due_at <= now, 1), else_=0)
    query = sa.select(
        c.consumer,
        c.outcome,
        sa.func.count().label("rows"),
        sa.func.sum(due).label("due"),
        sa.func.min(sa.case((c.due_at <= now, c.due_at))).label("oldest"),
    ).group_by(c.consumer, c.outcome)
    return list((await connection.execute(query)).all())
