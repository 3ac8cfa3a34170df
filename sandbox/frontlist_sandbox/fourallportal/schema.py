"""Modules, fields, dimensions, value options and connectors of the tenant that the sandbox plays."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from frontlist_sandbox.fourallportal.errors import Refusal

FIELD_NAME = re.compile(r"[a-z_][a-z0-9_]{0,27}")
RESERVED = frozenset({"module"})
# The platform's own properties: read with every object, never written through PATCH.
SYSTEM = frozenset({"id", "module", "type", "mod_time", "mod_time_img"})
VARCHAR_MAX = 450

TEXT = frozenset({"CEVarchar", "CEText", "CEEmail", "CEPhone", "CEEnum", "MAMString", "XMPString"})
TEXT_LISTS = frozenset({"CEVarcharList", "CETextList", "CEEmailList", "CEAddressList", "MAMList"})
IDS = frozenset({"CEId", "CEExternalId", "CEObjectLink", "CEExternalObjectLink"})
ID_LISTS = frozenset({"CEIdList", "CEExternalIdList"})
WHOLE = frozenset({"CEInteger", "CELong"})
NUMBERS = frozenset({"CEDouble", "MAMNumber", "XMPNumber"})
BOOLEANS = frozenset({"CEBoolean", "MAMBoolean"})
DATES = frozenset({"CEDate", "MAMDate"})
TYPES = TEXT | TEXT_LISTS | IDS | ID_LISTS | WHOLE | NUMBERS | BOOLEANS | DATES | {"CETimestamp", "CEMetric"}


@dataclass(frozen=True, slots=True)
class Metric:
    """A kind of measurement: its units as multiples of the base unit."""

    name: str
    default_unit: str
    units: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a module."""

    name: str
    type: str
    label: str
    length: int | None = None
    options: str | None = None
    modules: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    metric: Metric | None = None

    def as_json(self) -> dict[str, object]:
        """The field as the module route shows it."""
        metric = self.metric and {"name": self.metric.name, "defaultUnit": self.metric.default_unit}
        return {
            "name": self.name,
            "type": self.type,
            "length": self.length,
            "scale": None,
            "precision": None,
            "audit": False,
            "defaultValue": None,
            "metric": metric,
            "valueOptionKey": self.options,
            "label": self.label,
            "info": "",
            "modules": list(self.modules),
            "dimensions": list(self.dimensions),
        }


@dataclass(slots=True)
class Module:
    """One module and its fields by name."""

    name: str
    label: str
    singular: str
    fields: dict[str, Field] = field(default_factory=dict)

    def as_json(self, with_fields: bool) -> dict[str, object]:
        """The module as `GET /api/modules/{module}` shows it."""
        described: dict[str, object] = {
            "name": self.name,
            "label": self.label,
            "labelSingular": self.singular,
            "info": "",
            "menuEntry": self.label,
            "create": True,
            "onlyFriendlyname": False,
            "objectImage": True,
        }
        if with_fields:
            described["fields"] = [one.as_json() for one in self.fields.values()]
        return described


@dataclass(frozen=True, slots=True)
class ConnectorConfig:
    """What an administrator typed for a connector; no fields named means all of them."""

    name: str
    module: str
    condition: str = ""
    fields: tuple[str, ...] | None = None


