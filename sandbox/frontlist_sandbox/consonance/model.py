"""What a Consonance tenant holds, as the sandbox keeps it in memory.

Names are GraphQL's in snake case. The catalogue fills it, GraphQL and REST read it, mutations change it.
Ids are small integers, unique per kind. `changed_on` is what `changedSince` looks at (a date, as there).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Named:
    """An entry of one of the tenant's own lists: imprint, project stage, season, in-house format."""

    id: int
    name: str
    code: str | None = None


@dataclass
class Contact:
    """A person, or an organisation where `organisation_name` is set."""

    id: int
    person_name: str | None = None
    person_name_inverted: str | None = None
    key_names: str | None = None
    isni: str | None = None
    organisation_name: str | None = None
    # Personal, present so that tests can prove that it never leaves (documents are allow-lists).
    gender: str | None = None


@dataclass
class Contribution:
    id: int
    contact_id: int
    work_id: int
    role: str  # ONIX list 17, e.g. "A01"
    sequence_number: int
    product_ids: list[int] = field(default_factory=list)
    languages_from: list[str] = field(default_factory=list)
    languages_to: list[str] = field(default_factory=list)


@dataclass
class Subject:
    """A subject code: scheme THEMA, BISAC or BIC; `main` at most once a scheme."""

    scheme: str
    code: str
    description: str = ""
    main: bool = False


@dataclass
class SeriesMembership:
    id: int
    series_id: int
    part_number: str | None = None
    year_of_annual: str | None = None


@dataclass
class Series:
    id: int
    name: str
    subtitle: str | None = None
    print_issn: str | None = None
    online_issn: str | None = None


@dataclass
class Price:
    id: int
    amount: Decimal
    currency_code: str
    type_code: str  # ONIX list 58, "02"
    qualifier_code: str = "00"  # ONIX list 59
    effective_from: date | None = None
    effective_to: date | None = None


@dataclass
class MarketingText:
    id: int
    work_id: int
    external_text_markdown: str
    internal_text_markdown: str | None = None
    alternate_external_text_markdown: str | None = None
    variant: str | None = None
    onix_language_code: str | None = None
    onix_content_audience_codes: list[str] = field(default_factory=list)
    product_ids: list[int] = field(default_factory=list)
    from_date: date | None = None
    until_date: date | None = None
    date_published: date | None = None
    date_released: date | None = None
    approval_status: str | None = None
    # Written by CreateMarketingText, read by no evidenced query.
    publication_name: str | None = None
    review_url: str | None = None
    onix2_only: bool | None = None
    publisher_id: int | None = None
    reviewer_id: int | None = None


@dataclass
class SupportingResource:
    id: int
    work_id: int
    filename: str
    variant: str | None = None
    status: str | None = None
    caption: str | None = None
    copyright: str | None = None
    required_credit: str | None = None
    image_remote_url: str | None = None
    onix_content_audience_code: str | None = None
    product_ids: list[int] = field(default_factory=list)
    is_processing: bool = False
    sha256: str | None = None
    file_size: int | None = None
    created_at: datetime = field(default_factory=_now)


@dataclass
class LicensedRight:
    id: int
    right_type: str
    author_cut: float = 0.0  # present so that tests can prove that it never leaves


@dataclass
class DeliveryDate:
    id: int
    date_due: date | None
    slipped_date: date | None = None
    deliverable_type: str | None = None


@dataclass
class Contract:
    id: int
    work_id: int
    contract_name: str
    signed_date: date | None = None
    term: str | None = None  # months, a String there
    terminated_date: date | None = None
    review_date: date | None = None
    ms_delivery_date: date | None = None
    revised_ms_delivery_date: date | None = None
    actual_ms_delivery_date: date | None = None
    licensed_rights: list[LicensedRight] = field(default_factory=list)
    delivery_dates: list[DeliveryDate] = field(default_factory=list)
    flat_fee_value: float | None = None  # money: must never leave


@dataclass
class ProductionRun:
    id: int
    name: str
    delivery_date: date | None
    product_ids: list[int] = field(default_factory=list)


@dataclass
class Extent:
    """How long something is, as the catalogue states it: ONIX list 23 type, value, list 24 unit."""

    type_code: str
    value: Decimal
    unit_code: str


@dataclass
class SalesRights:
    """One statement of sales rights as the catalogue has it, tokens unexpanded; not in evidenced GraphQL."""

    type_code: str  # ONIX list 46
    countries_included: list[str] = field(default_factory=list)
    regions_included: list[str] = field(default_factory=list)
    countries_excluded: list[str] = field(default_factory=list)
    regions_excluded: list[str] = field(default_factory=list)


@dataclass
class Measurements:
    """Millimetres and grams, as measured; None where the catalogue is silent."""

    height_mm: float | None = None
    width_mm: float | None = None
    thickness_mm: float | None = None
    weight_g: float | None = None


