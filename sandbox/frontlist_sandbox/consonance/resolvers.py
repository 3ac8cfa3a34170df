"""What each GraphQL field answers, where that is more than an attribute of the model."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from graphql import GraphQLEnumType, GraphQLResolveInfo
from stdnum import isbn as isbn_numbers

from frontlist_sandbox.consonance import codes, mutations, searching, texts
from frontlist_sandbox.consonance.model import (
    Contact,
    Contract,
    Contribution,
    MarketingText,
    Named,
    Price,
    Product,
    ProductionRun,
    SeriesMembership,
    Subject,
    SupportingResource,
    Work,
)
from frontlist_sandbox.consonance.searching import Room

Info = GraphQLResolveInfo[Any]
TYPENAMES = {"THEMA": "Thema", "BISAC": "Bisac", "BIC": "Bic"}
MILLIMETRES = {"MM": 1.0, "CM": 10.0, "IN": 25.4}


def typename(value: Any, *_: Any) -> str:
    """The concrete type of a Product, Contact or SubjectCode."""
    if isinstance(value, Product):
        return value.typename
    if isinstance(value, Subject):
        return TYPENAMES[value.scheme]
    return "Organisation" if value.organisation_name else "Person"


def as_iso(value: date | datetime) -> str:
    return value.isoformat()


def as_date(value: Any) -> date:
    """An ISO8601Date argument; the message goes out as a GraphQL error."""
    if not isinstance(value, str):
        raise ValueError(f"not a date: {value!r}")
    return date.fromisoformat(value)


def _room(info: Info) -> Room:
    room: Room = info.context
    return room


def _page(room: Room, rows: list[Any]) -> list[Any]:
    return rows[: room.toggles.page_size]


def _works(_: Any, info: Info, workSearch: Any = None, productSearch: Any = None) -> list[Work]:
    room = _room(info)
    return _page(room, searching.works(room, workSearch or {}, productSearch or {}))


def _products(
    _: Any, info: Info, productSearch: Any = None, workSearch: Any = None, priceSearch: Any = None
) -> list[Product]:
    room = _room(info)
    return _page(room, searching.products(room, productSearch or {}, workSearch or {}, priceSearch or {}))


def _contracts(_: Any, info: Info, contractSearch: Any = None) -> list[Contract]:
    room = _room(info)
    return _page(room, searching.contracts(room, contractSearch or {}))


def _first(many: Callable[..., list[Any]]) -> Callable[..., Any]:
    def resolve(source: Any, info: Info, **arguments: Any) -> Any:
        return next(iter(many(source, info, **arguments)), None)

    return resolve


def _contacts(_: Any, info: Info, contactSearch: Any = None) -> list[Contact]:
    part = ((contactSearch or {}).get("personNameCont") or "").casefold()
    people = sorted(_room(info).tenant.contacts.values(), key=lambda c: c.id)
    return [c for c in people if not part or part in (c.person_name or "").casefold()]


def _organisation(_: Any, info: Info, organisationSearch: Any = None) -> Contact | None:
    name = (organisationSearch or {}).get("nameEq")
    every = _room(info).tenant.contacts.values()
    return next((c for c in every if c.organisation_name and c.organisation_name == name), None)


def _person(_: Any, info: Info, id: int) -> Contact | None:
    found = _room(info).tenant.contacts.get(id)
    return found if found and not found.organisation_name else None


def _isbn(product: Product, info: Info) -> dict[str, str | None] | None:
    if product.isbn13 is None:
        return None
    digits = product.isbn13
    short = None
    if digits.startswith("978") and isbn_numbers.is_valid(digits):
        short = isbn_numbers.to_isbn10(digits)
    return {"isbn10": short, "isbn13": digits, "isbn_with_dashes": isbn_numbers.format(digits)}


def _date_string(attribute: str) -> Callable[..., str | None]:
    def resolve(product: Product, info: Info, directives: str | None = None) -> str | None:
        day: date | None = getattr(product, attribute)
        return day.strftime(directives or "%-d %B %Y") if day else None

    return resolve


def _length(attribute: str) -> Callable[..., float | None]:
    def resolve(product: Product, info: Info, unit: str | None = None) -> float | None:
        size: float | None = getattr(product.measurements, attribute)
        return None if size is None else round(size / MILLIMETRES[unit or "MM"], 4)

    return resolve


def _pages(key: str) -> Callable[..., int | None]:
    return lambda product, info: product.page_counts.get(key)


def _prices(product: Product, info: Info, **search: Any) -> list[Price]:
    return [price for price in product.prices if searching.price_met(price, search)]


def _work_of(source: Any, info: Info) -> Work | None:
    return _room(info).tenant.works.get(source.work_id)


def _products_by_ids(source: Any, info: Info) -> list[Product]:
    products = _room(info).tenant.products
    return [products[id] for id in source.product_ids if id in products]


def _of_product(attribute: str) -> Callable[..., list[Any]]:
    """What the work holds and this product has ticked."""

    def resolve(product: Product, info: Info) -> list[Any]:
        work = _work_of(product, info)
        return [row for row in getattr(work, attribute, []) if product.id in row.product_ids]

    return resolve


def _work_texts(work: Work, info: Info, variantIn: list[str] | None = None) -> list[MarketingText]:
    return [text for text in work.marketing_texts if not variantIn or text.variant in variantIn]


def _product_texts(product: Product, info: Info, variantIn: list[str] | None = None) -> list[MarketingText]:
    work = _work_of(product, info)
    return [t for t in _work_texts(work, info, variantIn) if product.id in t.product_ids] if work else []


def _authorship(product: Product, info: Info) -> str | None:
    work = _work_of(product, info)
    return product.authorship_description or (work.authorship_description if work else None)


def _work_products(work: Work, info: Info, productSearch: Any = None) -> list[Product]:
    room = _room(info)
    return searching.products_among(room, room.products_of(work.id), productSearch or {})


def _work_contracts(work: Work, info: Info) -> list[Contract]:
    return [c for c in searching.contracts(_room(info), {}) if c.work_id == work.id]


def _subjects(
    work: Work, info: Info, schemesIn: list[str] | None = None, mainOnly: bool | None = None
) -> list[Subject]:
    return [s for s in work.subjects if (not schemesIn or s.scheme in schemesIn) and (s.main or not mainOnly)]


def _subjects_of(scheme: str) -> Callable[..., list[Subject]]:
    return lambda work, info: _subjects(work, info, [scheme])


def _audience(work: Work, info: Info) -> dict[str, Any]:
    kind = info.schema.type_map["ONIXAudienceCode"]
    assert isinstance(kind, GraphQLEnumType)
    return {
        "description": work.audience_description,
        "onix_audiences": [codes.label(kind, code) for code in work.audience_codes],
    }


def _pretty_list(work: Work, info: Info) -> str | None:
    contacts = _room(info).tenant.contacts
    people = [contacts[c.contact_id] for c in work.contributions if c.contact_id in contacts]
    return ", ".join(p.person_name or p.organisation_name or "" for p in people) or None


def _contributor(contribution: Contribution, info: Info) -> Contact:
    return _room(info).tenant.contacts[contribution.contact_id]


def _series(membership: SeriesMembership, info: Info) -> Any:
    return _room(info).tenant.series.get(membership.series_id)


def _series_title(series: Any, info: Info) -> str:
    return f"{series.name}: {series.subtitle}" if series.subtitle else str(series.name)


def _read_html(attribute: str) -> Callable[..., str | None]:
    def resolve(text: MarketingText, info: Info, stripHtml: bool | None = None) -> str | None:
        markdown: str | None = getattr(text, attribute)
        if markdown is None:
            return None
        html = texts.html(markdown)
        if _room(info).toggles.html_rubbish:
            html += texts.RUBBISH
        return texts.plain(html) if stripHtml else html

    return resolve


def _length_of(attribute: str) -> Callable[..., int]:
    return lambda text, info: len(texts.plain(texts.html(getattr(text, attribute) or "")))


def _html_length(text: MarketingText, info: Info) -> int:
    return len(texts.html(text.external_text_markdown))


def _run_work(run: ProductionRun, info: Info) -> Work | None:
    return next((w for w in _room(info).tenant.works.values() if run in w.production_runs), None)


def _run_work_id(run: ProductionRun, info: Info) -> int | None:
    work = _run_work(run, info)
    return work.id if work else None


def _format_count(named: Named, info: Info) -> int:
    every = _room(info).tenant.products.values()
    return sum(1 for p in every if p.in_house_format and p.in_house_format.id == named.id)


def _beside(own: str, other: str) -> Callable[..., list[Named]]:
    """The editions met with a format in this tenant's products, and the other way round."""

    def resolve(named: Named, info: Info) -> list[Named]:
        found: dict[int, Named] = {}
        for product in _room(info).tenant.products.values():
            here, there = getattr(product, own), getattr(product, other)
            if here and there and here.id == named.id:
                found[there.id] = there
        return list(found.values())

    return resolve


