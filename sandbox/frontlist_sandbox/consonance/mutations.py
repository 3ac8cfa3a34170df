"""The documented writes, as graphql-ruby's RelayClassic mutations: one `input`, one payload.

A write is whole or not at all: what is refused is found before anything changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo
from stdnum import isbn as isbn_numbers

from frontlist_sandbox.consonance.model import MarketingText, Named, Product, Subject, Tenant, Work
from frontlist_sandbox.consonance.searching import Room

Info = GraphQLResolveInfo[Any]
Input = Mapping[str, Any]

WORK_FIELDS = {
    "title": "title",
    "subtitle": "subtitle",
    "acronym": "acronym",
    "alternativeTitles": "alternative_titles",
    "inHouseSubjects": "in_house_subjects",
    "nurs": "nurs",
    "onixEditionTypeCodes": "onix_edition_type_codes",
}
WORK_LISTS = {
    "projectStageId": ("project_stage", "project_stages"),
    "seasonId": ("season", "seasons"),
    "marketingTierId": ("marketing_tier", "marketing_tiers"),
    "workTypeId": ("work_type", "work_types"),
}
WORK_SUBJECTS = {"themas": "THEMA", "bisacs": "BISAC", "bics": "BIC"}
PRODUCT_FIELDS = {
    "gtin": "gtin13",
    "asin": "asin",
    "prefix": "title_prefix",
    "title": "title_without_prefix",
    "subtitle": "subtitle",
    "publicationDate": "publication_date",
    "plannedPublicationDate": "planned_publication_date",
    "onixPublishingStatusCode": "publishing_status",
    "onixProductAvailabilityCode": "product_availability",
    "publishersReference": "publishers_reference",
    "internalReference": "internal_reference",
    "productIdentifyingDoi": "product_identifying_doi",
    "productFormDescription": "product_form_description",
    "bookshopClassification": "bookshop_classification",
    "epubTypeDescription": "epub_type_description",
    "epubTypeVersion": "epub_type_version",
    "epubTypeNote": "epub_type_note",
}
TEXT_FIELDS = {
    "externalTextMarkdown": "external_text_markdown",
    "internalTextMarkdown": "internal_text_markdown",
    "alternateExternalTextMarkdown": "alternate_external_text_markdown",
    "variant": "variant",
    "onixLanguageCode": "onix_language_code",
    "onixContentAudienceCodes": "onix_content_audience_codes",
    "fromDate": "from_date",
    "untilDate": "until_date",
    "datePublished": "date_published",
    "dateReleased": "date_released",
    "approvalStatus": "approval_status",
    "publicationName": "publication_name",
    "reviewUrl": "review_url",
    "onix2Only": "onix2_only",
    "publisherId": "publisher_id",
    "reviewerId": "reviewer_id",
}


def create_marketing_text(_: Any, info: Info, input: Input) -> dict[str, Any]:
    room: Room = info.context
    work = room.tenant.works.get(input.get("workId") or 0)
    errors = _refused(room, "CreateMarketingTextInput", input) + _unknown("Work", work)
    if not (input["externalTextMarkdown"]).strip():
        errors.append("External text can't be blank")
    wanted = input.get("productIds")
    foreign = [id for id in wanted or () if work and not _is_of(room.tenant, id, work)]
    errors += [f"Product {id} is not a product of the work" for id in foreign]
    if errors or work is None:
        return _answer(room, input, errors, marketing_text=None)
    text = MarketingText(
        id=_next_text_id(room.tenant),
        work_id=work.id,
        product_ids=list(wanted) if wanted is not None else [p.id for p in room.products_of(work.id)],
        **{own: input[name] for name, own in TEXT_FIELDS.items() if input.get(name) is not None},
    )
    work.marketing_texts.append(text)
    work.changed_on = room.toggles.day()
    return _answer(room, input, [], marketing_text=text)


def delete_marketing_text(_: Any, info: Info, input: Input) -> dict[str, Any]:
    room: Room = info.context
    errors = _refused(room, "DeleteMarketingTextInput", input)
    for work in room.tenant.works.values():
        text = next((t for t in work.marketing_texts if t.id == input["id"]), None)
        if text is not None and not errors:
            work.marketing_texts.remove(text)
            room.tenant.take_id("marketing_text", text.id)
            work.changed_on = room.toggles.day()
            return _answer(room, input, [], success=True)
    return _answer(room, input, errors or ["Marketing text not found"], success=False)


def update_work(_: Any, info: Info, input: Input) -> dict[str, Any]:
    room: Room = info.context
    work = room.tenant.works.get(input["id"])
    errors = _refused(room, "UpdateWorkInput", input) + _unknown("Work", work)
    if "title" in input and not (input["title"] or "").strip():
        errors.append("Title can't be blank")
    for name, (_own, kind) in WORK_LISTS.items():
        if input.get(name) is not None and input[name] not in named(room.tenant, kind):
            errors.append(f"{name} {input[name]} does not exist")
    for product_input in input.get("products") or ():
        errors += _product_errors(room, product_input)
    if not errors and work is not None:
        _apply_to_work(room, work, input)
    return _answer(room, input, errors, work=work)


def update_product(_: Any, info: Info, input: Input) -> dict[str, Any]:
    room: Room = info.context
    errors = _product_errors(room, input)
    product = room.tenant.products.get(input["id"])
    if not errors and product is not None:
        _apply_to_product(room, product, input)
    return _answer(room, input, errors, product=product)


def named(tenant: Tenant, kind: str) -> dict[int, Named]:
    """One of the tenant's own lists: as kept, and as its works use it."""
    own = next((own for own, of in WORK_LISTS.values() if of == kind), "imprint")
    used = (getattr(work, own) for work in tenant.works.values())
    kept: dict[int, Named] = getattr(tenant, kind)
    return {entry.id: entry for entry in used if entry is not None} | kept