@dataclass(slots=True)
class Schema:
    """The whole configuration of a tenant; controls under /sandbox/ change it."""

    dimensions: dict[str, tuple[str, ...]]
    metrics: dict[str, dict[str, float]]
    options: dict[str, list[str]]
    modules: dict[str, Module]
    connectors: list[ConnectorConfig]

    def module(self, name: str) -> Module:
        """The module, or the 404 that the API answers."""
        if name not in self.modules:
            raise Refusal(404, f"module '{name}' does not exist")
        return self.modules[name]

    def add_field(self, module: str, name: str, spec: Mapping[str, Any]) -> Field:
        """Define a field, or define it anew; raises ValueError where the rules for names or types say no."""
        made = self._field(name, spec)
        self.module(module).fields[name] = made
        return made

    def remove_field(self, module: str, name: str) -> None:
        """Drop a field's definition."""
        if self.module(module).fields.pop(name, None) is None:
            raise Refusal(404, f"module '{module}' has no field '{name}'")

    def referenced_by(self, module: str) -> list[tuple[str, Field]]:
        """The fields of any module that point to this one."""
        return [
            (other.name, one)
            for other in self.modules.values()
            for one in other.fields.values()
            if module in one.modules
        ]

    def _field(self, name: str, spec: Mapping[str, Any]) -> Field:
        if not FIELD_NAME.fullmatch(name) or name in RESERVED | SYSTEM:
            raise ValueError(f"field name {name!r}: use [a-z_][a-z0-9_]*, at most 28 characters, no reserved word")
        kind = str(spec.get("type", ""))
        unknown = set(spec) - {"type", "label", "length", "options", "modules", "dimensions", "metric", "unit"}
        if kind not in TYPES or unknown:
            raise ValueError(f"field {name}: type {kind!r} or attributes {sorted(unknown)} are not known")
        if kind == "CEMetric" and spec.get("metric") not in self.metrics:
            raise ValueError(f"field {name}: CEMetric needs a metric of {', '.join(self.metrics)}")
        strays = set(spec.get("dimensions", ())) - set(self.dimensions)
        if strays or spec.get("options") not in {None, *self.options}:
            raise ValueError(f"field {name}: dimensions {sorted(strays)} or options are not defined")
        return Field(
            name=name,
            type=kind,
            label=str(spec.get("label") or name.replace("_", " ").capitalize()),
            length=int(spec["length"]) if "length" in spec else _length(kind),
            options=spec.get("options"),
            modules=tuple(spec.get("modules", ())),
            dimensions=tuple(spec.get("dimensions", ())),
            metric=self._metric(spec) if kind == "CEMetric" else None,
        )

    def _metric(self, spec: Mapping[str, Any]) -> Metric:
        units = self.metrics[spec["metric"]]
        return Metric(spec["metric"], spec.get("unit") or next(iter(units)), units)


def _length(kind: str) -> int | None:
    return VARCHAR_MAX if kind == "CEVarchar" else None


def load(path: Path | None = None, locales: Sequence[str] = (), channels: Sequence[str] = ()) -> Schema:
    """Read a tenant's schema (default: the bundled one), with other locales or channels where given."""
    source = path or resources.files(__package__) / "schema.yaml"
    data = YAML(typ="safe", pure=True).load(source.read_text(encoding="utf-8"))
    dimensions = {name: tuple(values) for name, values in data["dimensions"].items()}
    dimensions |= {name: tuple(v) for name, v in (("locale", locales), ("channel", channels)) if v}
    schema = Schema(
        dimensions=dimensions,
        metrics={name: {u: float(f) for u, f in units.items()} for name, units in data["metrics"].items()},
        options={name: [str(item) for item in items] for name, items in data["value_options"].items()},
        modules={},
        connectors=[_connector(name, spec) for name, spec in data["connectors"].items()],
    )
    for name, spec in data["modules"].items():
        _load_module(schema, name, spec, data.get("sets", {}))
    return schema


def _connector(name: str, spec: Mapping[str, Any]) -> ConnectorConfig:
    chosen = tuple(spec["fields"]) if "fields" in spec else None
    return ConnectorConfig(name, spec["module"], spec.get("condition", ""), chosen)


def _load_module(schema: Schema, name: str, spec: Mapping[str, Any], sets: Mapping[str, Any]) -> None:
    schema.modules[name] = Module(name, spec["label"], spec["singular"])
    groups = [sets[used] for used in spec.get("use", ())] + [spec["fields"]]
    for group in groups:
        for field_name, field_spec in group.items():
            schema.add_field(name, field_name, field_spec)
