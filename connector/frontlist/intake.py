"""Intake: a member of the consumer group, which reads what the topics say and stores it batch by batch.

For each fetched batch one transaction stores newer documents, marks work due and stores the offsets; then Kafka
is told.
The database holds the position: on assignment we seek to it, Kafka's committed offsets only show lag.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FakeConsumer, KafkaMessage
from pydantic import BaseModel, ConfigDict, Field

from frontlist.clock import Clock
from frontlist.errors import said
from frontlist.kafka import MAX_BYTES, REQUEST_MS, KafkaSettings
from frontlist.observed import UNOBSERVED, Consuming, Observed
from frontlist.positions import OlderDatabaseError, Positions, ends_of
from frontlist.state import dossier, installation
from frontlist.state.database import Database, gone
from frontlist.step import Step, no_step
from frontlist.storing import Storing
from frontlist.waiting import ended, let_go, meanwhile, wait
from frontlist_schemas import topics

log = structlog.get_logger(__name__)
#: Records that are taken at once, to a document that is stored at once: of many changes of a title one is stored.
COALESCED = 10
#: A consumer that does not leave by itself is left behind after so many seconds.
GRACE = 10.0
#: Fetched of a partition ahead of its turn: eight times as much would be held for nothing. Larger records come whole.
PARTITION_BYTES = 1024 * 1024
#: A handler that hangs when we are given up is left behind after so many seconds.
HANDLER = 0.3


class IntakeSettings(BaseModel):
    """How intake reads."""

    model_config = ConfigDict(extra="forbid")

    batch: int = Field(500, ge=1, description="documents a transaction; more block the event loop")
    session: float = Field(6.0, ge=1, description="until a member that died is replaced (seconds); only intake waits")
    batch_wait_ms: int = Field(50, ge=1, description="how long a batch waits to fill (milliseconds)")


class Intake(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """One member of the consumer group over all change topics, links and decisions."""

    def __init__(
        self,
        db: Database,
        kafka: KafkaSettings,
        *,
        clock: Clock,
        woken: asyncio.Event | None = None,
        restored: Callable[[], Awaitable[None]] | None = None,
        settings: IntakeSettings | None = None,
        further: Sequence[tuple[str, str]] = (),
        step: Step = no_step,
        observed: Observed = UNOBSERVED,
    ) -> None:
        """`woken` is set when work became due. `restored`: what a database from an older backup is in need of.

        `further`: (system, aspect) of documents of plugins' systems.
        """
        self.db, self.kafka, self.clock = db, kafka, clock
        self.settings = settings or IntakeSettings()
        self.woken = woken or asyncio.Event()
        self.topics = topics.compacted(kafka.prefix, further)
        self.restored = restored or _nothing
        self.positions = Positions()
        self.storing = Storing(
            db, kafka.prefix, self.positions, further=further, woken=self.woken, step=step, observed=observed
        )
        self._busy = asyncio.Lock()
        self._ended = asyncio.Event()
        self._failure: BaseException | None = None
        #: Partitions of which the position is the database's.
        self._placed: set[tuple[str, int]] = set()
        self.observed = observed
        self._joined = False
        #: The batch that is being stored: since when, and where it begins on each partition.
        self._in_hand: tuple[float, dict[TopicPartition, int]] | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`; begins again when Kafka or the database comes back."""
        while not stopping.is_set():
            try:
                await self._consume(stopping)
            except (KafkaError, OSError) as error:
                self.observed.turned("intake", f"Kafka is gone, paused: {said(error)}")
                log.warning("intake: Kafka is gone, paused", error=said(error))
            except OlderDatabaseError:
                await self._again(stopping)
            await wait(stopping, 1.0)

    async def _again(self, stopping: asyncio.Event) -> None:
        """A backup was restored under us: as at a start, and then from where it stands."""
        while not stopping.is_set():
            # That can take hours; said as trouble, so that nobody takes us for hanging.
            self.observed.turned("intake", "the database is older than what Kafka was told; it is read back")
            try:
                await self.restored()
                self.positions.forget()
                self.woken.set()
                return
            except Exception as error:
                if not gone(error) and not isinstance(error, KafkaError):
                    raise
                log.warning("intake: Kafka or the database is gone, paused", error=said(error))
            await wait(stopping, 1.0)

    async def _consume(self, stopping: asyncio.Event) -> None:
        quiet = logging.getLogger("frontlist.faststream")
        quiet.setLevel(logging.ERROR)
        broker = KafkaBroker(
            self.kafka.bootstrap,
            allow_auto_create_topics=False,
            graceful_timeout=HANDLER,
            request_timeout_ms=REQUEST_MS,
            ack_policy=AckPolicy.MANUAL,
            consumer_only=True,
            logger=quiet,
            apply_types=False,
            **_security(self.kafka),
        )
        self._subscriber = broker.subscriber(
            *self.topics,
            batch=True,
            group_id=self.kafka.group,
            parser=_unparsed,
            decoder=_raw,
            listener=self,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=round(self.settings.session * 1000),
            heartbeat_interval_ms=round(self.settings.session * 250),
            max_records=COALESCED * self.settings.batch,
            batch_timeout_ms=self.settings.batch_wait_ms,
            max_partition_fetch_bytes=PARTITION_BYTES,
            fetch_max_bytes=MAX_BYTES,
        )
        self._subscriber(self._handle)
        self._ended.clear()
        try:
            await broker.start()
            while not stopping.is_set() and self._failure is None:
                self.observed.turned("intake")
                self.observed.consuming(await self._consuming())
                await wait(stopping, 0.5)
                await self._look()
        finally:
            self.observed.consuming(None)
            # A handler ends its transaction; the broker would cancel it.
            self._ended.set()
            try:
                async with self._busy:
                    pass
            finally:  # also where the handler hangs and we are given up: a member that stays would keep its partitions
                with contextlib.suppress(KafkaError):
                    await let_go(broker.stop(), GRACE)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    async def _look(self) -> None:
        """Also where no record comes: what is restored under us is noticed before much is done with it."""
        try:
            async with self.db.read() as c:
                await self.positions.check(c)
                if await installation.fact(c, installation.BEHIND) == installation.NOTICED:
                    raise OlderDatabaseError
        except OlderDatabaseError as error:
            self._failure = error
        except Exception as error:
            if not gone(error):
                raise

    # --- FastStream's side -----------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Nothing is held in memory, so nothing has to be drained."""
        self._placed -= {(at.topic, at.partition) for at in revoked}
        self._joined = False

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Seek to the offsets that the database holds; a topic that was re-created is refused.

        The client fetches from its own idea of a position while this runs (tried: what it had fetched arrived before
        the seek). So partitions are paused meanwhile, and what came before is passed over: it comes again.
        """
        self._placed -= {(at.topic, at.partition) for at in assigned}
        consumer: AIOKafkaConsumer = self._subscriber.consumer
        consumer.pause(*assigned)
        while not self._ended.is_set():
            try:
                # Given up at the end: aiokafka's consumer does not stop before its listener has answered.
                async with meanwhile(self._seek(assigned)) as seeking:
                    await ended(seeking, self._ended)
                self._placed |= {(at.topic, at.partition) for at in assigned}
                consumer.resume(*assigned)
                self._joined = True
                return
            except Exception as error:  # aiokafka would only log it, and reading would go on from anywhere
                if not gone(error):
                    self._failure = error
                    return
                log.warning("intake: the database is gone, paused", error=said(error))
                await asyncio.sleep(1.0)

    async def _seek(self, assigned: Sequence[TopicPartition]) -> None:
        consumer: AIOKafkaConsumer = self._subscriber.consumer
        async with self.db.read() as c:
            stored = await dossier.offsets(c)
        begins, ends = await consumer.beginning_offsets(assigned), await consumer.end_offsets(assigned)
        unread = []
        for at in assigned:
            stand = stored.get((at.topic, at.partition), (0, ""))
            offset = self.positions.begin(at, stand, begins[at], ends[at])
            if offset:
                consumer.seek(at, offset)
            else:
                unread.append(at)
        if unread:
            # All at once: each waits behind a fetch, and together they would outlast the session, again and again.
            await consumer.seek_to_beginning(*unread)

    async def _handle(self, records: list[ConsumerRecord]) -> None:
        """Never raises: an exception would drop the rest of the batch in silence.

        After a failure nothing more is stored, so that the stored offset never passes what was not. Nor is anything
        of a partition that does not stand where the database does.
        """
        records = [each for each in records if (each.topic, each.partition) in self._placed]
        if not records:
            return
        async with self._busy:
            if await self._taken(records):
                ends = {TopicPartition(topic, p): at for (topic, p), at in ends_of(records).items()}
                consumer: AIOKafkaConsumer | None = self._subscriber.consumer
                if consumer is not None:
                    with contextlib.suppress(KafkaError):
                        await consumer.commit(ends)
            self._in_hand = None

    async def _taken(self, records: Sequence[ConsumerRecord]) -> bool:
        begins = _begins(records)
        for part in _parts(records, self.settings.batch):
            self._in_hand = (self.clock.steady(), begins)
            if not await self._part_taken(part):
                return False
        return True

    async def _part_taken(self, records: Sequence[ConsumerRecord]) -> bool:
        while self._failure is None and not self._ended.is_set():
            try:
                await self.storing.take(records)
                return True
            except Exception as error:
                if not gone(error):
                    self._failure = error
                    break
                log.warning("intake: the database is gone, paused", error=said(error))
                await asyncio.sleep(1.0)
        return False

    async def _consuming(self) -> Consuming:
        """The consumer as it is. aiokafka has no word for its health: these are its tasks, fetches and positions."""
        alive = any(not task.done() for task in self._subscriber.tasks)
        consumer: AIOKafkaConsumer | None = self._subscriber.consumer
        since, begins = self._in_hand or (None, {})
        if consumer is None:
            return Consuming(alive, joined=False)
        assigned = consumer.assignment()
        lag: dict[str, int] = {}
        fetched = []
        with contextlib.suppress(TimeoutError, KafkaError, AssertionError):  # taken away in between
            async with asyncio.timeout(0.2):
                for at in assigned:
                    if polled := consumer.last_poll_timestamp(at):
                        fetched.append(polled)
                    end = consumer.last_stable_offset(at) or consumer.highwater(at)
                    if end is not None:
                        position = begins.get(at) or await consumer.position(at)
                        lag[at.topic] = lag.get(at.topic, 0) + max(0, end - position)
        # aiokafka's is a wall-clock time of this machine.
        at = self.clock.steady() - (time.time() - max(fetched) / 1000) if fetched else None
        return Consuming(alive, self._joined, len(assigned), len(consumer.paused() & assigned), at, since, lag)

    # --- storing ---------------------------------------------------------------------------------------------------


def _parts(records: Sequence[ConsumerRecord], documents: int) -> list[Sequence[ConsumerRecord]]:
    """In their order, so many documents in each part."""
    parts: list[Sequence[ConsumerRecord]] = []
    begin, known = 0, set[tuple[str, bytes | None]]()
    for i, record in enumerate(records):
        known.add((record.topic, record.key))
        if len(known) > documents:
            parts.append(records[begin:i])
            begin, known = i, {(record.topic, record.key)}
    return [*parts, records[begin:]]


async def _nothing() -> None:
    """Where nobody reads back."""


def _begins(records: Sequence[ConsumerRecord]) -> dict[TopicPartition, int]:
    begins: dict[TopicPartition, int] = {}
    for record in records:
        begins.setdefault(TopicPartition(record.topic, record.partition), record.offset)
    return begins


async def _unparsed(records: Any) -> KafkaMessage:
    """FastStream's own parser drops a whole batch, in silence, for one header that is no UTF-8."""
    return KafkaMessage(raw_message=records, body=records, consumer=FakeConsumer())


async def _raw(message: Any) -> Any:
    """Our own decoder reads the records; FastStream's would parse JSON one by one."""
    return list(message.raw_message)


def _security(settings: KafkaSettings) -> dict[str, Any]:
    from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

    if settings.security == "PLAINTEXT":
        return {}
    tls = settings.security.endswith("SSL")
    context = settings.aiokafka().get("ssl_context")
    if not settings.security.startswith("SASL"):
        return {"security": BaseSecurity(ssl_context=context, use_ssl=tls)}
    kinds = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    password = settings.password.get_secret_value() if settings.password else ""
    security = kinds[settings.sasl_mechanism or "PLAIN"](
        username=settings.username or "", password=password, ssl_context=context, use_ssl=tls
    )
    return {"security": security}
