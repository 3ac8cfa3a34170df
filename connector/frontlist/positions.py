"""Positions: how far the topics were read, which the database holds; what contradicts them ends the reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiokafka import ConsumerRecord, TopicPartition
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.errors import ConfigurationError
from frontlist.kafka import KafkaSettings, TopicState, reading
from frontlist.state import dossier
from frontlist.state.database import Database


class OlderDatabaseError(Exception):
    """The database does not know any more what we stored in it."""


class Positions:
    """What a process knows of them: the topics' identities, and how far the database was known to stand."""

    def __init__(self) -> None:
        self._topic_ids: dict[str, str] = {}
        #: Whoever read since: only a backup makes it less.
        self._stood: dict[tuple[str, int], int] = {}

    def know(self, there: Mapping[str, TopicState]) -> None:
        """The topics' identities, which are stored with the offsets."""
        self._topic_ids = {name: state.id for name, state in there.items()}

    async def check(self, c: AsyncConnection) -> None:
        """Raises OlderDatabaseError."""
        stored = await dossier.offsets(c)
        if any(stored.get(at, (0, ""))[0] < offset for at, offset in self._stood.items()):
            raise OlderDatabaseError

    def begin(self, at: TopicPartition, stored: tuple[int, str], begins: int, ends: int) -> int:
        """Where reading goes on, by what is stored; 0: nothing was read. A topic that was re-created is refused."""
        offset, topic_id = stored
        known = self._topic_ids.get(at.topic, "")
        if topic_id and known and topic_id != known:
            raise recreated(at.topic)
        if offset:
            outside(at, offset, begins, ends)
            self._stood[at.topic, at.partition] = offset
        return offset

    async def save(self, db: Database, c: AsyncConnection, records: Sequence[ConsumerRecord]) -> None:
        await dossier.save_offsets(db, c, ends_of(records), self._topic_ids)

    def saved(self, records: Sequence[ConsumerRecord]) -> None:
        """After the transaction."""
        for at, end in ends_of(records).items():
            self._stood[at] = max(end, self._stood.get(at, 0))

    def forget(self) -> None:
        """A backup was restored: the database may stand anywhere."""
        self._stood.clear()


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


def recreated(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"topic {name} was re-created since we read it: its offsets mean something else now",
        where="Kafka",
        cure="frontlist republish, which publishes every document anew",
    )


def ends_of(records: Sequence[ConsumerRecord]) -> dict[tuple[str, int], int]:
    ends: dict[tuple[str, int], int] = {}
    for record in records:
        at = (record.topic, record.partition)
        ends[at] = max(ends.get(at, 0), record.offset + 1)
    return ends
