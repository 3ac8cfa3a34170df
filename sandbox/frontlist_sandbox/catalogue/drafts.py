"""A record as it was read, before it has ids and a work."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from frontlist_sandbox.catalogue.messages import Source
from frontlist_sandbox.consonance.model import Product, Subject


@dataclass
class Credit:
    """A contributor as credited in one record; several roles make several contributions."""

    roles: list[str]
    sequence: int
    person_name: str | None = None
    person_name_inverted: str | None = None
    key_names: str | None = None
    organisation_name: str | None = None
    isni: str | None = None
    internal_id: str | None = None
    gender: str | None = None
    languages_from: list[str] = field(default_factory=list)
    languages_to: list[str] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str]:
        """What makes two credits the same contact: the sender's own id, else ISNI, else the name."""
        if self.internal_id:
            return "id", self.internal_id
        if self.isni:
            return "isni", self.isni
        return "name", (self.person_name or self.organisation_name or "").casefold()


@dataclass
class Membership:
    """A collection that the record says it is part of."""

    name: str
    subtitle: str | None = None
    part_number: str | None = None
    year_of_annual: str | None = None
    issn: str | None = None


@dataclass
class Copy:
    """A text of the record."""

    variant: str | None
    markdown: str
    language: str | None
    audiences: list[str]
    from_date: date | None = None
    until_date: date | None = None


@dataclass
class Image:
    """A picture of the record, by reference."""

    url: str
    variant: str | None
    filename: str
    audience: str | None = None
    caption: str | None = None
    sha256: str | None = None
    size: int | None = None
    updated: date | None = None


@dataclass
class WorkFacts:
    """What the record states and Consonance keeps on the work; the first product that has a value gives it."""

    subtitle: str | None = None
    title_in_original_language: str | None = None
    imprint: str | None = None
    authorship_description: str | None = None
    edition_number: int | None = None
    edition_statement: str | None = None
    onix_edition_type_codes: list[str] = field(default_factory=list)
    audience_codes: list[str] = field(default_factory=list)
    audience_description: str | None = None
    languages: list[str] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)
    subjects: list[Subject] = field(default_factory=list)
    subject_qualifiers: list[Subject] = field(default_factory=list)


@dataclass
class Draft:
    """All of one record; `product` has no ids yet."""

    source: Source
    notification: str | None
    product: Product
    facts: WorkFacts = field(default_factory=WorkFacts)
    work_keys: list[tuple[str, str]] = field(default_factory=list)  # (list 16 code, id) of WorkRelation 01
    internal_work_id: int | None = None
    same_work: list[str] = field(default_factory=list)  # 13 digits, relations 06, 13, 27
    bundles: list[str] = field(default_factory=list)  # 13 digits, relations 01, 02 and product parts
    credits: list[Credit] = field(default_factory=list)
    memberships: list[Membership] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)

    @property
    def key(self) -> str:
        """What the record is called from one start to the next; ids are drawn from it."""
        product = self.product
        return product.record_reference or product.isbn13 or f"{self.source.file}:{self.source.line}"

    @property
    def numbers(self) -> set[str]:
        """The 13 digits by which other records may name this one."""
        return {value for code, value in self.product.identifiers if code in ("03", "15") and len(value) == 13}

    def note(self, text: str) -> None:
        if text not in self.product.notes:
            self.product.notes.append(text)
