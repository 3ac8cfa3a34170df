"""From when a record is public: the latest of the configured dates, and confidential until all of them are known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from frontlist.contract import Document
from frontlist.mapping import FieldMapping, PublicSource
from frontlist_metadata import body
from frontlist_metadata.body import MISSING, Body, Found
from frontlist_metadata.checks import Findings
from frontlist_metadata.title import Product, of_product


@dataclass(frozen=True)
class Publicity:
    """`confidential` None: a document that says it cannot be read now, so what was said before stands."""

    confidential: bool | None
    public_from: date | None = None


def of(product: Product, mapping: FieldMapping, portal: Document, today: date, findings: Findings) -> Publicity:
    """What the configured sources say; one that is empty means confidential, with a finding."""
    found = [_source(source, product, mapping, portal, findings) for source in mapping.public_from]
    if "unknown" in found:
        return Publicity(None)
    days = [each for each in found if isinstance(each, date)]
    if len(days) < len(found):
        return Publicity(True)
    latest = max(days, default=None)
    return Publicity(latest is not None and today < latest, latest)


def _source(
    source: PublicSource, product: Product, mapping: FieldMapping, portal: Document, findings: Findings
) -> date | Literal["unknown", "empty"]:
    if source.cell is None:
        if product.title.milestones is None:
            return "unknown"
        stated: Found = of_product(source.name, product)
    else:
        if portal.state == "unreadable":
            return "unknown"
        stated = cell(portal, mapping.product.module, product.id, source.cell.key)
    found = body.to_day(stated[:10]) if isinstance(stated, str) else None
    if found is not None:
        return found
    missing = "is not offered by the tenant's schema" if stated is MISSING and source.cell is None else "is empty"
    findings.add(
        f"public/{source.name}",
        "confidential",
        f"{source.name}, which `public_from` waits for, {missing}: the record stays confidential",
        "enter the date, or take the source out of `public_from` in the mapping",
        product.label,
        "low",
    )
    return "empty"


def cell(portal: Document, module: str, product_id: int, field: str) -> Found:
    """A cell without dimensions of the product's record; of several records the latest date counts."""
    found: list[str] = []
    for record in records(portal):
        if record.get("module") == module and record.get("product") == product_id:
            stated = (each.get("value") for each in body.items(record, "cells") if _plain(each, field))
            found.extend(value for value in stated if isinstance(value, str))
    return max(found, default=None)


def _plain(stated: Body, field: str) -> bool:
    return stated.get("field") == field and not stated.get("dimensions")


def records(portal: Document) -> list[Body]:
    """The records of 4ALLPORTAL's document, where it can be read now; one without module and id is none."""
    found = body.items(portal.body, "records") if portal.present else []
    return [each for each in found if isinstance(each.get("module"), str) and isinstance(each.get("id"), str)]
