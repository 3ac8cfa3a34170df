"""Raw objects of capture: the fields in use of one object, in normal form, and what they say of their title."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from typing import Any

from frontlist.clock import chosen_id
from frontlist.contract import FieldKey, Json
from frontlist.errors import UnreadableError
from frontlist.linking import isbn
from frontlist.source import Raw, RawKey
from frontlist.systems.fourallportal import cells as portal
from frontlist.systems.fourallportal import values
from frontlist.systems.fourallportal.client import ApiObject
from frontlist.systems.fourallportal.modules import Module, ModuleUse
from frontlist_schemas.canonical import CanonicalError, canonical
from frontlist_schemas.fourallportal import Cell, Record


def raw(shown: ApiObject, module: Module, use: ModuleUse, carried: Collection[str] = ()) -> Raw:
    """The object for the mirror: `{"cells": {field: [{"dimensions", "value"}]}}`, owned fields and markers alone.

    Of one that cannot be read whole, the fields that can be: its marker still says which title it belongs to.
    `carried`: the fields that such an answer has; one of these that is missing is empty, another is not known.
    """
    cells: dict[str, Json] = {}
    unreadable: list[str] = []
    for name in sorted(use.owned | use.markers):
        try:
            found = listed(field_cells(shown, module, name))
            canonical(found)
        except UnreadableError as error:
            unreadable.append(str(error))
        except CanonicalError as error:
            # JSON's escapes allow half a surrogate pair, which is no text that could be published.
            unreadable.append(f"{name}: {error}")
        else:
            cells |= {name: found} if found else {}
    watched = _watched(shown, module, use, carried)
    return Raw(RawKey(use.module, str(shown["id"])), {"cells": cells}, "; ".join(unreadable) or None, watched)


def _watched(shown: ApiObject, module: Module, use: ModuleUse, carried: Collection[str]) -> dict[str, Json]:
    """Field -> its cells, of fields that are not ours to publish; one that cannot be read is not known."""
    found: dict[str, Json] = {}
    for name in sorted(use.watched):
        if name in shown or name in carried:
            with contextlib.suppress(UnreadableError, CanonicalError):
                cells = listed(field_cells(shown, module, name))
                canonical(cells)
                found[name] = cells
    return found


def contradicted(watched: Mapping[str, Json], module: Module, fields: Mapping[FieldKey, Json]) -> frozenset[FieldKey]:
    """The keys whose cell is known and holds something else, in the field's own normal form."""
    return frozenset(key for key, value in fields.items() if not _stands(watched, module, key, value))


def _stands(watched: Mapping[str, Json], module: Module, key: FieldKey, value: Json) -> bool:
    name, where = portal.parse_key(key)
    if name not in watched:
        return True
    described = module.field(name)
    kind, unit = (described.type, described.unit) if described else ("", None)
    held = next((cell["value"] for cell in watched[name] if portal.dimensions(cell["dimensions"]) == where), None)
    return values.same(value, held, kind, unit)


def isbns(watched: Mapping[str, Json], use: ModuleUse) -> frozenset[str]:
    """The keys of all ISBNs that the record states, however they are spelt."""
    said = (item for name in use.isbns for cell in watched.get(name, ()) for item in _items(cell["value"]))
    return frozenset(found.key for each in said if (found := isbn.read(str(each))) is not None)


def _items(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def field_cells(shown: ApiObject, module: Module, name: str) -> tuple[portal.Cell, ...]:
    """The cells of a field that hold something, in normal form."""
    described = module.field(name)
    kind, unit = (described.type, described.unit) if described else ("", None)
    where = f"{module.name}/{shown.get('id')}/{name}"
    found = (
        portal.Cell(cell.dimensions, values.normal(cell.value, kind, unit))
        for cell in portal.read_cells(shown.get(name), where)
    )
    return tuple(cell for cell in found if cell.value is not None)


def listed(cells: tuple[portal.Cell, ...]) -> list[dict[str, Json]]:
    """Cells as JSON."""
    return [{"dimensions": dict(cell.dimensions), "value": cell.value} for cell in cells]


def value(body: Json, name: str) -> Json:
    """The value of a raw object's field that holds without dimensions."""
    for cell in (body or {}).get("cells", {}).get(name, ()):
        if not cell["dimensions"]:
            return cell["value"]
    return None


def number(body: Json, name: str | None) -> int | None:
    """The id of Consonance in a marker field; None where there is none, or no id."""
    found = values.normal(value(body, name), "CELong") if name else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None


def record(key: RawKey, body: Mapping[str, Any], use: ModuleUse, tenant: str) -> Record:
    """The record as a document carries it: owned cells alone; empty values are left out."""
    owned = {name: found for name, found in body["cells"].items() if name in use.owned}
    return Record(
        module=use.module,
        id=key.id,
        product=number(body, use.marker_product),
        origin="ours" if _ours(key, body, use, tenant) else "theirs",
        cells=tuple(Cell(field=name, **cell) for name, found in owned.items() for cell in found),
    )


def _ours(key: RawKey, body: Mapping[str, Any], use: ModuleUse, tenant: str) -> bool:
    """By the origin that we wrote, or by the id, which only we can have derived."""
    if value(body, use.marker_origin) in ("frontlist", f"frontlist/{tenant}"):
        return True
    sources = (number(body, use.marker_product), number(body, use.marker_work))
    return any(key.id == chosen_id(tenant, use.module, source) for source in sources if source is not None)
