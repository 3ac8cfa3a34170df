"""Which works, products and contracts a search finds: the documented attributes, by id, a page at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from frontlist_sandbox.consonance.model import Contract, Price, Product, Tenant, Work
from frontlist_sandbox.consonance.toggles import Toggles

Search = Mapping[str, Any]


@dataclass
class Room:
    """What one request sees: the tenant, the toggles, and products by work, looked up once."""

    tenant: Tenant
    toggles: Toggles
    _by_work: dict[int, list[Product]] | None = field(default=None)

    def products_of(self, work_id: int) -> list[Product]:
        if self._by_work is None:
            self._by_work = defaultdict(list)
            for product in sorted(self.tenant.products.values(), key=lambda p: p.id):
                self._by_work[product.work_id].append(product)
        return self._by_work.get(work_id, [])

    def title_changed_on(self, work: Work) -> date:
        return max([work.changed_on, *(p.changed_on for p in self.products_of(work.id))])


def works(room: Room, search: Search, products_search: Search) -> list[Work]:
    """All works that meet the search and have a product that meets `products_search` (if there is one)."""
    found = sorted(room.tenant.works.values(), key=lambda w: w.id)
    met = [w for w in found if _met(WORK_TESTS, room, w, search)]
    if not _asked(products_search):
        return met
    return [w for w in met if any(_met(PRODUCT_TESTS, room, p, products_search) for p in room.products_of(w.id))]


def products(room: Room, search: Search, work_search: Search, price_search: Search) -> list[Product]:
    """All products that meet the search, whose work and one of whose prices meet theirs."""
    met = products_among(room, sorted(room.tenant.products.values(), key=lambda p: p.id), search)
    if _asked(work_search):
        of_works = {w.id for w in works(room, work_search, {})}
        met = [p for p in met if p.work_id in of_works]
    if _asked(price_search):
        met = [p for p in met if any(price_met(price, price_search) for price in p.prices)]
    return met


def products_among(room: Room, some: Iterable[Product], search: Search) -> list[Product]:
    return [p for p in some if _met(PRODUCT_TESTS, room, p, search)]


def contracts(room: Room, search: Search) -> list[Contract]:
    """All contracts by id; `idEq` and `after` narrow."""
    found = sorted(room.tenant.contracts.values(), key=lambda c: c.id)
    return [c for c in found if _met(CONTRACT_TESTS, room, c, search)]


def price_met(price: Price, search: Search) -> bool:
    limit = search.get("amountLteq")
    return (limit is None or price.amount <= limit) and all(
        search.get(name) is None or value in search[name]
        for name, value in (
            ("currencyCodeIn", price.currency_code),
            ("onixPriceTypeCodeIn", price.type_code),
            ("onixPriceTypeQualifierCodeIn", price.qualifier_code),
        )
    )


def _asked(search: Search) -> bool:
    return any(value is not None for value in search.values())


Test = Callable[[Room, Any, Any], bool]


def _met(tests: Mapping[str, Test], room: Room, row: Any, search: Search) -> bool:
    return all(tests[name](room, row, value) for name, value in search.items() if value is not None)


def _contains(text: str | None, part: str) -> bool:
    return part.casefold() in (text or "").casefold()


def _work_changed(room: Room, work: Work, since: date) -> bool:
    own = work.changed_on if not room.toggles.over_report else room.title_changed_on(work)
    return own >= since


def _product_changed(room: Room, product: Product, since: date) -> bool:
    work = room.tenant.works.get(product.work_id)
    if work is None or not room.toggles.over_report:
        return product.changed_on >= since
    return room.title_changed_on(work) >= since


def _contract_of(room: Room, work: Work, contract_id: int) -> bool:
    contract = room.tenant.contracts.get(contract_id)
    return contract is not None and contract.work_id == work.id


def _published(compare: Callable[[date, date], bool]) -> Test:
    def test(room: Room, product: Product, day: date) -> bool:
        return product.publication_date is not None and compare(product.publication_date, day)

    return test


CONTRACT_TESTS: dict[str, Test] = {
    "idEq": lambda room, c, v: c.id == v,
    "after": lambda room, c, v: c.id > v,
}

WORK_TESTS: dict[str, Test] = {
    "after": lambda room, w, v: w.id > v,
    "idEq": lambda room, w, v: w.id == v,
    "contractIdEq": _contract_of,
    "changedSince": _work_changed,
    "titleEq": lambda room, w, v: w.title == v,
    "titleCont": lambda room, w, v: _contains(w.title, v),
    "subtitleEq": lambda room, w, v: w.subtitle == v,
    "subtitleCont": lambda room, w, v: _contains(w.subtitle, v),
    "subtitlePresent": lambda room, w, v: bool(w.subtitle) == v,
    "imprintIdIn": lambda room, w, v: w.imprint is not None and w.imprint.id in v,
}

PRODUCT_TESTS: dict[str, Test] = {
    "after": lambda room, p, v: p.id > v,
    "idEq": lambda room, p, v: p.id == v,
    "isbn13Eq": lambda room, p, v: p.isbn13 == v,
    "isbn13In": lambda room, p, v: p.isbn13 in v,
    "isbn13Assigned": lambda room, p, v: (p.isbn13 is not None) == v,
    "titleEq": lambda room, p, v: p.full_title == v,
    "titleCont": lambda room, p, v: _contains(p.full_title, v),
    "titlePrefixPresent": lambda room, p, v: bool(p.title_prefix) == (v.lower() not in {"false", "0", ""}),
    "publicationDateEq": _published(lambda own, day: own == day),
    "publicationDateGt": _published(lambda own, day: own > day),
    "publicationDateLt": _published(lambda own, day: own < day),
    "publicationDateGteq": _published(lambda own, day: own >= day),
    "publicationDateLteq": _published(lambda own, day: own <= day),
    "onix21ProductFormCodeIn": lambda room, p, v: p.onix21_product_form_code in v,
    "changedSince": _product_changed,
    # The documented "empty set ignored".
    "productTypes": lambda room, p, v: not v or p.typename in v,
}
