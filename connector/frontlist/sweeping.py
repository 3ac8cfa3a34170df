"""Replay and reconcile: titles are worked again, compared with the target read back, behind all live traffic.

A sweep is rows in the database. `Sweeper` feeds a window of them into the work rows; the worker does the rest.
"""

from __future__ import annotations

import asyncio
import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog
from aiokafka import TopicPartition
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.clock import DAY, SECOND, Clock
from frontlist.contract import DocumentKey, FieldKey, Json, Resource, TitleKey
from frontlist.errors import ConfigurationError, said
from frontlist.kafka import KafkaSettings, begins_at, reading
from frontlist.state import dossier, installation, processes, sweeps, work
from frontlist.state.database import Database, gone, takes_long
from frontlist.waiting import wait
from frontlist_schemas.topics import topic

log = structlog.get_logger(__name__)
MINUTE = 60 * SECOND
LEASE = "sweeps"
#: Titles of a sweep and consumer that are due at a time: enough for a claim or two, few enough that `stop` stops soon.
#: Those that were put off do not count.
WINDOW = 200
PRIORITY: Mapping[str, work.Priority] = {
    "replay": work.Priority.BACKFILL,
    "reconcile": work.Priority.SWEEP,
}


class ReconcileSettings(BaseModel):
    """The slow sweep that looks whether somebody changed what is ours."""

    model_config = ConfigDict(extra="forbid")

    every_days: float = Field(7.0, ge=0, description="days between two sweeps by themselves; 0: only when asked")
    leave: list[str] = Field(
        default_factory=list,
        description="fields whose drift is left until source or mapping changes, as target/kind/field with * "
        "(fourallportal/product/marketing_note); all others are set back",
    )

    def leaves(self, resource: Resource, key: FieldKey) -> bool:
        """Whether drift of this field stays; the field is meant with all its locales and channels."""
        place = f"{resource.target}/{resource.kind}/{key.partition('[')[0]}"
        return any(fnmatch.fnmatchcase(place, pattern) for pattern in self.leave)


@dataclass(frozen=True)
class Selection:
    """Which titles; what is None does not restrict. `since` and `until`: when the log took a revision of them."""

    titles: Sequence[TitleKey] | None = None
    imprint: str | None = None
    since: int | None = None
    until: int | None = None

    def as_json(self) -> Json:
        return {
            "titles": None if self.titles is None else list(self.titles),
            "imprint": self.imprint,
            "from": self.since,
            "to": self.until,
        }


async def select(
    db: Database, kafka: KafkaSettings, wants: Mapping[str, frozenset[DocumentKey]], selection: Selection
) -> dict[str, list[TitleKey]]:
    """consumer -> its titles. With a time, those that had a revision then, by the topics themselves."""
    out: dict[str, list[TitleKey]] = {}
    for consumer, keys in wants.items():
        async with db.read() as c:
            await takes_long(c)
            known = await dossier.titles(c, sorted(keys))
            of = None if selection.imprint is None else set(await dossier.of_imprint(c, selection.imprint))
        chosen = set(known)
        if selection.titles is not None:
            chosen &= set(selection.titles)
        if of is not None:
            chosen &= of
        if selection.since is not None or selection.until is not None:
            names = [topic(kafka.prefix, key.system, key.aspect) for key in sorted(keys)]
            chosen &= await stated(kafka, names, selection.since, selection.until)
        out[consumer] = sorted(chosen)
    return out


async def stated(kafka: KafkaSettings, names: Sequence[str], since: int | None, until: int | None) -> set[TitleKey]:
    """Titles of which these topics hold a revision of that time (microseconds), superseded ones too."""
    async with reading(kafka) as consumer:
        partitions = [TopicPartition(name, p) for name in names for p in range(kafka.partitions_of(name))]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        # A minute before it: a record is written shortly after its revision was taken.
        begins = await begins_at(consumer, partitions, 0 if since is None else since - MINUTE)
        for at in partitions:
            consumer.seek(at, min(begins[at], ends[at]))
        found: set[TitleKey] = set()
        while any([await consumer.position(at) < ends[at] for at in partitions]):
            for records in (await consumer.getmany(timeout_ms=200, max_records=5000)).values():
                found |= {TitleKey(r.key.decode()) for r in records if r.key and _within(r, since, until)}
        return found


