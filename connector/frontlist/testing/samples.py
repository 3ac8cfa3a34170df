"""A made-up title in all documents that we have a schema of: a work of a paperback and an e-book, released."""

from __future__ import annotations

from typing import Any

from frontlist.contract import DocumentKey

_RECORD = "0b6f2c1e-8a55-5d1e-9b0c-2f6f0c9a7d11"
_OF_TITLE = "7f3d0a62-53a4-5c58-8a0e-b1b7f9a2c301"

_METADATA = {
    "work_id": 1,
    "title": "The Tide Clerk",
    "subtitle": "A Novel",
    "authorship": "Ada Quill",
    "contributions": [
        {
            "id": 1,
            "contact_id": 7,
            "kind": "Person",
            "name": "Ada Quill",
            "inverted": "Quill, Ada",
            "key_names": "Quill",
            "isni": None,
            "role": "A01",
            "sequence": 1,
            "product_ids": [11, 12],
        }
    ],
    "subjects": [{"scheme": "THEMA", "code": "FBA", "description": "General fiction", "main": True}],
    "series": [{"id": 1, "series_id": 4, "name": "Harbour Tales", "part_number": "2"}],
    "season": {"id": 1, "name": "Spring", "code": None},
    "marketing_tier": {"id": 2, "name": "Lead", "code": None},
    "imprint": {"id": 3, "name": "Blue Door", "code": "BD"},
    "edition_number": 1,
    "edition_types": [],
    "audience": {"description": "General readers", "codes": ["01"]},
    "products": [
        {
            "id": 11,
            "full_title": "The Tide Clerk",
            "subtitle": "A Novel",
            "authorship": "Ada Quill",
            "prices": [
                {
                    "id": 1,
                    "amount": "12.99",
                    "currency": "GBP",
                    "type": "02",
                    "qualifier": "05",
                    "effective_from": None,
                    "effective_to": None,
                }
            ],
            "publishing_status": "02",
            "availability": "10",
            "page_counts": {"absolute": 320, "main_content": 304},
            "measurements": {"height_mm": "198", "width_mm": "129", "thickness_mm": "22.5"},
            "allow_onix_exports": True,
        },
        {
            "id": 12,
            "full_title": "The Tide Clerk",
            "subtitle": None,
            "authorship": "Ada Quill",
            "prices": [],
            "publishing_status": "02",
            "availability": "10",
            "allow_onix_exports": True,
        },
    ],
}
_FORMATS = {
    "work_id": 1,
    "products": [
        {"id": 11, "kind": "PhysicalBookProduct", "isbn13": "9780306406157", "product_form": "BC"},
        {"id": 12, "kind": "EbookProduct", "isbn13": "9781861972712", "product_form": "DG"},
    ],
}
_MILESTONES = {
    "work_id": 1,
    "project_stage": {"id": 4, "name": "Released", "code": None},
    "products": [
        {
            "id": 11,
            "publication_date": "2027-02-01",
            "planned_publication_date": None,
            "announcement_date": "2026-11-01",
        },
        {"id": 12, "publication_date": "2027-02-01", "planned_publication_date": None, "announcement_date": None},
    ],
    "production_runs": [{"id": 1, "name": "First printing", "delivery_date": "2027-01-11", "product_ids": [11]}],
    "contracts": {
        "state": "seen",
        "as_of": "2026-11-22",
        "items": [{"id": 5, "manuscript_due": "2026-03-01", "manuscript_actual": "2026-03-09", "deliveries": []}],
    },
}
_RIGHTS = {
    "work_id": 1,
    "products": [
        {"id": 11, "for_sale": ["GB", "IE"], "not_for_sale": ["US"], "worldwide": False, "description": None},
        {"id": 12, "for_sale": [], "not_for_sale": [], "worldwide": True, "description": None},
    ],
    "contracts": {
        "state": "seen",
        "as_of": "2026-11-22",
        "items": [
            {
                "id": 5,
                "name": "Tide Clerk, volume rights",
                "signed": "2025-06-02",
                "term": "120",
                "terminated": None,
                "review": "2030-06-02",
                "right_types": ["English language"],
            }
        ],
    },
}
_ASSETS = {
    "work_id": 1,
    "resources": [
        {
            "id": 9,
            "filename": "tide-clerk-reading-guide.pdf",
            "variant": "reading_group_guide",
            "status": "approved",
            "product_ids": [11],
            "caption": None,
            "copyright": "© Blue Door",
            "required_credit": None,
            "url": None,
        }
    ],
}
_PORTAL = {
    "records": [
        {"module": "product", "id": _RECORD, "product": 11, "origin": "ours", "cells": []},
        {
            "module": "title",
            "id": _OF_TITLE,
            "product": None,
            "origin": "ours",
            "cells": [
                {"field": "copy_state", "dimensions": {"locale": "en_GB"}, "value": "released"},
                {"field": "description_short", "dimensions": {"locale": "en_GB"}, "value": "<p>A tale of tides.</p>"},
                {"field": "keywords", "dimensions": {"locale": "en_GB"}, "value": ["harbour", "tides"]},
            ],
        },
    ]
}

BODIES: dict[DocumentKey, dict[str, Any]] = {
    DocumentKey("consonance", "metadata"): _METADATA,
    DocumentKey("consonance", "assets"): _ASSETS,
    DocumentKey("consonance", "rights"): _RIGHTS,
    DocumentKey("consonance", "milestones"): _MILESTONES,
    DocumentKey("consonance", "formats"): _FORMATS,
    DocumentKey("fourallportal", "metadata"): _PORTAL,
}
