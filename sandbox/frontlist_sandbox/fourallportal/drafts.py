"""What one element of an upsert asks for, checked before anything is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from frontlist_sandbox.fourallportal import cells, schema, values
from frontlist_sandbox.fourallportal.cells import Written
from frontlist_sandbox.fourallportal.errors import Refusal
from frontlist_sandbox.fourallportal.schema import Field, Module, Schema


@dataclass(frozen=True, slots=True)
class Draft:
    """A checked element: the id if one was given, and the fields it writes."""

    id: str | None
    writes: dict[str, Written | None] = field(default_factory=dict)


def read(tenant: Schema, module: Module, raw: object) -> Draft:
    """The draft, or a 400 that names the field.

    The platform's own properties are accepted and left alone, so that an object can be sent back as read.
    """
    if not isinstance(raw, dict):
        raise Refusal(400, "an object was expected")
    if raw.get("module", module.name) != module.name:
        raise Refusal(400, f"an object of module {raw['module']!r} was sent to module '{module.name}'")
    writes = {name: _cells(tenant, module, name, value) for name, value in raw.items() if name not in schema.SYSTEM}
    return Draft(_id(raw.get("id")), writes)


def _id(raw: object) -> str | None:
    if raw is None:
        return None
    if not isinstance(raw, str) or not 0 < len(raw) <= values.ID_MAX or "/" in raw:
        raise Refusal(400, f"id: expected a string of 1 to {values.ID_MAX} characters")
    return raw


def _cells(tenant: Schema, module: Module, name: str, raw: object) -> Written | None:
    if name not in module.fields:
        raise Refusal(400, f"field {name}: module '{module.name}' has no such field")
    try:
        return cells.read(tenant, module.fields[name], raw)
    except ValueError as error:
        raise Refusal(400, f"field {name}: {error}") from error


def check_references(module: Module, draft: Draft, exists: Callable[[str, str], bool]) -> None:
    """Refuse ids of objects that are not there, for tenants that check them."""
    for name, written in draft.writes.items():
        one = module.fields[name]
        if one.modules and one.type in schema.IDS | schema.ID_LISTS:
            _check(one, written or {}, exists)


def _check(one: Field, written: Mapping[cells.Key, object], exists: Callable[[str, str], bool]) -> None:
    for value in written.values():
        ids: list[Any] = value if isinstance(value, list) else [] if value is None else [value]
        for wanted in ids:
            if not any(exists(module, wanted) for module in one.modules):
                raise Refusal(400, f"field {one.name}: no object '{wanted}' in {', '.join(one.modules)}")


def by_hand(raw: Mapping[str, object]) -> dict[str, object]:
    """An object as a person types it, bare values included, in the form of the API."""
    return {
        name: value if name in schema.SYSTEM or value is None or _is_cells(value) else [{"value": value}]
        for name, value in raw.items()
    }


def _is_cells(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) and "value" in one for one in value)
