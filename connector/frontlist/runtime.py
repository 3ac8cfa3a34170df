"""One process of an installation: what is checked at the start, and the parts that run until it stops."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import decisions, forgetting, ownership
from frontlist import mapping as field_mapping
from frontlist.brakes import Brakes
from frontlist.capture import Capture, read_to_end
from frontlist.clock import DAY, Clock
from frontlist.contract import Capabilities, Target
from frontlist.ending import within_grace
from frontlist.ensure import Delivery
from frontlist.errors import ConfigurationError, DeliveryError, FrontlistError, said
from frontlist.gentleness import Backfill
from frontlist.health import Facts
from frontlist.instruments import Instruments, Watch
from frontlist.intake import Intake, all_due, cut, recreated
from frontlist.kafka import Topics, TopicState
from frontlist.keeping import Keeper
from frontlist.mapping import FieldMapping
from frontlist.observed import UNOBSERVED, Observed
from frontlist.opening import open_all
from frontlist.outbox import Outbox
from frontlist.ownership import PORTAL
from frontlist.plugins import Plugins
from frontlist.progress import Say, unsaid
from frontlist.restoring import Restoring
from frontlist.serving import Probes, Serving
from frontlist.settings import Settings
from frontlist.source import Source
from frontlist.state import applied, captured, dossier, installation, processes, schema, settled, work
from frontlist.state.database import Database, gone, takes_long
from frontlist.step import Step, no_step
from frontlist.sweeping import Sweeper
from frontlist.systems.consonance.client import Client as ConsonanceClient
from frontlist.systems.consonance.source import ConsonanceSource
from frontlist.systems.consonance.target import ConsonanceTarget
from frontlist.systems.fourallportal.client import Client as FourallportalClient
from frontlist.systems.fourallportal.source import FourallportalSource
from frontlist.systems.fourallportal.target import FourallportalTarget
from frontlist.tracing import Exporting, Traces
from frontlist.waiting import ended, meanwhile, wait
from frontlist.work import Active, Worker
from frontlist_schemas import topics
from frontlist_schemas.canonical import fingerprint

log = structlog.get_logger(__name__)
PARTS = ("capture", "intake", "work")
#: Said while nothing else keeps the process from having started.
COMPARED = "the mapping is compared with the tenant"
#: Records of one topic after which a rebuild says how far it is.
SAID_EVERY = 10_000
#: The clocks of the database and of who writes to Kafka differ by less (microseconds).
CLOCKS = DAY
#: Between two introspections of the tenants (seconds).
INTROSPECT = 600.0
#: Between two looks at the identity of the topics (seconds).
TOPICS = 30.0


class Installation:
    """Everything that commands and the running process share: database, topics, clients, mapping, plugins."""

    def __init__(
        self, settings: Settings, plugins: Plugins | None = None, *, clock: Clock | None = None, step: Step = no_step
    ) -> None:
        self.settings, self.clock, self.step = settings, clock or Clock(), step
        self.plugins = plugins or Plugins()
        self.db = Database(settings.database, self.clock)
        self.mapping: FieldMapping = field_mapping.load(settings.mapping)
        prefix = settings.kafka.prefix
        self.links, self.decisions, self.journal = (
            topics.links(prefix),
            topics.decisions(prefix),
            topics.journal(prefix),
        )
        self.consonance = ConsonanceClient.connect(settings.consonance)
        self._dam_api = settings.fourallportal.api()
        self.fourallportal = FourallportalClient(self._dam_api)
        self.uses = field_mapping.module_uses(self.mapping)
        self._opened = open_all(self.plugins.systems, settings.systems, settings.tenant)
        self.sources: Mapping[str, Source] = {
            "consonance": ConsonanceSource(self.consonance, settings.consonance),
            "fourallportal": FourallportalSource(
                self.fourallportal, self.uses, settings.tenant, settings.fourallportal
            ),
            **{name: each.source for name, each in self._opened.items() if each.source},
        }
        self.dam = FourallportalTarget(self.fourallportal, self.uses, settings.fourallportal)
        self.targets: Mapping[str, Target] = {
            "consonance": ConsonanceTarget(self.consonance),
            "fourallportal": self.dam,
            **{name: each.target for name, each in self._opened.items() if each.target},
        }
        self._apis = {name: each.api for name, each in self._opened.items() if each.api}
        self._apis |= {"consonance": self.consonance.api, "fourallportal": self._dam_api}
        self.budgets = {name: api.budget for name, api in self._apis.items()}
        for name, budget in self.budgets.items():
            budget.share(self.db, name)
        #: (system, aspect) of what plugins' systems state, beside our ten.
        self.further = [
            (name, aspect) for name in self._opened if name in self.sources for aspect in self.sources[name].aspects
        ]
        self.topics = Topics(settings.kafka, self.further)
        self.known: dict[str, Capabilities] = {}
        self.observed: Observed = UNOBSERVED
        #: Where the running process answers probes; None: nowhere.
        self.probes: str | None = None

    def observe(self, observed: Observed) -> None:
        """Who is told what happens; parts made after it tell it too."""
        self.observed = observed
        for api in self._apis.values():
            api.observed = observed

    async def close(self) -> None:
        await self.consonance.api.close()
        await self._dam_api.close()
        for each in self._opened.values():
            if each.close is not None:
                await each.close()
        await self.db.close()

    async def introspect(self) -> list[str]:
        """What the systems can do now; answers those that are known for the first time."""
        new = await asyncio.gather(*map(self.ask, self.targets))
        return [name for name, is_new in zip(self.targets, new, strict=True) if is_new]

    async def ask(self, name: str) -> bool:
        """What a system can do now, and whether that is known for the first time; one that fails is logged."""
        try:
            found = await self.targets[name].capabilities()
        except FrontlistError as error:
            log.error("a system cannot be introspected, so it is not written", system=name, error=said(error))
            return False
        new = name not in self.known
        self.known[name] = found
        return new

    async def check_topics(self) -> Mapping[str, TopicState]:
        """The topics as they are; refuses missing ones and those with another number of partitions."""
        there = await self.topics.states()
        missing = [name for name in self.topics.names if name not in there]
        if missing:
            raise ConfigurationError(
                f"{len(missing)} topics are missing, {missing[0]} first",
                where=self.settings.kafka.bootstrap,
                cure="frontlist topics apply",
            )
        self.topics.check(there)
        return there

    async def whole(self) -> None:
        """Refuses a database that a rebuild has not finished."""
        async with self.db.read() as c:
            if await installation.fact(c, installation.REBUILDING) is not None:
                raise half_rebuilt(self.db)

    async def identify(self, there: Mapping[str, TopicState], *, rebuilding: bool = False) -> str | None:
        """The tenant's name and the database's id are fixed at the first start, on the decisions topic too.

        Answers the database's id. `rebuilding`: the database must be empty, or one that a rebuild has not finished.
        """
        async with self.db.begin() as c:
            await self.db.raise_numbers(c)
            empty = await installation.fact(c, "tenant") is None
        if empty:
            await self._settle_in(rebuilding)
        async with self.db.read() as c:
            tenant = await installation.fact(c, "tenant")
            mine = await installation.fact(c, "database")
            half = await installation.fact(c, installation.REBUILDING) is not None
            said = await settled.decision(c, "installation", "identity")
            stored = await dossier.offsets(c)
        if tenant != self.settings.tenant:
            raise ConfigurationError(
                f"this database belongs to installation {tenant!r}, the configuration says {self.settings.tenant!r}",
                where="tenant",
                cure="use the database of this installation, or set `tenant` back",
            )
        if said is not None and mine is not None and said["database"] != mine:
            raise ConfigurationError(
                "another database has taken over this installation (its topics say so)",
                where=self.db.name,
                cure="point `database` at that one, or empty this one and run `frontlist rebuild`",
            )
        if rebuilding and not half:
            raise ConfigurationError(
                "this database is not empty: an installation works with it, which a rebuild would stop",
                where=self.db.name,
                cure="point `database` at an empty one, say `frontlist db upgrade`, then `frontlist rebuild`",
            )
        if rebuilding:
            return mine  # it reads every topic from its beginning
        if half:
            raise half_rebuilt(self.db)
        for (name, _), (_, topic_id) in stored.items():
            if topic_id and name in there and topic_id != there[name].id:
                raise recreated(name)
        return mine

    async def _settle_in(self, rebuilding: bool) -> None:
        said = None
        async for batch, _ in read_to_end(self.settings.kafka, [self.decisions], {}):
            for record in batch:
                if record.key == b"installation/identity":
                    said = record
        if said is not None and not rebuilding:
            raise ConfigurationError(
                "the database is empty, but the topics hold an installation's history",
                where=self.db.name,
                cure="point `database` at the installation's database, or restore it with `frontlist rebuild`",
            )
        async with self.db.begin() as c:
            await self.db.lock(c, "frontlist/identity")
            if await installation.fact(c, "tenant") is not None:
                return  # another replica was first
            identity = {"tenant": self.settings.tenant, "database": self.clock.new_id()}
            await installation.state(self.db, c, identity)
            if rebuilding:
                await installation.state(self.db, c, {installation.REBUILDING: "1"})
            await decisions.decide(self.db, c, self.decisions, {("installation", "identity"): identity})

    async def replaces(self) -> bool:
        """Whether the configured mapping would take the place of another one."""
        async with self.db.read() as c:
            current = await installation.active(c)
        return current is not None and current.fingerprint != fingerprint(self.mapping.text)

    async def activate(self) -> Active:
        """The configured mapping becomes the active one under a number from the database."""
        print_ = fingerprint(self.mapping.text)
        async with self.db.begin() as c:
            await self.db.lock(c, "frontlist/activation")
            current = await installation.active(c)
            if current is None or current.fingerprint != print_:
                current = await installation.activate(self.db, c, print_, self.mapping.text)
                body = {"body": {"fingerprint": print_, "text": self.mapping.text}, "number": current.number}
                await applied.post(self.db, c, [(self.decisions, "mapping/active", body)])
                consumers = await installation.registered(c)
                now = await self.db.now(c)
                await work.mark(self.db, c, await all_due(c, consumers, now, f"mapping/{current.number}"))
                await applied.try_again(c, await applied.with_refused(c))
        return Active(current.number, self.mapping)

    async def register(self) -> None:
        """New consumers, and those that want something else now: every title is due for them.

        Of those that come in another release what stopped is due.
        """
        releases = self.plugins.releases()
        brought = {name: (each.wants, releases[name]) for name, each in self.plugins.consumers.items()}
        async with self.db.begin() as c:
            await takes_long(c)
            now = await self.db.now(c)
            released = await installation.renewed(c, releases)
            new = await installation.register(self.db, c, brought)
            wants = {name: brought[name][0] for name in new}
            dues = await all_due(c, wants, now, "registered") + await work.stopped(c, released, now, "released")
            await work.mark(self.db, c, dues)


@asynccontextmanager
async def opened(
    settings: Settings,
    plugins: Plugins | None = None,
    *,
    clock: Clock | None = None,
    step: Step = no_step,
    rebuilding: bool = False,
) -> AsyncIterator[Installation]:
    """An installation for as long as the block lasts; its database has the schema that this program knows.

    `rebuilding`: also one that a rebuild has not finished.
    """
    found = Installation(settings, plugins, clock=clock, step=step)
    try:
        await schema.check(found.db)
        if not rebuilding:
            await found.whole()
        yield found
    finally:
        await found.close()


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


def intervals(it: Installation) -> dict[tuple[str, str], float]:
    """(system, feed) -> seconds between two passes."""
    return {(source.name, feed.name): feed.every for source in it.sources.values() for feed in source.feeds}


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
    facts.tenant, facts.every = it.settings.tenant, intervals(it)
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
            await fits(it)
    except DeliveryError as error:
        log.warning("the mapping could not be compared with the tenant", error=said(error))


async def _prepare(it: Installation, facts: Facts, asked: Asked) -> tuple[Mapping[str, TopicState], Active]:
    """All checks of the start, and what has to be known before the first claim."""
    facts.stage = "the topics are looked at"
    there = await it.check_topics()
    async with meanwhile(_committed(it)) as committed:
        facts.database_id = await it.identify(there)
        if it.db.sqlite:
            # No other process can be alive beside this file, so what the last one held is free.
            async with it.db.begin() as c:
                await processes.forget_all(c)
        if await it.replaces():
            facts.stage = COMPARED
            await asked.fit
        facts.stage = "consumers are registered, and the mapping becomes active"
        await it.register()
        active = await it.activate()
        facts.stage = "the database is compared with what Kafka was told"
        # Asked before the database: what another replica stores and commits meanwhile is no sign of a restore.
        restored = await _restored(it, await committed)
    if restored:
        facts.stage = "the database is older than what Kafka was told; all topics are read back"
        await _read_back(it, there)
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
                working = worker(it, self.active, woken, consumers, waiting=self._waiting(consumers))
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
            restored=lambda: _read_back(it, self.there),
            settings=it.settings.intake,
            further=it.further,
            step=it.step,
            observed=it.observed,
        )
        intake.know(self.there)
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


def worker(
    it: Installation,
    active: Active,
    woken: asyncio.Event | None = None,
    consumers: Sequence[str] | None = None,
    waiting: Callable[[], Mapping[str, str]] = dict,
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
        tenant=it.settings.tenant,
        active=lambda: active,
        capabilities=lambda: it.known,
        clock=it.clock,
        decisions=it.decisions,
        woken=woken,
        waiting=waiting,
        settings=it.settings.work,
        step=it.step,
        observed=it.observed,
    )


async def _read_back(it: Installation, there: Mapping[str, TopicState]) -> None:
    """The database comes from an older backup: new numbers are larger than any on the topics, all else is in doubt.

    Nobody works before the dossiers know what the systems were told since.
    """
    log.warning("the database is older than what Kafka was told: all that it remembers is read back")
    stored, since = await nothing_is_sure(it)
    await _take_all(it, there, stored, since=since - CLOCKS)
    await forgetting.forget_again(it, since)
    async with it.db.begin() as c:
        await applied.none_newer(c, await it.db.now(c))
        await it.db.raise_numbers(c)
        await installation.forget(c, installation.BEHIND)


async def nothing_is_sure(it: Installation) -> tuple[dict[tuple[str, int], int], int]:
    """What is remembered is in doubt, what is in hand is free, every title is due.

    Answers where reading goes on, and when the backup was made (no later).
    """
    async with it.db.begin() as c:
        await takes_long(c)
        await it.db.raise_numbers(c)
        since = await backed_up_at(c)
        await installation.state(it.db, c, {installation.BEHIND: str(since)})
        await work.free_all(c)
        await applied.doubt_all(c)
        everyone = await installation.registered(c)
        await work.mark(it.db, c, await all_due(c, everyone, await it.db.now(c), "restored"))
        return {at: offset for at, (offset, _) in (await dossier.offsets(c)).items()}, since


async def backed_up_at(c: AsyncConnection) -> int:
    """No later than the backup was made; whoever died while he read back has left what he found."""
    said = await installation.fact(c, installation.BEHIND)
    return await dossier.stored_at(c) if said in (None, installation.NOTICED) else int(said)


async def _take_all(
    it: Installation,
    there: Mapping[str, TopicState],
    stored: Mapping[tuple[str, int], int],
    say: Say = unsaid,
    *,
    since: int = 0,
) -> dict[str, int]:
    """What the topics hold from these offsets to their present ends; decisions and links first, the journal last.

    `since`: what was written before that is known; 0: nothing is, as in a rebuild.
    """
    intake = Intake(it.db, it.settings.kafka, clock=it.clock, settings=it.settings.intake, further=it.further)
    intake.know(there)
    counts: dict[str, int] = {}
    names = [it.decisions, it.links, *topics.changes(it.settings.kafka.prefix, it.further), it.journal]
    for place, name in enumerate(names, 1):
        counts[name] = 0
        journal = name == it.journal
        taking = await Restoring.begin(it.db, it.settings.keep) if journal else intake
        async for batch, _ in read_to_end(it.settings.kafka, [name], stored, since if journal else 0):
            await taking.take(batch)
            before, counts[name] = counts[name], counts[name] + len(batch)
            if before // SAID_EVERY != counts[name] // SAID_EVERY:
                say(f"topic {place} of {len(names)}, {name}: {counts[name]:,} records so far")
        say(f"topic {place} of {len(names)}, {name}: {counts[name]:,} records")
    return counts


async def rebuild(it: Installation, say: Say = unsaid) -> dict[str, int]:
    """An empty database from the topics: decisions and links first, so that nothing is created twice; the journal last.

    One that was interrupted is begun again; until it is done, nothing else works on the database. Answers topic ->
    records; `say` gets a line at each topic's end, and one at every SAID_EVERY records.
    """
    with alone(it.db):
        async with it.db.alone("frontlist/rebuild") as mine:
            if not mine:
                raise ConfigurationError(
                    "another process is rebuilding this database",
                    where=it.db.name,
                    cure="wait for it; should it be interrupted, say `frontlist rebuild` again",
                )
            return await _rebuild(it, say)


async def _rebuild(it: Installation, say: Say) -> dict[str, int]:
    there = await it.check_topics()
    await it.identify(there, rebuilding=True)
    await it.register()
    async with it.db.begin() as c:
        await takes_long(c)
        await applied.clear(c)  # what one that was interrupted has left
    counts = await _take_all(it, there, {}, say)
    async with it.db.begin() as c:
        await takes_long(c)
        now = await it.db.now(c)
        await it.db.raise_numbers(c)
        await applied.none_newer(c, now)
        before = await settled.decision(c, "mapping", "active")
        if before is not None:
            await installation.activate(it.db, c, before["fingerprint"], before["text"])
        await installation.forget(c, installation.REBUILDING)
    return counts


def half_rebuilt(db: Database) -> ConfigurationError:
    return ConfigurationError(
        "a rebuild of this database is under way, or was interrupted: it does not hold everything yet",
        where=db.name,
        cure="wait for it, or say `frontlist rebuild` again: it begins anew and makes the database whole",
    )


@dataclass(frozen=True)
class Republished:
    """`topics` will be read from their beginning; `records`: links and decisions; `titles` by system."""

    topics: int
    records: int
    titles: Mapping[str, int]


async def republish(it: Installation, say: Say = unsaid) -> Republished:
    """After a topic was re-created or cut: everything that we know is published on it anew, under new revisions.

    Links and decisions come from the database; documents are read from their systems again by the next `run`.
    """
    with alone(it.db):
        there = await it.check_topics()
        async with it.db.begin() as c:
            await takes_long(c)
            await it.db.raise_numbers(c)
            lost = await cut(it.settings.kafka, await dossier.offsets(c))
            ids = {name: "" if name in lost else state.id for name, state in there.items()}
            forgotten = await dossier.forget_offsets(c, ids)
            links, decisions = await settled.everything(c)
            records = [(it.links, each.key, each.body) for each in links]
            records += [(it.decisions, f"{each.kind}/{each.key}", each.value) for each in decisions]
            await applied.post(it.db, c, records)
            say(f"{len(records):,} links and decisions are to be published anew")
            titles: dict[str, int] = {}
            for name in it.sources:
                titles[name] = await captured.forget_published(it.db, c, name)
                say(f"{titles[name]:,} titles of {name} are to be published anew")
    return Republished(forgotten, len(records), titles)


class alone:
    """SQLite takes one running process: a lock beside the file, freed by the system however the process ends."""

    def __init__(self, db: Database) -> None:
        self._path = Path(str(db.url.database) + ".lock") if db.sqlite and db.url.database else None

    def __enter__(self) -> None:
        if self._path is None:
            return
        self._file = self._path.open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise ConfigurationError(
                "another process runs on this SQLite file",
                where=str(self._path),
                cure="stop it first; for several replicas use PostgreSQL",
            ) from None

    def __exit__(self, *_: object) -> None:
        if self._path is not None:
            self._file.close()


async def fits(it: Installation) -> None:
    """Refuses a mapping that names fields, types or options which the tenant does not have; raises DeliveryError."""
    modules, options = await it.dam.modules()
    problems = field_mapping.against(it.mapping, {name: module.by_name for name, module in modules.items()}, options)
    wrong = [each for each in problems if each.severity == "error"]
    if wrong:
        raise field_mapping.MappingError(it.mapping.file, wrong)


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
                    await work.mark(it.db, c, await all_due(c, consumers, await it.db.now(c), "introspected"))
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


async def _committed(it: Installation) -> Mapping[tuple[str, int], int]:
    """The offsets that intake told Kafka; 0 where it told none."""
    names = topics.compacted(it.settings.kafka.prefix, it.further)
    partitions = [TopicPartition(name, p) for name in names for p in range(it.settings.kafka.partitions_of(name))]
    consumer = AIOKafkaConsumer(
        **it.settings.kafka.aiokafka(), group_id=it.settings.kafka.group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        offsets = await asyncio.gather(*map(consumer.committed, partitions))
    finally:
        await consumer.stop()
    return {(at.topic, at.partition): offset or 0 for at, offset in zip(partitions, offsets, strict=True)}


async def _restored(it: Installation, committed: Mapping[tuple[str, int], int]) -> bool:
    """Whether Kafka's committed offsets are ahead of the stored ones: the database comes from an older backup."""
    async with it.db.read() as c:
        stored = await dossier.offsets(c)
        behind = await installation.fact(c, installation.BEHIND) is not None  # somebody died while he read back
    return behind or any(committed.get(at, 0) > offset for at, (offset, _) in stored.items())
