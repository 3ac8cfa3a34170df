"""Restoring: what the journal tells of past writes becomes what we know of them, when a database was lost.

All of it where the database is rebuilt; where it comes from an older backup, what was written since.

Of each consumer and resource: who wrote it last, which fields were ours, whether it stood there; and before-images, as
long as they would have been kept. All of it is in doubt, so everything is read back before it is believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRecord
from pydantic import ValidationError

from frontlist.clock import DAY
from frontlist.contract import FieldKey, Json, Resource, TitleKey
from frontlist.keeping import KeepSettings
from frontlist.records import LARGEST
from frontlist.state import erased, images, installation, recovered
from frontlist.state.applied import Intent
from frontlist.state.database import Database, takes_long
from frontlist.state.erased import Erasures
from frontlist.state.recovered import Past
from frontlist.unreadable import bisected, unreadable
from frontlist_schemas.journal import Journal

#: In place of words that may name a person who was erased: that the field was ours has to be known, what it said not.
ERASED = "(erased)"


@dataclass(frozen=True)
class Restoring:
    """Takes the journal's records in their order; decisions are known by then. `since`: older images are not kept."""

    db: Database
    erasures: Erasures
    since: int

    @classmethod
    async def begin(cls, db: Database, keep: KeepSettings) -> Restoring:
        """Without what a backup kept of persons who were erased since."""
        async with db.begin() as c:
            await takes_long(c)
            erasures = await erased.decided(c, await db.now(c))
            consumers = await installation.registered(c)
            await images.forget(c, erasures.anywhere)
            for at in set(erasures.titles.values()):
                titles = [title for title, when in erasures.titles.items() if when == at]
                await images.forget(c, at, titles)
                await erased.put(db, c, consumers, titles, at)
            return cls(db, erasures, await db.now(c) - round(keep.before_images * DAY))

    async def take(self, records: Sequence[ConsumerRecord]) -> None:
        await bisected(records, self._store, self._refuse)

    async def _refuse(self, record: ConsumerRecord, why: str) -> None:
        async with self.db.begin() as c:
            await unreadable(self.db, c, record, ValueError(why))

    async def _store(self, records: Sequence[ConsumerRecord]) -> None:
        async with self.db.begin() as c:
            past = []
            for record in records:
                try:
                    past.append(self._past(read(record)))
                except (ValueError, TypeError) as error:
                    await unreadable(self.db, c, record, error)
            await recovered.restore(self.db, c, past)

    def _past(self, line: Journal) -> Past:
        title, fields = TitleKey(line.title), {FieldKey(key): each for key, each in line.fields.items()}
        nameless = line.at <= self.erasures.of(title)
        intent = Intent(
            resource=Resource(*line.resource.split("/", 2)),
            consumer=line.consumer,
            title=title,
            claim=line.claim,
            vector=line.vector,
            fields=None
            if line.effect == "removed"
            else {key: _nameless(each.is_) if nameless else each.is_ for key, each in fields.items()},
            # Lines of versions that did not say what was read have null where nobody knows.
            was={
                key: each.was
                for key, each in fields.items()
                if (each.was is not None if each.read is None else each.read)
            },
            run=line.run,
            at=line.at,
            creates=line.effect == "created",
        )
        return Past(intent, undoable=line.at >= self.since and not nameless)


def read(record: ConsumerRecord) -> Journal:
    """Raises ValueError for what nobody of us wrote."""
    try:
        line = Journal.model_validate_json(record.value or b"")
    except ValidationError as error:
        # Its own text would show values.
        wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)]
        raise ValueError("; ".join(wrong[:3])) from None
    texts = (line.title, line.consumer, line.run, line.resource)
    if not all(texts[:2]) or any("\x00" in each for each in texts):
        raise ValueError("a title, consumer, run or resource that cannot be stored")
    if line.resource.count("/") < 2:
        raise ValueError("a resource that is not <target>/<kind>/<id>")
    if not all(0 <= each < LARGEST for each in (line.at, line.claim)):
        raise ValueError("a time or a claim that is no number of ours")
    return line


def _nameless(value: Any) -> Json:
    """A number or a flag names nobody; everything else keeps its kind."""
    if isinstance(value, str):
        return ERASED
    if isinstance(value, Mapping):
        return {}
    return [] if isinstance(value, list) else value
