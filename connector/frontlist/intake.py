"""Intake: what the topics say becomes dossiers and due work.

For each fetched batch one transaction stores newer documents, marks work due and stores the offsets; then Kafka
is told.
The database holds the position: on assignment we seek to it, Kafka's committed offsets only show lag.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FakeConsumer, KafkaMessage
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.clock import Clock
from frontlist.contract import DocumentKey, Finding, TitleKey
from frontlist.errors import ConfigurationError, said
from frontlist.kafka import MAX_BYTES, REQUEST_MS, KafkaSettings, TopicState, reading
from frontlist.observed import UNOBSERVED, Consuming, Observed
from frontlist.state import captured, dossier, findings, installation, settled, work
from frontlist.state.database import Database, gone, takes_long
from frontlist.step import Step, no_step
from frontlist.tracing import context_of
from frontlist.waiting import ended, let_go, meanwhile, wait
from frontlist_schemas import topics
from frontlist_schemas.canonical import parse_json
from frontlist_schemas.envelope import Envelope, UnreadableRecordError, decode

T = TypeVar("T")
log = structlog.get_logger(__name__)
#: What reading a record raises that nobody should have written.
BROKEN = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
#: Records that are taken at once, to a document that is stored at once: of many changes of a title one is stored.
COALESCED = 10
#: A consumer that does not leave by itself is left behind after so many seconds.
GRACE = 10.0
#: Fetched of a partition ahead of its turn: eight times as much would be held for nothing. Larger records come whole.
PARTITION_BYTES = 1024 * 1024
#: A handler that hangs when we are given up is left behind after so many seconds.
HANDLER = 0.3
#: Above this the databases cannot hold a number.
LARGEST = 2**63
#: Kinds of decisions that change no plan, or whose titles are marked where they are made.
QUIET = frozenset(
    {"note", "mapping", "installation", "report", "unlinked", "doubtful", "pinned", "confirmed", "rejected", "pause"}
)


class IntakeSettings(BaseModel):
    """How intake reads."""

    model_config = ConfigDict(extra="forbid")

    batch: int = Field(500, ge=1, description="documents a transaction; more block the event loop")
    session: float = Field(6.0, ge=1, description="until a member that died is replaced (seconds); only intake waits")
    batch_wait_ms: int = Field(50, ge=1, description="how long a batch waits to fill (milliseconds)")


class OlderDatabaseError(Exception):
    """The database does not know any more what we stored in it."""


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
        self.db, self.kafka, self.clock, self.step = db, kafka, clock, step
        self.settings = settings or IntakeSettings()
        self.woken = woken or asyncio.Event()
        self.topics = topics.compacted(kafka.prefix, further)
        self._systems = dict.fromkeys((*topics.SYSTEMS, *(system for system, _ in further)))
        self.restored = restored or _nothing
        self._topic_ids: dict[str, str] = {}
        #: How far the database was known to stand, whoever read since: only a backup makes it less.
        self._stood: dict[tuple[str, int], int] = {}
        self._busy = asyncio.Lock()
        self._ended = asyncio.Event()
        self._failure: BaseException | None = None
        #: Partitions of which the position is the database's.
        self._placed: set[tuple[str, int]] = set()
        self.observed = observed
        self._joined = False
        #: The batch that is being stored: since when, and where it begins on each partition.
        self._in_hand: tuple[float, dict[TopicPartition, int]] | None = None

    def know(self, there: Mapping[str, TopicState]) -> None:
        """The topics' identities, which are stored with the offsets."""
        self._topic_ids = {name: state.id for name, state in there.items()}

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
                self._stood.clear()
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
                await self._known(c)
                if await installation.fact(c, installation.BEHIND) == installation.NOTICED:
                    raise OlderDatabaseError
        except OlderDatabaseError as error:
            self._failure = error
        except Exception as error:
            if not gone(error):
                raise

    async def _known(self, c: AsyncConnection) -> None:
        stored = await dossier.offsets(c)
        if any(stored.get(at, (0, ""))[0] < offset for at, offset in self._stood.items()):
            raise OlderDatabaseError

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
            offset, topic_id = stored.get((at.topic, at.partition), (0, ""))
            known = self._topic_ids.get(at.topic, "")
            if topic_id and known and topic_id != known:
                raise recreated(at.topic)
            if offset:
                outside(at, offset, begins[at], ends[at])
                self._stood[at.topic, at.partition] = offset
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
                ends = {TopicPartition(topic, p): at for (topic, p), at in _ends(records).items()}
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
                await self.take(records)
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

    async def take(self, records: Sequence[ConsumerRecord]) -> None:
        await bisected(records, self._take, lambda record, why: self._take([record], why))

    async def _take(self, records: Sequence[ConsumerRecord], refused: str | None = None) -> None:
        async with self.db.begin() as c:
            coalesced = await self._store(c, records, refused)
        await self._is_stored(records, coalesced)

    async def _is_stored(self, records: Sequence[ConsumerRecord], coalesced: Mapping[str, int]) -> None:
        """After the transaction, once for each that stands."""
        for at, end in _ends(records).items():
            self._stood[at] = max(end, self._stood.get(at, 0))
        await self.step("stored")
        self.observed.took(Counter(record.topic for record in records))
        for consumer, changes in coalesced.items():
            self.observed.coalesced(consumer, changes)
        self.woken.set()

    async def _store(
        self, c: AsyncConnection, records: Sequence[ConsumerRecord], refused: str | None
    ) -> Mapping[str, int]:
        """Answers how many changes were coalesced, by consumer."""
        await self._known(c)
        prefix = self.kafka.prefix
        links = await self._read(c, records, topics.links(prefix), _link, refused)
        decisions = await self._read(c, records, topics.decisions(prefix), _decision, refused)
        documents, told = await self._documents(c, records, refused)
        with self._traced(documents):
            newer = await dossier.store(self.db, c, documents)
        consumers, now = await installation.registered(c), await self.db.now(c)
        dues = _dues(newer, consumers, now)
        coalesced = _coalesced(told, dues)
        if links or decisions:
            dues += await self._settle(c, links, decisions, consumers, now)
        await work.mark(self.db, c, dues)
        await dossier.save_offsets(self.db, c, _ends(records), self._topic_ids)
        return coalesced

    async def _read(
        self,
        c: AsyncConnection,
        records: Sequence[ConsumerRecord],
        topic: str,
        read: Callable[[ConsumerRecord], T],
        refused: str | None,
    ) -> list[T]:
        """What a topic of ours says, but what cannot be read."""
        out: list[T] = []
        for record in records:
            if record.topic != topic:
                continue
            try:
                if refused:
                    raise ValueError(refused)
                out.append(read(record))
            except BROKEN as error:
                await unreadable(self.db, c, record, error)
        return out

    async def _documents(
        self, c: AsyncConnection, records: Sequence[ConsumerRecord], refused: str | None
    ) -> tuple[list[dossier.Stored], Counter[tuple[DocumentKey, TitleKey]]]:
        """Of each document the newest, and how often it was stated: what is coalesced is not even decoded."""
        settling = (topics.links(self.kafka.prefix), topics.decisions(self.kafka.prefix))
        out: list[dossier.Stored] = []
        told: Counter[tuple[DocumentKey, TitleKey]] = Counter()
        for same in _newest_first([each for each in records if each.topic not in settling]):
            mine: list[dossier.Stored] = []
            for record in same:
                try:
                    stored = _document(record, refused)
                except BROKEN as error:
                    await unreadable(self.db, c, record, error)
                    continue
                mine.insert(0, stored)
                told[DocumentKey(stored.system, stored.aspect), stored.title] = len(same)
                if stored.state != "unreadable" or stored.body is not None:
                    break  # else an older one says what could be read last
            out += mine
        return out, told

    @contextlib.contextmanager
    def _traced(self, documents: Sequence[dossier.Stored]) -> Iterator[None]:
        """A span for each document that is traced."""
        traces = self.observed.traces
        told = [each for each in documents if each.traceparent] if traces.on else []
        spans = [traces.child("intake", [each.traceparent], {"frontlist.title": each.title}) for each in told]
        try:
            yield
        finally:
            for span in spans:
                span.end()

    async def _settle(
        self,
        c: AsyncConnection,
        links: Sequence[settled.Link],
        decisions: Sequence[settled.Decision],
        consumers: Mapping[str, frozenset[DocumentKey]],
        now: int,
    ) -> list[work.Due]:
        linked = await settled.save_links(self.db, c, links)
        # Nearly all are known: an upsert would lock them before the work rows, which finish takes first.
        effective = await settled.save_decisions(self.db, c, await settled.newer(c, decisions))
        out = [work.Due(name, title, now, work.Priority.FORMATS, "link") for title in linked for name in consumers]
        for each in effective:
            if each.kind == "forget":
                await takes_long(c)
                for system in self._systems:
                    await captured.mark(self.db, c, system, await captured.titles(c, system))
            elif each.kind == "adopted":
                title = TitleKey(each.key)
                out += [work.Due(name, title, now, work.Priority.METADATA, each.kind) for name in consumers]
            elif each.kind not in QUIET:
                out += await all_due(c, consumers, now, each.kind)
        return out


