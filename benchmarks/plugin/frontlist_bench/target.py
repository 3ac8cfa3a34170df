"""The counting server as a target: one POST for up to `batch` titles, each of them whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from frontlist import Absent, Actual, Api, Capabilities, Desired, Done, FieldKey, Json, Resource, Step, StepOutcome


class CountingTarget:
    """One title a call is an object, more are an array."""

    name = "counting"
    once: frozenset[str] = frozenset()
    readable = False

    def __init__(self, api: Api, batch: int) -> None:
        self._api, self.batch = api, batch

    async def capabilities(self) -> Capabilities:
        return Capabilities()

    async def read(self, desired: Sequence[Desired]) -> Mapping[Resource, Actual | None]:
        raise NotImplementedError("the counting server cannot be asked")

    def same(self, resource: Resource, key: FieldKey, desired: Json, actual: Json) -> bool:
        return bool(desired == actual)

    def steps(self, desired: Desired, actual: Actual | None, progress: Mapping[str, Json]) -> Sequence[Step]:
        if isinstance(desired, Absent) or "post" in progress:
            return []
        return [Step(desired.resource, "post", {**desired.fields, "key": desired.resource.id})]

    async def write(self, steps: Sequence[Step], deadline: float) -> Sequence[StepOutcome]:
        payloads = [step.payload for step in steps]
        await self._api.call("POST", "/titles", json=payloads if self.batch > 1 else payloads[0], deadline=deadline)
        return [Done() for _ in steps]
