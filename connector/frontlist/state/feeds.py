"""Feeds: how far each was read, whether it completed a pass, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import Json
from frontlist.source import Page
from frontlist.state.database import Database, dump, load, metadata
from frontlist.state.statement import Parameters, Statement

feed_table = sa.Table(
    "feed",
    metadata,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("cursor", sa.Text),
    sa.Column("pass", sa.BigInteger, nullable=False, server_default="1"),
    sa.Column("completed_at", sa.BigInteger),
    sa.Column("read_at", sa.BigInteger),
    sa.Column("error", sa.Text),
)


@dataclass(frozen=True)
class FeedState:
    name: str
    cursor: Json | None
    passed: int
    completed_at: int | None
    error: str | None


async def states(connection: AsyncConnection, system: str) -> dict[str, FeedState]:
    rows = await connection.execute(sa.select(feed_table).where(feed_table.c.system == system))
    return {
        row.name: FeedState(row.name, load(row.cursor), row._mapping["pass"], row.completed_at, row.error)
        for row in rows
    }


async def save(db: Database, connection: AsyncConnection, system: str, state: FeedState, page: Page, now: int) -> int:
    """The cursor moves with what it delivered; answers the pass that counts from now on."""
    turned = page.exhausted and page.sweep
    passed = state.passed + (1 if turned else 0)
    row = {
        "system": system,
        "name": state.name,
        "cursor": dump(page.cursor),
        "pass": passed,
        "completed_at": now if page.exhausted else state.completed_at,
        "read_at": now,
        "error": None,
    }
    await db.upsert(connection, feed_table, [row])
    return passed


async def read_anew(connection: AsyncConnection, system: str) -> None:
    """Every feed begins at its beginning, with a pass of its own: what the one before had seen counts for nothing."""
    anew = {"cursor": None, "pass": feed_table.c["pass"] + 1}
    await connection.execute(sa.update(feed_table).where(feed_table.c.system == system).values(anew))


async def fail(db: Database, connection: AsyncConnection, system: str, name: str, error: str | None) -> None:
    await db.upsert(connection, feed_table, [{"system": system, "name": name, "error": error}])


async def read_through(connection: AsyncConnection, system: str) -> frozenset[str]:
    """The feeds of a system that have completed a pass."""
    return frozenset((await _read_through(connection, system=system)).scalars())


@Statement
def _read_through(_p: Parameters) -> sa.Executable:
    c = feed_table.c
    return sa.select(c.name).where(c.system == sa.bindparam("system"), c.completed_at.is_not(None))
