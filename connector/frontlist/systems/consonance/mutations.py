"""What a mutation is asked to answer, and what it complains of."""

from __future__ import annotations

from collections.abc import Mapping

from frontlist.contract import Json
from frontlist.errors import Stop
from frontlist.systems.consonance.schema import Schema


def text(schema: Schema, name: str) -> str:
    """Asks of the payload what it offers: its names are UNKNOWN, so a text in it is known by its type."""
    offered = schema.written(name)
    if offered is None:
        raise Stop(f"the tenant has no mutation {name}", where="consonance GraphQL schema", cure="frontlist check")
    kind = schema.types[offered.type.name]
    parts = []
    for field, of in kind.fields.items():
        inner = schema.types.get(of.type.name)
        if of.type.name == "MarketingText":
            parts.append(f"{field} {{ id }}")
        elif field == "errors" and inner is not None and inner.composite:
            known = [n for n in ("message", "path", "attribute", "field") if n in inner.fields]
            parts.append(f"errors {{ {' '.join(known) or '__typename'} }}")
        elif inner is None or not inner.composite:
            parts.append(field)
    given = offered.arguments["input"].name
    return f"mutation Write($input: {given}!) {{ {name}(input: $input) {{ {' '.join(parts) or '__typename'} }} }}"


def complaint(payload: Mapping[str, Json]) -> str:
    """What a payload complains of: texts, or objects with a message (which of them is UNKNOWN); "" = nothing."""
    errors = payload.get("errors") or []
    items = errors if isinstance(errors, list) else [errors]
    return "; ".join(" ".join(str(v) for v in e.values()) if isinstance(e, dict) else str(e) for e in items)