async def bisected(
    records: Sequence[ConsumerRecord],
    store: Callable[[Sequence[ConsumerRecord]], Awaitable[None]],
    refuse: Callable[[ConsumerRecord, str], Awaitable[None]],
) -> None:
    """`store` in one transaction; what the database refuses (U+0000 in vendor HTML) is found by halves."""
    if not records:
        return
    try:
        await store(records)
    except (DBAPIError, OverflowError) as error:
        if gone(error):
            raise
        if len(records) == 1:
            why = f"the database refused it: {str(getattr(error, 'orig', error))[:200]}".replace("\x00", "\\0")
            await refuse(records[0], why)
            return
        half = len(records) // 2
        await bisected(records[:half], store, refuse)
        await bisected(records[half:], store, refuse)


async def unreadable(db: Database, c: AsyncConnection, record: ConsumerRecord, error: Exception) -> None:
    """A record that names no title: kept as a finding under its place on the topic."""
    where = f"{record.topic}[{record.partition}]@{record.offset}"
    log.error("intake: a record cannot be read", where=where, error=said(error))
    await findings.open_one(
        db,
        c,
        "intake",
        f"topic:{where}",
        Finding(
            key="record",
            kind="unreadable",
            message=f"a record on {where} cannot be read: {error}",
            cure="find out who writes to our topics; the record stays there and is passed over",
            where=where,
            severity="high",
        ),
        await db.now(c),
    )


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


