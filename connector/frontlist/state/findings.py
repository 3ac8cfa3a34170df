"""Findings: opened when a plan first says them, closed when none says them any more."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import Finding, TitleKey
from frontlist.state.database import Database, among, metadata, plain
from frontlist.state.statement import Parameters, Statement

finding_table = sa.Table(
    "finding",
    metadata,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("cure", sa.Text, nullable=False),
    sa.Column("where_", sa.Text, nullable=False),
    sa.Column("opened_at", sa.BigInteger, nullable=False),
    sa.Column("closed_at", sa.BigInteger),
)


async def settle(
    db: Database,
    connection: AsyncConnection,
    consumer: str,
    said: Mapping[TitleKey, Sequence[Finding]],
    now: int,
    keep: Mapping[TitleKey, Collection[str]] | None = None,
) -> None:
    """`said`: all findings of each title now; what is open and not said is closed.

    `keep`: title -> resources of which nothing is known now, so that what was found of them stays open.
    """
    f = finding_table.c
    rows = await _opened(connection, consumer=consumer, titles=said)
    opened = {(row.title, row.key): row for row in rows}
    wanted = {(title, each.key): each for title, findings in said.items() for each in findings}
    unknown = {title: tuple(resources) for title, resources in (keep or {}).items()}
    closed = [
        key
        for key, row in opened.items()
        if key not in wanted and not row.where_.startswith(unknown.get(TitleKey(row.title)) or ("\0",))
    ]
    for title, key in closed:
        await connection.execute(
            sa.update(finding_table).where(f.consumer == consumer, f.title == title, f.key == key).values(closed_at=now)
        )
    differing = [
        _row(consumer, title, each, now)
        for (title, key), each in wanted.items()
        if (title, key) not in opened or _differs(opened[title, key], each)
    ]
    fresh = [row for row in differing if (row["title"], row["key"]) not in opened]
    changed = [row for row in differing if (row["title"], row["key"]) in opened]
    if fresh:
        await db.upsert(connection, finding_table, fresh)
    if changed:
        await db.upsert(connection, finding_table, changed, keep=("opened_at",))


@Statement
def _opened(p: Parameters) -> sa.Executable:
    f = finding_table.c
    mine = (f.consumer == sa.bindparam("consumer"), p.among(f.title, "titles"), f.closed_at.is_(None))
    return sa.select(finding_table).where(*mine)


async def open_one(
    db: Database, connection: AsyncConnection, consumer: str, title: str, finding: Finding, now: int
) -> None:
    """One that no plan says: it stays until somebody closes it."""
    await db.upsert(connection, finding_table, [_row(consumer, title, finding, now)], keep=("opened_at",))


async def close_one(connection: AsyncConnection, consumer: str, title: str, key: str, now: int) -> None:
    f = finding_table.c
    mine = sa.update(finding_table).where(f.consumer == consumer, f.title == title, f.key == key)
    await connection.execute(mine.where(f.closed_at.is_(None)).values(closed_at=now))


async def with_keys(connection: AsyncConnection, keys: Sequence[str]) -> list[sa.Row[Any]]:
    """The open ones of any title with one of these keys."""
    if not keys:
        return []
    f = finding_table.c
    query = sa.select(finding_table).where(among(connection, f.key, keys), f.closed_at.is_(None))
    return list((await connection.execute(query.order_by(f.consumer, f.title, f.key))).all())


def _differs(row: Any, each: Finding) -> bool:
    return (row.message, row.cure, row.severity, row.where_) != (each.message, each.cure, each.severity, each.where)


def _row(consumer: str, title: str, each: Finding, now: int) -> dict[str, Any]:
    return {
        "consumer": consumer,
        "title": title,
        "key": each.key,
        "kind": each.kind,
        "severity": each.severity,
        "message": plain(each.message),
        "cure": plain(each.cure),
        "where_": plain(each.where),
        "opened_at": now,
        "closed_at": None,
    }


async def open_ones(connection: AsyncConnection, title: str | None = None) -> list[sa.Row[Any]]:
    query = sa.select(finding_table).where(finding_table.c.closed_at.is_(None))
    if title is not None:
        query = query.where(finding_table.c.title == title)
    return list((await connection.execute(query.order_by(finding_table.c.title, finding_table.c.key))).all())
