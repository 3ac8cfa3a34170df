"""Kafka: connection settings, topics and their identity, transactions, and reading outside of a group."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError as ClientError
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    DescribeClusterResult,
    NewTopic,
    TopicDescription,
)
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from frontlist.errors import ConfigurationError, FrontlistError
from frontlist.waiting import let_go
from frontlist_schemas import topics

T = TypeVar("T")
MAX_BYTES = 8 * 1024 * 1024
THIRTY_DAYS_MS = 30 * 86_400_000
DEADLINE = 15.0
#: Until a connection that answers nothing is given up (milliseconds); a client may meet three such in a row.
REQUEST_MS = 15_000
#: Until a broker counts as out of reach (seconds); Kafka's own client says nothing but "timed out", and later.
KNOCK = 5.0
#: A producer that does not end by itself is left behind after so many seconds.
LEAVE = 5.0


class KafkaSettings(BaseModel):
    """How to reach Kafka, and how our topics are made."""

    model_config = ConfigDict(extra="forbid")

    bootstrap: str = Field(
        "127.0.0.1:9092", pattern=r"^\s*\S+:\d+(\s*,\s*\S+:\d+)*\s*$", description="host:port, several by commas"
    )
    prefix: str = Field("frontlist", pattern=r"^[A-Za-z0-9_-]+$", description="what our topics' names begin with")
    group: str = Field("frontlist", description="consumer group of intake")
    partitions: int = Field(8, ge=1, description="partitions of each change topic; fixed for the topics' life")
    journal_days: float = Field(
        730.0, ge=0, description="days that the journal keeps its lines, as your lawyers say; 0: for ever"
    )
    replication_factor: int = Field(1, ge=1, description="copies of each partition; 3 in production")
    min_insync_replicas: int = Field(1, ge=1, description="copies that must have a record; 2 in production")
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field("PLAINTEXT", description="protocol")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="SASL mechanism"
    )
    username: str | None = Field(None, description="SASL user")
    password: SecretStr | None = Field(None, description="SASL password")
    ca_file: str | None = Field(None, description="PEM file of the certificate authority")

    def partitions_of(self, name: str) -> int:
        """Change topics have `partitions`; links, decisions and the journal one, as their order is over everything."""
        single = (topics.links(self.prefix), topics.decisions(self.prefix), topics.journal(self.prefix))
        return 1 if name in single else self.partitions

    def aiokafka(self) -> dict[str, Any]:
        """Arguments for aiokafka's clients."""
        out: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security,
            "request_timeout_ms": REQUEST_MS,
        }
        if self.security.endswith("SSL"):
            out["ssl_context"] = ssl.create_default_context(cafile=self.ca_file)
        if self.security.startswith("SASL"):
            out |= {
                "sasl_mechanism": self.sasl_mechanism or "PLAIN",
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password.get_secret_value() if self.password else None,
            }
        return out

    def confluent(self) -> dict[str, Any]:
        """Arguments for confluent-kafka's admin client, which alone tells a topic's id."""
        out: dict[str, Any] = {"bootstrap.servers": self.bootstrap, "security.protocol": self.security}
        if self.ca_file:
            out["ssl.ca.location"] = self.ca_file
        if self.security.startswith("SASL"):
            out |= {
                "sasl.mechanism": self.sasl_mechanism or "PLAIN",
                "sasl.username": self.username,
                "sasl.password": self.password.get_secret_value() if self.password else None,
            }
        return out


@dataclass(frozen=True)
class TopicState:
    name: str
    id: str
    partitions: int


#: Looks, five a second, until topics that were made are shown.
SHOWN = 300


