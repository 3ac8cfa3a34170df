"""The outbox: what a transaction wanted on a topic is sent after it, in order, at least once."""

from __future__ import annotations

import asyncio
from collections import Counter

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from frontlist.clock import Clock
from frontlist.errors import FrontlistError, said
from frontlist.kafka import MAX_BYTES, KafkaSettings, end, unreachable
from frontlist.observed import UNOBSERVED, Observed
from frontlist.state import outbox, processes
from frontlist.state.database import Database, gone, reason
from frontlist.waiting import wait

log = structlog.get_logger(__name__)

#: Seconds until a request of the producer is given up, and a batch is not tried again. One takes at most four times
#: as long: what passes before it is sent, metadata, a request that fails at the end of its time, and one more.
REQUEST = 5.0
#: Nobody else sends before a batch is through or given up: a topic keeps the last record of a key, not the newest.
LEASE = 4 * REQUEST


class Outbox:
    """Sends links, decisions and the journal; one process at a time, under a lease."""

    def __init__(self, db: Database, kafka: KafkaSettings, clock: Clock, observed: Observed = UNOBSERVED) -> None:
        self.db, self.kafka, self.clock, self.observed = db, kafka, clock, observed
        self._me = clock.new_id()

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                async with producing(self.kafka) as producer:
                    while not stopping.is_set():
                        sent = await self.once(producer)
                        self.observed.turned("outbox")
                        if not sent:
                            await wait(stopping, 0.3)
            except (KafkaError, FrontlistError) as error:
                self.observed.turned("outbox", f"Kafka is gone, paused: {said(error)}")
                log.warning("outbox: Kafka is gone, paused", error=said(error))
            except Exception as error:
                if not gone(error):
                    raise
                self.observed.turned("outbox", f"paused by the database: {reason(error)}")
                log.warning("outbox: the database is gone, paused", error=said(error))
            await wait(stopping, 1.0)

    async def once(self, producer: AIOKafkaProducer) -> int:
        """Answers how many were sent. Sent twice after a crash: readers compare numbers."""
        async with self.db.read() as c:
            if not await outbox.posted(c, 1):
                return 0
        began = self.clock.steady()
        async with self.db.begin() as c:
            leases = list((await processes.acquire(self.db, c, [("outbox", self._me)], LEASE)).values())
            rows = await outbox.posted(c, 500) if leases else []
            if not rows:  # sent by another meanwhile
                await processes.give_back(c, leases)
        if not rows or self.clock.steady() - began > REQUEST:  # a process that was frozen since
            return 0
        sent = [await producer.send(row.topic, row.value.encode(), key=row.key.encode()) for row in rows]
        await asyncio.gather(*sent)
        async with self.db.begin() as c:
            await outbox.sent(c, [row.number for row in rows])
            # At once: a command that ends, or a process, would keep everybody else waiting.
            await processes.give_back(c, leases)
        self.observed.sent(Counter(row.topic for row in rows))
        return len(rows)


class producing:
    """A producer for as long as the block lasts; ConfigurationError where Kafka does not answer.

    Not an idempotent one: aiokafka's tries a batch again for as long as it lives, when others have sent newer records.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self.kafka = kafka

    async def __aenter__(self) -> AIOKafkaProducer:
        self._producer = AIOKafkaProducer(
            **self.kafka.aiokafka() | {"request_timeout_ms": round(1000 * REQUEST)},
            acks="all",
            max_request_size=MAX_BYTES,
            compression_type="zstd",
        )
        try:
            await self._producer.start()
        except (KafkaError, OSError) as error:
            await end(self._producer)
            raise unreachable(self.kafka, error) from error
        return self._producer

    async def __aexit__(self, *_: object) -> None:
        await end(self._producer)
