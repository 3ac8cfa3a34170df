"""The outbox: what one process leaves behind, the next one sends."""

from __future__ import annotations

import pytest

from frontlist.clock import Clock
from frontlist.kafka import KafkaSettings, Topics
from frontlist.outbox import Outbox, producing
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


@pytest.mark.parametrize("seconds", [5, 11])
async def test_who_died_while_it_sent_is_followed_when_its_lease_has_run_out(
    database_url: str, kafka_bootstrap: str, topic_prefix: str, seconds: int
) -> None:
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, prefix=topic_prefix, group=topic_prefix, partitions=1)
    await Topics(kafka).apply()
    clock = Clock()
    db = Database(database_url, clock)
    await schema.upgrade(db)
    async with db.begin() as c:
        await outbox.post(db, c, [(journal(topic_prefix), "work:1", {"n": 1})])
        assert await processes.acquire(db, c, [("outbox", "dead")], 10.0)
    clock.offset_us += seconds * 1_000_000
    async with producing(kafka) as producer:
        assert await Outbox(db, kafka, clock).once(producer) == (1 if seconds > 10 else 0)
    await db.close()
