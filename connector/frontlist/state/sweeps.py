"""Sweeps: titles that are planned and compared with the target read back, because a person or a schedule asks.

A run has a row, and one for each of its titles; nothing of it is kept in memory, so it goes on after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import Json, Resource, TitleKey
from frontlist.state.database import CHUNK, Database, among, dump, load, metadata, partial_index
from frontlist.state.work import work_table

Kind = Literal["replay", "reconcile"]

sweep_table = sa.Table(
    "sweep",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("selection", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # running, stopped, done
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.BigInteger),
)
sweep_title_table = sa.Table(
    "sweep_title",
    metadata,
    sa.Column("sweep", sa.Text, primary_key=True),
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),  # waiting, due, done
    sa.Column("outcome", sa.Text),
    sa.Column("changed", sa.Integer, nullable=False, server_default="0"),
    sa.Column("at", sa.BigInteger),
    partial_index("sweep_title_due", "consumer", "title", where="state = 'due'"),
)
#: Literal, since the partial index is not found by a plan that knows no parameter.
DUE = sweep_title_table.c.state == sa.literal_column("'due'")
#: Cells of ours that somebody changed; `sweep` "" = found on the way, outside of a sweep.
drift_table = sa.Table(
    "drift",
    metadata,
    sa.Column("sweep", sa.Text, primary_key=True),
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("field", sa.Text, primary_key=True),
    sa.Column("healed", sa.Integer, nullable=False),
    sa.Column("kept", sa.Integer, nullable=False),
)


@dataclass(frozen=True)
class Sweep:
    id: str
    kind: str
    selection: Mapping[str, Json]
    state: str
    created_at: int
    ended_at: int | None

    @property
    def run(self) -> str:
        """As it stands in before-images and the journal."""
        return f"{self.kind}/{self.id}"


@dataclass(frozen=True)
class Worked:
    sweep: str
    consumer: str
    title: TitleKey
    outcome: str
    changed: int


@dataclass(frozen=True)
class Drift:
    sweep: str
    resource: Resource
    field: str
    kept: bool


async def begin(
    db: Database,
    connection: AsyncConnection,
    id_: str,
    kind: Kind,
    selection: Mapping[str, Json],
    titles: Mapping[str, Sequence[TitleKey]],
) -> int:
    """`titles`: consumer -> what it is to work again; answers how many rows."""
    row = {
        "id": id_,
        "kind": kind,
        "selection": dump(dict(selection)),
        "state": "running",
        "created_at": await db.now(connection),
    }
    await connection.execute(sa.insert(sweep_table), [row])
    rows = [
        {"sweep": id_, "consumer": consumer, "title": title, "state": "waiting"}
        for consumer, some in sorted(titles.items())
        for title in sorted(set(some))
    ]
    for start in range(0, len(rows), CHUNK):
        await connection.execute(sa.insert(sweep_title_table), rows[start : start + CHUNK])
    return len(rows)


async def find(connection: AsyncConnection, id_: str | None = None, *, kind: str | None = None) -> list[Sweep]:
    """The newest first."""
    query = sa.select(sweep_table).order_by(sweep_table.c.created_at.desc())
    query = query if id_ is None else query.where(sweep_table.c.id == id_)
    query = query if kind is None else query.where(sweep_table.c.kind == kind)
    return [
        Sweep(row.id, row.kind, load(row.selection), row.state, row.created_at, row.ended_at)
        for row in await connection.execute(query)
    ]


async def running(connection: AsyncConnection) -> list[Sweep]:
    """The oldest first."""
    return [each for each in reversed(await find(connection)) if each.state == "running"]


async def turn(connection: AsyncConnection, id_: str, state: str, now: int) -> None:
    """Stopped: what is due is waiting again, so that a resumed run reads it back."""
    ended = None if state == "running" else now
    await connection.execute(sa.update(sweep_table).where(sweep_table.c.id == id_).values(state=state, ended_at=ended))
    if state == "stopped":
        t = sweep_title_table.c
        mine = sa.update(sweep_title_table).where(t.sweep == id_, t.state == "due")
        await connection.execute(mine.values(state="waiting"))


async def next_titles(connection: AsyncConnection, id_: str, window: int, now: int) -> list[tuple[str, TitleKey]]:
    """(consumer, title) that fill each consumer's window; they are due from now on.

    The window counts what is due now. A title that was put off (until a target's window opens, or a pause ends) takes
    no place in it: it comes by itself at its time, and until then everything else goes on.
    """
    t, w = sweep_title_table.c, work_table.c
    same = sa.and_(w.consumer == t.consumer, w.title == t.title)
    in_hand = (
        sa.select(t.consumer, sa.func.count())
        .join_from(sweep_title_table, work_table, same)
        .where(t.sweep == id_, t.state == "due", sa.or_(w.due_at <= now, w.claimed_by.is_not(None)))
        .group_by(t.consumer)
    )
    under_way: dict[str, int] = {row[0]: row[1] for row in await connection.execute(in_hand)}
    left = sa.select(t.consumer).where(t.sweep == id_, t.state == "waiting").distinct().order_by(t.consumer)
    found: list[tuple[str, TitleKey]] = []
    for consumer in (await connection.execute(left)).scalars().all():
        waiting = sa.select(t.title).where(t.sweep == id_, t.consumer == consumer, t.state == "waiting")
        room = max(0, window - under_way.get(consumer, 0))
        titles = (await connection.execute(waiting.order_by(t.title).limit(room))).scalars()
        found += [(consumer, TitleKey(title)) for title in titles]
    for start in range(0, len(found), CHUNK):
        mine = sa.tuple_(t.consumer, t.title).in_(found[start : start + CHUNK])
        await connection.execute(sa.update(sweep_title_table).where(t.sweep == id_, mine).values(state="due"))
    return found


async def due_of(connection: AsyncConnection, consumer: str, titles: Sequence[TitleKey]) -> dict[TitleKey, list[str]]:
    """title -> the runs ("replay/<id>") that wait for it."""
    t, s = sweep_title_table.c, sweep_table.c
    query = (
        sa.select(t.title, s.kind, s.id)
        .join_from(sweep_title_table, sweep_table, t.sweep == s.id)
        .where(t.consumer == consumer, among(connection, t.title, titles), DUE)
        .order_by(s.created_at)
    )
    out: dict[TitleKey, list[str]] = {}
    for row in await connection.execute(query):
        out.setdefault(TitleKey(row.title), []).append(f"{row.kind}/{row.id}")
    return out


async def worked(connection: AsyncConnection, done: Iterable[Worked], now: int) -> None:
    t = sweep_title_table.c
    for each in sorted(done, key=lambda one: (one.sweep, one.consumer, one.title)):
        mine = (t.sweep == each.sweep, t.consumer == each.consumer, t.title == each.title, t.state == "due")
        update = sa.update(sweep_title_table).where(*mine)
        await connection.execute(update.values(state="done", outcome=each.outcome, changed=each.changed, at=now))


async def count_drift(db: Database, connection: AsyncConnection, found: Iterable[Drift]) -> None:
    counts: dict[tuple[str, str, str, str], list[int]] = {}
    for each in found:
        key = (each.sweep, each.resource.target, each.resource.kind, each.field)
        counts.setdefault(key, [0, 0])[each.kept] += 1
    rows: list[dict[str, Any]] = [
        {"sweep": sweep, "target": target, "kind": kind, "field": name, "healed": healed, "kept": kept}
        for (sweep, target, kind, name), (healed, kept) in counts.items()
    ]
    if rows:
        added = ("healed", "kept")
        await db.upsert(
            connection,
            drift_table,
            rows,
            also=lambda old, new: {name: old[name] + new[name] for name in added},
        )


async def drift(connection: AsyncConnection, sweep: str) -> list[dict[str, Any]]:
    """Drifted cells of one sweep per field."""
    d = drift_table.c
    query = (
        sa.select(d.target, d.kind, d.field, d.healed, d.kept)
        .where(d.sweep == sweep)
        .order_by(d.target, d.kind, d.field)
    )
    return [
        {"target": r.target, "kind": r.kind, "field": r.field, "healed": r.healed, "left": r.kept}
        for r in await connection.execute(query)
    ]


async def progress(connection: AsyncConnection, id_: str) -> dict[str, Any]:
    """How far it is: titles in all, done, and their outcomes."""
    t = sweep_title_table.c
    query = sa.select(t.state, t.outcome, sa.func.count(), sa.func.sum(t.changed)).where(t.sweep == id_)
    rows = (await connection.execute(query.group_by(t.state, t.outcome))).all()
    outcomes: dict[str, int] = {}
    for state, outcome, number, _ in rows:
        if state == "done":
            outcomes[outcome] = outcomes.get(outcome, 0) + number
    return {
        "titles": sum(row[2] for row in rows),
        "done": sum(outcomes.values()),
        "due": sum(row[2] for row in rows if row[0] == "due"),
        "changed": sum(int(row[3]) for row in rows),
        "outcomes": outcomes,
    }
