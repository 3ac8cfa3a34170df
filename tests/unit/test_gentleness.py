"""The window for backfill to Consonance."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from frontlist.clock import Clock, microseconds
from frontlist.contract import TitleKey
from frontlist.gentleness import Backfill, BackfillSettings
from frontlist.state import schema
from frontlist.state.database import Database


def backfill(db: Any = None, **settings: Any) -> Backfill:
    return Backfill(db, BackfillSettings(**settings), ZoneInfo("Europe/London"), cast(Clock, None))


@pytest.mark.parametrize(
    ("now", "open_", "begins", "ends"),
    [
        ("2026-01-10T12:00", False, "2026-01-10T20:00", "2026-01-11T05:00"),
        ("2026-01-10T21:00", True, "2026-01-10T20:00", "2026-01-11T05:00"),
        ("2026-01-11T04:59", True, "2026-01-10T20:00", "2026-01-11T05:00"),
        ("2026-01-11T05:00", False, "2026-01-11T20:00", "2026-01-12T05:00"),
    ],
)
def test_a_window_over_midnight_is_open_from_evening_to_morning(now: str, open_: bool, begins: str, ends: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    found = backfill().window(at)
    assert (found[0] <= at < found[1]) is open_
    assert [each.strftime("%Y-%m-%dT%H:%M") for each in found] == [begins, ends]


def test_equal_times_are_always_open() -> None:
    at = datetime(2026, 7, 1, 12, tzinfo=UTC)
    begins, ends = backfill(begins=time(0), ends=time(0)).window(at)
    assert begins <= at < ends


async def test_only_so_many_titles_are_admitted_a_night_and_each_counts_once(database_url: str) -> None:
    clock = Clock()
    db = Database(database_url, clock)
    await schema.upgrade(db)
    gate = Backfill(db, BackfillSettings(begins=time(0), ends=time(0), titles=2), ZoneInfo("UTC"), clock)
    one, two, three = (TitleKey(f"work:{n}") for n in (1, 2, 3))
    async with db.begin() as c:
        assert await gate.admit(c, [one, one]) == {}
        assert list(await gate.admit(c, [one, two, one, three])) == [three]
        waits = await gate.admit(c, [three, two, one])
    assert list(waits) == [three]
    assert 60 <= waits[three] <= 86_400
    clock.offset_us += 86_400_000_000
    async with db.begin() as c:
        assert await gate.admit(c, [three]) == {}
    await db.close()


async def test_a_title_counts_only_if_the_transaction_stands(database_url: str) -> None:
    clock = Clock()
    db = Database(database_url, clock)
    await schema.upgrade(db)
    gate = Backfill(db, BackfillSettings(begins=time(0), ends=time(0), titles=1), ZoneInfo("UTC"), clock)
    async with db.begin() as c:
        assert await gate.admit(c, [TitleKey("work:1")]) == {}
        await c.rollback()
    async with db.begin() as c:
        assert await gate.admit(c, [TitleKey("work:2")]) == {}
        assert list(await gate.admit(c, [TitleKey("work:1")])) == ["work:1"]
    await db.close()


async def test_outside_the_window_a_title_waits_until_it_begins(sqlite_url: str) -> None:
    clock = Clock()
    clock.offset_us = microseconds(datetime(2026, 1, 10, 12, tzinfo=UTC)) - clock.now_us()
    db = Database(sqlite_url, clock)
    await schema.upgrade(db)
    async with db.begin() as c:
        waits = await Backfill(db, BackfillSettings(), ZoneInfo("UTC"), clock).admit(c, [TitleKey("work:1")])
    assert 7.9 * 3600 < waits[TitleKey("work:1")] <= 8 * 3600
    await db.close()


def test_a_window_of_the_early_morning_comes_again_the_next_day() -> None:
    at = datetime(2026, 1, 10, 12, tzinfo=UTC)
    begins, ends = backfill(begins=time(1), ends=time(5)).window(at)
    assert (begins.isoformat(), ends.isoformat()) == ("2026-01-11T01:00:00+00:00", "2026-01-11T05:00:00+00:00")
