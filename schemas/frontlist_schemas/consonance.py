"""The five documents of a Consonance work. Allow-lists: no royalty, fee, author's cut, address or gender.

Codes are ONIX codes as plain text ("02", "BC", "GB"): one that no list knows is kept. Lists are sorted by id or code.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from frontlist_schemas.document import Amount, Date, Part, Unseen


class Named(Part):
    """An entry of one of the tenant's own lists."""

    id: int
    name: str | None = None
    code: str | None = None


class Subject(Part):
    scheme: str = Field(description="THEMA, BISAC or BIC; a tenant's further schemes likewise")
    code: str
    description: str | None = None
    main: bool | None = None


class SeriesMembership(Part):
    id: int
    series_id: int | None = None
    name: str | None = None
    subtitle: str | None = None
    part_number: str | None = None
    year_of_annual: str | None = None
    print_issn: str | None = None
    online_issn: str | None = None


class Contribution(Part):
    """A contributor as credited on some of the work's products."""

    id: int
    contact_id: int
    kind: str = Field(description="Person or Organisation")
    name: str | None = None
    inverted: str | None = None
    key_names: str | None = None
    isni: str | None = None
    role: str | None = Field(default=None, description="ONIX list 17")
    sequence: int | None = None
    product_ids: tuple[int, ...] = ()


class Audience(Part):
    description: str | None = None
    codes: tuple[str, ...] = Field(default=(), description="ONIX list 28")


class Price(Part):
    id: int
    amount: Amount | None = None
    currency: str | None = None
    type: str | None = Field(default=None, description="ONIX list 58")
    qualifier: str | None = Field(default=None, description="ONIX list 59; null means 00")
    effective_from: Date | None = None
    effective_to: Date | None = None


class PageCounts(Part):
    absolute: int | None = None
    approximate: int | None = None
    production: int | None = None
    main_content: int | None = None
    front_matter: int | None = None
    back_matter: int | None = None
    total_numbered: int | None = None
    content: int | None = None
    unnumbered_insert: int | None = None
    words: int | None = None


class Measurements(Part):
    height_mm: Amount | None = None
    width_mm: Amount | None = None
    thickness_mm: Amount | None = None


class ProductMetadata(Part):
    id: int
    full_title: str | None = None
    title_prefix: str | None = None
    title_without_prefix: str | None = None
    subtitle: str | None = None
    authorship: str | None = None
    prices: tuple[Price, ...] = ()
    publishing_status: str | None = Field(default=None, description="ONIX list 64")
    availability: str | None = Field(default=None, description="ONIX list 65")
    edition_statement: str | None = None
    page_counts: PageCounts | None = None
    measurements: Measurements | None = None
    allow_onix_exports: bool | None = None
    asin: str | None = None


class Metadata(Part):
    """What the work and its products are called, who made them, what they cost."""

    work_id: int
    title: str | None = None
    subtitle: str | None = None
    original_title: str | None = None
    original_subtitle: str | None = None
    authorship: str | None = None
    contributions: tuple[Contribution, ...] = ()
    subjects: tuple[Subject, ...] = ()
    series: tuple[SeriesMembership, ...] = ()
    season: Named | None = None
    marketing_tier: Named | None = None
    work_type: Named | None = None
    imprint: Named | None = None
    edition_number: int | None = None
    edition_statement: str | None = None
    edition_types: tuple[str, ...] = Field(default=(), description="ONIX list 21")
    audience: Audience | None = None
    products: tuple[ProductMetadata, ...] = ()


class ContractRights(Part):
    id: int
    name: str | None = None
    signed: Date | None = None
    term: str | None = Field(default=None, description="months, text in Consonance")
    terminated: Date | None = None
    review: Date | None = None
    right_types: tuple[str, ...] = ()


class RightsContracts(Part):
    """Contracts by their own feed; `as_of`: the day of the last pass that changed the items."""

    state: Literal["seen"]
    as_of: Date | None = None
    items: tuple[ContractRights, ...] = ()


class ProductRights(Part):
    id: int
    for_sale: tuple[str, ...] = Field(default=(), description="ISO countries as Consonance lists them")
    not_for_sale: tuple[str, ...] = ()
    worldwide: bool | None = None
    description: str | None = None


class Rights(Part):
    """Where each product may be sold, and what the contracts grant."""

    work_id: int
    products: tuple[ProductRights, ...] = ()
    contracts: Annotated[RightsContracts | Unseen, Field(discriminator="state")]


class Delivery(Part):
    id: int
    due: Date | None = None
    slipped: Date | None = None
    type: str | None = None


class ContractMilestones(Part):
    id: int
    manuscript_due: Date | None = None
    manuscript_revised: Date | None = None
    manuscript_actual: Date | None = None
    proofs: Date | None = None
    publish_before: Date | None = None
    deliveries: tuple[Delivery, ...] = ()


class MilestonesContracts(Part):
    """Delivery dates by the contracts' own feed."""

    state: Literal["seen"]
    as_of: Date | None = None
    items: tuple[ContractMilestones, ...] = ()


class ProductMilestones(Part):
    id: int
    publication_date: Date | None = None
    planned_publication_date: Date | None = None
    announcement_date: Date | None = None


class ProductionRun(Part):
    id: int
    name: str | None = None
    delivery_date: Date | None = None
    product_ids: tuple[int, ...] = ()


class Milestones(Part):
    """How far the title is, and its dates."""

    work_id: int
    project_stage: Named | None = None
    products: tuple[ProductMilestones, ...] = ()
    production_runs: tuple[ProductionRun, ...] = ()
    contracts: Annotated[MilestonesContracts | Unseen, Field(discriminator="state")]


class ProductFormat(Part):
    id: int
    kind: str | None = Field(default=None, description="Consonance's type, e.g. PhysicalBookProduct")
    isbn13: str | None = Field(default=None, description="as given, the check digit not looked at; null: none assigned")
    product_form: str | None = Field(default=None, description="ONIX 2.1 list 7")
    in_house_format: Named | None = None
    in_house_edition: Named | None = None


class Formats(Part):
    """Which products a title has, and which is which."""

    work_id: int
    products: tuple[ProductFormat, ...] = ()


class Resource(Part):
    id: int
    filename: str | None = None
    variant: str | None = None
    status: str | None = None
    product_ids: tuple[int, ...] = ()
    caption: str | None = None
    copyright: str | None = None
    required_credit: str | None = None
    url: str | None = None


class Assets(Part):
    """Supporting resources that people, not Frontlist, put there."""

    work_id: int
    resources: tuple[Resource, ...] = ()


DOCUMENTS: dict[str, type[Part]] = {
    "metadata": Metadata,
    "assets": Assets,
    "rights": Rights,
    "milestones": Milestones,
    "formats": Formats,
}
