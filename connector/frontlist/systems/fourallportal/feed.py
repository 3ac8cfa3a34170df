"""The change feed of one module: events by rising id, rebuilt from 0 where we do not know what we missed.

| what is seen | what follows |
|---|---|
| another hash, or another use by the mapping | all fields in use are there: pin it, start from 0; else refuse |
| after 0: empty answers | the rebuild is asynchronous: drained only after several of them and some time |
| our last event is not in the queue any more | events were lost (INFERENCE): start from 0, at most once an hour |
| an id that the connector does not return | gone as far as the feed knows: capture asks for it by id |
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from frontlist.contract import Json
from frontlist.errors import ConfigurationError
from frontlist.source import Page, RawKey
from frontlist.systems.fourallportal import records
from frontlist.systems.fourallportal.client import DELETED, EVENTS, Connector, Event
from frontlist.systems.fourallportal.modules import ModuleUse
from frontlist.systems.fourallportal.tenant import Tenant
from frontlist_schemas.canonical import fingerprint


@dataclass(frozen=True)
class Position:
    """The cursor; times are seconds since 1970.

    `uses`: a digest of the fields in use. `next`: the id to ask from. `last`: the newest event seen. `moved`,
    `rebuilt`: when a rebuild last brought events, and began. `owed`: one for lost events is still waiting.
    """

    hash: str
    uses: str
    next: int = 0
    last: int | None = None
    rebuilding: bool = True
    empties: int = 0
    moved: float = 0.0
    rebuilt: float = 0.0
    owed: bool = False

    @classmethod
    def read(cls, cursor: Json | None) -> Position | None:
        """None where there is none, or one of another release: then all is read again."""
        try:
            return None if cursor is None else cls(**cursor)
        except TypeError:
            return None

    def as_json(self) -> dict[str, Json]:
        """Times in whole seconds, as a cursor holds no floats."""
        return {**self.__dict__, "moved": int(self.moved), "rebuilt": int(self.rebuilt)}


class ModuleFeed:
    """One module over its connector."""

    def __init__(self, tenant: Tenant, use: ModuleUse) -> None:
        self.name = f"events.{use.module}"
        self.kinds = frozenset({use.module})
        self.every = tenant.settings.poll_seconds
        self._tenant, self._use, self._settings = tenant, use, tenant.settings
        # The mirror holds the fields in use alone, so others must be read from the start.
        self._carried: frozenset[str] = frozenset()
        self._uses = fingerprint(sorted(use.read))[:16]

    async def page(self, cursor: Json | None, now: datetime) -> Page:
        """The next up to 1,000 events as objects."""
        connector = await self._tenant.client.connector(self._use.connector)
        self._carried = frozenset(connector.fields)
        position, at = Position.read(cursor), now.timestamp()
        if position is None or (position.hash, position.uses) != (connector.hash, self._uses):
            await self._check(connector)
            position = self._restart(connector.hash, at)
        elif position.owed and at - position.rebuilt >= self._settings.rebuild_rest:
            position = self._restart(position.hash, at)
        return await (self._replayed(position, at) if position.rebuilding else self._news(position, at))

    async def _check(self, connector: Connector) -> None:
        """Refuse a connector or module that no longer has a field in use."""
        module = (await self._tenant.learn(self._use.module)).module
        where = f"4ALLPORTAL connector {self._use.connector}"
        if connector.module_name != self._use.module:
            raise ConfigurationError(
                f"the connector is for module {connector.module_name!r}, not {self._use.module!r}",
                where=where,
                cure="name the module's own connector in the mapping",
            )
        self._refuse(self._use.fields - set(module.by_name), f"4ALLPORTAL module {module.name}", "the module")
        if connector.fields:
            self._refuse(self._use.fields - set(connector.fields), where, "the connector")

    def _refuse(self, missing: frozenset[str] | set[str], where: str, what: str) -> None:
        if missing:
            names = ", ".join(sorted(missing))
            raise ConfigurationError(
                f"{what} has no field {names}, which the mapping uses",
                where=where,
                cure=f"add {names} there in 4ALLPORTAL, or take it out of the mapping; then it goes on by itself",
            )

    async def _replayed(self, position: Position, at: float) -> Page:
        """A page of a rebuild. 0 is asked once, then 1: asking 0 again could begin the rebuild anew (UNKNOWN)."""
        events = await self._events(position.hash, position.next)
        if events:
            newest = events[-1].id
            moved = replace(position, next=newest + 1, last=newest, empties=0, moved=at)
            full = len(events) >= EVENTS
            return await self._page(events, moved, again_in=0.0 if full else self._settings.rebuild_pause, sweep=True)
        waiting = replace(position, next=max(position.next, 1), empties=position.empties + 1)
        if self._drained(waiting, at):
            done = replace(waiting, rebuilding=False)
            return Page((), done.as_json(), exhausted=True, sweep=True)
        return Page((), waiting.as_json(), exhausted=False, sweep=True, again_in=self._settings.rebuild_pause)

    def _drained(self, position: Position, at: float) -> bool:
        quiet = at - position.moved >= self._settings.rebuild_seconds
        return quiet and position.empties >= self._settings.rebuild_empties

    async def _news(self, position: Position, at: float) -> Page:
        """A page of what happened since. Asked from the last event on, which shows whether the queue still holds it."""
        start = position.next if position.last is None else position.last
        events = await self._events(position.hash, start)
        if position.last is not None and (not events or events[0].id != position.last):
            return await self._after_a_gap(position, events, at)
        return await self._advanced(position, [event for event in events if event.id != position.last])

    async def _after_a_gap(self, position: Position, events: list[Event], at: float) -> Page:
        if at - position.rebuilt >= self._settings.rebuild_rest:
            return Page((), self._restart(position.hash, at).as_json(), exhausted=False, again_in=0.0)
        return await self._advanced(replace(position, owed=True, last=None), events)

    async def _advanced(self, position: Position, events: list[Event]) -> Page:
        if not events:
            return Page((), position.as_json(), exhausted=True)
        newest = events[-1].id
        # The overlapping event counts: 999 new ones fill a call.
        full = len(events) >= EVENTS - 1
        moved = replace(position, next=newest + 1, last=newest)
        return await self._page(events, moved, exhausted=not full)

    async def _events(self, pinned: str, start: int) -> list[Event]:
        return await self._tenant.client.events(self._use.connector, start, pinned)

    async def _page(self, events: list[Event], position: Position, **rest: Any) -> Page:
        """The objects of the events, each by its newest one."""
        newest = {event.object_id: event for event in events}
        asked = [id for id, event in newest.items() if event.event_type != DELETED]
        shown = await self._tenant.client.connector_objects(self._use.connector, asked) if asked else []
        module = (await self._tenant.known(self._use.module)).module
        raws = tuple(records.raw(one, module, self._use, self._carried) for one in shown)
        gone = set(newest) - {raw.key.id for raw in raws}
        keys = tuple(RawKey(self._use.module, id) for id in sorted(gone))
        return Page(raws, position.as_json(), gone=keys, **{"exhausted": False, **rest})

    def _restart(self, pinned: str, at: float) -> Position:
        return Position(pinned, self._uses, moved=at, rebuilt=at)
