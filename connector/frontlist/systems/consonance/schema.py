"""What a tenant's GraphQL schema offers, by introspection, and queries that ask for no more than that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

INTROSPECTION = """query Introspection { __schema {
  queryType { name } mutationType { name }
  types { kind name
    fields(includeDeprecated: true) { name args { name type { ...T } } type { ...T } }
    inputFields { name type { ...T } }
    enumValues(includeDeprecated: true) { name }
    possibleTypes { name } } } }
fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }"""

#: A selection: field (maybe `alias: name(argument: VALUE)`) or `... on Type` -> what is asked of its value.
Wanted = Mapping[str, Any]
_FIELD = re.compile(r"(?:(?P<alias>\w+):\s*)?(?P<name>\w+)(?:\((?P<arguments>.*)\))?")
_ARGUMENT = re.compile(r"(\w+):\s*\[?(\$?\w+)\]?")


@dataclass(frozen=True)
class Typed:
    """A named type, whether it may not be null, and whether a list of it is meant."""

    name: str
    required: bool
    many: bool


@dataclass(frozen=True)
class Offered:
    """A field of a type."""

    type: Typed
    arguments: Mapping[str, Typed] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """A type of the schema, as far as it matters here."""

    kind: str
    fields: Mapping[str, Offered] = field(default_factory=dict)
    inputs: Mapping[str, Typed] = field(default_factory=dict)
    values: frozenset[str] = frozenset()
    possible: frozenset[str] = frozenset()

    @property
    def composite(self) -> bool:
        return self.kind in ("OBJECT", "INTERFACE", "UNION")


@dataclass(frozen=True)
class Schema:
    """All types by name."""

    types: Mapping[str, Kind]
    query: str = "Query"
    mutation: str | None = None

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Schema:
        """From the answer to `INTROSPECTION`."""
        found = answer["__schema"]
        mutation = found.get("mutationType") or {}
        types = {each["name"]: _kind(each) for each in found["types"]}
        return cls(types, found["queryType"]["name"], mutation.get("name"))

    def field(self, kind: str, name: str) -> Offered | None:
        return self.types.get(kind, Kind("")).fields.get(name)

    def inputs(self, kind: str) -> Mapping[str, Typed]:
        return self.types.get(kind, Kind("")).inputs

    def values(self, kind: str) -> frozenset[str]:
        return self.types.get(kind, Kind("")).values

    def root(self, name: str) -> Offered | None:
        return self.field(self.query, name)

    def written(self, name: str) -> Offered | None:
        return self.field(self.mutation, name) if self.mutation else None

    def spelled(self, kind: str, code: str) -> str | None:
        """How an enum spells a code ("02" is `_02`), None where it lacks it; any text where `kind` is no enum."""
        if self.types.get(kind, Kind("")).kind != "ENUM":
            return code
        return next((name for name in (code, f"_{code}") if name in self.values(kind)), None)

    def select(self, kind: str, wanted: Wanted) -> tuple[str, tuple[str, ...]]:
        """The selection of what is offered, and the names (`Type.field`) of what is not."""
        missing: list[str] = []
        return self._selection(kind, wanted, missing), tuple(missing)

    def _selection(self, kind: str, wanted: Wanted, missing: list[str]) -> str:
        parts = (self._part(kind, asked, inner, missing) for asked, inner in wanted.items())
        return " ".join(part for part in parts if part)

    def _part(self, kind: str, asked: str, inner: Wanted, missing: list[str]) -> str:
        if asked.startswith("... on "):
            return self._fragment(kind, asked.removeprefix("... on "), inner, missing)
        found = _FIELD.fullmatch(asked)
        assert found, asked
        name = found["name"]
        if name == "__typename":
            return asked
        offered = self.field(kind, name)
        if offered is None or not self._accepts(offered, found["arguments"]):
            missing.append(f"{kind}.{name}{'(' + found['arguments'] + ')' if offered else ''}")
            return ""
        if self.types.get(offered.type.name, Kind("")).composite != bool(inner):
            missing.append(f"{kind}.{name} (it is of another kind: {offered.type.name})")
            return ""
        if not inner:
            return asked
        selected = self._selection(offered.type.name, inner, missing)
        return f"{asked} {{ {selected} }}" if selected else ""

    def _fragment(self, kind: str, on: str, inner: Wanted, missing: list[str]) -> str:
        if on not in self.types.get(kind, Kind("")).possible and on != kind:
            missing.append(on)
            return ""
        selected = self._selection(on, inner, missing)
        return f"... on {on} {{ {selected} }}" if selected else ""

    def _accepts(self, offered: Offered, arguments: str | None) -> bool:
        for name, value in _ARGUMENT.findall(arguments or ""):
            takes = offered.arguments.get(name)
            values = self.values(takes.name) if takes else frozenset()
            if takes is None or (values and not value.startswith("$") and value not in values):
                return False
        return True


def _kind(found: Mapping[str, Any]) -> Kind:
    return Kind(
        found["kind"],
        {f["name"]: _offered(f) for f in found.get("fields") or ()},
        {f["name"]: _typed(f["type"]) for f in found.get("inputFields") or ()},
        frozenset(v["name"] for v in found.get("enumValues") or ()),
        frozenset(p["name"] for p in found.get("possibleTypes") or ()),
    )


def _offered(found: Mapping[str, Any]) -> Offered:
    return Offered(_typed(found["type"]), {a["name"]: _typed(a["type"]) for a in found.get("args") or ()})


def _typed(found: Mapping[str, Any]) -> Typed:
    required, many, inner = found["kind"] == "NON_NULL", False, found
    while inner.get("ofType"):
        many = many or inner["kind"] == "LIST"
        inner = inner["ofType"]
    return Typed(inner.get("name") or "", required, many)
