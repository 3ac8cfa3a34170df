"""The shop as a target: one POST a title, the whole title each time, so that a repeated call changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from frontlist import (
    Absent,
    Actual,
    Api,
    Capabilities,
    Desired,
    Done,
    Ensure,
    FieldKey,
    Json,
    Refused,
    Resource,
    Step,
    StepOutcome,
    errors,
)


class ShopTarget:
    """Each step is a call of its own, so `batch` is 1 and a failure stands for one title."""

    name = "shop"
    batch = 1
    once: frozenset[str] = frozenset()
    readable = False

    def __init__(self, api: Api) -> None:
        self._api = api

    async def capabilities(self) -> Capabilities:
        return Capabilities()

    async def read(self, desired: Sequence[Desired]) -> Mapping[Resource, Actual | None]:
        raise NotImplementedError("the shop cannot be asked what it has")

    def same(self, resource: Resource, key: FieldKey, desired: Json, actual: Json) -> bool:
        return bool(desired == actual)

    def steps(self, desired: Desired, actual: Actual | None, progress: Mapping[str, Json]) -> Sequence[Step]:
        name = "remove" if isinstance(desired, Absent) else "put"
        payload = dict(desired.fields) if isinstance(desired, Ensure) else None
        return [] if name in progress else [Step(desired.resource, name, payload)]

    async def write(self, steps: Sequence[Step], deadline: float) -> Sequence[StepOutcome]:
        return [await self._one(step, deadline) for step in steps]

    async def _one(self, step: Step, deadline: float) -> StepOutcome:
        path = f"/titles/{quote(step.resource.id, safe=':')}"
        try:
            if step.name == "remove":
                await self._api.call("DELETE", path, deadline=deadline, allow=frozenset({404}))
            else:
                await self._api.call("POST", path, json=step.payload, deadline=deadline)
        except errors.Refuse as error:
            return Refused(tuple(map(FieldKey, error.fields)), str(error))
        return Done()
