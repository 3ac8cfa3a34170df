"""What source and target both need of a tenant: its modules, kept for a while, and objects by id."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from frontlist.systems.fourallportal.client import ApiObject, Client
from frontlist.systems.fourallportal.modules import Module, ModuleUse, by_module
from frontlist.systems.fourallportal.settings import FourallportalSettings

#: Seconds for which a module's fields and options are believed; a refusal drops them at once.
BELIEVED = 300.0
Options = Mapping[str, frozenset[str]]


@dataclass
class Known:
    """A module as last read, its value options, and the loop's time until which this is believed."""

    module: Module
    options: Options
    until: float


@dataclass
class Tenant:
    """One tenant as the mapping uses it."""

    client: Client
    uses: Mapping[str, ModuleUse]
    settings: FourallportalSettings
    _known: dict[str, Known] = field(default_factory=dict)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def of(cls, client: Client, uses: Sequence[ModuleUse], settings: FourallportalSettings) -> Tenant:
        return cls(client, by_module(uses), settings)

    def last(self, module: str) -> Known | None:
        """The module as last read, however long ago."""
        return self._known.get(module)

    async def known(self, module: str) -> Known:
        """The module with its options, read again once it is too old; who asks meanwhile waits for that."""
        if found := self._fresh(module):
            return found
        async with self._reading:
            return self._fresh(module) or await self._learn(module)

    async def learn(self, module: str) -> Known:
        """The module with its options, read now."""
        async with self._reading:
            return await self._learn(module)

    def _fresh(self, module: str) -> Known | None:
        found = self._known.get(module)
        return found if found and asyncio.get_running_loop().time() < found.until else None

    async def _learn(self, module: str) -> Known:
        described = await self.client.module(module)
        options = await self.client.options(sorted({one.option_key for one in described.fields if one.option_key}))
        until = asyncio.get_running_loop().time() + BELIEVED
        made = self._known[module] = Known(described, options, until)
        return made

    def forget(self, module: str) -> None:
        """Read the module again before it is used next."""
        if found := self._known.get(module):
            found.until = 0.0

    async def one_by_one(self, module: str, ids: Sequence[str], fields: Iterable[str]) -> dict[str, ApiObject]:
        """Objects by GET, which is right whatever a connector shows; missing ones are left out.

        An unknown module answers 404 for every object too, so the module is asked before a 404 is believed.
        """
        asked = await self._askable(module, fields)
        gate = asyncio.Semaphore(self.settings.concurrency)

        async def one(id: str) -> ApiObject | None:
            async with gate:
                return await self.client.get(module, id, asked)

        tasks: list[asyncio.Task[ApiObject | None]] = []
        try:
            async with asyncio.TaskGroup() as group:
                tasks += [group.create_task(one(id)) for id in ids]
        except BaseExceptionGroup as errors:
            # A DeliveryError is for the whole call; the first says what happened.
            raise errors.exceptions[0] from None
        found = {id: task.result() for id, task in zip(ids, tasks, strict=True)}
        if None in found.values():
            await self.client.module(module)
        return {id: one for id, one in found.items() if one is not None}

    async def many(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> dict[str, ApiObject]:
        """Objects with at least these fields, through the connector where it carries them all.

        What the connector returns is whole; what it leaves out may only be outside its condition, so that is asked for
        one by one.
        """
        found: dict[str, ApiObject] = {}
        if self.settings.through_connector and len(ids) > 1 and await self._carries(module, fields):
            shown = await self.client.connector_objects(self.uses[module].connector, ids)
            found = {str(one["id"]): one for one in shown}
        rest = [id for id in ids if id not in found]
        return found | (await self.one_by_one(module, rest, fields) if rest else {})

    async def _carries(self, module: str, fields: frozenset[str]) -> bool:
        if module not in self.uses:
            return False
        connector = await self.client.connector(self.uses[module].connector)
        return connector.module_name == module and fields <= set(connector.fields)

    async def _askable(self, module: str, fields: Iterable[str]) -> list[str]:
        # A field that the module does not have makes the whole call fail (INFERENCE).
        has = (await self.known(module)).module.by_name
        return ["id", *sorted(name for name in fields if name in has)]