def _newest_first(records: Sequence[ConsumerRecord]) -> Iterable[list[ConsumerRecord]]:
    """The records of each document by their revision, of equals the last one first."""
    found: dict[tuple[str, bytes | None], list[ConsumerRecord]] = {}
    for record in reversed(records):
        found.setdefault((record.topic, record.key), []).append(record)
    return [same if len(same) == 1 else sorted(same, key=_sequence, reverse=True) for same in found.values()]


def _coalesced(told: Mapping[tuple[DocumentKey, TitleKey], int], dues: Sequence[work.Due]) -> dict[str, int]:
    """Changes in this batch for which the newest one of their title does, by consumer."""
    wanted: Counter[str] = Counter()
    for due in dues:
        wanted[due.consumer] += told.get((DocumentKey(*due.reason.split(".", 1)), due.title), 0)
    titles = Counter(name for name, _ in {(due.consumer, due.title) for due in dues})
    return {name: wanted[name] - number for name, number in titles.items() if wanted[name] > number}


async def _nothing() -> None:
    """Where nobody reads back."""


async def cut(kafka: KafkaSettings, stored: Mapping[tuple[str, int], tuple[int, str]]) -> frozenset[str]:
    """Topics on which the records at our position are gone."""
    if not stored:
        return frozenset()
    async with reading(kafka) as consumer:
        places = [TopicPartition(name, p) for name, p in stored]
        begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    return frozenset(at.topic for at in places if not begins[at] <= stored[at.topic, at.partition][0] <= ends[at])


def outside(at: TopicPartition, offset: int, begins: int, ends: int) -> None:
    """Raises ConfigurationError where what stood at our position is not there any more."""
    if offset > ends:
        said = f"ends at {ends}, but we stood at {offset}: it was re-created or cut"
    elif offset < begins:
        said = f"begins at {begins}, but we stood at {offset}: records were deleted before we read them"
    else:
        return
    raise ConfigurationError(
        f"{at.topic}[{at.partition}] {said}",
        where="Kafka",
        cure="frontlist republish, which publishes every document anew",
    )


async def all_due(
    c: AsyncConnection, consumers: Mapping[str, frozenset[DocumentKey]], now: int, reason: str
) -> list[work.Due]:
    """Every known title of these consumers, behind what is live."""
    if consumers:
        await takes_long(c)
    out: list[work.Due] = []
    for name, wants in consumers.items():
        found = await dossier.titles(c, sorted(wants))
        out += [work.Due(name, title, now, work.Priority.BACKFILL, reason) for title in found]
    return out


