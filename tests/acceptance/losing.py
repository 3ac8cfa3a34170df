"""What of a file's facts is found in no field of the records that came of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from acceptance import onix_reading
from acceptance.onix_reading import Product

#: Ours, not the publisher's: a fact that equals one of these has not arrived.
OURS = frozenset({"consonance_work_id", "consonance_product_id", "frontlist_origin", "title_ref", "project_stage_id"})
#: What list 7, which evidenced GraphQL carries, calls a form of list 150, where the two differ.
LIST_7 = {"SA": "WW"}
#: Other dates are often the day of publication too, and Macmillan refers to its records by ISBN: that is chance.
ONLY = {
    "pub_date": frozenset({"PublishingDate[01]/Date"}),
    "isbn": frozenset({"ProductIdentifier[03]/IDValue", "ProductIdentifier[15]/IDValue"}),
}

Record = Mapping[str, Any]


def lost(pairs: Iterable[tuple[Product, Record]]) -> set[str]:
    """The paths for which there is no field that holds every value, record by record."""
    stated: dict[str, list[tuple[str, dict[str, set[str]]]]] = defaultdict(list)
    for product, record in pairs:
        fields = {name: set(_held(name, cells)) for name, cells in record["fields"].items() if name not in OURS}
        for fact in product.facts():
            stated[fact.path].append((fact.value, fields))
    return {path for path, facts in stated.items() if not _arrives(path, facts)}


def _arrives(path: str, facts: list[tuple[str, dict[str, set[str]]]]) -> bool:
    everywhere = set.intersection(*(set(fields) for _, fields in facts))
    meant = (name for name in everywhere if path in ONLY.get(name, {path}))
    return any(all(_forms(path, value) & fields[name] for value, fields in facts) for name in meant)


def _forms(path: str, value: str) -> set[str]:
    """How 4ALLPORTAL may write it down."""
    form = LIST_7.get(value, value) if path == "ProductForm" else value
    return {form, onix_reading.iso_date(form), _number(form)}


def _held(name: str, cells: list[Mapping[str, Any]]) -> Iterator[str]:
    for cell in cells:
        value = cell["value"]
        parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
        for part in map(str, parts):
            yield from (part, _number(part))
            if name == "contributors" and (credit := re.fullmatch(r"(.*) \((\w+)\)", part)):
                yield from credit.groups()
            if name == "title":
                yield from _ends(part)


def _ends(title: str) -> Iterator[str]:
    """A prefix and what follows it: both are in the title."""
    first, _, rest = title.partition(" ")
    yield from (first, rest)


def _number(text: str) -> str:
    """19.90 and 19.9 are one amount; a code such as 02 is none."""
    if not re.fullmatch(r"(0|[1-9]\d*)(\.\d+)?", text):
        return text
    try:
        return f"{Decimal(text).normalize():f}"
    except InvalidOperation:
        return text
