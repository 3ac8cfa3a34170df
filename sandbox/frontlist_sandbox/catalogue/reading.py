"""One ONIX record to one draft, or the reason why not."""

from __future__ import annotations

import re
from datetime import date

from lxml import etree

from frontlist_sandbox.catalogue import collateral, describing, supply, territories
from frontlist_sandbox.catalogue.drafts import Draft
from frontlist_sandbox.catalogue.messages import Record
from frontlist_sandbox.catalogue.values import day, digits, from_isbn10, is_sound, is_thirteen, text, texts
from frontlist_sandbox.consonance.model import Product

_SAME_WORK = frozenset({"06", "13", "27"})
_BUNDLE = frozenset({"01", "02"})
_INTERNAL = re.compile(r"(?:.*\D)?0*([1-9]\d{0,8})", re.ASCII)


class Unusable(Exception):
    """The record gives no product; the message says why and what cures it."""


def draft_of(record: Record, today: date) -> Draft:
    """The whole record; raises `Unusable`."""
    element = record.element
    notification = text(element, "NotificationType")
    detail = _detail(element, notification)
    reference = text(element, "RecordReference")
    product = Product(0, 0, "GenericProduct", "", None, record_reference=reference, changed_on=today)
    draft = Draft(record.source, notification, product)
    _identifiers(draft, element)
    describing.read(draft, detail)
    if not product.full_title:
        raise Unusable("no title; add a TitleDetail")
    collateral.read(draft, element.find("CollateralDetail"), record.defaults.language)
    _publishing(draft, element)
    supply.read(draft, element, record.defaults)
    _relations(draft, element)
    return draft


def reference_of(element: etree._Element) -> str | None:
    """What to call a record in a report: its reference, else its first identifier."""
    return text(element, "RecordReference") or text(element, "ProductIdentifier/IDValue")


def _detail(element: etree._Element, notification: str | None) -> etree._Element:
    if notification == "05":
        raise Unusable("a deletion (NotificationType 05); the sandbox takes whole records, leave it out")
    if notification in ("04", "88"):
        raise Unusable(f"a partial update (NotificationType {notification}); send the whole record")
    detail = element.find("DescriptiveDetail")
    if detail is None:
        raise Unusable("identifiers only, no DescriptiveDetail; send the whole record")
    return detail


def _identifiers(draft: Draft, element: etree._Element) -> None:
    product = draft.product
    for identifier in element.findall("ProductIdentifier"):
        code, value = text(identifier, "ProductIDType"), text(identifier, "IDValue")
        if code and value:
            plain = digits(value) if code in ("02", "03", "15") else value
            product.identifiers.append((code, plain))
    for code in ("15", "03"):
        for value in (v for c, v in product.identifiers if c == code):
            _number(draft, value)
    if product.isbn13 is None and product.gtin13 is None:
        old = next((v for c, v in product.identifiers if c == "02"), None)
        product.isbn13 = from_isbn10(old) if old else None


def _number(draft: Draft, value: str) -> None:
    product = draft.product
    if product.isbn13 is not None:
        if value != product.isbn13:
            draft.note(f"a second number {value} beside ISBN {product.isbn13}")
    elif not is_thirteen(value):
        draft.note(f"{value!r} is no 13-digit number; the product has no ISBN")
    elif value.startswith(("978", "979")):
        product.isbn13 = value
        if not is_sound(value):
            draft.note(f"ISBN {value} has a wrong check digit; kept as it came")
    else:
        product.gtin13 = value


def _publishing(draft: Draft, element: etree._Element) -> None:
    publishing, product = element.find("PublishingDetail"), draft.product
    imprint = text(publishing, "Imprint/ImprintName")
    draft.facts.imprint = imprint or text(publishing, "Publisher/PublisherName")
    product.publishing_status = text(publishing, "PublishingStatus") or supply.market_status(element)
    product.publication_date = _date(draft, element, "01")
    product.embargo_date = _date(draft, element, "02")
    product.announcement_date = _date(draft, element, "09")
    product.out_of_print_date = _date(draft, element, "13")
    territories.read(draft, publishing)


def _date(draft: Draft, element: etree._Element, role: str) -> date | None:
    """The global date of a role (list 163), else the first market's."""
    stated = [
        date_element
        for path, role_tag in (
            ("PublishingDetail/PublishingDate", "PublishingDateRole"),
            ("ProductSupply/MarketPublishingDetail/MarketDate", "MarketDateRole"),
        )
        for date_element in element.findall(path)
        if text(date_element, role_tag) == role
    ]
    if not stated:
        return None
    value, exact = day(stated[0])
    if value is None or not exact:
        draft.note(f"date {text(stated[0], 'Date')!r} (role {role}) read as {value}")
    return value


def _relations(draft: Draft, element: etree._Element) -> None:
    for related in element.findall("RelatedMaterial/RelatedWork"):
        _related_work(draft, related)
    for related in element.findall("RelatedMaterial/RelatedProduct"):
        codes = texts(related, "ProductRelationCode")
        numbers = _numbers(related)
        draft.product.related.extend((code, value) for code in codes for value in numbers)
        if _SAME_WORK.intersection(codes):
            draft.same_work.extend(numbers)
        if _BUNDLE.intersection(codes):
            draft.bundles.extend(numbers)
    for part in element.findall("DescriptiveDetail/ProductPart"):
        draft.bundles.extend(_numbers(part))


def _numbers(element: etree._Element) -> list[str]:
    found = [
        digits(value)
        for identifier in element.findall("ProductIdentifier")
        if text(identifier, "ProductIDType") in ("03", "15") and (value := text(identifier, "IDValue"))
    ]
    return [value for value in dict.fromkeys(found) if is_thirteen(value)]


def _related_work(draft: Draft, related: etree._Element) -> None:
    code = text(related, "WorkRelationCode") or ""
    for identifier in related.findall("WorkIdentifier"):
        kind, value = text(identifier, "WorkIDType"), text(identifier, "IDValue")
        if not kind or not value:
            continue
        draft.product.related_works.append((code, kind, value))
        if code == "01":
            draft.work_keys.append((kind, value))
            if kind == "01" and text(identifier, "IDTypeName") == "system-internal-identifier":
                match = _INTERNAL.fullmatch(value)
                draft.internal_work_id = int(match[1]) if match else None
