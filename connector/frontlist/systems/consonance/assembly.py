"""From the raw answer of a work to its five documents: pure, an allow-list, each aspect unreadable by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from frontlist.contract import Json
from frontlist.errors import UnreadableError
from frontlist.source import Statement
from frontlist.systems.consonance import marker
from frontlist.systems.consonance.queries import SUBJECTS
from frontlist.systems.consonance.reading import (
    Node,
    Table,
    amount,
    code,
    codes,
    filled,
    ids,
    listed,
    nested,
    plain,
    table,
)
from frontlist_schemas import registry
from frontlist_schemas.canonical import CanonicalError
from frontlist_schemas.envelope import UnreadableRecordError

UNSEEN = {"state": "unseen"}
NAMED: Table = {"id": ("id", plain), "name": ("name", plain), "code": ("code", plain)}
named = nested(table(NAMED))

PRICE: Table = {
    "id": ("id", plain),
    "amount": ("amount", amount),
    "currency": ("currencyCode", code),
    "type": ("onixPriceTypeCode", code),
    "qualifier": ("onixPriceTypeQualifierCode", code),
    "effective_from": ("effectiveFrom", plain),
    "effective_to": ("effectiveTo", plain),
}
PAGES: Table = {
    "absolute": ("absolutePageCount", plain),
    "approximate": ("approximatePageCount", plain),
    "production": ("productionPageCount", plain),
    "main_content": ("mainContentPageCount", plain),
    "front_matter": ("frontMatterPageCount", plain),
    "back_matter": ("backMatterPageCount", plain),
    "total_numbered": ("totalNumberedPages", plain),
    "content": ("contentPageCount", plain),
    "unnumbered_insert": ("totalUnnumberedInsertPageCount", plain),
    "words": ("wordCount", plain),
}
MEASUREMENTS: Table = {name: (name, amount) for name in ("height_mm", "width_mm", "thickness_mm")}
PRODUCT: Table = {
    "id": ("id", plain),
    "full_title": ("fullTitle", plain),
    "title_prefix": ("titlePrefix", plain),
    "title_without_prefix": ("titleWithoutPrefix", plain),
    "subtitle": ("subtitle", plain),
    "authorship": ("productAuthorshipDescription", plain),
    "prices": ("prices", listed(table(PRICE))),
    "publishing_status": ("onixPublishingStatusCode", code),
    "availability": ("onixProductAvailabilityCode", code),
    "edition_statement": ("actualEditionStatement", plain),
    "allow_onix_exports": ("allowOnixExports", plain),
    "asin": ("asin", plain),
}
WORK: Table = {
    "title": ("title", plain),
    "subtitle": ("subtitle", plain),
    "original_title": ("titleInOriginalLanguage", plain),
    "original_subtitle": ("subtitleInOriginalLanguage", plain),
    "authorship": ("authorshipDescription", plain),
    "season": ("season", named),
    "marketing_tier": ("marketingTier", named),
    "work_type": ("workType", named),
    "imprint": ("imprint", named),
    "edition_number": ("editionNumber", plain),
    "edition_statement": ("editionStatement", plain),
    "edition_types": ("onixEditionTypeCodes", codes),
}
SERIES: Table = {
    "series_id": ("id", plain),
    "name": ("name", plain),
    "subtitle": ("subtitle", plain),
    "print_issn": ("printIssn", plain),
    "online_issn": ("onlineIssn", plain),
}
MEMBERSHIP: Table = {
    "id": ("id", plain),
    "part_number": ("partNumber", plain),
    "year_of_annual": ("yearOfAnnual", plain),
}
SUBJECT: Table = {"code": ("code", plain), "description": ("description", plain), "main": ("main", plain)}
CONTRIBUTION: Table = {
    "id": ("id", plain),
    "role": ("onixContributorRoleCode", code),
    "sequence": ("sequenceNumber", plain),
    "product_ids": ("productIds", ids),
}
CONTACT: Table = {
    "contact_id": ("id", plain),
    "kind": ("__typename", plain),
    "name": ("personName", plain),
    "inverted": ("personNameInverted", plain),
    "key_names": ("keyNames", plain),
    "isni": ("isni", plain),
}
RIGHTS: Table = {
    "id": ("id", plain),
    "for_sale": ("forSaleCountryCodes", codes),
    "not_for_sale": ("notForSaleCountryCodes", codes),
    "worldwide": ("isForSaleWorldwide", plain),
    "description": ("salesRightsDescription", plain),
}
FORMAT: Table = {
    "id": ("id", plain),
    "kind": ("__typename", plain),
    "isbn13": ("isbn", lambda node, name: _isbn(node.one(name))),
    "product_form": ("onix21ProductFormCode", code),
    "in_house_format": ("inHouseFormat", named),
    "in_house_edition": ("inHouseEdition", named),
}
DATES: Table = {
    "id": ("id", plain),
    "publication_date": ("publicationDate", plain),
    "planned_publication_date": ("plannedPublicationDate", plain),
    "announcement_date": ("announcementDate", plain),
}
RUN: Table = {
    "id": ("id", plain),
    "name": ("name", plain),
    "delivery_date": ("deliveryDate", plain),
    "product_ids": ("productIds", ids),
}
RESOURCE: Table = {
    "id": ("id", plain),
    "filename": ("filename", plain),
    "variant": ("resourceVariant", plain),
    "status": ("status", plain),
    "product_ids": ("productIds", ids),
    "caption": ("caption", plain),
    "copyright": ("copyright", plain),
    "required_credit": ("requiredCredit", plain),
    "url": ("url", plain),
}
DELIVERY: Table = {
    "id": ("id", plain),
    "due": ("dateDue", plain),
    "slipped": ("slippedDate", plain),
    "type": ("deliverableType", plain),
}
CONTRACT_RIGHTS: Table = {
    "id": ("id", plain),
    "name": ("contractName", plain),
    "signed": ("signedDate", plain),
    "term": ("term", plain),
    "terminated": ("terminatedDate", plain),
    "review": ("reviewDate", plain),
    "right_types": (
        "licensedRights",
        lambda node, name: sorted(str(each.get("rightType")) for each in node.many(name)),
    ),
}
CONTRACT_DATES: Table = {
    "id": ("id", plain),
    "manuscript_due": ("msDeliveryDate", plain),
    "manuscript_revised": ("revisedMsDeliveryDate", plain),
    "manuscript_actual": ("actualMsDeliveryDate", plain),
    "proofs": ("msProofsDate", plain),
    "publish_before": ("pubBeforeDate", plain),
    "deliveries": ("deliveryDates", listed(table(DELIVERY))),
}


def statements(work: Json, contracts: Json | None, omit: frozenset[str]) -> dict[str, Statement]:
    """A statement for each aspect. `work`: {"work": ..., "problems": ...}; `contracts` likewise, or None."""
    node = _node(work, "work")
    part = None if contracts is None else _node(contracts, None)
    return {
        "metadata": _statement("metadata", lambda: _metadata(node, omit)),
        "rights": _statement("rights", lambda: _rights(node, part)),
        "milestones": _statement("milestones", lambda: _milestones(node, part)),
        "formats": _statement("formats", lambda: _formats(node)),
        "assets": _statement("assets", lambda: _assets(node)),
    }


def contacts(raw: Json) -> set[str]:
    """The contributors of {"work": ..., "problems": ...}, as "contact:12"."""
    return {f"contact:{_contact(each)}" for each in (raw.get("work") or {}).get("contributions") or []}


def scrubbed(raw: Json, omit: frozenset[str]) -> Json:
    """{"work": ..., "problems": ...} with no more than the ids of the contacts to be omitted."""
    work = raw.get("work") or {}
    everyone = work.get("contributions") or []
    erased = {_contact(each) for each in everyone if f"contact:{_contact(each)}" in omit}
    if not erased:
        return raw
    clean = _nulled(work, "authorshipDescription")
    clean["contributions"] = [
        {**each, "contributor": {"id": _contact(each)}} if _contact(each) in erased else each for each in everyone
    ]
    if isinstance(work.get("products"), list):
        clean["products"] = [each and _nulled(each, "productAuthorshipDescription") for each in work["products"]]
    return {**raw, "work": clean}


def _contact(contribution: Json) -> Json:
    return ((contribution or {}).get("contributor") or {}).get("id")


def _nulled(node: Mapping[str, Json], name: str) -> dict[str, Json]:
    """The lines that name all authors name the erased one too."""
    return {key: None if key == name else value for key, value in node.items()}


def _statement(aspect: str, make: Callable[[], Json]) -> Statement:
    """The document by way of its schema, so that only what that allows gets out."""
    try:
        document = registry.parse("consonance", aspect, make())
        assert document is not None
        return Statement("present", document.body())
    except UnreadableRecordError as error:
        return Statement("unreadable", reason=str(error))
    except (UnreadableError, CanonicalError) as error:
        return Statement("unreadable", reason=f"consonance.{aspect}: {error}")


def _node(raw: Mapping[str, Json], inner: str | None) -> Node:
    return Node(raw[inner] if inner else raw, "", raw.get("problems") or {})


def _products(work: Node, convert: Callable[[Node], Json]) -> dict[str, Json]:
    return {"products": listed(convert)(work, "products")} if "products" in work else {}


def _metadata(work: Node, omit: frozenset[str]) -> Json:
    document = {"work_id": work.get("id"), **filled(work, WORK), **_subjects(work)}
    if "seriesMemberships" in work:
        document["series"] = listed(_membership)(work, "seriesMemberships")
    if "audience" in work:
        document["audience"] = nested(_audience)(work, "audience")
    document |= _products(work, _product)
    if "contributions" in work:
        everyone = listed(_contribution)(work, "contributions")
        kept = [each for each in everyone if f"contact:{each.get('contact_id')}" not in omit]
        document["contributions"] = kept
        if len(kept) < len(everyone):
            _without_credits(document)
    return document


def _without_credits(document: dict[str, Any]) -> None:
    """The lines that name all authors name the omitted one too."""
    for each in (document, *document.get("products", ())):
        if "authorship" in each:
            each["authorship"] = None


def _product(node: Node) -> Json:
    product = filled(node, PRODUCT)
    if pages := filled(node, PAGES):
        product["page_counts"] = pages
    if sizes := filled(node, MEASUREMENTS):
        product["measurements"] = sizes
    return product


def _subjects(work: Node) -> dict[str, Json]:
    schemes = [name for name in work.value if name.startswith(SUBJECTS)]
    if not schemes:
        return {}
    found = [
        {"scheme": name.removeprefix(SUBJECTS), **filled(each, SUBJECT)} for name in schemes for each in work.many(name)
    ]
    # Main first: which one is main is stated, the rest has no order of its own.
    return {"subjects": sorted(found, key=lambda s: (s["scheme"], not s.get("main"), str(s.get("code"))))}


def _membership(node: Node) -> Json:
    series = node.one("series") if "series" in node else None
    return {**filled(node, MEMBERSHIP), **(filled(series, SERIES) if series else {})}


def _audience(node: Node) -> Json:
    found: dict[str, Json] = filled(node, {"description": ("description", plain)})
    if "onixAudiences" in node:
        found["codes"] = sorted(str(code(each, "code")) for each in node.many("onixAudiences"))
    return found


def _contribution(node: Node) -> Json:
    contact = node.one("contributor")
    if contact is None:
        raise UnreadableError(f"{node.at('contributor')} is null where a contact was")
    credited = filled(contact, CONTACT)
    if "organisationName" in contact:
        credited["name"] = contact.get("organisationName")
    return {**filled(node, CONTRIBUTION), **credited}


def _rights(work: Node, contracts: Node | None) -> Json:
    return {
        "work_id": work.get("id"),
        **_products(work, table(RIGHTS)),
        "contracts": _part(contracts, table(CONTRACT_RIGHTS)),
    }


def _milestones(work: Node, contracts: Node | None) -> Json:
    own: Table = {"project_stage": ("projectStage", named), "production_runs": ("productionRuns", listed(table(RUN)))}
    return {
        "work_id": work.get("id"),
        **filled(work, own),
        **_products(work, table(DATES)),
        "contracts": _part(contracts, table(CONTRACT_DATES)),
    }


def _part(contracts: Node | None, convert: Callable[[Node], Json]) -> Json:
    if contracts is None:
        return UNSEEN
    return {
        "state": "seen",
        "as_of": contracts.value.get("as_of"),
        "items": listed(convert)(contracts, "contracts"),
    }


def _formats(work: Node) -> Json:
    return {"work_id": work.get("id"), **_products(work, table(FORMAT))}


def _isbn(isbn: Node | None) -> Json:
    found = isbn.get("isbn13") if isbn is not None and "isbn13" in isbn else None
    return None if found in ("", "No ISBN") else found


def _assets(work: Node) -> Json:
    document: dict[str, Json] = {"work_id": work.get("id")}
    if "supportingResources" in work:
        theirs = [r for r in work.many("supportingResources") if not _is_ours(r)]
        document["resources"] = [filled(each, RESOURCE) for each in theirs]
    return document


def _is_ours(resource: Node) -> bool:
    return "filename" in resource and marker.is_our_file(resource.get("filename"))
