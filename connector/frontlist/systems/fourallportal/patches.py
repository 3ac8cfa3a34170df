"""What is sent for one record: whole fields, so that it is right whether PATCH replaces or merges cells (UNKNOWN)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frontlist.contract import Actual, Ensure, FieldKey, Json
from frontlist.systems.fourallportal import values
from frontlist.systems.fourallportal.cells import Dimensions, dimensions, field_key, parse_key
from frontlist.systems.fourallportal.modules import Module

Same = Callable[[FieldKey, Json, Json], bool]


@dataclass(frozen=True)
class Patch:
    """`fields`: all cells of each changed field. `keys`: which of them are ours, so that a refusal can name them."""

    id: str
    creates: bool
    fields: Mapping[str, Sequence[Mapping[str, Json]]]
    keys: tuple[FieldKey, ...]

    def as_json(self) -> dict[str, Json]:
        return {"id": self.id, "creates": self.creates, "fields": self.fields, "keys": list(self.keys)}

    @classmethod
    def read(cls, payload: Mapping[str, Any]) -> Patch:
        keys = tuple(FieldKey(key) for key in payload["keys"])
        return cls(payload["id"], payload["creates"], payload["fields"], keys)

    @property
    def fingerprint(self) -> str:
        text = json.dumps(self.as_json(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def cells(self) -> dict[FieldKey, Json]:
        """Our cells with their values."""
        held = {
            (name, dimensions(cell["dimensions"])): cell["value"] for name in self.fields for cell in self.fields[name]
        }
        return {key: held[parse_key(key)] for key in self.keys}

    def body(self, module: Module) -> dict[str, Any]:
        """The object as PATCH takes it."""
        return {"id": self.id} | {name: self._sent(name, module) for name in self.fields}

    def _sent(self, name: str, module: Module) -> list[dict[str, Any]]:
        field = module.field(name)
        kind, unit = (field.type, field.unit) if field else ("", None)
        return [
            {"value": values.wire(cell["value"], kind, unit), "dimensions": dict(cell["dimensions"]) or None}
            for cell in self.fields[name]
        ]

    def named(self, message: str) -> tuple[FieldKey, ...]:
        """Our cells of the fields that a refusal names; empty where it names none."""
        found = {name for name in self.fields if _names(message, name)}
        return tuple(key for key in self.keys if parse_key(key)[0] in found)


def patch(desired: Ensure, actual: Actual | None, same: Same) -> Patch | None:
    """What is still to be sent; None = nothing. A record is created with the cells that hold something."""
    held = actual.fields if actual else {}
    changed = {
        parse_key(key)[0]
        for key, value in desired.fields.items()
        if not same(key, value, held.get(field_key(*parse_key(key))))
    }
    if actual is not None and not changed:
        return None
    before = actual.extra["cells"] if actual else {}
    ours = {key: value for key, value in desired.fields.items() if parse_key(key)[0] in changed}
    if actual is None:
        ours = {key: value for key, value in ours.items() if value is not None}
    fields = {name: _whole(name, ours, before.get(name, ())) for name in sorted(changed)}
    return Patch(desired.resource.id, actual is None, fields, tuple(sorted(ours)))


def _whole(name: str, ours: Mapping[FieldKey, Json], before: Sequence[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """All cells of a field: those of others as they were read, ours as desired; null clears a cell (INFERENCE)."""
    cells: dict[Dimensions, Json] = {dimensions(cell["dimensions"]): cell["value"] for cell in before}
    for key, value in ours.items():
        field, where = parse_key(key)
        if field == name:
            cells[where] = value
    return [{"dimensions": dict(where), "value": value} for where, value in sorted(cells.items(), key=lambda c: c[0])]


def _names(message: str, name: str) -> bool:
    """Whether a message names the field as such: `field title`, `'title'`; the bare word may be prose."""
    word = re.escape(name)
    return re.search(rf"\bfields?\W{{0,3}}{word}\b|['\"`]{word}['\"`\[]", message, re.IGNORECASE) is not None
