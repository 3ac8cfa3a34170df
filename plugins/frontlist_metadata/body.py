"""Looks into a document without trusting its shape.

A key that is not there (`MISSING`) is not a null: the tenant's schema does not offer the field (`docs/decisions/0001`).
What has another kind than it should counts as not there, so that it can erase nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from frontlist.contract import Json

Body = Mapping[str, Json]


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
Found = Any  # a value, None (the system says "none") or MISSING


def section(body: Json, key: str) -> Body:
    """The object under a key; an empty one where there is none."""
    value = body.get(key) if isinstance(body, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def items(body: Json, key: str) -> list[Body]:
    """The objects of the list under a key; empty where there is none."""
    value = body.get(key) if isinstance(body, Mapping) else None
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []


def text(body: Body, key: str) -> Found:
    value = body.get(key, MISSING)
    if isinstance(value, str):
        return value.strip() or None
    return None if value is None else MISSING


def number(body: Body, key: str) -> Found:
    value = body.get(key, MISSING)
    return value if value is None or (isinstance(value, int) and not isinstance(value, bool)) else MISSING


def truth(body: Body, key: str) -> Found:
    value = body.get(key, MISSING)
    return value if value is None or isinstance(value, bool) else MISSING


def name(body: Body, key: str) -> Found:
    """The name of an entry of one of the tenant's lists: {"id": 1, "name": "Fiction"}."""
    value = body.get(key, MISSING)
    return text(value, "name") if isinstance(value, Mapping) else (None if value is None else MISSING)


def day(body: Body, key: str) -> Found:
    """A date as ISO text."""
    found = text(body, key)
    return found if found is MISSING or found is None or to_day(found) is not None else MISSING


def to_day(value: Json) -> date | None:
    """The date that an ISO text is."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        return None


def to_amount(value: Json) -> Decimal | None:
    """The amount that a decimal text is; finite, and of a size that a price can have."""
    try:
        amount = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        return None
    return amount if amount is not None and amount.is_finite() and -6 <= amount.adjusted() < 12 else None


def ids(body: Body, key: str) -> list[int]:
    value = body.get(key)
    found = value if isinstance(value, list | tuple) else ()
    return sorted({each for each in found if isinstance(each, int) and not isinstance(each, bool)})


def by_id(body: Json, key: str) -> dict[int, Body]:
    """The objects of a list by their `id`; those without are left out, of two the first counts."""
    found: dict[int, Body] = {}
    for each in items(body, key):
        identity = number(each, "id")
        if isinstance(identity, int):
            found.setdefault(identity, each)
    return found
