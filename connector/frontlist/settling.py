"""What people settle from lists: held writes are confirmed or rejected, dead letters are driven again or discarded."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import brakes, pins, vanishing
from frontlist.brakes import WHOLE
from frontlist.contract import Json
from frontlist.decisions import decide
from frontlist.errors import ConfigurationError
from frontlist.pins import Pin, Pins
from frontlist.state import dead, dirty, findings, held, work
from frontlist.state.database import Database, takes_long
from frontlist.state.dead import Letter
from frontlist.state.held import Held


async def listed(connection: AsyncConnection, number: int) -> tuple[str, str, list[Held]]:
    """(imprint, effect, rows) of a list; raises ConfigurationError where no list has that number."""
    found = await held.listed(connection, number)
    if found is None:
        raise ConfigurationError(
            f"no list is called {number}", where="frontlist held", cure="copy it from `frontlist held list`"
        )
    return found


async def confirm(db: Database, topic: str, number: int) -> int:
    """What stands on the list now goes on, each with exactly its value; answers how many. `topic`: of decisions."""
    async with db.begin() as c:
        await takes_long(c)
        await db.lock(c, brakes.LOCK)
        _, _, found = await listed(c, number)
        rows = await _over(db, c, found, "confirmed", f"held/{number}")
        await decide(db, c, topic, {(brakes.CONFIRMED, str(e.cell)): {"fingerprint": e.fingerprint} for e in rows})
    return len(rows)


async def reject(db: Database, topic: str, number: int) -> int:
    """What stands on the list now is not done until its source or the mapping changes; answers how many."""
    async with db.begin() as c:
        await takes_long(c)
        await db.lock(c, brakes.LOCK)
        _, _, found = await listed(c, number)
        run = f"held/{number}"
        rows = await _over(db, c, found, "rejected", run)
        at_capture = [each for each in rows if _captures(each)]
        bodies: dict[tuple[str, str], Json] = {
            (vanishing.REJECTED, str(each.cell)): {"fingerprint": each.fingerprint} for each in at_capture
        }
        pinned = await _pins(c, [each for each in rows if not _captures(each)], run)
        await decide(db, c, topic, bodies | pinned)
    return len(rows)


async def _pins(c: AsyncConnection, rows: Sequence[Held], run: str) -> dict[tuple[str, str], Json]:
    bodies: dict[tuple[str, str], Json] = {}
    places = {(each.cell.consumer, each.cell.resource) for each in rows}
    for consumer, resource in sorted(places):
        mine = [each for each in rows if (each.cell.consumer, each.cell.resource) == (consumer, resource)]
        old = (await pins.of(c, consumer, [resource])).get(resource, Pins())
        # The removal of a whole resource is overruled by naming what stands there.
        whole = next((each for each in mine if each.cell.field == WHOLE), None)
        new = (
            {key: Pin(None, value, run) for key, value in whole.was.items()}
            if whole is not None
            else {each.cell.field: Pin(each.fingerprint, each.was, run) for each in mine}
        )
        bodies[pins.KIND, pins.name(consumer, resource)] = old.with_fields(new).as_json()
    return bodies


async def _over(db: Database, c: AsyncConnection, found: Sequence[Held], how: str, run: str) -> list[Held]:
    """They are due again, or assembled again; answers those that still waited."""
    now = await db.now(c)
    priority = work.Priority.METADATA
    dues = [work.Due(each.cell.consumer, each.title, now, priority, run) for each in found if not _captures(each)]
    await work.mark(db, c, dues)
    rows = await held.settle(c, found, how, now)
    for system in sorted({each.cell.resource.target for each in rows if _captures(each)}):
        mine = [each for each in rows if _captures(each) and each.cell.resource.target == system]
        await dirty.mark(db, c, system, [each.title for each in mine])
        for each in mine:
            await findings.close_one(c, each.cell.consumer, each.title, f"held/{each.cell.resource}", now)
    return rows


def _captures(each: Held) -> bool:
    return each.cell.consumer == vanishing.consumer(each.cell.resource.target)


async def let_through(db: Database, letters: Sequence[Letter]) -> int:
    """Tried once more, though nothing changed; answers how many titles are due."""
    async with db.begin() as c:
        await takes_long(c)
        now = await db.now(c)
        priority = work.Priority.METADATA
        dues = {(each.consumer, each.title) for each in letters}
        await work.mark(db, c, [work.Due(name, title, now, priority, "re-driven") for name, title in sorted(dues)])
        await dead.let_through(c, letters, now)
    return len(dues)


async def discard(db: Database, letters: Sequence[Letter]) -> int:
    """Nobody hears of them any more, and they stay uncalled until they change. Answers how many were open."""
    async with db.begin() as c:
        await takes_long(c)
        now = await db.now(c)
        closed = await dead.close(c, letters, dead.DISCARDED, now)
        for each in letters:
            await findings.close_one(c, each.consumer, each.title, f"dead/{each.resource}", now)
    return closed
