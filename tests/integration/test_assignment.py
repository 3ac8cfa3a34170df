"""Where intake begins to read is decided at assignment: what fails there ends the run, and nothing is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer

import tenants
from frontlist.clock import Clock
from frontlist.contract import DocumentKey, TitleKey
from frontlist.errors import ConfigurationError
from frontlist.intake import Intake
from frontlist.kafka import KafkaSettings, Topics
from frontlist.state import dossier, installation, schema
from frontlist.state.database import Database
from frontlist_schemas.envelope import Envelope, encode
from frontlist_schemas.topics import topic

METADATA = DocumentKey("consonance", "metadata")
NOW = 1_790_000_000_000_000
TITLES = tuple(TitleKey(f"work:{n}") for n in range(1, 4))


class Reader:
    """A database and topics with three documents on one partition, and what runs over them."""

    def __init__(self, db: Database, kafka: KafkaSettings) -> None:
        self.db, self.kafka, self.topics = db, kafka, Topics(kafka)
        self.name = topic(kafka.prefix, "consonance", "metadata")

    async def intake(self) -> Intake:
        found = Intake(self.db, self.kafka, clock=Clock())
        found.know(await self.topics.states())
        return found

    async def publish(self) -> None:
        producer = AIOKafkaProducer(**self.kafka.aiokafka())
        await producer.start()
        try:
            for n, title in enumerate(TITLES):
                said = Envelope("consonance", "metadata", title, NOW + n, "present", {"title": title})
                headers, value = encode(said, "test")
                await producer.send_and_wait(self.name, value, key=title.encode(), headers=headers, partition=0)
        finally:
            await producer.stop()

    async def stand_at(self, offset: int, topic_id: str = "") -> None:
        """The database's position, as if it had been stored with a topic of that id."""
        known = (await self.topics.states())[self.name].id
        async with self.db.begin() as c:
            await dossier.save_offsets(self.db, c, {(self.name, 0): offset}, {self.name: topic_id or known})

    async def arrived(self) -> list[TitleKey]:
        async with self.db.read() as c:
            return sorted(await dossier.titles(c, [METADATA]))


@pytest.fixture
async def reader(database_url: str, kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Reader]:
    db = Database(database_url, Clock())
    await schema.upgrade(db)
    async with db.begin() as c:
        await installation.register(db, c, {"reader": (frozenset({METADATA}), "1")})
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, prefix=topic_prefix, group=topic_prefix, partitions=1)
    await Topics(kafka).apply()
    found = Reader(db, kafka)
    await found.publish()
    yield found
    await db.close()


async def test_a_position_on_a_topic_that_was_recreated_ends_the_run_and_nothing_is_read(reader: Reader) -> None:
    await reader.stand_at(1, topic_id="another-topic-of-that-name")
    with pytest.raises(ConfigurationError, match="re-created") as refused:
        await asyncio.wait_for((await reader.intake()).run(asyncio.Event()), 60)
    assert "frontlist republish" in str(refused.value)
    assert await reader.arrived() == []


async def test_a_position_before_the_topics_beginning_ends_the_run_and_nothing_is_read(reader: Reader) -> None:
    """Reading from the beginning instead would lose what was deleted, from the end what lies between."""
    await reader.stand_at(-5)
    with pytest.raises(ConfigurationError, match="frontlist republish"):
        await asyncio.wait_for((await reader.intake()).run(asyncio.Event()), 60)
    assert await reader.arrived() == []


async def test_reading_goes_on_where_the_database_stands(reader: Reader) -> None:
    await reader.stand_at(1)
    stopping = asyncio.Event()
    running = asyncio.create_task((await reader.intake()).run(stopping))
    try:
        await tenants.until(lambda: _all(reader, TITLES[1:]), what="the documents behind the position")
    finally:
        stopping.set()
        await asyncio.wait_for(running, 60)
    assert await reader.arrived() == list(TITLES[1:])


async def _all(reader: Reader, titles: tuple[TitleKey, ...]) -> bool:
    return set(titles) <= set(await reader.arrived())
