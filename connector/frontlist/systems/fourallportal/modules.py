"""What the tenant says of its modules, and what the mapping says of their use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from frontlist.errors import ConfigurationError


@dataclass(frozen=True)
class ModuleUse:
    """How the mapping uses a module.

    `owned`: the fields whose cells 4ALLPORTAL owns, which are captured. The marker fields carry what we write:
    the Consonance work id, the product id (None where a record is a title) and that we made the record.
    `isbns`: the fields by which a record that nobody linked is recognised. `written`: the fields with cells that
    others than 4ALLPORTAL own; they are watched where the connector carries them.
    """

    module: str
    connector: str
    owned: frozenset[str]
    marker_work: str
    marker_product: str | None
    marker_origin: str
    isbns: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()

    @property
    def markers(self) -> frozenset[str]:
        return frozenset(name for name in (self.marker_work, self.marker_product, self.marker_origin) if name)

    @property
    def fields(self) -> frozenset[str]:
        """All that has to be readable of its records."""
        return self.owned | self.markers | self.isbns

    @property
    def watched(self) -> frozenset[str]:
        """What shows whether somebody else changed what we wrote, and which product a record is of."""
        return self.markers | self.isbns | self.written

    @property
    def read(self) -> frozenset[str]:
        """All that is read of its records, as far as it is there."""
        return self.fields | self.written


def by_module(uses: Sequence[ModuleUse]) -> dict[str, ModuleUse]:
    """The uses by module; two of one module, or two modules on one connector, contradict each other."""
    for name in ("module", "connector"):
        given = [getattr(use, name) for use in uses]
        twice = sorted({one for one in given if given.count(one) > 1})
        if twice:
            raise ConfigurationError(
                f"{name} {twice[0]!r} is used twice",
                where="mapping, modules",
                cure=f"name each {name} once, each module with a connector of its own",
            )
    return {use.module: use for use in uses}


class Described(BaseModel):
    """Part of an answer: what it does not name is ignored, since the vendor adds as it likes."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class MetricKind(Described):
    """What a CEMetric measures."""

    name: str | None = None
    default_unit: str | None = Field(None, alias="defaultUnit")


class ModuleField(Described):
    """One field of a module; only name and type are certain (facts 2.2)."""

    name: str
    type: str = ""
    length: int | None = None
    option_key: str | None = Field(None, alias="valueOptionKey")
    dimensions: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    metric: MetricKind | None = None

    @field_validator("dimensions", "modules", mode="before")
    @classmethod
    def _null_is_none(cls, value: Any) -> Any:
        return () if value is None else value

    @property
    def unit(self) -> str | None:
        return self.metric.default_unit if self.metric else None


class Module(Described):
    """One module with its fields."""

    name: str
    fields: tuple[ModuleField, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, ModuleField]:
        return {one.name: one for one in self.fields}

    def field(self, name: str) -> ModuleField | None:
        return self.by_name.get(name)
