"""An installation, opened for a command or for the running process."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError, RequestTimedOutError

from frontlist import mapping as field_mapping
from frontlist.clock import Clock
from frontlist.contract import Capabilities, Target
from frontlist.errors import ConfigurationError, FrontlistError, causes, said
from frontlist.kafka import Topics, TopicState
from frontlist.mapping import FieldMapping
from frontlist.observed import UNOBSERVED, Observed
from frontlist.opening import open_all
from frontlist.planning import Active, Planner
from frontlist.plugins import Plugins
from frontlist.settings import Settings
from frontlist.source import Source
from frontlist.state import installation, schema
from frontlist.state.database import Database, away, reason
from frontlist.step import Step, no_step
from frontlist.systems.consonance.client import Client as ConsonanceClient
from frontlist.systems.consonance.source import ConsonanceSource
from frontlist.systems.consonance.target import ConsonanceTarget
from frontlist.systems.fourallportal.client import Client as FourallportalClient
from frontlist.systems.fourallportal.source import FourallportalSource
from frontlist.systems.fourallportal.target import FourallportalTarget
from frontlist_schemas import topics

log = structlog.get_logger(__name__)
#: What aiokafka raises where no broker answers.
KAFKA_AWAY = (KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError, RequestTimedOutError)


class Installation:
    """An installation, opened for a command or for the running process."""

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

    def intervals(self) -> dict[tuple[str, str], float]:
        """(system, feed) -> seconds between two passes."""
        return {(source.name, feed.name): feed.every for source in self.sources.values() for feed in source.feeds}

    def planner(self, active: Active) -> Planner:
        return Planner(self.settings.tenant, lambda: active, lambda: self.known)

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
    except Exception as error:
        told = _away(found, error)
        if told is None:
            raise
        raise told from error
    finally:
        await found.close()


def _away(it: Installation, error: Exception) -> FrontlistError | None:
    """What a person is told where nothing but Kafka or the database, which went away, ended a command."""
    found = list(causes(error))
    if not all(isinstance(each, KAFKA_AWAY) or away(each) for each in found):
        return None
    log.info("a command ended", exc_info=error)
    first, cure = found[0], "once it answers, say the command again; nothing is lost"
    if isinstance(first, KAFKA_AWAY):
        return FrontlistError(f"Kafka went away: {first}", where=it.settings.kafka.bootstrap, cure=cure)
    return FrontlistError(f"the database went away: {reason(first)}", where=it.db.name, cure=cure)


def half_rebuilt(db: Database) -> ConfigurationError:
    return ConfigurationError(
        "a rebuild of this database is under way, or was interrupted: it does not hold everything yet",
        where=db.name,
        cure="wait for it, or say `frontlist rebuild` again: it begins anew and makes the database whole",
    )


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
