"""The way of a change for some titles with the last step withheld: what stands in the target beside what is planned."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from frontlist import aftermath, runtime
from frontlist.contract import Actual, Desired, Ensure, FieldKey, Json, Mode, Resource, Target, TitleKey
from frontlist.modes import imprint, may_write
from frontlist.ordering import has_it, keeps, proposal, stated_at, without_first_erasures
from frontlist.pins import Put
from frontlist.planning import Active, Planner, Seen
from frontlist.state import applied, installation
from frontlist.state.work import Priority

#: Titles that are planned and read together.
PAGE = 50


@dataclass(frozen=True)
class Cell:
    """A field that is not as it would be. `drift`: somebody changed what we wrote; else it was never written so."""

    field: FieldKey
    is_: Json
    would: Json
    drift: bool

    def as_json(self) -> dict[str, Json]:
        return {"field": self.field, "is": self.is_, "would": self.would, "drift": self.drift}


@dataclass(frozen=True)
class Looked:
    """One desired state of one title. `planned`: before pins; `actual`: None where no such resource is there.

    `waits`: for what, a pause, a person or another title, else None.
    """

    title: TitleKey
    consumer: str
    planned: Desired
    put: Put
    mode: Mode
    accepted: bool
    waits: str | None
    have: applied.Applied | None
    actual: Actual | None
    cells: tuple[Cell, ...]

    @property
    def resource(self) -> Resource:
        return self.planned.resource

    @property
    def writes(self) -> bool:
        return self.waits is None and may_write(self.mode, self.accepted)

    def as_json(self) -> dict[str, Json]:
        return {
            "title": self.title,
            "consumer": self.consumer,
            "resource": str(self.resource),
            "mode": self.mode.value,
            "would_write": self.writes,
            "waits": self.waits,
            "there": self.actual is not None,
            "cells": [each.as_json() for each in self.cells],
        }


class Preview:
    """Plans and reads; writes nothing."""

    def __init__(self, it: runtime.Installation, priority: Priority) -> None:
        """`priority`: of the work that it previews, as a pause may be of one alone."""
        self.it, self.priority = it, priority
        self._planner: Planner | None = None

    async def looked(
        self, consumer: str, titles: Sequence[TitleKey], say: Callable[[int], None] = lambda _: None
    ) -> AsyncIterator[Looked]:
        """What is planned for each, page by page; `say` hears how many titles are done."""
        for start in range(0, len(titles), PAGE):
            page = titles[start : start + PAGE]
            for each in await self._page(consumer, page):
                yield each
            say(start + len(page))

    async def _page(self, name: str, titles: Sequence[TitleKey]) -> list[Looked]:
        planner = await self._ready()
        consumer = self.it.plugins.consumers[name]
        async with self.it.db.read() as c:
            now = await self.it.db.now(c)
            seen = await planner.look(c, name, titles)
            plans = {t: planner.plan(consumer, seen.dossiers[t], seen, planner.active(), now)[0] for t in titles}
            resources = [each.resource for plan in plans.values() if plan for each in plan.desired]
            have = dict(seen.held) | await applied.of_resources(c, name, resources)
            there = await aftermath.beside(c, name, titles, resources)
        ordered = [
            (title, each, _kept(there.put(each), title, seen, have))
            for title, plan in plans.items()
            if plan
            for each in plan.desired
        ]
        actual = await self._read([put.desired for _, _, put in ordered])
        return [
            self._looked(name, title, planned, put, seen, have.get(planned.resource), actual)
            for title, planned, put in ordered
        ]

    async def _ready(self) -> Planner:
        if self._planner is None:
            await self.it.introspect()
            async with self.it.db.read() as c:
                active = await installation.active(c)
            self._planner = self.it.planner(Active(active.number if active else 0, self.it.mapping))
        return self._planner

    async def _read(self, desired: Sequence[Desired]) -> Mapping[Resource, Actual | None]:
        found: dict[Resource, Actual | None] = {}
        for name in sorted({each.resource.target for each in desired}):
            mine = [each for each in desired if each.resource.target == name]
            if name in self.it.targets:
                found |= await self.it.targets[name].read(mine)
        return found

    def _looked(
        self,
        consumer: str,
        title: TitleKey,
        planned: Desired,
        put: Put,
        seen: Seen,
        have: applied.Applied | None,
        actual: Mapping[Resource, Actual | None],
    ) -> Looked:
        resource = planned.resource
        there, target = actual.get(resource), self.it.targets.get(resource.target)
        mode = seen.modes.of(planned.flow, imprint(seen.dossiers[title]))
        accepted = proposal(put.desired) in seen.accepted
        revision = stated_at(self.it.plugins.consumers[consumer], seen.dossiers[title], resource.target)
        waits = has_it(planned, have, title, revision)
        writes = may_write(mode, accepted)
        return Looked(
            title,
            consumer,
            planned,
            put,
            mode,
            accepted,
            waits or keeps(put.desired, have, seen, mode, self.priority, writes=writes),
            have,
            there,
            cells(target, put.desired, have, there) if target is not None else (),
        )


def cells(target: Target, desired: Desired, have: applied.Applied | None, actual: Actual | None) -> tuple[Cell, ...]:
    """Fields that stand otherwise than wanted."""
    stands = actual.fields if actual else {}
    if not isinstance(desired, Ensure):
        return tuple(Cell(key, value, None, drift=False) for key, value in stands.items())
    ours = (have.fields if have else None) or {}
    found = []
    for key, value in desired.fields.items():
        if key in stands and target.same(desired.resource, key, value, stands[key]):
            continue
        drift = key in stands and key in ours and target.same(desired.resource, key, value, ours[key])
        found.append(Cell(key, stands.get(key), value, drift))
    return tuple(found)


def _kept(put: Put, title: TitleKey, seen: Seen, have: Mapping[Resource, applied.Applied]) -> Put:
    """As the worker orders it."""
    found = have.get(put.desired.resource)
    return replace(put, desired=without_first_erasures(put.desired, found, seen.adopted.get(title)))