def _within(record: object, since: int | None, until: int | None) -> bool:
    sequence = dict(getattr(record, "headers", ())).get("ce_sequence", b"")
    revision = int(sequence) if sequence.isdigit() else int(getattr(record, "timestamp", 0)) * 1000
    return (since is None or revision >= since) and (until is None or revision <= until)


async def begin(
    db: Database, clock: Clock, kind: sweeps.Kind, selection: Selection, titles: Mapping[str, Sequence[TitleKey]]
) -> str:
    """Answers the sweep's id; the titles become due as a running `frontlist run` feeds them."""
    id_ = clock.new_id()[:8]
    said = {**selection.as_json(), "consumers": sorted(titles)}
    async with db.begin() as c:
        await takes_long(c)
        await sweeps.begin(db, c, id_, kind, said, titles)
    return id_


async def turn(db: Database, id_: str, state: str) -> sweeps.Sweep:
    """Stop or resume; raises ConfigurationError for a sweep that is not there or is done."""
    async with db.begin() as c:
        found = await sweeps.find(c, id_)
        if not found:
            raise ConfigurationError(f"there is no sweep {id_}", where="sweeps", cure="frontlist replay list")
        if found[0].state == "done":
            raise ConfigurationError(f"sweep {id_} is done", where="sweeps", cure="begin a new one")
        await sweeps.turn(c, id_, state, await db.now(c))
    return found[0]


async def feed(db: Database, window: int = WINDOW) -> int:
    """Fills the windows of each running sweep, and ends those that have nothing left; answers how many became due."""
    async with db.begin() as c:
        now = await db.now(c)
        fed = 0
        for sweep in await sweeps.running(c):
            chosen = await sweeps.next_titles(c, sweep.id, window, now)
            priority = PRIORITY[sweep.kind]
            await work.mark(db, c, [work.Due(name, title, now, priority, sweep.run) for name, title in chosen])
            fed += len(chosen)
            said = await sweeps.progress(c, sweep.id)
            if said["titles"] == said["done"]:
                await sweeps.turn(c, sweep.id, "done", now)
                log.info("sweep: done", sweep=sweep.run, titles=said["titles"], outcomes=said["outcomes"])
    return fed


class Sweeper:
    """Feeds sweeps, and begins the reconcile that is due by itself; one process at a time, under a lease."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: ReconcileSettings,
        consumers: Collection[str],
        *,
        window: int = WINDOW,
    ) -> None:
        """`consumers`: those that are installed; one that is not any more would never end a sweep."""
        self.db, self.clock, self.settings, self.consumers, self.window = db, clock, settings, consumers, window
        self._me = clock.new_id()

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await self.once()
            except Exception as error:
                if not gone(error):
                    raise
                log.warning("sweeps: the database is gone, paused", error=said(error))
            await wait(stopping, 1.0)

    async def once(self) -> int:
        """Answers how many titles became due."""
        async with self.db.read() as c:
            idle = not await sweeps.running(c) and not await self._is_due(await self.db.now(c), c)
        if idle:
            return 0
        async with self.db.begin() as c:
            held = await processes.acquire(self.db, c, [(LEASE, self._me)], 10.0)
            due = bool(held) and await self._is_due(await self.db.now(c), c)
            if due:
                await takes_long(c)
                wants = await installation.registered(c)
                titles = {
                    name: await dossier.titles(c, sorted(wants[name]))
                    for name in sorted(wants)
                    if name in self.consumers
                }
                said = {**Selection().as_json(), "consumers": sorted(titles), "scheduled": True}
                await sweeps.begin(self.db, c, self.clock.new_id()[:8], "reconcile", said, titles)
        return await feed(self.db, self.window) if held else 0

    async def _is_due(self, now: int, c: AsyncConnection) -> bool:
        """So many days after the last one, or after the installation began."""
        if not self.settings.every_days:
            return False
        found = await sweeps.find(c, kind="reconcile")
        if any(each.state == "running" for each in found):
            return False
        last = found[0].created_at if found else await installation.began_at(c)
        return last is not None and last + round(self.settings.every_days * DAY) <= now
