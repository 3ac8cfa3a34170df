"""What an installation is: tenant, identity, registered consumers and the active mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.clock import DAY
from frontlist.contract import DocumentKey
from frontlist.state.database import Database, dump, load, metadata
from frontlist.state.processes import process_table
from frontlist.state.statement import Parameters, Statement

#: A fact while a database from an older backup has not caught up with the topics: nobody claims work then.
BEHIND = "behind"
#: Its value where a worker saw that numbers or its heartbeat went back, until intake begins to read back.
NOTICED = "noticed"
#: When such a database had caught up last, in microseconds since 1970.
CAUGHT_UP = "caught-up"
#: A fact from the beginning of a rebuild to its end: nothing else works on the database then.
REBUILDING = "rebuilding"

fact_table = sa.Table(
    "fact",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
consumer_table = sa.Table(
    "consumer",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("wants", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
)
activation_table = sa.Table(
    "activation",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True)
class Activation:
    number: int
    fingerprint: str
    text: str


@dataclass(frozen=True)
class Standing:
    """How the installation and a process of it stand. `activation`: the number of the mapping in force; `behind`,
    `caught_up`: what these facts say; `heartbeat`: the last one of the process. Times in microseconds since 1970.
    """

    activation: int | None
    behind: str | None
    caught_up: int | None
    heartbeat: int | None

    def lost(self, confirmed: int, now: int) -> bool:
        """Whether a heartbeat that was confirmed is gone: an older backup was restored, and was not read back since.

        After a day without any it may have been taken out.
        """
        if now - confirmed >= DAY or (self.caught_up or 0) >= confirmed:
            return False
        return self.heartbeat is None or self.heartbeat < confirmed

    def as_before(self, later: Standing) -> bool:
        """Whether the same is in force."""
        return (self.activation, self.behind) == (later.activation, later.behind)


async def fact(connection: AsyncConnection, name: str) -> str | None:
    query = sa.select(fact_table.c.value).where(fact_table.c.name == name)
    value: str | None = (await connection.execute(query)).scalar_one_or_none()
    return value


async def state(db: Database, connection: AsyncConnection, facts: Mapping[str, str]) -> None:
    await db.upsert(connection, fact_table, [{"name": name, "value": value} for name, value in facts.items()])


async def forget(connection: AsyncConnection, name: str) -> None:
    await connection.execute(sa.delete(fact_table).where(fact_table.c.name == name))


async def register(
    db: Database, connection: AsyncConnection, consumers: Mapping[str, tuple[frozenset[DocumentKey], str]]
) -> list[str]:
    """name -> (wants, version); answers those that are new or want something else now: all their titles are due."""
    known = {row.name: row for row in await connection.execute(sa.select(consumer_table))}
    rows: list[dict[str, Any]] = [
        {"name": name, "wants": dump(sorted(map(str, wants))), "version": version}
        for name, (wants, version) in consumers.items()
    ]
    if rows:
        await db.upsert(connection, consumer_table, rows)
    return [row["name"] for row in rows if row["name"] not in known or known[row["name"]].wants != row["wants"]]


async def renewed(connection: AsyncConnection, versions: Mapping[str, str]) -> list[str]:
    """The consumers that were registered under another version than these."""
    known = {row.name: row.version for row in await connection.execute(sa.select(consumer_table))}
    return [name for name, version in versions.items() if known.get(name, version) != version]


async def registered(connection: AsyncConnection) -> dict[str, frozenset[DocumentKey]]:
    out = {}
    for name, wants in await _registered(connection):
        pairs: Sequence[str] = load(wants)
        out[name] = frozenset(DocumentKey(*pair.split(".")) for pair in pairs)
    return out


@Statement
def _registered(_p: Parameters) -> sa.Executable:
    return sa.select(consumer_table.c.name, consumer_table.c.wants)


async def active(connection: AsyncConnection) -> Activation | None:
    query = sa.select(activation_table).order_by(activation_table.c.number.desc()).limit(1)
    row = (await connection.execute(query)).first()
    return None if row is None else Activation(row.number, row.fingerprint, row.text)


async def active_number(connection: AsyncConnection) -> int | None:
    """The number of the mapping in force."""
    query = sa.select(sa.func.max(activation_table.c.number))
    number: int | None = (await connection.execute(query)).scalar_one_or_none()
    return number


async def notice(db: Database, connection: AsyncConnection) -> None:
    """The database is an older one; whoever reads back already has said more than that."""
    await db.upsert(connection, fact_table, [{"name": BEHIND, "value": NOTICED}], keep=("value",))


async def standing(connection: AsyncConnection, process: str) -> Standing:
    return Standing(*(await _standing(connection, process=process)).one())


@Statement
def _standing(_p: Parameters) -> sa.Executable:
    behind, caught_up = (
        sa.select(fact_table.c.value).where(fact_table.c.name == name).scalar_subquery() for name in (BEHIND, CAUGHT_UP)
    )
    heartbeat = sa.select(process_table.c.heartbeat_at).where(process_table.c.id == sa.bindparam("process"))
    number = sa.func.max(activation_table.c.number)
    return sa.select(number, behind, sa.cast(caught_up, sa.BigInteger), heartbeat.scalar_subquery())


async def began_at(connection: AsyncConnection) -> int | None:
    """When the first mapping became active."""
    at: int | None = (await connection.execute(sa.select(sa.func.min(activation_table.c.at)))).scalar_one_or_none()
    return at


async def activate(db: Database, connection: AsyncConnection, fingerprint: str, text: str) -> Activation:
    """The same text under a new number, also when an old text comes back."""
    [number] = await db.draw(connection)
    row = {"number": number, "fingerprint": fingerprint, "text": text, "at": await db.now(connection)}
    await connection.execute(sa.insert(activation_table), [row])
    return Activation(number, fingerprint, text)