class Topics:
    """The topics of one installation: made by `frontlist topics apply`, only looked at by everything else."""

    def __init__(self, settings: KafkaSettings, further: Iterable[tuple[str, str]] = ()) -> None:
        """`further`: (system, aspect) of documents that plugins' systems make."""
        self.settings = settings
        self.names = (*topics.compacted(settings.prefix, further), topics.journal(settings.prefix))
        self._admin = AdminClient(settings.confluent() | {"log_level": 0})

    async def states(self) -> dict[str, TopicState]:
        """Those of our topics that exist. ConfigurationError where Kafka does not answer."""
        await self._knock()
        try:
            await self._reach()
            asked = self._admin.describe_topics(TopicCollection(list(self.names)), request_timeout=DEADLINE)
            found = [await self._state(name, future) for name, future in asked.items()]
        except (KafkaException, TimeoutError) as error:
            raise unreachable(self.settings, error) from error
        return {state.name: state for state in found if state is not None}

    async def _knock(self) -> None:
        """One broker that takes a connection is enough."""
        said = []
        for broker in self.settings.bootstrap.split(","):
            host, _, port = broker.strip().rpartition(":")
            try:
                async with asyncio.timeout(KNOCK):
                    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                writer.close()
                return
            except (OSError, ValueError) as error:
                said.append(f"{broker.strip()}: {error or 'no answer in time'}")
        raise unreachable(self.settings, "; ".join(said))

    async def cluster_id(self) -> str:
        await self._knock()
        return str((await self._reach()).cluster_id)

    async def missing(self) -> list[str]:
        there = await self.states()
        return [name for name in self.names if name not in there]

    async def apply(self) -> list[str]:
        """Make what is missing; answers the names made. Refuses topics with another number of partitions."""
        there = await self.states()
        self.check(there)
        new = [self._new(name) for name in self.names if name not in there]
        if new:
            await self._create(new)
            await self._shown()
        return [topic.topic for topic in new]

    async def _shown(self) -> None:
        """A busy broker acknowledges a topic before it shows it."""
        for _ in range(SHOWN):
            there = await self.states()
            if all(name in there for name in self.names):
                return
            await asyncio.sleep(0.2)
        raise ConfigurationError(
            f"Kafka made the topics, but does not show them after {SHOWN / 5:g} s",
            where=self.settings.bootstrap,
            cure="look at the brokers' load, then say `frontlist topics list`",
        )

    def check(self, there: Mapping[str, TopicState]) -> None:
        """Raises ConfigurationError for a topic that was made with another number of partitions."""
        for name, state in there.items():
            wanted = self.settings.partitions_of(name)
            if state.partitions != wanted:
                raise ConfigurationError(
                    f"topic {name} has {state.partitions} partitions, the configuration says {wanted}",
                    where="kafka.partitions",
                    cure="set kafka.partitions back; growing means copying to new topics, since deleted titles would "
                    "come back from the old partitions",
                )

    def _new(self, name: str) -> NewTopic:
        config = {
            "compression.type": "zstd",
            "max.message.bytes": str(MAX_BYTES),
            "min.insync.replicas": str(self.settings.min_insync_replicas),
        }
        if name.endswith(".journal.v1"):
            days = self.settings.journal_days
            config |= {"cleanup.policy": "delete", "retention.ms": str(round(days * 86_400_000)) if days else "-1"}
        else:
            config |= {
                "cleanup.policy": "compact",
                "min.compaction.lag.ms": str(THIRTY_DAYS_MS),
                # A person's data is gone from the topic at the latest then.
                "max.compaction.lag.ms": str(2 * THIRTY_DAYS_MS),
            }
        return NewTopic(name, self.settings.partitions_of(name), self.settings.replication_factor, config=config)

    async def _create(self, topics: list[NewTopic]) -> None:
        await self._reach()
        for name, future in self._admin.create_topics(topics, operation_timeout=DEADLINE).items():
            try:
                await _answer(future)
            except KafkaException as error:
                if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                    raise ConfigurationError(
                        f"topic {name} cannot be made: {error.args[0].str()}",
                        where=self.settings.bootstrap,
                        cure="give the user the right to create topics, or lower kafka.replication_factor",
                    ) from error

    async def _reach(self) -> DescribeClusterResult:
        found: Future[DescribeClusterResult] = self._admin.describe_cluster(request_timeout=DEADLINE)
        return await _answer(found)

    @staticmethod
    async def _state(name: str, asked: Future[TopicDescription]) -> TopicState | None:
        """None for a topic that is not there."""
        try:
            each = await _answer(asked)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise
        return TopicState(name, str(each.topic_id), len(each.partitions))

    async def configuration(self, name: str) -> dict[str, str]:
        """A topic's settings as they are."""
        resource = ConfigResource(ConfigResource.Type.TOPIC, name)
        [asked] = self._admin.describe_configs([resource], request_timeout=DEADLINE).values()
        return {key: str(entry.value) for key, entry in (await _answer(asked)).items()}


