"""Intake on a real topic."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

import tenants
from frontlist.clock import Clock
from frontlist.contract import TitleKey
from frontlist.intake import PARTITION_BYTES, Intake, IntakeSettings
from frontlist.kafka import MAX_BYTES, KafkaSettings, Topics
from frontlist.observed import Observed
from frontlist.state import dossier, installation, schema
from frontlist.state.database import Database
from frontlist_schemas.envelope import LARGEST_VALUE, Envelope, encode
from frontlist_schemas.topics import topic

NOW = 1_790_000_000_000_000
LARGE = "x" * (LARGEST_VALUE - 1000)


async def test_a_document_larger_than_what_is_fetched_at_once_arrives_and_so_does_what_follows(
    sqlite_url: str, kafka_bootstrap: str, topic_prefix: str
) -> None:
    assert len(LARGE) > 4 * PARTITION_BYTES
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, prefix=topic_prefix, group=topic_prefix, partitions=1)
    await Topics(kafka).apply()
    async with AIOKafkaProducer(**kafka.aiokafka(), max_request_size=MAX_BYTES) as producer:
        for title, text in (("work:1", "a"), ("work:2", LARGE), ("work:3", "b")):
            headers, value = encode(
                Envelope("consonance", "assets", title, NOW, "present", body={"text": text}), "test"
            )
            name = topic(topic_prefix, "consonance", "assets")
            await producer.send_and_wait(name, value, title.encode(), headers=headers)
    db = Database(sqlite_url, Clock())
    await schema.upgrade(db)
    titles = [TitleKey(f"work:{number}") for number in (1, 2, 3)]

    async def sizes() -> list[int]:
        async with db.read() as c:
            found = await dossier.dossiers(c, titles, {})
        bodies = [found[title].get("consonance", "assets").body for title in titles]
        return [len(body["text"]) for body in bodies if body is not None]

    async def all_there() -> bool:
        return len(await sizes()) == len(titles)

    stopping = asyncio.Event()
    running = asyncio.create_task(Intake(db, kafka, clock=Clock()).run(stopping))
    try:
        await tenants.until(all_there, what="all three documents")
        assert await sizes() == [1, len(LARGE), 1]
    finally:
        stopping.set()
        await asyncio.wait_for(running, 30)
        await db.close()


async def test_what_was_fetched_at_once_is_stored_so_many_documents_at_a_time(
    sqlite_url: str, kafka_bootstrap: str, topic_prefix: str
) -> None:
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, prefix=topic_prefix, group=topic_prefix, partitions=1)
    await Topics(kafka).apply()
    name = topic(topic_prefix, "consonance", "assets")
    async with AIOKafkaProducer(**kafka.aiokafka()) as producer:
        for revision in (NOW, NOW + 1, NOW + 2):
            for number in range(5):
                stated = Envelope("consonance", "assets", f"work:{number}", revision, "present", body={})
                headers, value = encode(stated, "test")
                await producer.send(name, value, stated.title.encode(), headers=headers)
    db = Database(sqlite_url, Clock())
    await schema.upgrade(db)
    ends: list[int] = []

    async def stored(point: str) -> None:
        async with db.read() as c:
            ends.extend(at for (topic, _), (at, _) in (await dossier.offsets(c)).items() if topic == name)

    stopping = asyncio.Event()
    intake = Intake(db, kafka, clock=Clock(), settings=IntakeSettings(batch=2), step=stored)
    running = asyncio.create_task(intake.run(stopping))
    try:
        await tenants.until(lambda: 15 in ends, what="all records")
        assert len(ends) >= 15 // 2, "more than two documents in one transaction"
        assert ends == sorted(ends)
        async with db.read() as c:
            found = await dossier.dossiers(c, [TitleKey(f"work:{number}") for number in range(5)], {})
        assert {int(each.get("consonance", "assets").revision) for each in found.values()} == {NOW + 2}
    finally:
        stopping.set()
        await asyncio.wait_for(running, 30)
        await db.close()


class Heard(Observed):
    """The last word of each part."""

    def __init__(self) -> None:
        self.trouble: dict[str, str] = {}

    def turned(self, part: str, trouble: str = "") -> None:
        self.trouble[part] = trouble


@pytest.mark.parametrize("by", ["its offsets", "a worker"])
async def test_intake_says_that_it_reads_back_after_a_backup_was_restored_under_it(
    sqlite_url: str, kafka_bootstrap: str, topic_prefix: str, by: str
) -> None:
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, prefix=topic_prefix, group=topic_prefix, partitions=1)
    await Topics(kafka).apply()
    async with AIOKafkaProducer(**kafka.aiokafka()) as producer:
        headers, value = encode(Envelope("consonance", "assets", "work:1", NOW, "present", body={"a": 1}), "test")
        await producer.send_and_wait(topic(topic_prefix, "consonance", "assets"), value, b"work:1", headers=headers)
    db, heard = Database(sqlite_url, Clock()), Heard()
    await schema.upgrade(db)
    reading, go_on, stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def read_back() -> None:
        reading.set()
        await go_on.wait()
        async with db.begin() as c:
            await installation.forget(c, installation.BEHIND)

    async def stored() -> bool:
        async with db.read() as c:
            return bool(await dossier.offsets(c))

    intake = Intake(db, kafka, clock=Clock(), restored=read_back, observed=heard)
    running = asyncio.create_task(intake.run(stopping))
    try:
        await tenants.until(stored, what="the document")
        async with db.begin() as c:
            if by == "a worker":
                await installation.state(db, c, {installation.BEHIND: installation.NOTICED})
            else:
                await c.execute(dossier.offset_table.delete())
        await asyncio.wait_for(reading.wait(), 30)
        assert "older than what Kafka was told" in heard.trouble["intake"]
        go_on.set()
        await tenants.until(lambda: heard.trouble["intake"] == "", what="a turn without trouble")
    finally:
        stopping.set()
        go_on.set()
        await asyncio.wait_for(running, 30)
        await db.close()