def recreated(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"topic {name} was re-created since we read it: its offsets mean something else now",
        where="Kafka",
        cure="frontlist republish, which publishes every document anew",
    )


def _dues(newer: Sequence[dossier.Newer], consumers: Mapping[str, frozenset[DocumentKey]], now: int) -> list[work.Due]:
    """Each consumer that wants a document has its title to do."""
    return [
        work.Due(name, each.title, now, _priority(each), str(each.key))
        for each in newer
        for name, wants in consumers.items()
        if each.key in wants
    ]


def _priority(each: dossier.Newer) -> work.Priority:
    """What is heard of for the first time is backfill; later changes are live."""
    if each.first:
        return work.Priority.BACKFILL
    return work.PRIORITIES.get(each.key.aspect, work.Priority.METADATA)


def _document(record: ConsumerRecord, refused: str | None) -> dossier.Stored:
    try:
        got = decode(record.key, record.headers, record.value)
        if refused:
            raise UnreadableRecordError(refused)
        return _stored(got, record)
    except UnreadableRecordError as error:
        system, aspect, title = _place(record)
        reason = str(error).replace("\x00", "\\0")
        return dossier.Stored(system, aspect, title, _sequence(record), "unreadable", reason=reason)


def _stored(got: Envelope, record: ConsumerRecord) -> dossier.Stored:
    system, aspect, title = _place(record)
    if got.revision >= LARGEST:
        raise UnreadableRecordError(f"ce_sequence {got.revision} is no time")
    last = got.last_readable
    return dossier.Stored(
        system=system,
        aspect=aspect,
        title=title,
        revision=got.revision or _sequence(record),
        state=got.state,
        body=got.body if last is None or got.state == "present" else last[1],
        reason=got.reason,
        last_readable=None if last is None else last[0],
        merged_into=got.merged_into,
        siblings=got.siblings,
        traceparent=got.traceparent if context_of(got.traceparent) else None,
    )


def _place(record: ConsumerRecord) -> tuple[str, str, TitleKey]:
    """What a record is about by its topic and key alone; raises ValueError where these do not say it."""
    parts = record.topic.rsplit(".", 3)
    title = (record.key or b"").decode()
    if not title or "\x00" in title:
        raise ValueError("it has no usable key, so its title is not known")
    return parts[-3], parts[-2], TitleKey(title)


def _sequence(record: ConsumerRecord) -> int:
    """The revision, where the header can be read; else the record's own time, so that the order holds."""
    found = dict(record.headers).get("ce_sequence", b"")
    stated = int(found) if found.isdigit() and len(found) <= 20 else LARGEST
    return stated if stated < LARGEST else int(record.timestamp) * 1000


def _link(record: ConsumerRecord) -> settled.Link:
    body = parse_json(record.value)
    target, kind, source_id = _text(record.key.decode()).split("/", 2)
    id_ = None if body["id"] is None else _text(body["id"])
    role = _text(body["role"])
    return settled.Link(target, kind, source_id, id_, TitleKey(_text(body["title"])), role, _number(body["number"]))


def _decision(record: ConsumerRecord) -> settled.Decision:
    body = parse_json(record.value)
    kind, _, key = _text(record.key.decode()).partition("/")
    return settled.Decision(kind, key, body["body"], _number(body["number"]))


def _text(found: object) -> str:
    if not isinstance(found, str) or not found or "\x00" in found:
        raise ValueError(f"{found!r} is no text that can be stored")
    return found


def _number(found: object) -> int:
    if not isinstance(found, int) or not 0 <= found < LARGEST:
        raise ValueError(f"{found!r} is no number of ours")
    return found


def _begins(records: Sequence[ConsumerRecord]) -> dict[TopicPartition, int]:
    begins: dict[TopicPartition, int] = {}
    for record in records:
        begins.setdefault(TopicPartition(record.topic, record.partition), record.offset)
    return begins


def _ends(records: Sequence[ConsumerRecord]) -> dict[tuple[str, int], int]:
    ends: dict[tuple[str, int], int] = {}
    for record in records:
        at = (record.topic, record.partition)
        ends[at] = max(ends.get(at, 0), record.offset + 1)
    return ends


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
