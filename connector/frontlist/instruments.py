"""What the running process hands to its parts: everything that they say is counted, remembered and traced.

`Watch` looks itself at what no part can say: whether the event loop turns, whether the database and Kafka answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog

from frontlist import health, metrics
from frontlist.clock import SECOND, Clock
from frontlist.errors import FrontlistError
from frontlist.health import Check, Facts, HealthSettings, Turn
from frontlist.observed import Call, Consuming, Observed
from frontlist.state import census
from frontlist.state.database import Database, reason
from frontlist.state.work import Priority
from frontlist.tracing import NO_TRACES, Traces, failed

log = structlog.get_logger(__name__)
#: Between two ticks, and between two questions to the database and to Kafka (which is asked as often while it is away).
TICK, ASK_DATABASE, ASK_KAFKA = 0.5, 5.0, 15.0
#: Until a question counts as not answered (seconds).
DEADLINE = 5.0


class Instruments(Observed):
    """One process's metrics, facts and traces."""

    def __init__(self, clock: Clock, settings: HealthSettings | None = None, traces: Traces = NO_TRACES) -> None:
        self.clock, self.settings, self.traces = clock, settings or HealthSettings(), traces
        self.metrics = metrics.Metrics()
        now = clock.steady()
        self.facts = Facts(began=now, ticked_at=now, consumed_at=now)
        self._report = health.Report(clock)
        self._drifted: set[str] = set()

    def checks(self) -> list[Check]:
        """From any thread."""
        return self._report.of(list(health.checks(self.facts, self.settings, self.clock.steady())))

    # --- what parts say --------------------------------------------------------------------------------------------

    def turned(self, part: str, trouble: str = "") -> None:
        now, before = self.clock.steady(), self.facts.turns.get(part)
        same = before is not None and bool(before.trouble) == bool(trouble)
        self.facts.turns[part] = Turn(now, before.since if before and same else now, trouble)

    def leading(self, system: str, held: bool) -> None:
        before = self.facts.leading.get(system)
        if before is None or before[0] != held:
            self.facts.leading[system] = (held, self.clock.steady())

    def fed(self, system: str, feed: str, objects: int) -> None:
        self.turned(f"capture/{system}")
        self.metrics.count("frontlist_feed_pages_total", system, feed, "ok")
        self.metrics.count("frontlist_objects_read_total", system, feed, by=objects)

    def starved(self, system: str, feed: str) -> None:
        self.turned(f"capture/{system}")
        self.metrics.count("frontlist_feed_pages_total", system, feed, "failed")

    def published(self, system: str, aspects: Mapping[str, int]) -> None:
        self.turned(f"capture/{system}")
        for aspect, number in aspects.items():
            self.metrics.count("frontlist_documents_published_total", system, aspect, by=number)

    def consuming(self, consumer: Consuming | None) -> None:
        now = self.clock.steady()
        self.facts.consumer = consumer
        self.facts.consumed_at = max(self.facts.consumed_at, health.consumed(consumer, now) or 0.0)

    def took(self, topics: Mapping[str, int]) -> None:
        for topic, number in topics.items():
            self.metrics.count("frontlist_records_stored_total", topic, by=number)

    def coalesced(self, consumer: str, changes: int = 1) -> None:
        self.metrics.count("frontlist_changes_coalesced_total", consumer, by=changes)

    def sent(self, topics: Mapping[str, int]) -> None:
        for topic, number in topics.items():
            self.metrics.count("frontlist_outbox_sent_total", topic, by=number)

    def calling(self, system: str, method: str, path: str) -> Call:
        return _Call(self, system, method, path)

    def claimed(self, consumer: str, priority: int, titles: int = 1) -> None:
        self.turned("work")
        self.metrics.count("frontlist_claims_total", consumer, _priority(priority), by=titles)

    def planned(self, consumer: str, failed: bool = False) -> None:
        self.metrics.count("frontlist_plans_total", consumer, "failed" if failed else "ok")

    def outcome(self, consumer: str, outcome: str, behind: float | None = None) -> None:
        self.metrics.count("frontlist_outcomes_total", consumer, outcome)
        if behind is not None:
            self.metrics.observe("frontlist_change_seconds", consumer, seconds=max(0.0, behind))

    def wrote(self, consumer: str, target: str, resources: int = 1) -> None:
        self.turned("work")
        self.metrics.count("frontlist_writes_total", consumer, target, by=resources)

    def drifted(self, target: str, field: str, left: bool) -> None:
        if len(self._drifted) < metrics.MOST_VALUES:
            self._drifted.add(field)
        shown = field if field in self._drifted else metrics.OTHER
        self.metrics.count("frontlist_drifted_cells_total", target, shown, "left" if left else "set back")

    def stale(self, target: str, writes: int) -> None:
        self.metrics.count("frontlist_stale_writes_total", target, by=writes)

    def retried(self, target: str) -> None:
        self.turned("work")
        self.metrics.count("frontlist_retries_total", target)

    def breaker(self, target: str, state: str, why: str = "", seconds: float | None = None) -> None:
        now, before = self.clock.steady(), self.facts.breakers.get(target)
        since = before[2] if before and before[0] == state else now
        self.facts.breakers[target] = (state, why, since, None if seconds is None else now + seconds)

    # --- what is shown ---------------------------------------------------------------------------------------------

    def text(self) -> bytes:
        """All metrics, from any thread."""
        return self.metrics.text(self._gauges())

    def _gauges(self) -> dict[str, Mapping[tuple[str, ...], float]]:
        facts, now = self.facts, self.clock.steady()
        seen = facts.consumer
        out: dict[str, Mapping[tuple[str, ...], float]] = {
            "frontlist_build_info": metrics.build(),
            "frontlist_check_state": {(each.check,): health.STATES.index(each.state) for each in self.checks()},
            "frontlist_part_turn_age_seconds": {(part,): now - turn.at for part, turn in dict(facts.turns).items()},
            "frontlist_capture_lease": {(system,): held for system, (held, _) in dict(facts.leading).items()},
            "frontlist_breaker_state": {
                (target,): health.BREAKER[state] for target, (state, *_) in dict(facts.breakers).items()
            },
            "frontlist_database_up": {(): facts.database.up_since is not None},
            "frontlist_assigned_partitions": {(): seen.assigned if seen else 0},
            "frontlist_lag_records": {(topic,): number for topic, number in (seen.lag if seen else {}).items()},
        }
        return out | (_counted(facts.census, now - facts.census_at) if facts.census is not None else {})


