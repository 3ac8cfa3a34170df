"""Dossiers and contexts for the tests of this folder: a work 1 with the products 11 and 12."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from frontlist.clock import chosen_id, microseconds
from frontlist.contract import Context, Document, DocumentKey, Dossier, Ensure, Plan, Revision, TitleKey
from frontlist.mapping import FieldMapping, default_text, load
from frontlist_metadata.plan import plan

TITLE = TitleKey("work:1")
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MAPPING = load(default_text())
RECORD = chosen_id("house", "product", 11)
OTHER = chosen_id("house", "product", 12)
OF_TITLE = chosen_id("house", "title", 1)


def price(amount: str = "12.99", **fields: Any) -> dict[str, Any]:
    usual = {"id": 1, "currency": "GBP", "type": "02", "qualifier": "05", "effective_from": None, "effective_to": None}
    return {**usual, "amount": amount, **fields}


def metadata(*products: dict[str, Any], **fields: Any) -> dict[str, Any]:
    usual = {"work_id": 1, "title": "The Tale", "subtitle": None, "imprint": {"id": 3, "name": "Blue"}}
    return {**usual, "products": list(products or (described(),)), **fields}


def described(id: int = 11, **fields: Any) -> dict[str, Any]:
    usual = {"full_title": "The Tale", "publishing_status": "02", "allow_onix_exports": True, "prices": [price()]}
    return {"id": id, **usual, **fields}


def formats(*ids: int, **fields: Any) -> dict[str, Any]:
    usual = {"kind": "PhysicalBookProduct", "isbn13": "9780306406157", "product_form": "BC"}
    return {"work_id": 1, "products": [{"id": each, **usual, **fields} for each in ids or (11,)]}


def milestones(stage: int = 4, **fields: Any) -> dict[str, Any]:
    dates = {"publication_date": "2027-02-01", "planned_publication_date": None, **fields}
    stages = {"id": stage, "name": {4: "Released"}.get(stage, "Contracted")}
    return {"work_id": 1, "project_stage": stages, "products": [{"id": each, **dates} for each in (11, 12)]}


def cell(field: str, value: Any, **dimensions: str) -> dict[str, Any]:
    return {"field": field, "dimensions": dimensions, "value": value}


def blurb(text: Any, state: str = "released", locale: str = "en_GB") -> list[dict[str, Any]]:
    return [cell("description_short", text, locale=locale), cell("copy_state", state, locale=locale)]


def record(
    *cells: dict[str, Any], module: str = "title", id: str = OF_TITLE, product: int | None = None
) -> dict[str, Any]:
    return {"module": module, "id": id, "product": product, "origin": "ours", "cells": list(cells)}


def document(name: str, body: Any, at: datetime = NOW, state: Any = "present", **fields: Any) -> Document:
    system, aspect = name.split(".")
    return Document(DocumentKey(system, aspect), TITLE, state, Revision(microseconds(at)), body, **fields)


def dossier(*documents: Document, **bodies: Any) -> Dossier:
    """Consonance's three documents, changed by name (None = unseen), and those given."""
    usual = {"metadata": metadata(), "formats": formats(), "milestones": milestones(), **bodies}
    found = [document(f"consonance.{name}", body) for name, body in usual.items() if body is not None]
    return Dossier(TITLE, {each.key: each for each in (*found, *documents)})


def portal(*records: dict[str, Any], at: datetime = NOW) -> Document:
    return document("fourallportal.metadata", {"records": list(records)}, at)


def context(mapping: FieldMapping = MAPPING, now: datetime = NOW, **fields: Any) -> Context:
    return Context(now, "house", mapping, **fields)


def planned(given: Dossier, base: Context | None = None, **fields: Any) -> Plan:
    return plan(given, replace(base or context(), **fields))


def fields_of(result: Plan, id: str = RECORD) -> Mapping[str, Any]:
    (found,) = [each for each in result.desired if each.resource.id == id]
    assert isinstance(found, Ensure)
    return {str(key): value for key, value in found.fields.items()}


def keys(result: Plan) -> list[str]:
    """Keys of the findings that are not about the three currencies without a price."""
    return [each.key for each in result.findings if not each.key.endswith("/none") or each.key.startswith("isbn")]
