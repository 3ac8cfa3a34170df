"""What became of a catalogue once the connector ran over it: one whole run, looked at by many tests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

import tenants
from frontlist import runtime
from frontlist.settings import Settings
from frontlist.state import feeds
from frontlist_sandbox.catalogue.loading import load
from frontlist_sandbox.consonance.model import Tenant

Record = Mapping[str, Any]
#: Seconds for a pass, on a machine that does a lot beside.
PATIENCE = 120.0


@dataclass(frozen=True)
class Place:
    """Servers of the test run that one run may use."""

    folder: Path
    database: str
    kafka: str
    prefix: str


@dataclass(frozen=True)
class Pass:
    """What stands after a pass, and what it took since the calls were last forgotten."""

    records: Sequence[Record]
    titles: Sequence[Record]
    offsets: Mapping[str, int]
    reads: Mapping[str, int]
    writes: Mapping[str, int]


@dataclass(frozen=True)
class Arrival:
    """`unreadable`: documents that cannot be read. `findings`: what a person should settle."""

    catalogue: Tenant
    first: Pass
    second: Pass
    unreadable: Sequence[str]
    findings: Sequence[str]

    @property
    def by_isbn(self) -> dict[str, Record]:
        """The records that have an ISBN; two of one would hide each other, so that is refused."""
        found = [(tenants.value(dict(each), "isbn"), each) for each in self.first.records]
        named = {isbn: each for isbn, each in found if isbn}
        assert len(named) == sum(1 for isbn, _ in found if isbn)
        return named


def arrive(files: Sequence[Path], place: Place) -> Arrival:
    """Two passes, the second by a process of its own that reads both systems through again."""
    return asyncio.run(_arrive(load(files, today=datetime.now(UTC).date()), place))


async def _arrive(catalogue: Tenant, place: Place) -> Arrival:
    place.folder.mkdir(parents=True, exist_ok=True)
    with tenants.pair(catalogue) as pair:
        found = _settings(place, pair)
        async with tenants.prepared(found):
            async with tenants.running(found) as it:
                await tenants.settled(it, seconds=PATIENCE)
                first = _pass(place, pair)
                unreadable, findings = await _unreadable(it), await tenants.open_findings(it)
            pair.dam.forget_calls()
            pair.consonance.forget_calls()
            async with tenants.running(_settings(place, pair, full_sweep_interval=0.5)) as it:
                began = datetime.now(UTC)
                await tenants.until(lambda: _read_through(it, began), seconds=PATIENCE, what="a pass over all works")
                await tenants.settled(it, seconds=PATIENCE)
                second = _pass(place, pair)
    return Arrival(catalogue, first, second, unreadable, findings)


def _settings(place: Place, pair: tenants.Pair, **consonance: float) -> Settings:
    # What counts here is which calls are made, so nobody waits between them.
    more = {"consonance": {"calls_per_second": 1e6, **consonance}, "fourallportal": {"calls_per_second": 1e6}}
    return tenants.settings(place.folder, place.database, place.kafka, place.prefix, pair, **more)


def _pass(place: Place, pair: tenants.Pair) -> Pass:
    calls = {name: each.get("/sandbox/calls") for name, each in (("consonance", pair.consonance), ("dam", pair.dam))}
    return Pass(
        pair.records(),
        pair.records("title"),
        offsets(place),
        {name: each["total"] - each["writes"] for name, each in calls.items()},
        {name: each["writes"] for name, each in calls.items()},
    )


def offsets(place: Place) -> dict[str, int]:
    """Where each partition of ours ends; markers of transactions count, so that not even an empty one is missed."""
    consumer = Consumer({"bootstrap.servers": place.kafka, "group.id": f"{place.prefix}-ends", "log_level": 0})
    try:
        there = consumer.list_topics(timeout=15).topics
        ours = [(name, n) for name, topic in there.items() if name.startswith(place.prefix) for n in topic.partitions]
        return {
            f"{name}/{n}": consumer.get_watermark_offsets(TopicPartition(name, n), timeout=15)[1] for name, n in ours
        }
    finally:
        consumer.close()


async def _unreadable(it: runtime.Installation) -> list[str]:
    query = "SELECT system, aspect, title, reason FROM document WHERE state = 'unreadable'"
    async with it.db.read() as c:
        return [" ".join(map(str, row)) for row in await c.exec_driver_sql(query)]


async def _read_through(it: runtime.Installation, since: datetime) -> bool:
    """Whether Consonance was read from end to end by a pass that began after this."""
    async with it.db.read() as c:
        cursor = (await feeds.states(c, "consonance"))["works"].cursor
    if not isinstance(cursor, Mapping) or "full_began" not in cursor:
        return False
    return bool((cursor["done"] or not cursor["full"]) and datetime.fromisoformat(cursor["full_began"]) > since)