def _image_type(resource: SupportingResource, info: Info) -> str:
    return "image/jpeg"


RENAMED = {
    "Product.onixPublishingStatusCode": "publishing_status",
    "Product.onixProductAvailabilityCode": "product_availability",
    "Product.productAuthorshipDescription": "authorship_description",
    "Work.seriesMemberships": "series",
    "Price.onixPriceTypeCode": "type_code",
    "Price.onixPriceTypeQualifierCode": "qualifier_code",
    "Contribution.onixContributorRoleCode": "role",
    "Contribution.languagesFromCodes": "languages_from",
    "Contribution.languagesToCodes": "languages_to",
    "SupportingResource.resourceVariant": "variant",
}

RESOLVERS: dict[str, Callable[..., Any]] = {
    "Query.works": _works,
    "Query.work": _first(_works),
    "Query.products": _products,
    "Query.product": _first(_products),
    "Query.contracts": _contracts,
    "Query.contract": _first(_contracts),
    "Query.contacts": _contacts,
    "Query.organisation": _organisation,
    "Query.person": _person,
    "Product.isbn": _isbn,
    "Product.publicationDateString": _date_string("publication_date"),
    "Product.plannedPublicationDateString": _date_string("planned_publication_date"),
    "Product.prices": _prices,
    "Product.marketingTexts": _product_texts,
    "Product.supportingResources": _of_product("supporting_resources"),
    "Product.contributions": _of_product("contributions"),
    "Product.authorshipDescription": _authorship,
    "Product.work": _work_of,
    "Product.absolutePageCount": _pages("absolute_page_count"),
    "Product.approximatePageCount": _pages("page_count"),
    "PhysicalBookProduct.productHeight": _length("height_mm"),
    "PhysicalBookProduct.productWidth": _length("width_mm"),
    "PhysicalBookProduct.productThickness": _length("thickness_mm"),
    "PhysicalBookProduct.productionPageCount": _pages("production_page_count"),
    "PhysicalBookProduct.mainContentPageCount": _pages("main_content_page_count"),
    "PhysicalBookProduct.frontMatterPageCount": _pages("front_matter_page_count"),
    "PhysicalBookProduct.backMatterPageCount": _pages("back_matter_page_count"),
    "PhysicalBookProduct.totalNumberedPages": _pages("total_numbered_pages"),
    "PhysicalBookProduct.contentPageCount": _pages("content_page_count"),
    "PhysicalBookProduct.totalUnnumberedInsertPageCount": _pages("total_unnumbered_insert_page_count"),
    "PhysicalBookProduct.wordCount": _pages("number_of_words"),
    "Work.products": _work_products,
    "Work.contracts": _work_contracts,
    "Work.marketingTexts": _work_texts,
    "Work.subjectCodes": _subjects,
    "Work.bics": _subjects_of("BIC"),
    "Work.bisacs": _subjects_of("BISAC"),
    "Work.audience": _audience,
    "Work.contributorPrettyList": _pretty_list,
    "Contribution.contributor": _contributor,
    "Contribution.work": _work_of,
    "SeriesMembership.series": _series,
    "Series.titleWithSubtitle": _series_title,
    "MarketingText.externalText": _read_html("external_text_markdown"),
    "MarketingText.internalText": _read_html("internal_text_markdown"),
    "MarketingText.alternateExternalText": _read_html("alternate_external_text_markdown"),
    "MarketingText.externalTextNumberOfCharacters": _length_of("external_text_markdown"),
    "MarketingText.internalTextNumberOfCharacters": _length_of("internal_text_markdown"),
    "MarketingText.htmlCharsCount": _html_length,
    "MarketingText.products": _products_by_ids,
    "MarketingText.approvalStatusName": lambda text, info: (text.approval_status or "").capitalize() or None,
    "Price.amount": lambda price, info: float(price.amount),
    "Price.amountWithCurrencyCode": lambda price, info: f"{price.currency_code} {price.amount}",
    "Price.label": lambda price, info: f"{price.currency_code}-{price.type_code}-{price.qualifier_code}",
    "SupportingResource.imageContentType": _image_type,
    "SupportingResource.url": lambda resource, info: resource.image_remote_url,
    "ProductionRun.work": _run_work,
    "ProductionRun.workId": _run_work_id,
    "Contract.work": _work_of,
    "InHouseFormat.productsCount": _format_count,
    "InHouseFormat.inHouseEditions": _beside("in_house_format", "in_house_edition"),
    "InHouseEdition.inHouseFormats": _beside("in_house_edition", "in_house_format"),
    "Mutation.createMarketingText": mutations.create_marketing_text,
    "Mutation.deleteMarketingText": mutations.delete_marketing_text,
    "Mutation.updateWork": mutations.update_work,
    "Mutation.updateProduct": mutations.update_product,
}
