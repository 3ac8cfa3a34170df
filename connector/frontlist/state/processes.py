"""Live processes by heartbeat, and leases with tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.state.database import Database, metadata

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


def alive(process: Any, now: int) -> Any:
    """SQL: whether the process of that id had a heartbeat lately."""
    p = process_table.c
    return sa.exists(sa.select(p.id).where(p.id == process, p.heartbeat_at > now - DEAD_AFTER))


async def beat(db: Database, connection: AsyncConnection, process: str, parts: str) -> None:
    now = await db.now(connection)
    row = {"id": process, "parts": parts, "started_at": now, "heartbeat_at": now}
    await db.upsert(connection, process_table, [row], keep=("started_at",))
    old = process_table.c.heartbeat_at < now - 86_400_000_000
    await connection.execute(sa.delete(process_table).where(old))


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
    db: Database, connection: AsyncConnection, names: Sequence[str], holder: str, seconds: float
) -> dict[str, Lease]:
    """Those of the leases that were free (or ours, or run out), each under a new token."""
    if not names:
        return {}
    now = await db.now(connection)
    wanted = sorted(set(names))
    tokens = await db.draw(connection, len(wanted))
    until = now + round(seconds * 1_000_000)
    rows = [
        {"name": name, "holder": holder, "token": token, "until": until}
        for name, token in zip(wanted, tokens, strict=True)
    ]
    c = lease_table.c
    got = await db.upsert(
        connection,
        lease_table,
        rows,
        where=lambda old, _new: sa.or_(old.until < now, old.holder.is_(None), old.holder == holder),
        returning=(c.name, c.token, c.until),
    )
    return {row.name: Lease(row.name, row.token, row.until) for row in got}


async def extend(db: Database, connection: AsyncConnection, lease: Lease, seconds: float) -> Lease | None:
    """The same token for longer, or None: somebody else has it."""
    until = await db.now(connection) + round(seconds * 1_000_000)
    result = await connection.execute(
        sa.update(lease_table)
        .where(lease_table.c.name == lease.name, lease_table.c.token == lease.token)
        .values(until=until)
    )
    return Lease(lease.name, lease.token, until) if result.rowcount else None


async def held(db: Database, connection: AsyncConnection, lease: Lease) -> bool:
    """Whether the token still stands; locks the row, so nobody takes it before this transaction ends."""
    query = sa.select(lease_table.c.token).where(lease_table.c.name == lease.name, lease_table.c.token == lease.token)
    return (await connection.execute(query if db.sqlite else query.with_for_update())).first() is not None


async def give_back(connection: AsyncConnection, leases: Sequence[Lease]) -> None:
    for lease in sorted(leases, key=lambda each: each.name):
        await connection.execute(
            sa.delete(lease_table).where(lease_table.c.name == lease.name, lease_table.c.token == lease.token)
        )
