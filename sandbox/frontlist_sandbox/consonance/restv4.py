"""REST v4: the product list, with the documented envelope, key order and filters, and Rails' plain-text 401."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from stdnum import isbn as isbn_numbers

from frontlist_sandbox.consonance import texts
from frontlist_sandbox.consonance.model import Measurements, Named, Price, Product, Tenant, Work
from frontlist_sandbox.consonance.searching import Room

NO_ISBN = "No ISBN"
EXTENTS = (
    "page_count",
    "main_content_page_count",
    "number_of_words",
    "front_matter_page_count",
    "back_matter_page_count",
    "total_numbered_pages",
    "production_page_count",
    "absolute_page_count",
)
# ONIX 2.1 list 33; 01, 02 and 08 are evidenced, the others are the list's.
TEXT_CODES = {
    "MAIN_DESCRIPTION": "01",
    "SHORT_DESCRIPTION": "02",
    "LONG_DESCRIPTION": "03",
    "TABLE_OF_CONTENTS": "04",
    "REVIEW_QUOTE": "08",
    "ENDORSEMENT": "10",
    "FEATURE": "11",
    "BIOGRAPHICAL_NOTE": "13",
    "PROMOTIONAL_HEADLINE": "17",
    "BACK_COVER_COPY": "18",
    "EXCERPT": "23",
}
_FILTER = re.compile(r"q\[([a-z_]+?)_(eq|not_eq|cont|gteq|lteq|gt|lt)\]")


def denied() -> Response:
    """What Rails answers to a missing or wrong token."""
    headers = {"WWW-Authenticate": 'Token realm="Application"'}
    return PlainTextResponse("HTTP Token: Access denied.\n", 401, headers)


def token(header: str) -> str | None:
    """The key in `Token token=KEY`, quoted or not."""
    found = re.fullmatch(r'Token\s+token=("?)([^",\s]+)\1(?:\s*,.*)?', header.strip())
    return found.group(2) if found else None


def product_list(request: Request, room: Room) -> Response:
    """One page of the products that the filters leave."""
    found = sorted(room.tenant.products.values(), key=lambda p: p.id)
    kept = [p for p in found if _passes(room.tenant, p, request.query_params)]
    page, size = max(1, _number(request.query_params.get("page"))), room.toggles.page_size
    rows = kept[(page - 1) * size : page * size]
    return JSONResponse(
        {
            "current_page": page,
            "per_page": size,
            "total_pages": math.ceil(len(kept) / size),
            "url": str(request.url.replace(query="")),
            "products": [_product(room, product) for product in rows],
        }
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 1


def _product(room: Room, product: Product) -> dict[str, Any]:
    work = room.tenant.works.get(product.work_id) or Work(product.work_id, product.full_title)
    return _head(product, work) | _tail(room, product, work)


def _head(product: Product, work: Work) -> dict[str, Any]:
    """The keys whose order is documented."""
    return {
        "id": product.id,
        "work_id": product.work_id,
        "full_title": product.full_title,
        "subtitle": product.subtitle,
        "pub_date": _day(product.publication_date),
        "publishing_status": product.publishing_status,
        "out_of_print_date": _day(product.out_of_print_date),
        "product_form": product.onix21_product_form_code,
        "edition_type_codes": ",".join(work.onix_edition_type_codes) or None,
        "edition_statement": work.edition_statement,
        "in_house_format": _name(product.in_house_format),
        "in_house_edition": _name(product.in_house_edition),
        "isbn": _isbn(product.isbn13),
        "product_doi": product.product_identifying_doi,
        "work_doi": None,
        "work_type_name": _name(work.work_type),
        "season_name": _name(work.season),
        "marketing_tier_name": _name(work.marketing_tier),
        "project_stage_name": _name(work.project_stage),
        "lc_control_number": None,
        "in_house_work_reference": work.in_house_work_reference,
        "publishers_url": work.publishers_url,
        "imprint": _name(work.imprint),
        "weblinks": [],
        "edition_number": work.edition_number,
        "extents": {key: product.page_counts.get(key) for key in EXTENTS},
    }


def _tail(room: Room, product: Product, work: Work) -> dict[str, Any]:
    """The keys that clients dereference; their order is assumed. Subjects stay out: their keys are unknown."""
    ticked = [t for t in work.marketing_texts if product.id in t.product_ids]
    images = [r for r in work.supporting_resources if product.id in r.product_ids]
    return {
        "measurements": _measurements(product.measurements),
        "authorship": product.authorship_description or work.authorship_description,
        "series_ids": [membership.series_id for membership in work.series],
        "prices": [_price(room, price) for price in product.prices],
        "marketingtexts": [
            {"code": TEXT_CODES.get(t.variant or ""), "external_text": texts.html(t.external_text_markdown)}
            for t in ticked
        ],
        "supportingresources": [
            {"style_urls": [{"style": "jpg_rgb_0650h", "url": r.image_remote_url}]} for r in images
        ],
        "all_related_products": [{"relation_code": code, "isbn": _isbn(isbn)} for code, isbn in product.related],
        "rights_not_available_countries": list(product.not_for_sale_country_codes),
    }


def _price(room: Room, price: Price) -> dict[str, Any]:
    as_text = room.toggles.rest_prices_as == "string"
    return {
        "currency_code": price.currency_code,
        "price_amount": str(price.amount) if as_text else float(price.amount),
        "price_qualifier": price.qualifier_code,
    }


def _measurements(sizes: Measurements) -> dict[str, Any] | None:
    """`198 × 129 × 14`, and in inches rounded up to a sixteenth, as the documented record shows."""
    known = [size for size in (sizes.height_mm, sizes.width_mm, sizes.thickness_mm) if size is not None]
    if not known:
        return None
    return {
        "product_dimensions_mm": " × ".join(f"{size:g}" for size in known),
        "product_dimensions_in": " × ".join(f"{math.ceil(size / 25.4 * 16) / 16:g}" for size in known),
    }


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _name(entry: Named | None) -> str | None:
    return entry.name if entry else None


def _isbn(digits: str | None) -> str:
    return isbn_numbers.format(digits) if digits else NO_ISBN


def _passes(tenant: Tenant, product: Product, query: Mapping[str, str]) -> bool:
    for name, wanted in query.items():
        found = _FILTER.fullmatch(name)
        read = ATTRIBUTES.get(found.group(1)) if found else None
        # Ransack ignores what it does not know, and blank values.
        if found and read and wanted and not PREDICATES[found.group(2)](read(tenant, product), wanted):
            return False
    return True


def _work_title(tenant: Tenant, product: Product) -> str | None:
    work = tenant.works.get(product.work_id)
    return work.title if work else None


ATTRIBUTES: dict[str, Callable[[Tenant, Product], str | None]] = {
    "id": lambda tenant, p: str(p.id),
    "isbn": lambda tenant, p: p.isbn13,
    "work_title": _work_title,
    "pub_date": lambda tenant, p: _day(p.publication_date),
}


def _compared(test: Callable[[Any, Any], bool]) -> Callable[[str | None, str], bool]:
    """Numbers as numbers, all else (ISO dates) as text."""

    def compare(own: str | None, wanted: str) -> bool:
        if own is None:
            return False
        both_numbers = own.isdigit() and wanted.isdigit()
        return test(int(own), int(wanted)) if both_numbers else test(own, wanted)

    return compare


PREDICATES: dict[str, Callable[[str | None, str], bool]] = {
    "eq": lambda own, wanted: own == wanted,
    "not_eq": lambda own, wanted: own != wanted,
    "cont": lambda own, wanted: wanted.casefold() in (own or "").casefold(),
    "gt": _compared(lambda own, wanted: own > wanted),
    "gteq": _compared(lambda own, wanted: own >= wanted),
    "lt": _compared(lambda own, wanted: own < wanted),
    "lteq": _compared(lambda own, wanted: own <= wanted),
}
