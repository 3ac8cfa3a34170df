"""How much there is of everything, read in one look: for metrics, probes and `frontlist status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.state import dead, held
from frontlist.state.database import Database, metadata
from frontlist.state.feeds import feed_table
from frontlist.state.findings import finding_table
from frontlist.state.outbox import outbox_table
from frontlist.state.processes import lease_table
from frontlist.state.work import work_table

#: A look that takes longer is given up: it must not burden a database that is busy (milliseconds).
PATIENCE_MS = 5_000
#: What PostgreSQL says of a statement that took longer, and of one that waited for a lock as long.
TOO_LATE = ("57014", "55P03")


@dataclass(frozen=True)
class Census:
    """At `at`, microseconds since 1970 by the database's clock, as are all other times here."""

    at: int
    due: Mapping[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    """(consumer, priority) -> titles that are due, and when the oldest became so."""
    titles: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(consumer, last outcome) -> titles."""
    dead: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(consumer, target) -> open dead letters."""
    held: Mapping[str, int] = field(default_factory=dict)
    """consumer, or capture/<system> -> titles with something that waits for a person."""
    findings: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(kind, severity) -> open ones."""
    feeds: Mapping[tuple[str, str], Feed] = field(default_factory=dict)
    outbox: int = 0
    outbox_oldest: int | None = None
    leases: Mapping[str, int] = field(default_factory=dict)
    """Capture leases that somebody holds: system -> until when."""
    bytes: Mapping[str, int] = field(default_factory=dict)
    """Table -> bytes with its indexes; SQLite tells only the file's, as "all"."""


@dataclass(frozen=True)
class Feed:
    """When a feed last answered, when it was last read to its end, and what is wrong with it since."""

    read_at: int | None
    completed_at: int | None
    error: str | None


async def take(db: Database, c: AsyncConnection) -> Census:
    """Raises what the database raises; on PostgreSQL TimeoutError where it takes too long."""
    if not db.sqlite:
        await c.execute(sa.text(f"SET LOCAL statement_timeout = {PATIENCE_MS}"))
        # It counts whole tables.
        await c.execute(sa.text("SET LOCAL enable_seqscan = on"))
    try:
        return await _take(db, c)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in TOO_LATE:
            raise
        raise TimeoutError("the look at the database took too long") from error


async def _take(db: Database, c: AsyncConnection) -> Census:
    now = await db.now(c)
    outbox = (await c.execute(sa.select(sa.func.count(), sa.func.min(outbox_table.c.at)))).one()
    return Census(
        at=now,
        due=await _due(c, now),
        titles=await _counted(c, work_table.c.consumer, sa.func.coalesce(work_table.c.outcome, "never")),
        dead=await dead.count_open(c),
        held=await held.count_titles(c),
        findings=await _counted(
            c, finding_table.c.kind, finding_table.c.severity, where=finding_table.c.closed_at.is_(None)
        ),
        feeds=await _feeds(c),
        outbox=outbox[0],
        outbox_oldest=outbox[1],
        leases=await _leases(c, now),
        bytes=await _bytes(db, c),
    )


async def _due(c: AsyncConnection, now: int) -> dict[tuple[str, int], tuple[int, int]]:
    w = work_table.c
    query = (
        sa.select(w.consumer, w.priority, sa.func.count(), sa.func.min(w.due_at))
        .where(w.due_at <= now)
        .group_by(w.consumer, w.priority)
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in await c.execute(query)}


async def _counted(
    c: AsyncConnection,
    one: sa.ColumnElement[str],
    other: sa.ColumnElement[str],
    where: sa.ColumnElement[bool] | None = None,
) -> dict[tuple[str, str], int]:
    query = sa.select(one, other, sa.func.count().label("number")).group_by(one, other)
    rows = await c.execute(query if where is None else query.where(where))
    return {(row[0], row[1]): row.number for row in rows}


async def _feeds(c: AsyncConnection) -> dict[tuple[str, str], Feed]:
    f = feed_table.c
    rows = await c.execute(sa.select(f.system, f.name, f.read_at, f.completed_at, f.error))
    return {(row.system, row.name): Feed(row.read_at, row.completed_at, row.error) for row in rows}


async def _leases(c: AsyncConnection, now: int) -> dict[str, int]:
    query = sa.select(lease_table.c.name, lease_table.c.until).where(
        lease_table.c.name.like("capture/%"), lease_table.c.until > now, lease_table.c.holder.is_not(None)
    )
    return {row.name.removeprefix("capture/"): row.until for row in await c.execute(query)}


async def _bytes(db: Database, c: AsyncConnection) -> dict[str, int]:
    if db.sqlite:
        pages = (await c.exec_driver_sql("PRAGMA page_count")).scalar_one()
        return {"all": pages * (await c.exec_driver_sql("PRAGMA page_size")).scalar_one()}
    size = sa.text(
        "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE oid = ANY("
        "SELECT to_regclass(name) FROM unnest(CAST(:names AS text[])) AS name)"
    )
    rows = await c.execute(size, {"names": sorted(metadata.tables)})
    return {row[0]: row[1] for row in rows}
