"""A mapping as the runtime holds it: frozen, complete, free of contradictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from frontlist.contract import FieldKey
from frontlist.mapping.problems import Problem
from frontlist.systems.fourallportal.cells import field_key

Owner = Literal["consonance", "fourallportal"]
Role = Literal["product", "title"]
Format = Literal["html", "markdown", "plain"]
Patch = Literal["unknown", "merges", "replaces"]

#: Kinds that become a marketing text, kinds that need a field of the work, and the kind without any counterpart.
TEXT_KINDS = ("long_description", "short_description")
WORK_KINDS = ("keywords", "audience_segments", "feature_bullets")
CHANNEL_KIND = "channel_copy"


@dataclass(frozen=True, order=True)
class Cell:
    """A field with one value for each of its dimensions; no dimensions = the one that holds everywhere."""

    field: str
    dimensions: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> FieldKey:
        """As the contract writes it: `title[channel=web,locale=en_GB]`, dimensions sorted."""
        return field_key(self.field, self.dimensions)


@dataclass(frozen=True)
class FieldRule:
    """A canonical field and its cell. `values`: Consonance's value -> value option; None = as it is.

    `join`: what joins a list for a cell that holds one text.
    """

    canonical: str
    cell: Cell
    owner: Owner = "consonance"
    values: Mapping[str, str] | None = None
    join: str | None = None
    line: int = 0


@dataclass(frozen=True)
class PriceRule:
    """A price selector; `qualifier` 00 matches also a price without one (ONIX List 59: unqualified)."""

    currency: str
    type: str
    amount: Cell
    qualifier: str = "00"
    currency_cell: Cell | None = None
    line: int = 0

    @property
    def name(self) -> str:
        return f"{self.currency}-{self.type}-{self.qualifier}"


@dataclass(frozen=True)
class Markers:
    """Fields in which our records carry the Consonance ids and their origin."""

    work: str
    origin: str
    product: str | None = None


@dataclass(frozen=True)
class ModuleRule:
    """A module in the role of product or title."""

    role: Role
    module: str
    connector: str
    markers: Markers
    fields: tuple[FieldRule, ...] = ()
    prices: tuple[PriceRule, ...] = ()
    line: int = 0


@dataclass(frozen=True)
class ReleaseGate:
    """Released = the project stage is one of these, or a product's publishing status says published."""

    stages: frozenset[int] = frozenset()
    stage_names: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    line: int = 0


@dataclass(frozen=True)
class PublicSource:
    """One date that `public_from` waits for: the announcement date, or a date field of the product's record."""

    name: str
    cell: Cell | None = None
    line: int = 0


@dataclass(frozen=True)
class CopyRule:
    """One text cell of flow 6, for one locale and channel. `language`: ONIX List 74 (ISO 639-2/B).

    `state` None = `release: always`. `link`: the text is for all products of the title, or for the record's own.
    """

    kind: str
    role: Role
    cell: Cell
    locale: str | None
    channel: str | None
    language: str | None
    format: Format
    state: Cell | None
    released: frozenset[str] = frozenset()
    variant: str | None = None
    audiences: tuple[str, ...] = ()
    link: Literal["all", "record"] = "record"
    max_length: int | None = None
    from_cell: Cell | None = None
    until_cell: Cell | None = None
    work_field: str | None = None
    line: int = 0


@dataclass(frozen=True)
class FieldMapping:
    """What a tenant's mapping file says; `text` is that file, kept so that it can be activated and shown."""

    file: str
    zone: ZoneInfo
    locales: Mapping[str, str]
    currencies: frozenset[str]
    gate: ReleaseGate
    public_from: tuple[PublicSource, ...]
    modules: Mapping[Role, ModuleRule]
    copy: tuple[CopyRule, ...] = ()
    quiet: timedelta = timedelta(minutes=10)
    patch: Patch = "unknown"
    text: str = field(default="", repr=False)
    warnings: tuple[Problem, ...] = ()

    @property
    def product(self) -> ModuleRule:
        return self.modules["product"]

    @property
    def title(self) -> ModuleRule | None:
        return self.modules.get("title")

    def rules(self, canonical: str) -> Iterator[tuple[Role, FieldRule]]:
        """Every cell that a canonical field is mapped to."""
        for role, module in self.modules.items():
            for rule in module.fields:
                if rule.canonical == canonical:
                    yield role, rule
