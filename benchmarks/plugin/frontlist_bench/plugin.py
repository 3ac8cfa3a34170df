"""Registers two consumers, one for each document that the benchmarks publish, and the counting server as a system."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from frontlist import (
    EVERY_FIELD,
    Api,
    Consumer,
    Context,
    DocumentKey,
    Dossier,
    Ensure,
    Opened,
    Plan,
    Resource,
    System,
    Writes,
    field_key,
    hookimpl,
)
from frontlist_bench.target import CountingTarget


class CountingSettings(BaseModel):
    """`systems.counting`. Without `calls_per_second` calls are not paced."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(description="address of the counting server")
    batch: int = Field(1, ge=1, description="titles a request")
    connections: int = Field(256, ge=1, description="connections at most")
    calls_per_second: float | None = Field(None, gt=0, description="calls a second at most")


class Counting:
    """The server is only written."""

    name = "counting"
    settings = CountingSettings

    def open(self, settings: CountingSettings, tenant: str) -> Opened:
        api = Api(
            self.name,
            settings.url,
            {},
            connections=settings.connections,
            calls_per_second=settings.calls_per_second,
        )
        return Opened(target=CountingTarget(api, settings.batch), close=api.close, api=api)


class Bench:
    """Every title to the counting server, with the fields of its document and its revision as sequence."""

    def __init__(self, name: str, aspect: str, flow: int, prefix: str = "") -> None:
        self.name, self.flows, self._prefix = name, frozenset({flow}), prefix
        self._document = DocumentKey("consonance", aspect)
        self.wants = frozenset({self._document})

    def writes(self, mapping: Any) -> Writes:
        return {("counting", self.name): frozenset({EVERY_FIELD})}

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        [flow] = self.flows
        document = dossier.get(self._document.system, self._document.aspect)
        if not document.present or document.body is None:
            return Plan()
        fields = {field_key(name): value for name, value in document.body.items()}
        fields[field_key("sequence")] = int(document.revision)
        return Plan(desired=(Ensure(Resource("counting", self.name, self._prefix + dossier.title), fields, flow),))


@hookimpl
def frontlist_consumers() -> Sequence[Consumer]:
    return [Bench("bench", "assets", 900), Bench("bench-rights", "rights", 901, "rights/")]


@hookimpl
def frontlist_systems() -> Sequence[System]:
    return [Counting()]
