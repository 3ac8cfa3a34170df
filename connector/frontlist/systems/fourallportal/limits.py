"""What a module cannot hold, known before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from frontlist.contract import FieldKey, Json
from frontlist.systems.fourallportal import values
from frontlist.systems.fourallportal.cells import parse_key
from frontlist.systems.fourallportal.modules import Module, ModuleField

#: Where the module states no length (vendor's docs, "module-field").
VARCHAR = 450
ID = 36
RANGE = {"CEInteger": 2**31, "CELong": 2**63}
_IDS = frozenset({"CEId", "CEExternalId", "CEObjectLink", "CEExternalObjectLink", "CEIdList", "CEExternalIdList"})


def faults(
    cells: Mapping[FieldKey, Json], module: Module, options: Mapping[str, frozenset[str]]
) -> dict[FieldKey, str]:
    """Why the module will not hold a cell's value, for those that it will not."""
    found = {key: fault(key, value, module, options) for key, value in cells.items()}
    return {key: reason for key, reason in found.items() if reason}


def fault(key: FieldKey, value: Json, module: Module, options: Mapping[str, frozenset[str]]) -> str | None:
    """The reason, or None; what the module's metadata does not tell is left to the portal."""
    name, where = parse_key(key)
    field = module.field(name)
    if field is None:
        return f"module {module.name} has no field {name}; add it there or take it out of the mapping"
    strange = [dimension for dimension, _ in where if dimension not in field.dimensions]
    if strange:
        return f"field {name} has no dimension {', '.join(strange)}; it has {', '.join(field.dimensions) or 'none'}"
    plain = values.normal(value, field.type, field.unit)
    return (
        None if plain is None else _of_type(plain, field) or _too_long(plain, field) or _unlisted(plain, field, options)
    )


def _of_type(value: Json, field: ModuleField) -> str | None:
    kind, right = field.type, True
    if kind in values.TEXT:
        right = isinstance(value, str)
    elif kind in values.LISTS:
        right = all(isinstance(item, str) for item in value)
    elif kind in values.WHOLE:
        right = isinstance(value, int) and not isinstance(value, bool) and abs(value) < RANGE[kind]
    elif kind in values.NUMBERS:
        right = values.decimal(value) is not None
    elif kind in values.BOOLEANS:
        right = isinstance(value, bool)
    elif kind in values.DATES:
        right = values.day(value) is not None
    elif kind in values.TIMESTAMPS:
        right = values.moment(value) is not None
    elif kind in values.METRICS:
        right = isinstance(value, dict) and bool(value.get("unit")) and values.decimal(value["value"]) is not None
    return None if right else f"{str(value)[:60]!r} is no value of field {field.name} ({kind})"


def _too_long(value: Json, field: ModuleField) -> str | None:
    most = _most(field)
    longest = max((len(item) for item in _texts(value)), default=0)
    if most is None or longest <= most:
        return None
    return f"{longest} characters, field {field.name} holds {most}; shorten the text or lengthen the field"


def _most(field: ModuleField) -> int | None:
    if field.type in _IDS:
        return ID
    if field.length is not None and field.length > 0 and field.type in values.TEXT | values.LISTS:
        return field.length
    return VARCHAR if field.type == "CEVarchar" else None


def _unlisted(value: Json, field: ModuleField, options: Mapping[str, frozenset[str]]) -> str | None:
    allowed = options.get(field.option_key or "")
    stray = [item for item in _texts(value) if item not in allowed] if allowed else []
    if not stray:
        return None
    return f"{stray[0]!r} is no value option of field {field.name} ({field.option_key}); add it there or map it"


def _texts(value: Json) -> Iterable[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
