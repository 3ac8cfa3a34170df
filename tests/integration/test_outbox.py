"""The outbox: what one process leaves behind, the next one sends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaProducer

from frontlist.clock import SECOND, Clock
from frontlist.kafka import KafkaSettings, Topics
from frontlist.outbox import LEASE, Outbox, producing
from frontlist.state import outbox, processes, schema
from frontlist.state.database import Database
from frontlist_schemas.topics import journal


@dataclass
class Place:
    db: Database
    clock: Clock
    kafka: KafkaSettings
    producer: AIOKafkaProducer
    url: str

    async def post(self) -> None:
        async with self.db.begin() as c:
            await outbox.post(self.db, c, [(journal(self.kafka.prefix), "work:1", {"n": 1})])

    async def once(self, clock: Clock) -> int:
        """By another process."""
        return await Outbox(self.db, self.kafka, clock).once(self.producer)


@pytest.fixture
async def place(database_url: str, kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Place]:
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, prefix=topic_prefix, group=topic_prefix, partitions=1)
    await Topics(kafka).apply()
    clock = Clock()
    db = Database(database_url, clock)
    await schema.upgrade(db)
    async with producing(kafka) as producer:
        yield Place(db, clock, kafka, producer, database_url)
    await db.close()


async def test_who_has_sent_keeps_nobody_else_waiting(place: Place) -> None:
    """A command that sent a link, or a process that ended."""
    for _ in range(2):
        await place.post()
        assert await place.once(Clock()) == 1


@pytest.mark.parametrize("seconds", [5, LEASE + 1])
async def test_who_died_while_it_sent_is_followed_when_its_lease_has_run_out(place: Place, seconds: float) -> None:
    await place.post()
    async with place.db.begin() as c:
        assert await processes.acquire(place.db, c, [("outbox", "dead")], LEASE)
    place.clock.offset_us += round(seconds * SECOND)
    assert await place.once(place.clock) == (1 if seconds > LEASE else 0)


class Freezing(Clock):
    """Each look at it is a minute after the one before."""

    def steady(self) -> float:
        self.offset_us += 60 * SECOND
        return super().steady()


async def test_who_was_frozen_with_records_in_hand_does_not_send_them(place: Place) -> None:
    """Another one has sent them, and newer ones, which compaction would take away for his."""
    await place.post()
    assert await place.once(Freezing()) == 0
    async with place.db.read() as c:
        assert len(await outbox.posted(c, 10)) == 1


@dataclass
class Busy(Clock):
    """While it is looked at, another one sends everything."""

    url: str

    def __post_init__(self) -> None:
        super().__init__()

    def steady(self) -> float:
        other = threading.Thread(target=asyncio.run, args=(self._sends(),))
        other.start()
        other.join()
        return super().steady()

    async def _sends(self) -> None:
        db = Database(self.url, Clock())
        async with db.begin() as c:
            await outbox.sent(c, [row.number for row in await outbox.posted(c, 10)])
        await db.close()


async def test_who_finds_that_all_was_sent_meanwhile_keeps_nobody_waiting(place: Place) -> None:
    for clock, sent in ((Busy(place.url), 0), (Clock(), 1)):
        await place.post()
        assert await place.once(clock) == sent
