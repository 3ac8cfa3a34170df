"""Documents with every field set, for the tests of this folder."""

from __future__ import annotations

from typing import Any

NAMED = {"id": 3, "name": "Spring", "code": None}
CONTRACTS: dict[str, Any] = {"state": "unseen"}
PRICE = {
    "id": 1,
    "amount": "12.99",
    "currency": "GBP",
    "type": "02",
    "qualifier": "05",
    "effective_from": "2026-01-01",
    "effective_to": None,
}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("consonance", "metadata"): {
        "work_id": 1,
        "title": "Титул",
        "subtitle": None,
        "contributions": [
            {"id": 5, "contact_id": 7, "kind": "Person", "name": "A B", "role": "A01", "product_ids": [2]}
        ],
        "subjects": [{"scheme": "THEMA", "code": "FBA", "main": True}],
        "season": NAMED,
        "audience": {"description": None, "codes": ["01"]},
        "products": [{"id": 2, "prices": [PRICE], "page_counts": {"absolute": 320}, "allow_onix_exports": False}],
    },
    ("consonance", "assets"): {"work_id": 1, "resources": [{"id": 9, "filename": "cover.jpg", "product_ids": [2]}]},
    ("consonance", "rights"): {
        "work_id": 1,
        "products": [{"id": 2, "for_sale": ["AU", "NZ"], "worldwide": False}],
        "contracts": {
            "state": "seen",
            "as_of": "2026-11-23",
            "items": [{"id": 4, "term": "60", "right_types": ["Audio"]}],
        },
    },
    ("consonance", "milestones"): {
        "work_id": 1,
        "project_stage": {"id": 2, "name": "Approved"},
        "products": [{"id": 2, "publication_date": "2027-02-01"}],
        "production_runs": [{"id": 6, "delivery_date": None, "product_ids": [2]}],
        "contracts": CONTRACTS,
    },
    ("consonance", "formats"): {
        "work_id": 1,
        "products": [{"id": 2, "isbn13": "9780306406158", "kind": "PhysicalBookProduct", "product_form": "BC"}],
    },
    ("fourallportal", "metadata"): {
        "records": [
            {
                "module": "product",
                "id": "0b6e",
                "product": 2,
                "origin": "ours",
                "cells": [{"field": "description_long", "dimensions": {"locale": "en_GB"}, "value": "<p>Copy</p>"}],
            }
        ]
    },
}