async def _answer(asked: Future[T]) -> T:
    """In no thread: a process that ends waits for its threads, and a Kafka that is away answers none of them."""
    try:
        async with asyncio.timeout(DEADLINE):
            return await asyncio.wrap_future(asked)
    except TimeoutError:
        raise TimeoutError(f"no answer within {DEADLINE:.0f} s") from None


async def end(producer: AIOKafkaProducer) -> None:
    """Sends what is pending, unless Kafka is away."""
    with contextlib.suppress(ClientError):
        await let_go(producer.stop(), LEAVE)


@contextlib.asynccontextmanager
async def transaction(producer: AIOKafkaProducer) -> AsyncIterator[None]:
    """As aiokafka's own, but one that Kafka does not let us abort is left to whoever takes its id next."""
    theirs = producer.transaction()
    await theirs.__aenter__()
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(ClientError):
            await let_go(theirs.__aexit__(type(error), error, None), LEAVE)
        raise
    await theirs.__aexit__(None, None, None)


@contextlib.asynccontextmanager
async def reading(settings: KafkaSettings, **more: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of committed records that takes part in no group's assignment; closed also where it did not start."""
    consumer = AIOKafkaConsumer(
        **settings.aiokafka(),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_BYTES,
        **more,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def begins_at(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], since: int
) -> dict[TopicPartition, int]:
    """Offsets of the first records of a time (microseconds since 1970), by the records' own times; 0: of all."""
    if since <= 0:
        return dict(await consumer.beginning_offsets(partitions))
    ends = await consumer.end_offsets(partitions)
    asked = await consumer.offsets_for_times(dict.fromkeys(partitions, since // 1000))
    return {at: asked[at].offset if asked.get(at) else ends[at] for at in partitions}


async def read_to_end(
    settings: KafkaSettings, topics: Sequence[str], stored: Mapping[tuple[str, int], int], since: int = 0
) -> AsyncIterator[tuple[list[ConsumerRecord], dict[tuple[str, int], int]]]:
    """Committed records of whole topics, from the stored offsets to their present ends, in batches with positions.

    `since`: records of before it are passed over (microseconds since 1970, by their own times).
    Raises ConfigurationError where a topic ends before a stored offset: it was re-created or cut.
    """
    async with reading(settings) as consumer:
        partitions = [TopicPartition(name, p) for name in topics for p in range(settings.partitions_of(name))]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        begins = await begins_at(consumer, partitions, since)
        for at in partitions:
            start = stored.get((at.topic, at.partition), 0)
            if start > ends[at]:
                raise ConfigurationError(
                    f"{at.topic}[{at.partition}] ends at {ends[at]}, but we stood at {start}: it was re-created or cut",
                    where=settings.bootstrap,
                    cure="frontlist republish",
                )
            consumer.seek(at, max(start, begins[at]))
        while any([await consumer.position(at) < ends[at] for at in partitions]):
            got = await consumer.getmany(timeout_ms=200, max_records=500)
            batch = [record for records in got.values() for record in records]
            yield batch, {(at.topic, at.partition): await consumer.position(at) for at in partitions}


def unreachable(settings: KafkaSettings, error: BaseException | str) -> FrontlistError:
    return ConfigurationError(
        f"Kafka does not answer: {error}",
        where=settings.bootstrap,
        cure="check kafka.bootstrap (FRONTLIST_KAFKA__BOOTSTRAP), security and the network",
    )
