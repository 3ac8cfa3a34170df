"""Live processes by heartbeat, and leases with tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.state.database import NUMBERS, Database, metadata
from frontlist.state.statement import Parameters, Statement, typed

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


def alive(now: Any) -> sa.Select[Any]:
    """SQL: the ids of the processes that had a heartbeat lately."""
    return sa.select(process_table.c.id).where(process_table.c.heartbeat_at > now - DEAD_AFTER)


async def beat(db: Database, connection: AsyncConnection, process: str, parts: str) -> int:
    """Answers the time of it, than which the stored one is never earlier; microseconds since 1970."""
    now = await db.now(connection)
    await _beat(connection, given=[(process, parts, now, now)])
    return now


@Statement
def _beat(p: Parameters) -> sa.Executable:
    later = sa.func.max if p.sqlite else sa.func.greatest
    return p.upsert(
        process_table,
        ("id", "parts", "started_at", "heartbeat_at"),
        keep=("started_at", "heartbeat_at"),
        also=lambda old, new: {"heartbeat_at": later(old.heartbeat_at, new.heartbeat_at)},
    )


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
    ends = now + round(seconds * 1_000_000)
    values: dict[str, Any] = {"given": sorted(first.items()), "names": first, "now": now, "ends": ends}
    if db.sqlite:
        [values["number"]] = await db.draw(connection)
    return _leases(await _acquire(connection, **values))


@Statement
def _acquire(p: Parameters) -> sa.Executable:
    c, given = lease_table.c, p.rows("given", typed(lease_table, ("name", "holder")))
    there = sa.select(c.name).where(p.among(c.name, "names"))
    # Those that another transaction holds locked now are neither free nor waited for.
    unlocked = there.with_for_update(skip_locked=True).cte("unlocked")
    free = sa.or_(given.c.name.not_in(there.cte("there").select()), given.c.name.in_(unlocked.select()))
    number = sa.bindparam("number", type_=sa.BigInteger) if p.sqlite else NUMBERS.next_value()
    rows = sa.select(given.c.name, given.c.holder, number, sa.bindparam("ends", type_=sa.BigInteger)).where(free)
    return p.upsert(
        lease_table,
        ("name", "holder", "token", "until"),
        rows,
        where=lambda old, new: sa.or_(old.until < sa.bindparam("now"), old.holder.is_(None), old.holder == new.holder),
        returning=(c.name, c.token, c.until, c.holder),
    )


def _leases(rows: Iterable[Any]) -> dict[str, Lease]:
    return {name: Lease(name, token, until, holder) for name, token, until, holder in rows}


async def extend(
    db: Database, connection: AsyncConnection, leases: Sequence[Lease], seconds: float
) -> dict[str, Lease]:
    """The same tokens for longer, by name; what is missing in the answer somebody else has."""
    if not leases:
        return {}
    ends = await db.now(connection) + round(seconds * 1_000_000)
    return _leases(await _extend(connection, **_named(leases), ends=ends))


@Statement
def _extend(p: Parameters) -> sa.Executable:
    c, mine = lease_table.c, _standing(p).cte("mine")
    return (
        sa.update(lease_table)
        .where(c.name == mine.c.name)
        .values(until=sa.bindparam("ends"))
        .returning(c.name, c.token, c.until, c.holder)
    )


async def held(connection: AsyncConnection, leases: Sequence[Lease]) -> set[str]:
    """The names whose tokens still stand; locks the rows, so nobody takes them before this transaction ends."""
    return set((await _held(connection, **_named(leases))).scalars()) if leases else set()


async def hold_up(db: Database, connection: AsyncConnection, names: Iterable[str]) -> None:
    """A transaction under one of these leases is waited for, and none begins to change anything before this one ends.

    What nobody has is a lease that is free.
    """
    wanted = sorted(set(names))
    numbers = await db.draw(connection, len(wanted))
    rows = [
        {"name": name, "holder": None, "token": number, "until": 0}
        for name, number in zip(wanted, numbers, strict=True)
    ]
    kept = ("holder", "token", "until")
    await db.upsert(connection, lease_table, rows, keep=kept, also=lambda old, _new: {"until": old.until})


async def give_back(connection: AsyncConnection, leases: Sequence[Lease]) -> None:
    """In the order of their names, so that two who give back never wait for each other."""
    if leases:
        await _give_back(connection, **_named(leases))


@Statement
def _give_back(p: Parameters) -> sa.Executable:
    return sa.delete(lease_table).where(lease_table.c.name.in_(_standing(p).cte("mine").select()))


def _standing(p: Parameters) -> sa.Select[Any]:
    """A token is of one acquisition alone, so names and tokens need not be compared in pairs."""
    c = lease_table.c
    mine = sa.select(c.name).where(p.among(c.name, "names"), p.among(c.token, "tokens"))
    return mine.order_by(c.name).with_for_update()


_held = Statement(_standing)


def _named(leases: Sequence[Lease]) -> dict[str, Any]:
    return {"names": [each.name for each in leases], "tokens": [each.token for each in leases]}
