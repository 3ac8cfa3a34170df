"""Work rows: (consumer, title) due at a time, with a number for each marking and a claim for each attempt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import TitleKey
from frontlist.state.database import NUMBERS, Database, metadata
from frontlist.state.processes import alive


class Priority(IntEnum):
    """The smaller is done first; live changes before backfill and sweeps."""

    RIGHTS = 10
    MILESTONES = 20
    FORMATS = 30
    METADATA = 40
    ASSETS = 50
    BACKFILL = 90
    SWEEP = 95


work_table = sa.Table(
    "work",
    metadata,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, primary_key=True),
    sa.Column("due_at", sa.BigInteger),
    sa.Column("not_before", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("claimed_by", sa.Text),
    sa.Column("claim", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("outcome", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("finished_at", sa.BigInteger),
    sa.Index(
        "work_due",
        "priority",
        "due_at",
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    ),
    postgresql_with={"fillfactor": "70"},
)


@dataclass(frozen=True)
class Due:
    """A marking: `at` in microseconds since 1970."""

    consumer: str
    title: TitleKey
    at: int
    priority: int
    reason: str


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


@dataclass(frozen=True)
class Finished:
    """What became of a claim. `due_at`: the next time the answer changes, or None; `not_before`: back-off."""

    claim: Claim
    outcome: str
    detail: str = ""
    due_at: int | None = None
    not_before: int = 0
    attempts: int = 0


async def mark(db: Database, connection: AsyncConnection, dues: Iterable[Due]) -> None:
    """The sooner time and the higher priority win; each marking draws a new number. Back-off (`not_before`) stays."""
    by_key: dict[tuple[str, TitleKey], Due] = {}
    for due in dues:
        other = by_key.get((due.consumer, due.title), due)
        first = min(due, other, key=lambda each: (each.at, each.priority))
        by_key[due.consumer, due.title] = replace(first, priority=min(due.priority, other.priority))
    numbers = await db.draw(connection, len(by_key))
    ordered = sorted(by_key.values(), key=lambda due: (due.consumer, due.title))
    least = sa.func.min if db.sqlite else sa.func.least
    for start in range(0, len(ordered), 500):
        part = ordered[start : start + 500]
        statement = db.insert(work_table).values(
            [
                {
                    "consumer": due.consumer,
                    "title": due.title,
                    "due_at": due.at,
                    "priority": due.priority,
                    "reason": due.reason,
                    "number": numbers[start + i],
                }
                for i, due in enumerate(part)
            ]
        )
        old, new = work_table.c, statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=["consumer", "title"],
            set_={
                "due_at": sa.case((old.due_at.is_(None), new.due_at), else_=least(old.due_at, new.due_at)),
                "priority": sa.case((old.due_at.is_(None), new.priority), else_=least(old.priority, new.priority)),
                "reason": new.reason,
                "number": new.number,
            },
        )
        await connection.execute(statement)


async def claim(
    db: Database, connection: AsyncConnection, process: str, now: int, limit: int, consumers: Sequence[str]
) -> list[Claim]:
    """The most urgent due rows that no live process holds. The claim number is drawn after the row is locked."""
    c = work_table.c
    due = (
        sa.select(c.consumer, c.title)
        .where(
            c.due_at <= now,
            c.not_before <= now,
            c.consumer.in_(consumers),
            sa.or_(c.claimed_by.is_(None), ~alive(c.claimed_by, now)),
        )
        .order_by(c.priority, c.due_at)
        .limit(limit)
    )
    if db.sqlite:
        rows = (await connection.execute(due)).all()
        numbers = await db.draw(connection, len(rows))
        out: list[sa.Row[Any]] = []
        for row, number in zip(rows, numbers, strict=True):
            update = sa.update(work_table).where(c.consumer == row.consumer, c.title == row.title)
            out += (await connection.execute(_claimed(update, process, number))).all()
    else:
        keys = due.with_for_update(skip_locked=True).cte("due").prefix_with("MATERIALIZED")
        update = sa.update(work_table).where(c.consumer == keys.c.consumer, c.title == keys.c.title)
        out = list((await connection.execute(_claimed(update, process, NUMBERS.next_value()))).all())
    claims = [Claim(r.consumer, TitleKey(r.title), r.number, r.claim, r.priority, r.attempts, r.reason) for r in out]
    return sorted(claims, key=lambda each: (each.priority, each.claim))


def _claimed(update: sa.Update, process: str, number: Any) -> Any:
    c = work_table.c
    return update.values(claimed_by=process, claim=number).returning(
        c.consumer, c.title, c.number, c.claim, c.priority, c.attempts, c.reason
    )


async def finish(connection: AsyncConnection, finished: Sequence[Finished], now: int) -> None:
    """Clear or set the next time, only where nothing marked the row again; the claim ends in any case."""
    c = work_table.c
    rows = sorted(finished, key=lambda each: (each.claim.consumer, each.claim.title))
    if not rows:
        return
    mine = [c.consumer == sa.bindparam("b_consumer"), c.title == sa.bindparam("b_title")]
    unmarked = [*mine, c.number == sa.bindparam("b_number"), c.claim == sa.bindparam("b_claim")]
    await connection.execute(
        sa.update(work_table)
        .where(*unmarked)
        .values(
            due_at=sa.bindparam("b_due"), not_before=sa.bindparam("b_not_before"), attempts=sa.bindparam("b_attempts")
        ),
        [
            {
                "b_consumer": each.claim.consumer,
                "b_title": each.claim.title,
                "b_number": each.claim.number,
                "b_claim": each.claim.claim,
                "b_due": each.due_at,
                "b_not_before": each.not_before,
                "b_attempts": each.attempts,
            }
            for each in rows
        ],
    )
    await connection.execute(
        sa.update(work_table)
        .where(*mine, c.claim == sa.bindparam("b_claim"))
        .values(claimed_by=None, outcome=sa.bindparam("b_outcome"), detail=sa.bindparam("b_detail"), finished_at=now),
        [
            {
                "b_consumer": each.claim.consumer,
                "b_title": each.claim.title,
                "b_claim": each.claim.claim,
                "b_outcome": each.outcome,
                "b_detail": each.detail,
            }
            for each in rows
        ],
    )


async def still_mine(
    db: Database, connection: AsyncConnection, process: str, claims: Sequence[Claim]
) -> set[tuple[str, TitleKey]]:
    """The rows that this process still holds by these claims; locked until the transaction ends."""
    c = work_table.c
    keys = {(each.consumer, each.title): each.claim for each in claims}
    query = (
        sa.select(c.consumer, c.title, c.claim)
        .where(sa.tuple_(c.consumer, c.title).in_(sorted(keys)), c.claimed_by == process)
        .order_by(c.consumer, c.title)
    )
    rows = await connection.execute(query if db.sqlite else query.with_for_update())
    return {(r.consumer, TitleKey(r.title)) for r in rows if keys[r.consumer, TitleKey(r.title)] == r.claim}


async def release(connection: AsyncConnection, process: str) -> None:
    """At shutdown: what this process still holds is free at once."""
    await connection.execute(sa.update(work_table).where(work_table.c.claimed_by == process).values(claimed_by=None))


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
