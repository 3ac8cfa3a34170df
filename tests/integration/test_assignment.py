"""Where intake begins to read is decided at assignment: what fails there ends the run, and nothing is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka.admin import AdminClient

import tenants
from frontlist.clock import Clock
from frontlist.contract import DocumentKey, TitleKey
from frontlist.errors import ConfigurationError
from frontlist.intake import Intake, IntakeSettings
from frontlist.kafka import KafkaSettings, Topics, read_to_end
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

    async def intake(self, settings: IntakeSettings | None = None) -> Intake:
        found = Intake(self.db, self.kafka, clock=Clock(), settings=settings)
        found.positions.know(await self.topics.states())
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


@asynccontextmanager
async def running(reader: Reader, settings: IntakeSettings | None = None) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    task = asyncio.create_task((await reader.intake(settings)).run(stopping))
    try:
        yield
    finally:
        stopping.set()
        await asyncio.wait_for(task, 60)


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
    async with running(reader):
        await tenants.until(lambda: _all(reader, TITLES[1:]), what="the documents behind the position")
    assert await reader.arrived() == list(TITLES[1:])


async def _all(reader: Reader, titles: tuple[TitleKey, ...]) -> bool:
    return set(titles) <= set(await reader.arrived())


async def test_without_a_position_of_its_own_it_reads_from_the_beginning_whatever_kafka_was_told(
    reader: Reader,
) -> None:
    """Kafka's committed offsets only show lag."""
    at = TopicPartition(reader.name, 0)
    other = AIOKafkaConsumer(**reader.kafka.aiokafka(), group_id=reader.kafka.group, enable_auto_commit=False)
    await other.start()
    try:
        other.assign([at])
        await other.commit({at: len(TITLES)})
    finally:
        await other.stop()
    async with running(reader):
        await tenants.until(lambda: _all(reader, TITLES), what="all documents")


async def test_documents_and_their_offset_are_stored_together_or_not_at_all(reader: Reader) -> None:
    """A record without an offset fails after its document was stored, and takes it along."""
    [record] = [each async for batch, _ in read_to_end(reader.kafka, [reader.name], {}) for each in batch][:1]
    with pytest.raises(TypeError):
        await (await reader.intake()).storing.take([replace(record, offset=None)])
    assert await reader.arrived() == []


async def test_at_the_end_the_group_is_left_at_once(reader: Reader) -> None:
    """Not only when the session ends, so that whoever takes over need not wait for it."""
    patient = IntakeSettings(session=300.0)
    async with running(reader, settings=patient):
        await tenants.until(lambda: _all(reader, TITLES), what="all documents")
        assert await _members(reader) == 1
    assert await _members(reader) == 0


async def _members(reader: Reader) -> int:
    admin = AdminClient(reader.kafka.confluent() | {"log_level": 0})
    described = admin.describe_consumer_groups([reader.kafka.group])[reader.kafka.group]
    return len((await asyncio.to_thread(described.result, 20)).members)
