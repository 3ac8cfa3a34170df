"""What a record's ProductSupply states: prices, availability, and the market's dates where there are no global ones."""

from __future__ import annotations

from datetime import date

from lxml import etree

from frontlist_sandbox.catalogue.drafts import Draft
from frontlist_sandbox.catalogue.messages import Defaults
from frontlist_sandbox.catalogue.values import number, of_day, text
from frontlist_sandbox.consonance.model import Price

# Codes 12 and 14 mean something else in the market's list (68) than in the publisher's (64).
_ONLY_IN_MARKETS = frozenset({"12", "14"})


def read(draft: Draft, record: etree._Element, defaults: Defaults) -> None:
    """Prices of all supplies, equal ones once; availability of the first that states one."""
    details = record.findall("ProductSupply/SupplyDetail")
    draft.product.product_availability = next((code for d in details if (code := text(d, "ProductAvailability"))), None)
    for element in (price for detail in details for price in detail.findall("Price")):
        price = _price(draft, element, defaults)
        if price is not None and price not in draft.product.prices:
            draft.product.prices.append(price)


def market_status(record: etree._Element) -> str | None:
    codes = (text(s, "MarketPublishingDetail/MarketPublishingStatus") for s in record.findall("ProductSupply"))
    return next((code for code in codes if code and code not in _ONLY_IN_MARKETS), None)


def _price(draft: Draft, element: etree._Element, defaults: Defaults) -> Price | None:
    raw = text(element, "PriceAmount")
    amount, currency = number(raw), text(element, "CurrencyCode") or defaults.currency
    type_code = text(element, "PriceType") or defaults.price_type
    if raw is None:
        return None
    if amount is None or currency is None or type_code is None:
        draft.note(f"price {raw!r} {currency or 'without currency'} type {type_code or 'unstated'} left out")
        return None
    if "," in raw:
        draft.note(f"price {raw!r} read with a decimal comma")
    start, end = _period(draft, element)
    return Price(0, amount, currency, type_code, text(element, "PriceQualifier") or "00", start, end)


def _period(draft: Draft, element: etree._Element) -> tuple[date | None, date | None]:
    start: date | None = None
    end: date | None = None
    for stated in element.findall("PriceDate"):
        role, raw = text(stated, "PriceDateRole"), text(stated, "Date")
        if raw is None:
            continue
        first, last = (raw[:8], raw[8:]) if role == "24" and len(raw) == 16 else (raw, raw)
        if role in ("14", "24"):
            start = _day(draft, first)
        if role in ("15", "24"):
            end = _day(draft, last)
    return start, end


def _day(draft: Draft, raw: str) -> date | None:
    value, exact = of_day(raw)
    if value is None or not exact:
        draft.note(f"price date {raw!r} read as {value}")
    return value
