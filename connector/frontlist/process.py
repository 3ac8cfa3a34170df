"""The running process: what is checked and prepared, and the parts that work until it stops."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import joining, ownership, recovering
from frontlist.brakes import Brakes
from frontlist.capture import Capture
from frontlist.contract import Capabilities
from frontlist.due import all_due
from frontlist.ending import within_grace
from frontlist.ensure import Delivery
from frontlist.errors import ConfigurationError, DeliveryError, said
from frontlist.gentleness import Backfill
from frontlist.health import Facts
from frontlist.instruments import Instruments, Watch
from frontlist.intake import Intake
from frontlist.kafka import TopicState
from frontlist.keeping import Keeper
from frontlist.outbox import Outbox
from frontlist.ownership import PORTAL
from frontlist.planning import Active
from frontlist.positions import recreated
from frontlist.runtime import Installation, alone
from frontlist.serving import Probes, Serving
from frontlist.source import Source
from frontlist.state import applied, installation, processes, work
from frontlist.state.database import Database, gone, takes_long
from frontlist.sweeping import Sweeper
from frontlist.tracing import Exporting, Traces
from frontlist.waiting import ended, meanwhile, wait
from frontlist.work import Worker
from frontlist_schemas.canonical import fingerprint

log = structlog.get_logger(__name__)
PARTS = ("capture", "intake", "work")
#: Said while nothing else keeps the process from having started.
COMPARED = "the mapping is compared with the tenant"
#: Between two introspections of the tenants (seconds).
INTROSPECT = 600.0
#: Between two looks at the identity of the topics (seconds).
TOPICS = 30.0


async def run(
    it: Installation,
    stopping: asyncio.Event,
    *,
    parts: Sequence[str] = PARTS,
    consumers: Sequence[str] | None = None,
    ready: asyncio.Event | None = None,
    traces: Traces | None = None,
) -> None:
    """The running process; `parts` of capture, intake, work, `consumers` by name (None: all).

    `traces`: where spans go instead of `telemetry.endpoint`.
    """
    ownership.check(it.plugins.consumers, it.mapping)
    with alone(it.db):
        async with watched(it, stopping, parts, traces) as facts, _asking(it, parts) as asked:
            # Nothing is in hand yet that would be worth a grace period.
            prepared = await within_grace(stopping, _prepare(it, facts, asked), 0.0)
            if prepared is not None and not stopping.is_set():
                running = Running(it, stopping, asked, *prepared)
                working = running.parts(parts, consumers, facts, ready)
                await within_grace(stopping, working, it.settings.shutdown.grace)


@asynccontextmanager
async def watched(
    it: Installation, stopping: asyncio.Event, parts: Sequence[str], traces: Traces | None
) -> AsyncIterator[Facts]:
    """Facts, metrics and traces of this process, and the server that shows them, for as long as the block lasts."""
    exporting = Exporting(it.settings.telemetry, it.settings.tenant)
    instruments = Instruments(it.clock, it.settings.health, traces or exporting.traces)
    facts = instruments.facts
    captures = [f"capture/{name}" for name in it.sources] if "capture" in parts else []
    facts.parts = (*captures, *(part for part in ("intake", "work") if part in parts), "outbox")
    facts.tenant, facts.every = it.settings.tenant, it.intervals()
    it.observe(instruments)
    watch = Watch(instruments, it.db, it.topics.cluster_id, stopping)
    probes = Probes(instruments, watch, asyncio.get_running_loop())
    with ExitStack() as stack:
        if it.settings.health.listen != "off":
            serving = stack.enter_context(Serving(it.settings.health.listen, probes.paths))
            it.probes = serving.url
            log.info("probes and metrics are served", url=it.probes)
        watching = asyncio.create_task(watch.run())
        try:
            yield facts
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await asyncio.to_thread(exporting.close)


@dataclass(frozen=True)
class Asked:
    """What the systems are asked while all else is prepared; only what depends on an answer waits for it.

    `known`: for each system of which work has to know what it can do, whether it said so. `fit`: the mapping was
    compared with the tenant; raises MappingError. Until then 4ALLPORTAL is neither captured nor written, and the
    mapping takes no other one's place.
    """

    known: Mapping[str, asyncio.Task[bool]]
    fit: asyncio.Task[None]

    def unanswered(self) -> frozenset[str]:
        """The systems that must not be written yet."""
        asked = frozenset(name for name, task in self.known.items() if not task.done())
        return asked if self.fit.done() else asked | {PORTAL}


@asynccontextmanager
async def _asking(it: Installation, parts: Sequence[str]) -> AsyncIterator[Asked]:
    async with AsyncExitStack() as stack:
        names = it.targets if "work" in parts else ()
        known = {name: await stack.enter_async_context(meanwhile(it.ask(name))) for name in names}
        fit = await stack.enter_async_context(meanwhile(_compared(it, known.get(PORTAL))))
        yield Asked(known, fit)


async def _compared(it: Installation, asked: asyncio.Task[bool] | None) -> None:
    """`fits`, unless 4ALLPORTAL does not answer. `asked`: reads what is compared here; nobody asks for it twice."""
    try:
        if asked is None or await asked:
            await joining.fits(it)
    except DeliveryError as error:
        log.warning("the mapping could not be compared with the tenant", error=said(error))


async def _prepare(it: Installation, facts: Facts, asked: Asked) -> tuple[Mapping[str, TopicState], Active]:
    """All checks of the start, and what has to be known before the first claim."""
    facts.stage = "the topics are looked at"
    there = await it.check_topics()
    async with meanwhile(recovering.committed(it)) as committed:
        facts.database_id = await joining.identify(it, there)
        if it.db.sqlite:
            # No other process can be alive beside this file, so what the last one held is free.
            async with it.db.begin() as c:
                await processes.forget_all(c)
        if await joining.replaces(it):
            facts.stage = COMPARED
            await asked.fit
        facts.stage = "consumers are registered, and the mapping becomes active"
        await joining.register(it)
        active = await joining.activate(it)
        facts.stage = "the database is compared with what Kafka was told"
        # Asked before the database: what another replica stores and commits meanwhile is no sign of a restore.
        restored = await recovering.restored(it, await committed)
    if restored:
        facts.stage = "the database is older than what Kafka was told; all topics are read back"
        await recovering.read_back(it, there)
    facts.stage = COMPARED
    return there, active


@dataclass(frozen=True)
class Running:
    """The parts of a process that is prepared."""

    it: Installation
    stopping: asyncio.Event
    asked: Asked
    there: Mapping[str, TopicState]
    active: Active

    async def parts(
        self, chosen: Sequence[str], consumers: Sequence[str] | None, facts: Facts, ready: asyncio.Event | None
    ) -> None:
        """Until `stopping`."""
        it, stopping, woken = self.it, self.stopping, asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(Outbox(it.db, it.settings.kafka, it.clock, it.observed).run(stopping))
            group.create_task(self._watch_topics())
            if "capture" in chosen:
                for source in it.sources.values():
                    group.create_task(self._captured(source))
            if "intake" in chosen:
                group.create_task(self._intake(woken).run(stopping))
            if "work" in chosen:
                working = _worker(it, self.active, woken, consumers, self._waiting(consumers))
                for task in (*self.asked.known.values(), self.asked.fit):
                    task.add_done_callback(lambda _: woken.set())
                group.create_task(working.run(stopping))
                group.create_task(_keep_introspecting(it, stopping, self.asked))
                group.create_task(Sweeper(it.db, it.clock, it.settings.reconcile, it.plugins.consumers).run(stopping))
                group.create_task(Keeper(it.db, it.clock, it.settings.keep).run(stopping))
            if await self._fitting():
                facts.started = True
                if ready is not None:
                    ready.set()

    async def _fitting(self) -> bool:
        """False where the process ends before the mapping was compared with the tenant; raises MappingError."""
        return await ended(self.asked.fit, self.stopping)

    async def _captured(self, source: Source) -> None:
        if source.name != PORTAL or await self._fitting():
            await _capture(self.it, source).run(self.stopping)

    def _waiting(self, consumers: Sequence[str] | None) -> Callable[[], Mapping[str, str]]:
        """Answers consumer -> what it waits for: a system that it writes has not said yet what it can do.

        One that writes none waits for all of them.
        """
        targets = self.it.targets.keys()
        needs = {
            name: {target for target, _ in ownership.declared(each, self.it.mapping)} & targets or targets
            for name, each in self.it.plugins.consumers.items()
            if consumers is None or name in consumers
        }

        def waiting() -> dict[str, str]:
            unanswered = self.asked.unanswered()
            return {
                name: f"{min(needed & unanswered)} was not asked yet what it can do"
                for name, needed in needs.items()
                if needed & unanswered
            }

        return waiting

    def _intake(self, woken: asyncio.Event) -> Intake:
        it = self.it
        intake = Intake(
            it.db,
            it.settings.kafka,
            clock=it.clock,
            woken=woken,
            restored=lambda: recovering.read_back(it, self.there),
            settings=it.settings.intake,
            further=it.further,
            step=it.step,
            observed=it.observed,
        )
        intake.positions.know(self.there)
        return intake

    async def _watch_topics(self) -> None:
        """A topic that is made anew while we run is refused as it is at a start."""
        while not self.stopping.is_set():
            await wait(self.stopping, TOPICS)
            try:
                now = {} if self.stopping.is_set() else await self.it.topics.states()
            except ConfigurationError as error:
                log.warning("the topics could not be looked at", error=said(error))
                continue
            for name, state in now.items():
                if name in self.there and state.id != self.there[name].id:
                    raise recreated(name)


def _capture(it: Installation, source: Source) -> Capture:
    return Capture(
        source,
        it.db,
        it.settings.kafka,
        tenant=it.settings.tenant,
        clock=it.clock,
        settings=it.settings.capture,
        braking=Brakes(it.db, it.settings.brakes),
        step=it.step,
        observed=it.observed,
    )


def _worker(
    it: Installation,
    active: Active,
    woken: asyncio.Event,
    consumers: Sequence[str] | None,
    waiting: Callable[[], Mapping[str, str]],
) -> Worker:
    """The worker of this process with its delivery."""
    chosen = {name: each for name, each in it.plugins.consumers.items() if consumers is None or name in consumers}
    delivery = Delivery(
        it.db,
        it.targets,
        process=f"{os.uname().nodename}-{os.getpid()}-{it.clock.new_id()[:8]}",
        clock=it.clock,
        journal=it.journal,
        budgets=it.budgets,
        settings=it.settings.ensure,
        breaker=it.settings.breaker,
        backfill=Backfill(it.db, it.settings.backfill, ZoneInfo(it.settings.consonance.zone), it.clock),
        braking=Brakes(it.db, it.settings.brakes),
        leaves=it.settings.reconcile.leaves,
        step=it.step,
        observed=it.observed,
    )
    return Worker(
        it.db,
        chosen,
        delivery,
        it.planner(active),
        clock=it.clock,
        decisions=it.decisions,
        woken=woken,
        waiting=waiting,
        settings=it.settings.work,
        step=it.step,
        observed=it.observed,
    )


async def _keep_introspecting(it: Installation, stopping: asyncio.Event, asked: Asked) -> None:
    """A system that becomes known late makes every title due: until then nothing was written to it."""
    for task in asked.known.values():
        await ended(task, stopping)
    new: list[str] = []
    while not stopping.is_set():
        try:
            async with it.db.begin() as c:
                if new:
                    consumers = await installation.registered(c)
                    dues = await all_due(it.db, c, consumers, await it.db.now(c), "introspected")
                    await work.mark(it.db, c, dues)
                await allowed_anew(it.db, c, it.known)
        except Exception as error:
            if not gone(error):
                raise
            log.warning("the database is gone; the systems are asked again", error=said(error))
            for name in new:
                del it.known[name]
        await wait(stopping, INTROSPECT if len(it.known) == len(it.targets) else it.settings.capture.retry)
        new = [] if stopping.is_set() else await it.introspect()


async def allowed_anew(db: Database, c: AsyncConnection, known: Mapping[str, Capabilities]) -> None:
    """What a system refused is tried again once its schema or its options are others."""
    for name, found in sorted(known.items()):
        stated = [{key: sorted(names) for key, names in part.items()} for part in (found.fields, found.values)]
        print_ = fingerprint(stated)
        fact = f"capabilities/{name}"
        before = await installation.fact(c, fact)
        if before == print_:
            continue
        await takes_long(c)
        await installation.state(db, c, {fact: print_})
        refused = await applied.with_refused(c, name) if before is not None else []
        now = await db.now(c)
        dues = [work.Due(each.consumer, each.title, now, work.Priority.METADATA, "options") for each in refused]
        await work.mark(db, c, dues)
        await applied.try_again(c, refused)
