"""Cells of ours that somebody else changed: when such a resource is read again, and not more often than that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import FieldKey, Json, Resource, TitleKey
from frontlist.state import work
from frontlist.state.applied import applied_table
from frontlist.state.database import CHUNK, Database, load, metadata

look_table = sa.Table(
    "drift_look",
    metadata,
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("look_at", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True)
class Hold:
    """What one consumer wrote to a resource. `intended`: what may have been written since and is not remembered."""

    resource: Resource
    consumer: str
    title: TitleKey
    fields: dict[FieldKey, Json]
    intended: dict[FieldKey, Json] | None
    applied_at: int
    look_again_at: int | None


async def held(connection: AsyncConnection, resources: Iterable[Resource]) -> list[Hold]:
    """Whatever we wrote to these resources, as far as it is there."""
    c = applied_table.c
    wanted = sorted({(each.target, each.kind, each.id) for each in resources})
    out: list[Hold] = []
    for start in range(0, len(wanted), CHUNK):
        query = sa.select(applied_table).where(
            sa.tuple_(c.target, c.kind, c.id).in_(wanted[start : start + CHUNK]),
            c.present,
            c.applied_fields.is_not(None),
        )
        out += [_hold(row) for row in await connection.execute(query)]
    return out


def _hold(row: Any) -> Hold:
    unremembered = row.intent_claim > row.applied_claim
    return Hold(
        resource=Resource(row.target, row.kind, row.id),
        consumer=row.consumer,
        title=TitleKey(row.title),
        fields=load(row.applied_fields),
        intended=load(row.intent_fields) or {} if unremembered else None,
        applied_at=row.applied_at or 0,
        look_again_at=row.look_again_at,
    )


async def mark(db: Database, connection: AsyncConnection, holds: Sequence[Hold], now: int, rest: int) -> int:
    """Each is read again: at once, or `rest` after the last time. Answers how many were not to be read already."""
    last = await _last(connection, holds)
    # One that is to be read anyway keeps its time: the second look after a doubtful write must come late.
    fresh = [
        (each, max(now, last.get((each.resource, each.consumer), now - rest) + rest))
        for each in holds
        if each.look_again_at is None
    ]
    dues = [work.Due(each.consumer, each.title, at, work.Priority.METADATA, "drift") for each, at in fresh]
    await work.mark(db, connection, dues)
    rows = [{**_key(each), "look_at": at} for each, at in fresh]
    if rows:
        await db.upsert(connection, look_table, rows)
    for each, at in sorted(fresh, key=lambda one: (one[0].resource, one[0].consumer)):
        mine = [applied_table.c[name] == value for name, value in _key(each).items()]
        await connection.execute(sa.update(applied_table).where(*mine).values(look_again_at=at))
    return len(fresh)


async def _last(connection: AsyncConnection, holds: Sequence[Hold]) -> dict[tuple[Resource, str], int]:
    c = look_table.c
    wanted = sorted({(each.resource.target, each.resource.kind, each.resource.id) for each in holds})
    out: dict[tuple[Resource, str], int] = {}
    for start in range(0, len(wanted), CHUNK):
        query = sa.select(look_table).where(sa.tuple_(c.target, c.kind, c.id).in_(wanted[start : start + CHUNK]))
        for row in await connection.execute(query):
            out[Resource(row.target, row.kind, row.id), row.consumer] = row.look_at
    return out


def _key(each: Hold) -> dict[str, str]:
    at = each.resource
    return {"target": at.target, "kind": at.kind, "id": at.id, "consumer": each.consumer}
