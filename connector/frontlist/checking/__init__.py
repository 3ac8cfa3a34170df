"""`frontlist check`: everything that an installation rests on, looked at without writing.

Configuration and mapping first; then Kafka, database and both systems, each for itself, so that one that is down hides
nothing of the others; then every assumption of the sandboxes is held against the tenants.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from frontlist import mapping as field_mapping
from frontlist import ownership
from frontlist.checking import assumptions, consonance, database, evidence, fourallportal, kafka, keys, patching
from frontlist.checking.behaviours import Verdict
from frontlist.checking.patching import Scratch
from frontlist.checking.verdict import Check, Report, Settled, failed
from frontlist.clock import Clock, moment
from frontlist.errors import ConfigurationError, FrontlistError
from frontlist.mapping import FieldMapping, MappingError
from frontlist.plugins import Plugins
from frontlist.progress import Say, unsaid
from frontlist.settings import Settings, load
from frontlist.systems.consonance.client import Client as ConsonanceClient
from frontlist.systems.consonance.schema import Schema
from frontlist.systems.fourallportal.client import Client as FourallportalClient

Found = TypeVar("Found")
__all__ = ["Check", "Report", "Scratch", "Settled", "check", "look"]


async def check(file: Path | None = None, scratch: Scratch | None = None, say: Say = unsaid) -> Report:
    """Everything, from the configuration file on; never raises for what it finds."""
    try:
        settings = load(file)
    except ConfigurationError as error:
        rest = Check("everything else", "not looked at", "unknown", "the configuration cannot be read")
        report = Report((failed("configuration", "frontlist.yaml", error), rest), assumptions.settle(None, None, {}))
        return report.without(())
    return await look(settings, scratch, say=say)


async def look(
    settings: Settings,
    scratch: Scratch | None = None,
    clock: Clock | None = None,
    plugins: Plugins | None = None,
    say: Say = unsaid,
) -> Report:
    """Everything that loaded settings lead to; `say` gets a line when a part is done."""
    today = moment((clock or Clock()).now_us()).date()
    mapping, about_mapping = _mapping(settings)
    say("looking at the database")
    base = await database.look(settings, mapping)
    waiting = ["Kafka", "Consonance", fourallportal.AREA]
    left = _Consonance(settings, mapping, today)
    right = _Fourallportal(settings, mapping, today, scratch)

    async def said(name: str, part: Coroutine[Any, Any, Found]) -> Found:
        found = await part
        waiting.remove(name)
        say(f"{name} looked at" + (f", waiting for {' and '.join(waiting)}" if waiting else ""))
        return found

    say(f"the database looked at, waiting for {', '.join(waiting)}")
    async with asyncio.TaskGroup() as group:
        topics = group.create_task(said("Kafka", kafka.look(settings, base.topic_ids)))
        group.create_task(said("Consonance", left.look()))
        group.create_task(said(fourallportal.AREA, right.look()))
    found = [
        Check("configuration", "frontlist.yaml", "ok", f"tenant {settings.tenant}"),
        *_zones(settings, mapping),
        *about_mapping,
        *_plugins(plugins, mapping),
        *topics.result(),
        *base.checks,
        *left.checks,
        *right.checks,
    ]
    settled = assumptions.settle(left.schema, right.seen, {**left.verdicts, **right.verdicts})
    return Report(tuple(found), settled).without(_secrets(settings))


def _mapping(settings: Settings) -> tuple[FieldMapping | None, list[Check]]:
    try:
        mapping = field_mapping.load(settings.mapping)
    except MappingError as error:
        found = [
            Check("mapping", "rules", "failed", each.what, f"{error.file}:{each.line}", each.cure)
            for each in error.problems
        ]
        return None, found
    warnings = [
        Check("mapping", "rules", "warning", each.what, f"{mapping.file}:{each.line}", each.cure)
        for each in mapping.warnings
    ]
    rules = sum(len(module.fields) + len(module.prices) for module in mapping.modules.values())
    return mapping, [Check("mapping", "rules", "ok", f"{rules} cells, {len(mapping.copy)} texts"), *warnings]


def _plugins(given: Plugins | None, mapping: FieldMapping | None) -> list[Check]:
    """Whether each plugin can be loaded, and no two consumers write one field."""
    area, what = "plugins", "consumers"
    try:
        plugins = given or Plugins()
    except FrontlistError as error:
        return [failed(area, what, error)]
    if mapping is None:
        return [Check(area, what, "unknown", "what they write depends on the mapping")]
    wrong = ownership.contests(plugins.consumers, mapping)
    names = ", ".join(sorted(plugins.consumers)) or "none"
    return [failed(area, what, error) for error in wrong] or [Check(area, what, "ok", f"{names}: no field has two")]


def _zones(settings: Settings, mapping: FieldMapping | None) -> list[Check]:
    if mapping is None or mapping.zone.key == settings.consonance.zone:
        return []
    detail = f"the mapping says {mapping.zone.key}, consonance.zone says {settings.consonance.zone}"
    cure = "give both the publisher's zone: prices and dates begin and end at midnight there"
    return [Check("configuration", "time zone", "failed", detail, "consonance.zone", cure)]


@dataclass
class _Consonance:
    """Its part of a run."""

    settings: Settings
    mapping: FieldMapping | None
    today: date
    checks: list[Check] = field(default_factory=list)
    schema: Schema | None = None
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    async def look(self) -> None:
        mine = self.settings.consonance
        self.checks += keys.expiry("Consonance", "consonance.key_expires", mine.key_expires, self.today, limited=False)
        try:
            client = ConsonanceClient.connect(mine)
        except FrontlistError as error:
            self.checks.append(failed("Consonance", "key", error))
            return
        async with AsyncExitStack() as stack:
            stack.push_async_callback(client.close)
            found = await consonance.look(client, self.mapping)
            self.checks += found.checks
            self.schema = found.schema
            if found.schema is not None:
                self.verdicts = await assumptions.asked(client)


@dataclass
class _Fourallportal:
    """Its part of a run."""

    settings: Settings
    mapping: FieldMapping | None
    today: date
    scratch: Scratch | None
    checks: list[Check] = field(default_factory=list)
    seen: evidence.Evidence | None = None
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    async def look(self) -> None:
        mine = self.settings.fourallportal
        name, area = "fourallportal.key_expires", fourallportal.AREA
        self.checks += keys.expiry(area, name, mine.key_expires, self.today, limited=True)
        try:
            api = mine.api()
        except FrontlistError as error:
            self.checks.append(failed(area, "key", error))
            return
        async with api:
            client = FourallportalClient(api)
            found = await fourallportal.look(client, mine, self.mapping)
            self.checks += found.checks
            if found.portal is None:
                return
            self.seen = await evidence.gather(api, found.portal)
            await self._patch(client)

    async def _patch(self, client: FourallportalClient) -> None:
        if self.scratch is None:
            if self.mapping is not None and self.mapping.patch == "unknown":
                cure = "frontlist check --probe-writes MODULE/ID/FIELD on a record made for trying"
                self.checks.append(
                    Check(fourallportal.AREA, patching.WHAT, "unknown", "only a write shows it", "", cure)
                )
            return
        found = await patching.probe(client, self.scratch, self.settings.fourallportal.locales, self.mapping)
        self.checks += found.checks
        self.verdicts |= found.verdicts


def _secrets(settings: Settings) -> list[str]:
    """Whatever must not be shown, wherever somebody else quotes it."""
    found: list[str] = []
    for read in (settings.consonance.secret, settings.fourallportal.api_key):
        try:
            found.append(read())
        except FrontlistError:
            continue
    if settings.kafka.password:
        found.append(settings.kafka.password.get_secret_value())
    return found
