"""An upgraded, empty database, SQLite and PostgreSQL in turn, under a clock that a test may move."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from frontlist.clock import Clock
from frontlist.state import schema
from frontlist.state.database import Database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def db(database_url: str, clock: Clock) -> AsyncIterator[Database]:
    found = Database(database_url, clock)
    await schema.upgrade(found)
    yield found
    await found.close()
