"""Locks are taken in the order of decision 0004: whoever changes what belongs to a title takes its work row first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from aiokafka import ConsumerRecord
from sqlalchemy.ext.asyncio import AsyncConnection

import tenants
from frontlist import pins, settling, undoing
from frontlist.clock import Clock
from frontlist.contract import DocumentKey, FieldKey, Resource, TitleKey
from frontlist.pins import Pin, Pins
from frontlist.state import applied, dead, drift, held, installation, schema, settled, work
from frontlist.state.applied import Intent, Outcome
from frontlist.state.database import Database
from frontlist.state.held import Cell
from frontlist.storing import Storing
from frontlist_schemas.canonical import canonical
from frontlist_schemas.envelope import Envelope, encode

TITLE, NAME = TitleKey("work:1"), "metadata"
NOTE = settled.note_key(NAME, TITLE)
RECORD = Resource("fourallportal", "product", "r1")
DAY = 86_400_000_000


@pytest.fixture
async def db(postgresql_url: str) -> AsyncIterator[Database]:
    """A title in hand, of which a record was written."""
    db = Database(postgresql_url, Clock())
    await schema.upgrade(db)
    async with db.begin() as c:
        now = await db.now(c)
        await work.mark(db, c, [work.Due(NAME, TITLE, now, 40, "test")])
        await c.execute(sa.update(work.work_table).values(claimed_by="p", claim=7))
        intent = Intent(RECORD, NAME, TITLE, 7, {"activation": 1}, {FieldKey("a"): 1}, {})
        await applied.intend(db, c, [intent], {})
        await settled.save_decisions(db, c, [settled.Decision("note", NOTE, {"a": 1}, 5)])
        await applied.remember(db, c, [Outcome(RECORD, NAME, 7, {FieldKey("a"): 1}, True)])
    yield db
    await db.close()


Act = Callable[[Database], Awaitable[object]]


async def notice_drift(db: Database) -> None:
    async with db.begin() as c:
        await drift.mark(db, c, await drift.held(c, [RECORD]), await db.now(c), DAY)


async def drive_again(db: Database) -> None:
    async with db.begin() as c:
        refused = dead.Refused(RECORD, TITLE, "f", "it said no", {"a": 1}, called=True)
        await dead.bury(db, c, NAME, [refused], await db.now(c))
        letters = await dead.find(c, dead.Filter())
    await settling.let_through(db, letters)


async def reject(db: Database) -> None:
    async with db.begin() as c:
        cell = Cell(NAME, RECORD, FieldKey("a"))
        await held.hold(db, c, [held.Held(cell, TITLE, "Acme", "price", 1, 2, "f")], await db.now(c))
        [group] = await held.groups(c)
    await settling.reject(db, "t.decisions.v1", group.list)


async def undo(db: Database) -> None:
    it: Any = SimpleNamespace(db=db, clock=Clock(), decisions="t.decisions.v1")
    pinned = {(NAME, RECORD): Pins({FieldKey("a"): Pin(None, 1, "")})}
    await undoing.apply(it, undoing.Undo((), pinned, frozenset({(NAME, TITLE)})))


async def take_in(db: Database) -> None:
    """A change, and a note of ours that came back from its topic."""
    async with db.begin() as c:
        await installation.register(db, c, {NAME: (frozenset({DocumentKey("consonance", "metadata")}), "1")})
    headers, value = encode(Envelope("consonance", "metadata", TITLE, 1_790_000_000_000_000, "present", {}), "test")
    records = [
        ("t.decisions.v1", b"note/" + NOTE.encode(), canonical({"body": {"a": 1}, "number": 5}), []),
        ("t.consonance.metadata.v1", TITLE.encode(), value, headers),
    ]
    await Storing(db, "t").take(
        [ConsumerRecord(name, 0, 0, 0, 0, key, said, None, 0, 0, tuple(more)) for name, key, said, more in records]
    )


async def keeps_a_note(db: Database, c: AsyncConnection) -> None:
    await settled.save_decisions(db, c, [settled.Decision("note", NOTE, {"a": 2}, 9)])


async def intends(db: Database, c: AsyncConnection) -> None:
    await applied.locked(c, [RECORD])


async def takes_a_pin_back(db: Database, c: AsyncConnection) -> None:
    taken = settled.Decision(pins.KIND, pins.name(NAME, RECORD), None, 2**60)
    await settled.save_decisions(db, c, [taken])


@pytest.mark.parametrize(
    ("act", "then"),
    [
        (notice_drift, intends),
        (drive_again, intends),
        (reject, takes_a_pin_back),
        (undo, takes_a_pin_back),
        (take_in, keeps_a_note),
    ],
)
async def test_what_marks_a_title_in_hand_waits_for_its_row_before_it_takes_anything_else(
    db: Database, act: Act, then: Callable[[Database, AsyncConnection], Awaitable[None]]
) -> None:
    claim = work.Claim(NAME, TITLE, 0, 7, 40, 0, "test")
    async with db.begin() as c:
        assert await work.still_mine(c, "p", [claim])
        beside = asyncio.create_task(_done(act, db))
        await tenants.until(lambda: _one_waits(db), what="the other transaction waits")
        await then(db, c)
    await beside


async def _done(act: Act, db: Database) -> None:
    await act(db)


async def _one_waits(db: Database) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with db.read() as c:
        return bool((await c.exec_driver_sql(query)).scalar_one())
