"""Raw answers of a work, for the tests of this folder."""

from __future__ import annotations

from typing import Any

from frontlist.contract import TitleKey
from frontlist.source import Raw, RawKey, Statement
from frontlist.systems.consonance.client import Client
from frontlist.systems.consonance.settings import ConsonanceSettings
from frontlist.systems.consonance.source import ConsonanceSource

SETTINGS = ConsonanceSettings(url="http://127.0.0.1:9", key="k" * 32, zone="Europe/London")  # type: ignore[arg-type]
TITLE = TitleKey("work:1")


def product(**fields: Any) -> dict[str, Any]:
    return {
        "id": 2,
        "__typename": "PhysicalBookProduct",
        "isbn": {"isbn13": "9780306406157"},
        "fullTitle": "The Tale",
        "onix21ProductFormCode": "BC",
        "publicationDate": "2027-02-01",
        "onixPublishingStatusCode": "_04",
        "prices": [{"id": 1, "amount": "12.99", "currencyCode": "GBP", "onixPriceTypeCode": "_02"}],
        "forSaleCountryCodes": ["NZ", "AU"],
        "notForSaleCountryCodes": [],
        "isForSaleWorldwide": False,
        "height_mm": "198.5",
        "absolutePageCount": 320,
        **fields,
    }


def work(**fields: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "title": "The Tale",
        "authorshipDescription": "Ada Byron",
        "imprint": {"id": 3, "name": "Blue"},
        "projectStage": {"id": 4, "name": "Approved"},
        "contributions": [contribution(7)],
        "supportingResources": [],
        "productionRuns": [],
        "products": [product()],
        **fields,
    }


def contribution(contact: int, **fields: Any) -> dict[str, Any]:
    person = {"__typename": "Person", "id": contact, "personName": "Ada Byron", "isni": None}
    return {
        "id": 5,
        "sequenceNumber": 1,
        "onixContributorRoleCode": "A01",
        "productIds": [2],
        "contributor": {**person, **fields},
    }


def contracts(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"contracts": list(items), "problems": {}, "as_of": "2026-11-23", **fields}


def assembled(
    raw_work: Any, raw_contracts: Any = None, omit: frozenset[str] = frozenset(), **problems: str
) -> dict[str, Statement]:
    """The documents, by way of the source."""
    key = RawKey("work", "1")
    named = {where.replace("__", "."): message for where, message in problems.items()}
    raws = {key: Raw(key, {"work": raw_work, "problems": named})}
    if raw_contracts is not None:
        raws[RawKey("contracts", "1")] = Raw(RawKey("contracts", "1"), raw_contracts)
    return dict(source().assemble(TITLE, raws, omit))


def source() -> ConsonanceSource:
    """Not connected: assembling is pure."""
    return ConsonanceSource(Client.connect(SETTINGS), SETTINGS)