@dataclass
class Product:
    id: int
    work_id: int
    typename: str  # PhysicalBookProduct, ElectronicBookProduct, ... (seven, see SDL)
    full_title: str
    isbn13: str | None  # digits; may hold a wrong check digit; None = not assigned ("No ISBN" in REST)
    title_prefix: str | None = None
    title_without_prefix: str | None = None
    subtitle: str | None = None
    authorship_description: str | None = None
    onix21_product_form_code: str | None = None  # list 7, e.g. BB BC DG
    product_form_code: str | None = None  # list 150 as the catalogue had it; not in evidenced GraphQL
    product_form_details: list[str] = field(default_factory=list)  # list 175; not in evidenced GraphQL
    publication_date: date | None = None
    planned_publication_date: date | None = None
    announcement_date: date | None = None
    embargo_date: date | None = None  # not in evidenced GraphQL
    out_of_print_date: date | None = None
    publishing_status: str | None = None  # list 64
    product_availability: str | None = None  # list 65
    prices: list[Price] = field(default_factory=list)
    in_house_format: Named | None = None
    in_house_edition: Named | None = None
    for_sale_country_codes: list[str] = field(default_factory=list)
    not_for_sale_country_codes: list[str] = field(default_factory=list)
    is_for_sale_worldwide: bool = False
    sales_rights_description: str | None = None
    allow_onix_exports: bool = True
    actual_edition_statement: str | None = None
    asin: str | None = None
    page_counts: dict[str, int] = field(default_factory=dict)  # REST extents key -> pages
    measurements: Measurements = field(default_factory=Measurements)
    related: list[tuple[str, str]] = field(default_factory=list)  # (ONIX list 51 code, isbn)
    record_reference: str | None = None
    changed_on: date = field(default_factory=lambda: _now().date())
    product_identifying_doi: str | None = None  # REST: product_doi
    # Written by UpdateProduct, read by no evidenced query.
    publishers_reference: str | None = None
    internal_reference: str | None = None
    bookshop_classification: str | None = None
    epub_type_description: str | None = None
    epub_type_version: str | None = None
    epub_type_note: str | None = None
    # What the catalogue states and evidenced GraphQL does not carry.
    gtin13: str | None = None  # of the catalogue where the only 13 digits are no ISBN; UpdateProduct's `gtin`
    identifiers: list[tuple[str, str]] = field(default_factory=list)  # (ONIX list 5 code, value as given)
    product_form_description: str | None = None
    extents: list[Extent] = field(default_factory=list)  # all of them; page_counts holds those in pages
    related_works: list[tuple[str, str, str]] = field(default_factory=list)  # (list 164, list 16, id)
    sales_rights: list[SalesRights] = field(default_factory=list)
    row_sales_rights_type: str | None = None  # list 46; "00" = unknown elsewhere
    notes: list[str] = field(default_factory=list)  # what was odd and kept


@dataclass
class Work:
    id: int
    title: str
    subtitle: str | None = None
    title_in_original_language: str | None = None
    imprint: Named | None = None
    project_stage: Named | None = None
    season: Named | None = None
    marketing_tier: Named | None = None
    work_type: Named | None = None
    publishers_url: str | None = None
    in_house_work_reference: str | None = None
    acronym: str | None = None
    alternative_titles: list[str] = field(default_factory=list)
    in_house_subjects: list[str] = field(default_factory=list)
    nurs: list[str] = field(default_factory=list)  # written by UpdateWork, read by no evidenced query
    authorship_description: str | None = None
    edition_number: int | None = None
    edition_statement: str | None = None
    onix_edition_type_codes: list[str] = field(default_factory=list)
    audience_codes: list[str] = field(default_factory=list)  # ONIX list 28
    audience_description: str | None = None
    languages: list[str] = field(default_factory=list)  # ISO 639-2/B; not in evidenced GraphQL
    keywords: list[str] = field(default_factory=list)
    subjects: list[Subject] = field(default_factory=list)
    # Thema qualifiers (place, time, age ...); REST shows them among the subjects, their GraphQL name is unknown.
    subject_qualifiers: list[Subject] = field(default_factory=list)
    series: list[SeriesMembership] = field(default_factory=list)
    contributions: list[Contribution] = field(default_factory=list)
    marketing_texts: list[MarketingText] = field(default_factory=list)
    supporting_resources: list[SupportingResource] = field(default_factory=list)
    production_runs: list[ProductionRun] = field(default_factory=list)
    changed_on: date = field(default_factory=lambda: _now().date())


@dataclass
class Rejected:
    """A record of a catalogue file that could not be used."""

    file: str
    line: int | None
    reference: str | None
    reason: str


@dataclass
class Noted(Rejected):
    """Something odd in a record that was used: kept as given, or left out of it."""


@dataclass
class Tenant:
    """Everything one Consonance tenant holds, by id."""

    works: dict[int, Work] = field(default_factory=dict)
    products: dict[int, Product] = field(default_factory=dict)
    contacts: dict[int, Contact] = field(default_factory=dict)
    series: dict[int, Series] = field(default_factory=dict)
    contracts: dict[int, Contract] = field(default_factory=dict)
    imprints: dict[int, Named] = field(default_factory=dict)
    project_stages: dict[int, Named] = field(default_factory=dict)
    seasons: dict[int, Named] = field(default_factory=dict)
    marketing_tiers: dict[int, Named] = field(default_factory=dict)
    work_types: dict[int, Named] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    noted: list[Noted] = field(default_factory=list)
    _last_ids: dict[str, int] = field(default_factory=dict)

    def next_id(self, kind: str, start: int = 0) -> int:
        """The next free id of a kind; ids are never given twice."""
        self._last_ids[kind] = max(self._last_ids.get(kind, 0), start) + 1
        return self._last_ids[kind]

    def take_id(self, kind: str, wanted: int) -> int:
        """Give out exactly this id, so that `next_id` never does."""
        self._last_ids[kind] = max(self._last_ids.get(kind, 0), wanted)
        return wanted

    def products_of(self, work_id: int) -> list[Product]:
        return [p for p in self.products.values() if p.work_id == work_id]
