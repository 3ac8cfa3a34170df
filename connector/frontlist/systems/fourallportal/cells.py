"""Cells: one value of a field for one combination of dimensions, and the key that names it.

`title` is the cell that holds for every locale and channel, `title[channel=web,locale=en_GB]` one of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from frontlist.contract import FieldKey, Json
from frontlist.errors import UnreadableError

#: Sorted by name, so that equal combinations are equal.
Dimensions = tuple[tuple[str, str], ...]
_ESCAPED = {ord(sign): f"%{ord(sign):02X}" for sign in "[],=%"}


@dataclass(frozen=True)
class Cell:
    """One value as the API shows it, numbers as text where they are no whole numbers."""

    dimensions: Dimensions
    value: Json


def dimensions(raw: Mapping[str, str]) -> Dimensions:
    return tuple(sorted(raw.items()))


def field_key(field: str, where: Dimensions = ()) -> FieldKey:
    """The text form; brackets, commas, equal signs and per cents inside names are percent-encoded."""
    if not where:
        return FieldKey(_escape(field))
    inside = ",".join(f"{_escape(name)}={_escape(value)}" for name, value in sorted(where))
    return FieldKey(f"{_escape(field)}[{inside}]")


@lru_cache(maxsize=4096)  # keys come from the mapping: few, and asked for field by field
def parse_key(key: str) -> tuple[str, Dimensions]:
    """Field and dimensions of a key in any order; ValueError where it is none."""
    field, bracket, rest = key.partition("[")
    if not bracket:
        return _plain(field, key), ()
    if not rest.endswith("]"):
        raise ValueError(f"{key!r} is no field key: write field[locale=en_GB]")
    pairs = [part.partition("=") for part in rest[:-1].split(",")]
    if not all(name and sign for name, sign, _ in pairs) or len({name for name, _, _ in pairs}) < len(pairs):
        raise ValueError(f"{key!r} is no field key: each dimension once, as name=value")
    return _plain(field, key), tuple(sorted((unquote(name), unquote(value)) for name, _, value in pairs))


def read_cells(raw: Any, where: str = "") -> tuple[Cell, ...]:
    """The cells of a property: an array of cells, a bare cell or a bare value; dimensions {}, null or absent.

    UnreadableError where two cells of the same dimensions contradict each other.
    """
    found: dict[Dimensions, Json] = {}
    for one in _elements(raw):
        cell = Cell(_dimensions(one.get("dimensions"), where), one["value"]) if _is_cell(one) else Cell((), one)
        if found.setdefault(cell.dimensions, cell.value) != cell.value:
            raise UnreadableError(
                f"two cells for the dimensions {dict(cell.dimensions)} with different values",
                where=where,
                cure="correct the field in 4ALLPORTAL",
            )
    return tuple(Cell(key, value) for key, value in sorted(found.items()))


def _elements(raw: Any) -> list[Any]:
    if raw is None or raw == []:
        return []
    return raw if isinstance(raw, list) and all(_is_cell(one) for one in raw) else [raw]


def _is_cell(raw: Any) -> bool:
    # A bare CEMetric is {"value": 5.0, "unit": "kg"}, and no cell.
    return isinstance(raw, dict) and "value" in raw and "unit" not in raw


def _dimensions(raw: Any, where: str) -> Dimensions:
    if not raw:
        return ()
    if not isinstance(raw, dict):
        raise UnreadableError(f"dimensions are no object: {str(raw)[:80]}", where=where)
    return tuple(sorted((str(name), str(value)) for name, value in raw.items() if value is not None))


def _plain(field: str, key: str) -> str:
    if not field or any(sign in field for sign in "],="):
        raise ValueError(f"{key!r} is no field key: write field or field[locale=en_GB]")
    return unquote(field)


def _escape(text: str) -> str:
    return text.translate(_ESCAPED)
