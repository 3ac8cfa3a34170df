"""Decisions of ours: stored, and posted to their topic, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import Json
from frontlist.state import outbox, settled
from frontlist.state.database import Database
from frontlist.state.settled import Decision


async def decide(db: Database, connection: AsyncConnection, topic: str, bodies: Mapping[tuple[str, str], Json]) -> None:
    """(kind, key) -> body, None takes it back; each under a new number."""
    places = sorted(bodies)
    numbers = await db.draw(connection, len(places))
    made = [Decision(*place, bodies[place], number) for place, number in zip(places, numbers, strict=True)]
    await keep(db, connection, topic, made)


async def keep(db: Database, connection: AsyncConnection, topic: str, made: Sequence[Decision]) -> None:
    """Those that take effect, under numbers that they have already."""
    kept = await settled.save_decisions(db, connection, made)
    await outbox.post(db, connection, [(topic, f"{each.kind}/{each.key}", each.value) for each in kept])
