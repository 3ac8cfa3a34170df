"""The outbox: what one process leaves behind, the next one sends."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

import pytest

from frontlist.clock import SECOND, Clock
from frontlist.kafka import KafkaSettings, Topics
from frontlist.outbox import LEASE, Outbox, producing
from frontlist.state import outbox, processes, schema
from frontlist.state.database import Database
from frontlist_schemas.topics import journal


async def test_who_has_sent_keeps_nobody_else_waiting(
    database_url: str, kafka_bootstrap: str, topic_prefix: str
) -> None:
    """A command that sent a link, or a process that ended."""
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, prefix=topic_prefix, group=topic_prefix, partitions=1)
    await Topics(kafka).apply()
    db = Database(database_url, Clock())
    await schema.upgrade(db)
    async with producing(kafka) as producer:
        for _ in range(2):
            async with db.begin() as c:
                await outbox.post(db, c, [(journal(topic_prefix), "work:1", {"n": 1})])
            assert await Outbox(db, kafka, Clock()).once(producer) == 1
    await db.close()


@pytest.mark.parametrize("seconds", [5, LEASE + 1])
async def test_who_died_while_it_sent_is_followed_when_its_lease_has_run_out(
    database_url: str, kafka_bootstrap: str, topic_prefix: str, seconds: float
) -> None:
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, prefix=topic_prefix, group=topic_prefix, partitions=1)
    await Topics(kafka).apply()
    clock = Clock()
    db = Database(database_url, clock)
    await schema.upgrade(db)
    async with db.begin() as c:
        await outbox.post(db, c, [(journal(topic_prefix), "work:1", {"n": 1})])
        assert await processes.acquire(db, c, [("outbox", "dead")], LEASE)
    clock.offset_us += round(seconds * 1_000_000)
    async with producing(kafka) as producer:
        assert await Outbox(db, kafka, clock).once(producer) == (1 if seconds > LEASE else 0)
    await db.close()


class Freezing(Clock):
    """Each look at it is a minute after the one before."""

    def steady(self) -> float:
        self.offset_us += 60 * SECOND
        return super().steady()


async def test_who_was_frozen_with_records_in_hand_does_not_send_them(
    database_url: str, kafka_bootstrap: str, topic_prefix: str
) -> None:
    """Another one has sent them, and newer ones, which compaction would take away for his."""
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, prefix=topic_prefix, group=topic_prefix, partitions=1)
    await Topics(kafka).apply()
    db = Database(database_url, Clock())
    await schema.upgrade(db)
    async with db.begin() as c:
        await outbox.post(db, c, [(journal(topic_prefix), "work:1", {"n": 1})])
    async with producing(kafka) as producer:
        assert await Outbox(db, kafka, Freezing()).once(producer) == 0
    async with db.read() as c:
        assert len(await outbox.posted(c, 10)) == 1
    await db.close()


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


async def test_who_finds_that_all_was_sent_meanwhile_keeps_nobody_waiting(
    database_url: str, kafka_bootstrap: str, topic_prefix: str
) -> None:
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, prefix=topic_prefix, group=topic_prefix, partitions=1)
    await Topics(kafka).apply()
    db = Database(database_url, Clock())
    await schema.upgrade(db)
    async with producing(kafka) as producer:
        for clock, sent in ((Busy(database_url), 0), (Clock(), 1)):
            async with db.begin() as c:
                await outbox.post(db, c, [(journal(topic_prefix), "work:1", {"n": 1})])
            assert await Outbox(db, kafka, clock).once(producer) == sent
    await db.close()
