"""Live processes by heartbeat, and leases with tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.state.database import Database, metadata, typed

#: A process whose heart has not beaten for this long is dead, and what it claimed is free (microseconds).
DEAD_AFTER = 2_000_000

process_table = sa.Table(
    "process",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("parts", sa.Text, nullable=False),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("heartbeat_at", sa.BigInteger, nullable=False),
)
lease_table = sa.Table(
    "lease",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True)
class Lease:
    name: str
    token: int
    until: int
    holder: str = ""


def alive(process: Any, now: int) -> Any:
    """SQL: whether the process of that id had a heartbeat lately."""
    p = process_table.c
    return sa.exists(sa.select(p.id).where(p.id == process, p.heartbeat_at > now - DEAD_AFTER))


async def beat(db: Database, connection: AsyncConnection, process: str, parts: str) -> None:
    now = await db.now(connection)
    row = {"id": process, "parts": parts, "started_at": now, "heartbeat_at": now}
    await db.upsert(connection, process_table, [row], keep=("started_at",))


async def leave(connection: AsyncConnection, process: str) -> None:
    await connection.execute(sa.delete(process_table).where(process_table.c.id == process))


async def forget_all(connection: AsyncConnection) -> None:
    """Leases and processes of those who ran before; only where none of them can be alive."""
    await connection.execute(sa.delete(lease_table))
    await connection.execute(sa.delete(process_table))


async def living(connection: AsyncConnection, now: int) -> list[sa.Row[Any]]:
    query = sa.select(process_table).where(process_table.c.heartbeat_at > now - DEAD_AFTER)
    return list((await connection.execute(query)).all())


async def acquire(
    db: Database, connection: AsyncConnection, wanted: Sequence[tuple[str, str]], seconds: float
) -> dict[str, Lease]:
    """(name, holder) each: those that were free (or the holder's, or run out), each under a new token, by name.

    Of two that want the same name in one call the first may have it: see `Lease.holder`. A lease that a transaction
    is about to change is not free: nobody waits here for anybody.
    """
    first = dict(reversed(wanted))
    if not first:
        return {}
    now = await db.now(connection)
    until = now + round(seconds * 1_000_000)
    names = sorted(set(first) - await _busy(db, connection, sorted(first)))
    tokens = await db.draw(connection, len(names))
    rows = [
        {"name": name, "holder": first[name], "token": token, "until": until}
        for name, token in zip(names, tokens, strict=True)
    ]
    c = lease_table.c
    got = await db.upsert(
        connection,
        lease_table,
        rows,
        where=lambda old, new: sa.or_(old.until < now, old.holder.is_(None), old.holder == new.holder),
        returning=(c.name, c.token, c.until, c.holder),
    )
    return {row.name: Lease(row.name, row.token, row.until, row.holder) for row in got}


async def _busy(db: Database, connection: AsyncConnection, names: Sequence[str]) -> set[str]:
    """Those that another transaction holds locked now."""
    if db.sqlite:
        return set()
    c = lease_table.c
    given = db.rows("given", typed(lease_table, ("name",)), [{"name": name} for name in names])
    query = sa.select(c.name).join(given, c.name == given.c.name)
    there = set((await connection.execute(query)).scalars())
    if not there:
        return set()
    free = await connection.execute(query.order_by(c.name).with_for_update(of=lease_table, skip_locked=True))
    return there - set(free.scalars())


async def extend(
    db: Database, connection: AsyncConnection, leases: Sequence[Lease], seconds: float
) -> dict[str, Lease]:
    """The same tokens for longer, by name; what is missing in the answer somebody else has."""
    if not await held(db, connection, leases):
        return {}
    until = await db.now(connection) + round(seconds * 1_000_000)
    given = _rows(db, leases)
    c = lease_table.c
    rows = await connection.execute(
        sa.update(lease_table)
        .where(c.name == given.c.name, c.token == given.c.token)
        .values(until=until)
        .returning(c.name, c.token, c.until, c.holder)
    )
    return {row.name: Lease(row.name, row.token, row.until, row.holder) for row in rows}


async def held(db: Database, connection: AsyncConnection, leases: Sequence[Lease]) -> set[str]:
    """The names whose tokens still stand; locks the rows, so nobody takes them before this transaction ends."""
    if not leases:
        return set()
    c = lease_table.c
    given = _rows(db, leases)
    query = sa.select(c.name).join(given, sa.and_(c.name == given.c.name, c.token == given.c.token)).order_by(c.name)
    rows = await connection.execute(query if db.sqlite else query.with_for_update(of=lease_table))
    return set(rows.scalars())


async def give_back(db: Database, connection: AsyncConnection, leases: Sequence[Lease]) -> None:
    """In the order of their names, so that two who give back never wait for each other."""
    standing = await held(db, connection, leases)
    if standing:
        mine = [each for each in leases if each.name in standing]
        given = _rows(db, mine)
        await connection.execute(
            sa.delete(lease_table).where(
                sa.tuple_(lease_table.c.name, lease_table.c.token).in_(sa.select(given.c.name, given.c.token))
            )
        )


def _rows(db: Database, leases: Sequence[Lease]) -> sa.FromClause:
    rows = [{"name": each.name, "token": each.token} for each in sorted(leases, key=lambda one: one.name)]
    return db.rows("given", typed(lease_table, ("name", "token")), rows)
