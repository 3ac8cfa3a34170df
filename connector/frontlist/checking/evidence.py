"""What a 4ALLPORTAL tenant answers as it stands, read only, for the assumptions to be held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from frontlist.checking.fourallportal import Portal
from frontlist.errors import DeliveryError
from frontlist.http import Api
from frontlist.systems.fourallportal.modules import Module, ModuleField

#: Records looked at in each module.
SAMPLE = 20
NONSENSE = "frontlist-check-nonsense"
_ANY = frozenset(range(300, 600)) - {401, 429} - frozenset(range(500, 600))


@dataclass(frozen=True)
class Answer:
    """A status with its body (None: no JSON); status 0 where nothing could be asked."""

    status: int = 0
    body: Any = None

    @property
    def objects(self) -> Sequence[Mapping[str, Any]]:
        rows = self.body.get("result", self.body) if isinstance(self.body, Mapping) else self.body
        flat = [row for row in rows or () if isinstance(row, Mapping)] if isinstance(rows, list) else []
        return [{**row, **row["properties"]} if isinstance(row.get("properties"), Mapping) else row for row in flat]


@dataclass(frozen=True)
class Evidence:
    """Answers by what was asked."""

    modules: Mapping[str, Module] = field(default_factory=dict)
    described: Mapping[str, Answer] = field(default_factory=dict)
    bare: Mapping[str, Answer] = field(default_factory=dict)
    objects: Mapping[str, Answer] = field(default_factory=dict)
    stray_field: Answer = Answer()
    missing_object: Answer = Answer()
    connectors: Answer = Answer()
    connector: Answer = Answer()
    wrong_hash: Answer = Answer()
    options: Answer = Answer()
    option_keys: tuple[str, ...] = ()

    def values(self) -> Iterator[tuple[ModuleField, Mapping[str, Any] | None, Any]]:
        """Every value seen: its field, its cell (None where it is bare), and the value."""
        for name, answer in self.objects.items():
            for row in answer.objects:
                for key, raw in row.items():
                    described = self.modules[name].field(key)
                    if described is not None:
                        yield from ((described, cell, value) for cell, value in _cells(raw))

    def rows(self) -> list[Mapping[str, Any]]:
        return [row for answer in self.objects.values() for row in answer.objects]


def _cells(raw: Any) -> Iterator[tuple[Mapping[str, Any] | None, Any]]:
    for one in raw if isinstance(raw, list) else [raw]:
        is_cell = isinstance(one, Mapping) and "value" in one and "unit" not in one
        yield (one, one["value"]) if is_cell else (None, one)


async def gather(api: Api, portal: Portal) -> Evidence:
    """GET alone. What does not answer is left out; a tenant that is gone by now makes all of it unknown."""
    names = sorted(portal.modules)
    keys = tuple(sorted({f.option_key for m in portal.modules.values() for f in m.fields if f.option_key}))[:5]
    first = names[0] if names else NONSENSE
    objects, connector = f"/api/modules/{quote(first)}/objects", next(iter(sorted(portal.connectors)), NONSENSE)
    feed = f"/api/connectors/{quote(connector)}"
    return Evidence(
        portal.modules,
        {name: await _ask(api, f"/api/modules/{quote(name)}", [("groups", "fields")]) for name in names},
        {name: await _ask(api, f"/api/modules/{quote(name)}") for name in names},
        {name: await _ask(api, f"/api/modules/{quote(name)}/objects", [("limit", str(SAMPLE))]) for name in names},
        await _ask(api, objects, [("fields", NONSENSE), ("limit", "1")]) if names else Answer(),
        await _ask(api, f"{objects}/{NONSENSE}") if names else Answer(),
        await _ask(api, "/api/connectors"),
        await _ask(api, feed) if portal.connectors else Answer(),
        # From far ahead: 0 would set off a rebuild.
        await _ask(api, f"{feed}/events/2147483647", [("hash", NONSENSE)]) if portal.connectors else Answer(),
        await _ask(api, "/api/system/value-options", [("ids", key) for key in keys]) if keys else Answer(),
        keys,
    )


async def _ask(api: Api, path: str, params: Sequence[tuple[str, str]] = ()) -> Answer:
    try:
        response = await api.call("GET", path, params=params, allow=_ANY)
    except DeliveryError:
        return Answer()
    try:
        return Answer(response.status_code, response.json())
    except ValueError:
        return Answer(response.status_code)