class _Call(Call):
    """Counts and traces one HTTP call."""

    def __init__(self, instruments: Instruments, system: str, method: str, path: str) -> None:
        self._to, self._system = instruments, system
        self._span = instruments.traces.call(system, method, path)
        self._began, self._answer = time.perf_counter(), "none"

    def answered(self, status: int) -> None:
        self._answer = str(status) if status in (401, 429) else f"{status // 100}xx"
        self._span.set_attribute("http.response.status_code", status)

    def __exit__(self, *_: object) -> None:
        m = self._to.metrics
        m.count("frontlist_api_calls_total", self._system, self._answer)
        m.observe("frontlist_api_call_seconds", self._system, seconds=time.perf_counter() - self._began)
        if self._answer[0] != "2":
            failed(self._span, self._answer)
        self._span.end()


class Watch:
    """Ticks on the event loop, asks the database and Kafka, and takes the census when somebody wants it."""

    def __init__(
        self,
        instruments: Instruments,
        db: Database,
        kafka: Callable[[], Awaitable[object]],
        stopping: asyncio.Event,
    ) -> None:
        """`kafka`: asks a broker by a client that has nothing to do with intake's."""
        self.instruments, self.db, self._kafka, self._stopping = instruments, db, kafka, stopping
        self.facts, self.clock = instruments.facts, instruments.clock
        self._counting: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until it is cancelled, so also while the process stops."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._tick())
                group.create_task(self._ask(self.ask_database, self.facts.database, ASK_DATABASE))
                group.create_task(self._ask(self.ask_kafka, self.facts.kafka, ASK_KAFKA))
        finally:
            if self._counting is not None:
                self._counting.cancel()
                await asyncio.gather(self._counting, return_exceptions=True)

    async def _tick(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(TICK)
            self.facts.lag = max(0.0, time.perf_counter() - began - TICK)
            self.facts.ticked_at, self.facts.stopping = self.clock.steady(), self._stopping.is_set()
            self.instruments.metrics.observe("frontlist_event_loop_lag_seconds", seconds=self.facts.lag)

    async def _ask(self, ask: Callable[[], Awaitable[None]], reach: health.Reach, apart: float) -> None:
        while True:
            await ask()
            await asyncio.sleep(ASK_DATABASE if reach.error else apart)

    async def ask_database(self) -> None:
        try:
            async with asyncio.timeout(DEADLINE), self.db.read() as c:
                await self.db.now(c)
        except Exception as error:
            self.facts.database.failed(self.clock.steady(), _said(error))
        else:
            self.facts.database.answered(self.clock.steady())

    async def ask_kafka(self) -> None:
        try:
            await self._kafka()
        except Exception as error:
            self.facts.kafka.failed(
                self.clock.steady(), error.what if isinstance(error, FrontlistError) else _said(error)
            )
        else:
            self.facts.kafka.answered(self.clock.steady())

    async def count(self) -> None:
        """A census that is at most `health.kept` old, if the database gives one in time; else the last one stands."""
        kept = self.instruments.settings.kept
        if self.facts.census is not None and self.clock.steady() - self.facts.census_at < kept:
            return
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._take())
        await asyncio.shield(self._counting)

    async def _take(self) -> None:
        with contextlib.suppress(Exception):  # why, says the check of the database
            async with asyncio.timeout(DEADLINE), self.db.read() as c:
                found = await census.take(self.db, c)
            self.facts.counted(found, self.clock.steady())


