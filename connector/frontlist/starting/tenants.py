"""What both tenants show at the start: modules, connectors, options, schema, and the project stages in use."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from frontlist.contract import Json
from frontlist.errors import FrontlistError, Stop
from frontlist.starting.answers import Access, Answers
from frontlist.systems.consonance.client import Client as ConsonanceClient
from frontlist.systems.consonance.schema import Schema
from frontlist.systems.consonance.settings import ConsonanceSettings
from frontlist.systems.fourallportal.client import Client as FourallportalClient
from frontlist.systems.fourallportal.modules import Module
from frontlist.systems.fourallportal.settings import FourallportalSettings

#: Seconds for each system.
PATIENCE = 60.0
#: Pages of works read for the project stages in use.
PAGES = 10
_STAGES = """query Stages($search: WorkSearchAttributes!) {
  works(workSearch: $search) { id projectStage { id name } } }"""


@dataclass(frozen=True)
class Consonance:
    """`stages`: (id, name) -> how many of the works that were looked at are in it."""

    schema: Schema
    stages: Mapping[tuple[int, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Fourallportal:
    """`connectors`: name -> module. `modules`: those of the connectors, and the sandbox's names where they exist."""

    modules: Mapping[str, Module]
    connectors: Mapping[str, str]
    options: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Shown:
    """None: that system was not looked at; `notes` say why."""

    consonance: Consonance | None = None
    fourallportal: Fourallportal | None = None
    notes: tuple[str, ...] = ()


async def look(answers: Answers) -> Shown:
    """Whatever can be seen, each system for itself; never raises for a system that is away."""
    notes: list[str] = []
    left = await _tried("Consonance", lambda: _consonance(answers), answers.consonance, notes)
    right = await _tried("4ALLPORTAL", lambda: _fourallportal(answers), answers.fourallportal, notes)
    return Shown(left, right, tuple(notes))


async def _tried(name: str, ask: Any, access: Access, notes: list[str]) -> Any:
    if access.key is None and access.key_file is None:
        notes.append(f"{name} was not looked at: no key was given")
        return None
    try:
        async with asyncio.timeout(PATIENCE):
            return await ask()
    except FrontlistError as error:
        notes.append(f"{name} was not looked at: {error}")
    except TimeoutError:
        notes.append(f"{name} was not looked at: no answer within {PATIENCE:.0f} s")
    return None


async def _consonance(answers: Answers) -> Consonance:
    access = answers.consonance
    settings = ConsonanceSettings(url=access.url, zone=answers.zone, **_key(access))
    async with AsyncExitStack() as stack:
        client = ConsonanceClient.connect(settings)
        stack.push_async_callback(client.close)
        schema = await client.schema()
        named = schema.field("Work", "projectStage")
        offered = schema.types[named.type.name].fields if named else {}
        return Consonance(schema, await _stages(client) if {"id", "name"} <= offered.keys() else {})


def _key(access: Access) -> dict[str, Any]:
    return {"key_file": access.key_file} if access.key is None else {"key": SecretStr(access.key)}


async def _stages(client: ConsonanceClient) -> dict[tuple[int, str], int]:
    seen: dict[tuple[int, str], int] = {}
    after = 0
    for _ in range(PAGES):
        rows = (await client.query(_STAGES, {"search": {"after": after}})).data.get("works")
        works: Sequence[Json] = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
        if not works:
            break
        for stage in (work.get("projectStage") for work in works):
            if isinstance(stage, Mapping):
                key = int(stage["id"]), str(stage.get("name") or "")
                seen[key] = seen.get(key, 0) + 1
        after = max(int(work["id"]) for work in works)
    return seen


async def _fourallportal(answers: Answers) -> Fourallportal:
    access = answers.fourallportal
    settings = FourallportalSettings(url=access.url, locales=tuple(answers.locales), **_key(access))
    async with settings.api() as api:
        client = FourallportalClient(api)
        connectors = dict(_named(one) for one in await client.connectors() if _named(one)[0])
        wanted = {answers.modules.product, answers.modules.title, "product", "title", *connectors.values()}
        found = [await _module(client, name) for name in sorted(name for name in wanted if name)]
        modules = {each.name: each for each in found if each is not None}
        keys = {one.option_key for each in modules.values() for one in each.fields if one.option_key}
        return Fourallportal(modules, connectors, await client.options(sorted(keys)))


def _named(one: Any) -> tuple[str, str]:
    """(connector, module); what the list is made of is assumed."""
    if not isinstance(one, Mapping):
        return "", ""
    return str(one.get("connector_name") or one.get("name") or ""), str(one.get("module_name") or "")


async def _module(client: FourallportalClient, name: str) -> Module | None:
    try:
        return await client.module(name)
    except Stop:
        return None