def _apply_to_work(room: Room, work: Work, input: Input) -> None:
    for name, attribute in WORK_FIELDS.items():
        if name in input:
            setattr(work, attribute, list(input[name] or ()) if name.endswith("s") else input[name])
    for name, (attribute, kind) in WORK_LISTS.items():
        if name in input:
            id = input[name]
            setattr(work, attribute, None if id is None else named(room.tenant, kind)[id])
    for name, scheme in WORK_SUBJECTS.items():
        if name in input:
            _set_subjects(work, scheme, input[name] or ())
    for product_input in input.get("products") or ():
        _apply_to_product(room, room.tenant.products[product_input["id"]], product_input)
    work.changed_on = room.toggles.day()


def _set_subjects(work: Work, scheme: str, codes: Any) -> None:
    known = {s.code: s.description for s in work.subjects if s.scheme == scheme}
    others = [s for s in work.subjects if s.scheme != scheme]
    # Ordered, and the first is the main one.
    work.subjects = others + [Subject(scheme, c, known.get(c, ""), n == 0) for n, c in enumerate(codes)]


def _apply_to_product(room: Room, product: Product, input: Input) -> None:
    for name, attribute in PRODUCT_FIELDS.items():
        if name in input:
            setattr(product, attribute, input[name])
    if {"prefix", "title"} & set(input):
        parts = (product.title_prefix, product.title_without_prefix)
        product.full_title = " ".join(part for part in parts if part)
    if "isbn" in input:
        product.isbn13 = isbn_numbers.compact(input["isbn"]) if input["isbn"] else None
    product.changed_on = room.toggles.day()


def _product_errors(room: Room, input: Input) -> list[str]:
    errors = _refused(room, "UpdateProductInput", input)
    errors += _unknown("Product", room.tenant.products.get(input["id"]))
    if input.get("isbn") and not isbn_numbers.is_valid(input["isbn"]):
        errors.append("Isbn is invalid")
    return errors


def _refused(room: Room, kind: str, input: Input) -> list[str]:
    """The toggle `refuse`: fields whose value this tenant will not have."""
    return [message for name in input if (message := room.toggles.refuse.get(f"{kind}.{name}"))]


def _unknown(kind: str, row: object | None) -> list[str]:
    return [] if row is not None else [f"{kind} not found"]


def _is_of(tenant: Tenant, product_id: int, work: Work) -> bool:
    product = tenant.products.get(product_id)
    return product is not None and product.work_id == work.id


def _next_text_id(tenant: Tenant) -> int:
    highest = max((t.id for w in tenant.works.values() for t in w.marketing_texts), default=0)
    return tenant.next_id("marketing_text", highest)


def _answer(room: Room, input: Input, errors: list[str], **payload: Any) -> dict[str, Any]:
    if errors and not room.toggles.errors_in_payload:
        raise GraphQLError("; ".join(errors))
    return {"client_mutation_id": input.get("clientMutationId"), "errors": errors, **payload}
