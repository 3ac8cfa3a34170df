"""What we ask of a work and its contracts: allow-lists that are cut to what the tenant's schema offers.

Names without a remark are FACT (facts of the vendor's guide and schema pages). ASSUMED ones are asked for only where
introspection shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from frontlist.errors import ConfigurationError
from frontlist.systems.consonance.schema import Schema, Wanted

_: dict[str, Any] = {}
NAMED: Wanted = {"id": _, "name": _}  # ASSUMED of season, tier, stage and type; FACT of imprint

PRICE: Wanted = {
    "id": _,
    "amount": _,
    "currencyCode": _,
    "onixPriceTypeCode": _,
    "onixPriceTypeQualifierCode": _,
    "effectiveFrom": _,
    "effectiveTo": _,
}
PHYSICAL: Wanted = {
    "height_mm: productHeight(unit: MM)": _,
    "width_mm: productWidth(unit: MM)": _,
    "thickness_mm: productThickness(unit: MM)": _,
    "productionPageCount": _,
    "mainContentPageCount": _,
    "frontMatterPageCount": _,
    "backMatterPageCount": _,
    "totalNumberedPages": _,
    "contentPageCount": _,
    "totalUnnumberedInsertPageCount": _,
    "wordCount": _,
}
PRODUCT: Wanted = {
    "id": _,
    "__typename": _,
    "isbn": {"isbn13": _},
    "fullTitle": _,
    "titlePrefix": _,
    "titleWithoutPrefix": _,
    "subtitle": _,
    "productAuthorshipDescription": _,
    "onix21ProductFormCode": _,
    "publicationDate": _,
    "plannedPublicationDate": _,
    "announcementDate": _,  # ASSUMED; the input describes an announcement-permitted date without its name
    "onixPublishingStatusCode": _,
    "onixProductAvailabilityCode": _,  # ASSUMED; only the enum and its being writable are FACT
    "prices": PRICE,
    "inHouseFormat": {"id": _, "name": _, "code": _},
    "inHouseEdition": {"id": _, "name": _, "code": _},
    "forSaleCountryCodes": _,
    "notForSaleCountryCodes": _,
    "salesRightsDescription": _,
    "isForSaleWorldwide": _,
    "allowOnixExports": _,
    "asin": _,
    "actualEditionStatement": _,
    "absolutePageCount": _,
    "approximatePageCount": _,
    "... on PhysicalBookProduct": PHYSICAL,
}
CONTRIBUTION: Wanted = {
    "id": _,
    "sequenceNumber": _,
    "onixContributorRoleCode": _,
    "productIds": _,
    "contributor": {
        "__typename": _,
        "id": _,
        "... on Person": {"personName": _, "personNameInverted": _, "keyNames": _, "isni": _},
        "... on Organisation": {"organisationName": _},
    },
}
SERIES: Wanted = {
    "id": _,
    "partNumber": _,
    "yearOfAnnual": _,
    "series": {"id": _, "name": _, "subtitle": _, "printIssn": _, "onlineIssn": _},
}
RESOURCE: Wanted = {
    "id": _,
    "filename": _,
    "resourceVariant": _,  # ASSUMED spelling, as is status
    "status": _,
    "productIds": _,
    "caption": _,
    "copyright": _,
    "requiredCredit": _,
    "url": _,
}
SUBJECT: Wanted = {"code": _, "description": _, "main": _}
WORK: Wanted = {
    "id": _,
    "title": _,
    "subtitle": _,
    "titleInOriginalLanguage": _,
    "subtitleInOriginalLanguage": _,
    "authorshipDescription": _,
    "contributions": CONTRIBUTION,
    "seriesMemberships": SERIES,
    "season": NAMED,
    "marketingTier": NAMED,
    "workType": NAMED,
    "projectStage": NAMED,
    "imprint": NAMED,
    "editionNumber": _,
    "editionStatement": _,
    "onixEditionTypeCodes": _,
    "audience": {"description": _, "onixAudiences": {"code": _}},
    "productionRuns": {"id": _, "name": _, "deliveryDate": _, "productIds": _},
    "supportingResources": RESOURCE,
    "products": PRODUCT,
}
CONTRACT: Wanted = {
    "id": _,
    "contractName": _,
    "signedDate": _,
    "term": _,
    "terminatedDate": _,
    "reviewDate": _,
    "licensedRights": {"rightType": _},
    "msDeliveryDate": _,
    "revisedMsDeliveryDate": _,
    "actualMsDeliveryDate": _,
    "msProofsDate": _,
    "pubBeforeDate": _,
    "deliveryDates": {"id": _, "dateDue": _, "slippedDate": _, "deliverableType": _},
}
#: Before a scheme's name, for the aliases under which its subjects are answered.
SUBJECTS = "subjects_"


@dataclass(frozen=True)
class Queries:
    """The texts of our queries for one tenant. `missing`: what its schema does not offer, as `Type.field`."""

    works: str
    work: str
    ids: str
    can_search_changes: bool
    missing: tuple[str, ...]
    contracts_of_works: str | None = None
    contracts_of_work: str | None = None
    all_contracts: str | None = None

    @property
    def lists_contracts(self) -> bool:
        return bool(self.contracts_of_works or self.all_contracts)

    @classmethod
    def of(cls, schema: Schema) -> Queries:
        """Raises ConfigurationError where works cannot be listed at all."""
        search = _listing(schema)
        selection, missing = schema.select("Work", {**WORK, **_subjects(schema)})
        inputs = schema.inputs("WorkSearchAttributes")
        contract, contract_missing = schema.select("Contract", CONTRACT)
        of_work = schema.field("Work", "contracts") is not None  # ASSUMED: contracts stated by their work
        return cls(
            works=f"query Works({search}) {{ works(workSearch: $search) {{ {selection} }} }}",
            work=f"query Work({search}) {{ work(workSearch: $search) {{ {selection} }} }}",
            ids=f"query WorkIds({search}) {{ works(workSearch: $search) {{ id }} }}",
            can_search_changes="changedSince" in inputs,
            missing=tuple(sorted({*missing, *contract_missing})),
            contracts_of_works=_work_contracts("works", search, contract) if of_work else None,
            contracts_of_work=_work_contracts("work", search, contract) if of_work else None,
            all_contracts=None if of_work else _all_contracts(schema, contract),
        )


def _listing(schema: Schema) -> str:
    works = schema.root("works")
    lacking = {"after", "idEq"} - schema.inputs("WorkSearchAttributes").keys()
    if works is None or "workSearch" not in works.arguments or lacking:
        raise ConfigurationError(
            f"works cannot be listed page by page: {', '.join(sorted(lacking)) or 'works(workSearch)'} is missing",
            where="consonance GraphQL schema",
            cure="ask Consonance's support whether this key may read works",
        )
    return "$search: WorkSearchAttributes!"


def _subjects(schema: Schema) -> Wanted:
    """One alias a scheme, by the documented filter: a code alone does not say of which scheme it is."""
    offered = schema.field("Work", "subjectCodes")
    schemes = offered.arguments.get("schemesIn") if offered else None
    names = sorted(schema.values(schemes.name)) if schemes else ["BIC", "BISAC", "THEMA"]
    return {f"{SUBJECTS}{name}: subjectCodes(schemesIn: [{name}])": SUBJECT for name in names}


def _work_contracts(root: str, search: str, contract: str) -> str:
    return (
        f"query {root.title()}Contracts({search}) {{ {root}(workSearch: $search) {{ id contracts {{ {contract} }} }} }}"
    )


def _all_contracts(schema: Schema, contract: str) -> str | None:
    """ASSUMED: a root list of contracts, paged as works are."""
    root = schema.root("contracts")
    search = root.arguments.get("contractSearch") if root else None
    if search is None or "after" not in schema.inputs(search.name) or schema.field("Contract", "work") is None:
        return None
    return (
        f"query Contracts($search: {search.name}!) "
        f"{{ contracts(contractSearch: $search) {{ work {{ id }} {contract} }} }}"
    )