def _counted(found: census.Census, age: float) -> dict[str, Mapping[tuple[str, ...], float]]:
    at = found.at + round(age * SECOND)

    def since(us: int) -> float:
        return max(0.0, (at - us) / SECOND)

    return {
        "frontlist_census_age_seconds": {(): age},
        "frontlist_work_due": {(c, _priority(p)): number for (c, p), (number, _) in found.due.items()},
        "frontlist_work_oldest_due_seconds": {(c, _priority(p)): since(at_) for (c, p), (_, at_) in found.due.items()},
        "frontlist_titles": {(c, outcome): number for (c, outcome), number in found.titles.items()},
        "frontlist_held": {(consumer,): number for consumer, number in found.held.items()},
        "frontlist_dead_letters": {(c, target): number for (c, target), number in found.dead.items()},
        "frontlist_findings_open": metrics.bounded(found.findings),
        "frontlist_feed_age_seconds": {k: since(f.read_at) for k, f in found.feeds.items() if f.read_at is not None},
        "frontlist_feed_pass_age_seconds": {
            k: since(f.completed_at) for k, f in found.feeds.items() if f.completed_at is not None
        },
        "frontlist_outbox_records": {(): found.outbox},
        "frontlist_outbox_oldest_seconds": {(): since(found.outbox_oldest) if found.outbox_oldest else 0.0},
        "frontlist_table_bytes": {(table,): size for table, size in found.bytes.items()},
    }


def _priority(number: int) -> str:
    try:
        return Priority(number).name.lower()
    except ValueError:
        return metrics.OTHER


def _said(error: BaseException) -> str:
    late = isinstance(error, TimeoutError) and not str(error)
    return f"no answer within {DEADLINE:.0f} s" if late else reason(error)
