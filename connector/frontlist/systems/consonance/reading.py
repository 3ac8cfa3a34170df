"""Reads a raw answer field by field: absent stays absent, and what is no use says where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from frontlist.contract import Json
from frontlist.errors import UnreadableError
from frontlist.systems.consonance.client import decimal_text

Convert = Callable[["Node", str], Json]
#: document field -> (raw field, how).
Table = Mapping[str, tuple[str, Convert]]


@dataclass(frozen=True)
class Node:
    """An object of the answer with its place. `problems`: dotted path -> GraphQL's error there."""

    value: Mapping[str, Json]
    path: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.value

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def get(self, name: str) -> Json:
        """The value; UnreadableError where it is null because GraphQL failed there or below it."""
        value = self.value[name]
        if value is None:
            place = self.at(name)
            for where, message in self.problems.items():
                if where in ("", place) or where.startswith(f"{place}."):
                    raise UnreadableError(f"Consonance cannot answer {where or place}: {message}")
        return value

    def one(self, name: str) -> Node | None:
        value = self.get(name)
        if value is not None and not isinstance(value, Mapping):
            raise UnreadableError(f"{self.at(name)} is {type(value).__name__}, not an object")
        return None if value is None else Node(value, self.at(name), self.problems)

    def items(self, name: str) -> list[Json]:
        """A list; a null where a list was says nothing, so it is never taken for an empty one."""
        value = self.get(name)
        if not isinstance(value, list):
            what = "null" if value is None else type(value).__name__
            raise UnreadableError(f"{self.at(name)} is {what} where a list was")
        return value

    def many(self, name: str) -> list[Node]:
        """The objects of a list by id, whatever order they were answered in."""
        found = []
        for index, value in enumerate(self.items(name)):
            place = f"{self.at(name)}.{index}"
            if not isinstance(value, Mapping):
                raise UnreadableError(f"{place} is {type(value).__name__}, not an object{self._why(place)}")
            found.append(Node(value, place, self.problems))
        return sorted(found, key=lambda node: _order(node.value.get("id")))

    def _why(self, place: str) -> str:
        said = [m for where, m in self.problems.items() if where == place or where.startswith(f"{place}.")]
        return f": {said[0]}" if said else ""


def _order(id_: Json) -> tuple[bool, int, str]:
    """Ids are ints; one that is not ends its list and is named later, by the document's schema."""
    return (not isinstance(id_, int), id_ if isinstance(id_, int) else 0, str(id_))


def filled(node: Node, table: Table) -> dict[str, Any]:
    """The fields of the table that the answer holds."""
    return {name: convert(node, raw) for name, (raw, convert) in table.items() if raw in node}


def plain(node: Node, name: str) -> Json:
    return node.get(name)


def code(node: Node, name: str) -> Json:
    """An ONIX code without the underscore that GraphQL's enums need before a digit; unknown ones are kept."""
    return _code(node.get(name))


def codes(node: Node, name: str) -> Json:
    return sorted(str(_code(value)) for value in node.items(name))


def ids(node: Node, name: str) -> Json:
    return sorted(node.items(name), key=_order)


def amount(node: Node, name: str) -> Json:
    value = node.get(name)
    return decimal_text(value) if isinstance(value, int) and not isinstance(value, bool) else value


def listed(convert: Callable[[Node], Json]) -> Convert:
    return lambda node, name: [convert(each) for each in node.many(name)]


def nested(convert: Callable[[Node], Json]) -> Convert:
    def read(node: Node, name: str) -> Json:
        inner = node.one(name)
        return None if inner is None else convert(inner)

    return read


def table(of: Table) -> Callable[[Node], Json]:
    return lambda node: filled(node, of)


def _code(value: Json) -> Json:
    return value.removeprefix("_") if isinstance(value, str) else value
