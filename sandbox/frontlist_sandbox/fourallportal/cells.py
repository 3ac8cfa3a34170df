"""The cells of one field: one value for each combination of dimensions."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from frontlist_sandbox.fourallportal import values
from frontlist_sandbox.fourallportal.schema import Field, Schema
from frontlist_sandbox.fourallportal.toggles import Toggles
from frontlist_sandbox.fourallportal.values import Value

# Dimension names with their values, sorted; () is the cell that holds for every locale and channel.
Key: TypeAlias = tuple[tuple[str, str], ...]
Cells: TypeAlias = dict[Key, Value]
# None is a cell that is to be cleared.
Written: TypeAlias = dict[Key, Value | None]


def read(schema: Schema, field: Field, raw: object) -> Written | None:
    """The cells of a property as it was sent; None, a null in place of the array, clears the field."""
    if raw is None:
        return None
    if not isinstance(raw, list):
        raise ValueError('expected an array of cells {"value": ..., "dimensions": {...}}')
    written: Written = {}
    for cell in raw:
        if not isinstance(cell, dict) or "value" not in cell or set(cell) - {"value", "dimensions"}:
            raise ValueError('a cell is {"value": ..., "dimensions": {...}} and nothing else')
        key = _key(schema, field, cell.get("dimensions"))
        if key in written:
            raise ValueError(f"two cells for the dimensions {dict(key)}")
        written[key] = None if cell["value"] is None else values.read(field, cell["value"], schema.options)
    return written


def _key(schema: Schema, field: Field, raw: object) -> Key:
    if not raw and (raw is None or isinstance(raw, dict)):
        return ()
    if not isinstance(raw, dict):
        raise ValueError("dimensions are an object, null or absent")
    for name, value in raw.items():
        if name not in field.dimensions:
            raise ValueError(f"the field has no dimension '{name}'")
        if value not in schema.dimensions[name]:
            raise ValueError(f"{value!r} is no {name}: there are {', '.join(schema.dimensions[name])}")
    return tuple(sorted(raw.items()))


def applied(present: Mapping[Key, Value], written: Written | None, how: Literal["replace", "merge"]) -> Cells:
    """The field's cells after the write."""
    if written is None:
        return {}
    base: dict[Key, Value | None] = dict(present) if how == "merge" else {}
    return {key: value for key, value in {**base, **written}.items() if value is not None}


def shown(cells: Mapping[Key, Value], toggles: Toggles) -> list[dict[str, object]]:
    """The cells as the API answers them."""
    return [_cell(key, value, toggles) for key, value in cells.items()]


def _cell(key: Key, value: Value | None, toggles: Toggles) -> dict[str, object]:
    cell: dict[str, object] = {"value": values.as_text(value) if toggles.values == "strings" else value}
    if key or toggles.dimensions == "empty":
        cell["dimensions"] = dict(key)
    elif toggles.dimensions == "null":
        cell["dimensions"] = None
    return cell


def nothing(toggles: Toggles) -> list[dict[str, object]] | None:
    """How a field without a value is shown; None leaves it out."""
    if toggles.empty_fields == "absent":
        return None
    return [] if toggles.empty_fields == "array" else [_cell((), None, toggles)]
