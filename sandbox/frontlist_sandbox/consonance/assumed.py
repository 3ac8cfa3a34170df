"""What the Consonance sandbox does beyond the sources: names marked in the SDL, and behaviours.

Standard library only (see `frontlist_sandbox.assumptions`), hence the plain scan of the SDL.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from importlib.resources import files

from frontlist_sandbox.assumptions import Assumption

_MARK = re.compile(r'@assumed\(id: "([^"]+)"\)')
_OPENING = re.compile(r"(?:type|input|interface|enum|scalar)\s+(\w+)")
_MEMBER = re.compile(r"\s+(\w+)")


def coordinates() -> dict[str, tuple[str, ...]]:
    """The names in the SDL by the id of their mark: `Type`, `Type.field`, `Enum.VALUE`."""
    found: dict[str, list[str]] = defaultdict(list)
    for id, name in _marks():
        found[id].append(name)
    return {id: tuple(names) for id, names in found.items()}


def _marks() -> Iterator[tuple[str, str]]:
    sdl = files("frontlist_sandbox.consonance").joinpath("schema.graphql").read_text(encoding="utf-8")
    kind = ""
    for line in sdl.splitlines():
        if line.startswith("#"):
            continue
        if opening := _OPENING.match(line):
            kind = opening.group(1)
        member = _MEMBER.match(line)
        for mark in _MARK.findall(line):
            yield mark, f"{kind}.{member.group(1)}" if member else kind


_COORDINATES = coordinates()


def _named(id: str, what: str, why: str) -> Assumption:
    """An assumption about names in the schema: introspection settles it."""
    probes = tuple(f"graphql:{name}" for name in _COORDINATES[id])
    return Assumption(id, "consonance", what, why, probes)


def _done(id: str, what: str, why: str) -> Assumption:
    """An assumption about behaviour: only a call on a real tenant, or a person, settles it."""
    return Assumption(id, "consonance", what, why)


ASSUMPTIONS: tuple[Assumption, ...] = (
    _named(
        "consonance.contracts-root",
        "A root field `contracts` lists all contracts, paged by `after`.",
        "Only `contract(contractSearch: {idEq})` is documented; the plural follows works and products. "
        "Without it a sweep asks for contract ids one by one, or works by `contractIdEq`.",
    ),
    _named(
        "consonance.work-contracts",
        "A work lists its contracts.",
        "Only the way back (`contract { work }`) and `contractIdEq` on works are documented.",
    ),
    _named(
        "consonance.type-names",
        "Names of types that the sources show in use without naming them.",
        "Samples show their fields; the pages that name them were not found.",
    ),
    _named(
        "consonance.named-lists",
        "Project stage, season, marketing tier, work type and in-house edition are read as `{ id name }`.",
        "The fields are documented, their types are not; UpdateWork writes them by id.",
    ),
    _named(
        "consonance.product-typename-values",
        "The values of ProductTypename are the names of the seven product types.",
        "The enum is documented by name only.",
    ),
    _named(
        "consonance.product-availability",
        "Products answer `onixProductAvailabilityCode` and its twin.",
        "The enum exists and UpdateProduct refers to it; the reading field follows the convention of twins.",
    ),
    _named(
        "consonance.product-resources",
        "A product lists the supporting resources that are linked to it.",
        "`productIds` on the resource is documented, the list on the product is not.",
    ),
    _named(
        "consonance.marketing-text-fields",
        "A marketing text answers `variant` and `untilDate`, and takes `approvalStatus`.",
        "The lists of fields were cut; the input has variant and untilDate, the type has approvalStatus.",
    ),
    _named(
        "consonance.marketing-text-variants",
        "The spellings of MarketingTextVariant other than SHORT_DESCRIPTION.",
        "Only that one is attested; the others follow the labels of ONIX list 33.",
    ),
    _named(
        "consonance.approval-status-values",
        "ApprovalStatus is DRAFT, APPROVED or REJECTED.",
        "The enum is documented by name only.",
    ),
    _named(
        "consonance.resource-enums",
        "A supporting resource answers `status` and `resourceVariant` with these values.",
        "Examples in words only: draft, approved, front cover.",
    ),
    _named(
        "consonance.mutation-names",
        "Mutations are called by their type's name in lower camel case.",
        "Only the names of inputs and payloads are documented; graphql-ruby names fields so.",
    ),
    _named(
        "consonance.payload-fields",
        "A payload holds the object that was written, under its kind's name.",
        "No payload page was found; this is graphql-ruby's convention.",
    ),
    _named(
        "consonance.payload-errors",
        "Refusals are `errors: [String!]!` in the payload, and then nothing was written.",
        "No payload page was found; this is graphql-ruby's convention. Toggle: errors_in_payload.",
    ),
    _named("consonance.delete-by-id", "Delete inputs take `id`.", "No delete input page was found."),
    _named(
        "consonance.delete-success",
        "The Boolean of a delete payload is called `success`.",
        "That each delete payload carries a Boolean is documented, its name is not.",
    ),
    _named(
        "consonance.update-names",
        "UpdateProduct takes publicationDate, plannedPublicationDate, onixPublishingStatusCode and "
        "onixProductAvailabilityCode; UpdateWork takes onixEditionTypeCodes.",
        "These inputs are described, with their types, but their names were cut.",
    ),
    _done(
        "consonance.price-arguments",
        "`prices` takes the same arguments as PriceSearchAttributes, without amountLteq.",
        "That it takes arguments is documented, which ones is not.",
    ),
    _done(
        "consonance.nullable-lists",
        "Fields whose nullability is not documented may be null; lists hold no nulls.",
        "The pages show `!` for a few fields only.",
    ),
    _done(
        "consonance.pages",
        "Lists come in order of id; works, products and contracts are cut at a page size (50), others are not.",
        "`after` is documented as keyset paging; order and size of a page are not. Toggle: page_size.",
    ),
    _done(
        "consonance.not-found",
        "A single field whose search finds nothing is null, without an error.",
        "Not documented.",
    ),
    _done(
        "consonance.unauthorized-graphql",
        "A missing or wrong key gets 401 with a JSON body of errors; `Token KEY` opens as `Bearer KEY` does.",
        "Not documented; an older client sends Token. Toggle: graphql_unauthorized.",
    ),
    _done(
        "consonance.contract-edits-unseen",
        "An edit of a contract alone does not show in `changedSince` of its work.",
        "Contracts are not among the documented triggers. Toggle: blind_to_contracts.",
    ),
    _done(
        "consonance.changed-with-siblings",
        "A change of a work or of one product reports the work and all its products.",
        "Documented as likely ('not a guarantee'), the extent is not. Toggle: over_report.",
    ),
    _done(
        "consonance.deletions-unseen",
        "A deleted work or product just stops being listed; nothing else changes.",
        "No feed of deletions was found.",
    ),
    _done(
        "consonance.markdown",
        "Markdown is CommonMark with HTML let through; stripHtml gives a line a block, entities decoded; "
        "markdown is kept as it was written.",
        "That markdown is written and HTML read is documented, the dialect is not.",
    ),
    _done(
        "consonance.text-products",
        "A marketing text created without productIds is linked to all products of the work.",
        "Texts belong to the work and 'can be un-ticked per product'; the default is not documented.",
    ),
    _done(
        "consonance.input-null",
        "In an update a field that is absent stays, and an explicit null empties it.",
        "Not documented; graphql-ruby tells the two apart.",
    ),
    _done(
        "consonance.subject-inputs",
        "`themas`, `bisacs` and `bics` are ordered lists of codes that replace the scheme's subjects, main first.",
        "The names are documented, their types and effect are not (inHouseSubjects is 'ordered').",
    ),
    _done(
        "consonance.written-unread",
        "What no documented query reads is kept as it was written: nurs and inHouseSubjects of a work; gtin, "
        "publishersReference, internalReference, productFormDescription, bookshopClassification and epubType* of a "
        "product; publicationName, reviewUrl, onix2Only, publisherId and reviewerId of a text. "
        "productIdentifyingDoi is REST's product_doi.",
        "The inputs name them, no query found does.",
    ),
    _done(
        "consonance.rest-keys",
        "After `extents` the keys come as measurements, authorship, series_ids, prices, marketingtexts, "
        "supportingresources, all_related_products, rights_not_available_countries; main_subject_id, subjects and "
        "keywords are left out.",
        "Clients use these keys; their order, and the names of the subjects' keys, are unknown.",
    ),
    _done(
        "consonance.rest-list-33",
        "REST codes marketing texts by ONIX 2.1 list 33.",
        "01 and 08 are attested, the rest follows.",
    ),
    _done(
        "consonance.rest-price-text",
        "`price_amount` is a string.",
        "Its type is not shown. Toggle: rest_prices_as.",
    ),
    _done(
        "consonance.rest-filters",
        "id, isbn, work_title and pub_date take eq, not_eq, cont, gt, gteq, lt and lteq; shops_id and all that is "
        "unknown is ignored; isbn is compared in digits.",
        "Ransack; only id_eq, isbn_eq, work_title_cont, pub_date_eq and shops_id_eq were seen.",
    ),
    _done(
        "consonance.rest-pages",
        "`per_page` is not accepted; a page after the last is empty; no match has total_pages 0.",
        "per_page is documented as an output only.",
    ),
    _done(
        "consonance.rest-401",
        "A missing or wrong token gets 401, text/plain, 'HTTP Token: Access denied.'",
        "Rails' own answer; not documented.",
    ),
)
