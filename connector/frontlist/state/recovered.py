"""What is known of writes when the database was lost: what a backup remembers, all of it in doubt, and the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import Resource
from frontlist.state import images
from frontlist.state.applied import KEYS, Intent, applied_table, key, locked, same
from frontlist.state.database import Database, dump
from frontlist.state.statement import Parameters, Statement, typed


@dataclass(frozen=True)
class Past:
    """A write that the journal tells of; the intent's fields are those written. `undoable`: its images are kept."""

    intent: Intent
    undoable: bool


async def clear(connection: AsyncConnection) -> None:
    """Nothing is known of any write."""
    await connection.execute(sa.delete(applied_table))
    await connection.execute(sa.delete(images.before_table))


async def doubt_all(connection: AsyncConnection) -> None:
    """A database from an older backup: nothing that it remembers is sure."""
    await connection.execute(sa.update(applied_table).values(applied_claim=-1))


async def restore(db: Database, connection: AsyncConnection, past: Sequence[Past]) -> None:
    """What a journal tells, in its order; all of it is in doubt, and no title claims anything before it is planned.

    Of each consumer and resource claims ascend: a line that comes twice, of a write that came too late, or that a
    backup knows, is passed over. Of a write that it knows as intended alone, the before-images are there. Fields
    gather: a line holds only those that were written then.
    """
    now = await db.now(connection)
    there = await locked(connection, [each.intent.resource for each in past])
    known = {place: (row.intent_claim, row.applied_claim, row.fields) for place, row in there.items()}
    rows: dict[tuple[Resource, str], dict[str, Any]] = {}
    done: list[tuple[Any, ...]] = []
    kept: list[images.Image] = []
    for each in past:
        one = each.intent
        place = one.resource, one.consumer
        intended, remembered, before = known.get(place, (-1, -1, None))
        if one.claim < intended or one.claim == intended == remembered:
            continue
        fields = None if one.fields is None else {**({} if one.creates else before or {}), **one.fields}
        known[place] = one.claim, one.claim, fields
        stands = {"applied_fields": None if fields is None else dump(fields), "present": fields is not None}
        if one.claim == intended:
            done.append((*key(*place), *stands.values()))
            continue
        rows[place] = {
            **dict(zip(KEYS, key(*place), strict=True)),
            **stands,
            "title": one.title,
            "title_revision": 0,
            "intent_claim": one.claim,
            "intent_vector": dump(one.vector),
            "intent_fields": stands["applied_fields"],
            "intent_at": one.at or now,
            "applied_claim": one.claim,
            "applied_at": one.at or now,
            "removed": False,
            "progress": dump({}),
            "refused": dump({}),
            "dead": None,
            "doubt_since": now,
            "look_again_at": None,
        }
        if each.undoable:
            kept += one.overwrites(now)
    await _were_done.rows(connection, done)
    await db.upsert(connection, applied_table, list(rows.values()))
    await images.keep(db, connection, kept)


@Statement
def _were_done(p: Parameters) -> sa.Executable:
    """What stands by writes that were intended when the backup was made; they stay in doubt."""
    given = p.rows("given", typed(applied_table, (*KEYS, "applied_fields", "present")))
    stands = {"applied_fields": given.c.applied_fields, "present": given.c.present}
    return sa.update(applied_table).where(*same(given)).values(**stands)


async def none_newer(connection: AsyncConnection, number: int) -> None:
    """No restored claim is above it: another machine's clock may have been ahead, and new claims must be larger."""
    c = applied_table.c
    newer = sa.update(applied_table).where(c.intent_claim > number)
    remembered = sa.case((c.applied_claim > number, number), else_=c.applied_claim)
    await connection.execute(newer.values(intent_claim=number, applied_claim=remembered))
