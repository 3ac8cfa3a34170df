"""ONIX as the acceptance tests read it: the standard library's parser and none of our own code.

What the catalogue makes of a file is compared with what stands here, so nothing may be shared between the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

#: What says which of several like elements one is: composite -> its types, in the order in which they are shown.
TYPES = {
    "AudienceCode": ("AudienceCodeType",),
    "Audience": ("AudienceCodeType",),
    "AudienceRange": ("AudienceRangeQualifier",),
    "CollectionSequence": ("CollectionSequenceType",),
    "ContentDate": ("ContentDateRole",),
    "Extent": ("ExtentType",),
    "ImprintIdentifier": ("ImprintIDType",),
    "Language": ("LanguageRole",),
    "Measure": ("MeasureType",),
    "Price": ("CurrencyCode", "PriceType", "PriceQualifier"),
    "ProductIdentifier": ("ProductIDType",),
    "PublisherIdentifier": ("PublisherIDType",),
    "PublishingDate": ("PublishingDateRole",),
    "RelatedWork": ("WorkRelationCode",),
    "SalesRights": ("SalesRightsType",),
    "Subject": ("SubjectSchemeIdentifier",),
    "SupplierIdentifier": ("SupplierIDType",),
    "SupplyDate": ("SupplyDateRole",),
    "TextContent": ("TextType",),
    "TitleDetail": ("TitleType",),
    "TitleElement": ("TitleElementLevel",),
    "WorkIdentifier": ("WorkIDType",),
}
#: Blocks that only group: a path is as clear without them.
BLOCKS = frozenset(
    {"DescriptiveDetail", "CollateralDetail", "PublishingDetail", "RelatedMaterial", "ProductSupply", "SupplyDetail"}
)
#: Inside these stands XHTML.
PROSE = frozenset({"Text", "BiographicalNote"})
#: How many groups `apart` makes of the real files beside Macmillan's; a test compares.
GROUPS = 3


@dataclass(frozen=True)
class Fact:
    """Something that a record states: where (`Measure[01]/Measurement`) and what."""

    path: str
    value: str


@dataclass(frozen=True)
class Product:
    """One `Product`, read for what flow 1 carries; None where the record is silent."""

    element: Element

    @property
    def reference(self) -> str:
        return words(self.element.find("RecordReference")) or ""

    @property
    def isbn(self) -> str | None:
        return self._typed("ProductIdentifier", "ProductIDType", "15", "IDValue")

    @property
    def title(self) -> str:
        element = self._title()
        rest = words(element.find("TitleWithoutPrefix")) or words(element.find("TitleText"))
        return " ".join(part for part in (words(element.find("TitlePrefix")), rest) if part)

    @property
    def subtitle(self) -> str | None:
        return words(self._title().find("Subtitle"))

    @property
    def contributors(self) -> list[str]:
        """Jim Chapman (A01), by sequence number."""
        found = sorted(self.element.iter("Contributor"), key=lambda each: int(words(each.find("SequenceNumber")) or 0))
        return [
            f"{words(one.find('PersonName'))} ({words(role)})" for one in found for role in one.iter("ContributorRole")
        ]

    @property
    def author_line(self) -> str | None:
        return words(self.element.find("DescriptiveDetail/ContributorStatement"))

    @property
    def imprint(self) -> str | None:
        return words(self.element.find("PublishingDetail/Imprint/ImprintName"))

    @property
    def form(self) -> str:
        """ONIX list 150."""
        return words(self.element.find("DescriptiveDetail/ProductForm")) or ""

    @property
    def is_book(self) -> bool:
        return self.form.startswith("B")

    @property
    def publication_date(self) -> str | None:
        stated = self._typed("PublishingDetail/PublishingDate", "PublishingDateRole", "01", "Date")
        return iso_date(stated) if stated else None

    @property
    def status(self) -> str | None:
        return words(self.element.find("PublishingDetail/PublishingStatus"))

    @property
    def availability(self) -> str | None:
        """Of the first supply: those of other markets are lost where they differ."""
        return words(self.element.find("ProductSupply/SupplyDetail/ProductAvailability"))

    def price(self, currency: str, kind: str, qualifier: str) -> str | None:
        """The amount of the one price that a selector names; a price without a qualifier has 00."""
        found = {
            words(price.find("PriceAmount"))
            for price in self.element.iter("Price")
            if (words(price.find("CurrencyCode")), words(price.find("PriceType"))) == (currency, kind)
            and (words(price.find("PriceQualifier")) or "00") == qualifier
        }
        return found.pop() if len(found) == 1 else None

    def subjects(self, scheme: str) -> list[str]:
        """Codes of a scheme (list 27), the main one first; Consonance gives the rest no order, so they are sorted."""
        found = [each for each in self.element.iter("Subject") if words(each.find("SubjectSchemeIdentifier")) == scheme]
        ordered = sorted((each.find("MainSubject") is None, words(each.find("SubjectCode")) or "") for each in found)
        return [code for _, code in ordered]

    def main_subject(self, scheme: str) -> str | None:
        for each in self.element.iter("Subject"):
            if words(each.find("SubjectSchemeIdentifier")) == scheme and each.find("MainSubject") is not None:
                return words(each.find("SubjectCode"))
        return None

    @property
    def series(self) -> list[str]:
        titles = self.element.findall("DescriptiveDetail/Collection/TitleDetail/TitleElement/TitleText")
        return [name for name in map(words, titles) if name]

    @property
    def series_number(self) -> str | None:
        return words(self.element.find("DescriptiveDetail/Collection/CollectionSequence/CollectionSequenceNumber"))

    @property
    def pages(self) -> int | None:
        stated = self._typed("DescriptiveDetail/Extent", "ExtentType", "00", "ExtentValue")
        return int(stated) if stated else None

    @property
    def word_count(self) -> int | None:
        stated = self._typed("DescriptiveDetail/Extent", "ExtentType", "02", "ExtentValue")
        return int(stated) if stated else None

    def size(self, kind: str) -> float | None:
        """Millimetres; Macmillan measures in nothing else."""
        stated = self._typed("DescriptiveDetail/Measure", "MeasureType", kind, "Measurement")
        return float(stated) if stated else None

    def facts(self) -> Iterator[Fact]:
        """Every text of the record but the types that its path shows; flags without text say nothing here."""
        for child in self.element:
            yield from _facts(child, "")

    def _title(self) -> Element:
        for detail in self.element.findall("DescriptiveDetail/TitleDetail"):
            if words(detail.find("TitleType")) == "01":
                return next(e for e in detail.iter("TitleElement") if words(e.find("TitleElementLevel")) == "01")
        raise AssertionError(f"{self.reference} has no title")

    def _typed(self, path: str, type_tag: str, code: str, value_tag: str) -> str | None:
        for each in self.element.findall(path):
            if words(each.find(type_tag)) == code:
                return words(each.find(value_tag))
        return None


def products(path: Path) -> list[Product]:
    """Distinct products of a file of reference names: of those with one RecordReference the last counts."""
    found = {product.reference: product for product in map(Product, _elements(path, "Product"))}
    return list(found.values())


def references(path: Path) -> set[str]:
    """RecordReferences of a file in either set of tags."""
    found = [words(tag) for name in ("RecordReference", "a001") for tag in _elements(path, name)]
    return {each for each in found if each}


def apart(paths: Sequence[Path]) -> list[list[Path]]:
    """The files in groups of which none holds a record that another file of the group replaces."""
    groups: list[tuple[set[str], list[Path]]] = []
    for path in paths:
        named = references(path)
        seen, files = next((group for group in groups if not group[0] & named), (set(), []))
        if not files:
            groups.append((seen, files))
        seen |= named
        files.append(path)
    return [files for _, files in groups]


def words(element: Element | None) -> str | None:
    """The text on one line; None where there is none."""
    return None if element is None else " ".join("".join(element.itertext()).split()) or None


def iso_date(stated: str) -> str:
    return f"{stated[:4]}-{stated[4:6]}-{stated[6:8]}" if re.fullmatch(r"\d{8}", stated) else stated


def _elements(path: Path, name: str) -> Iterator[Element]:
    for element in ElementTree.parse(path).iter():
        element.tag = element.tag.rpartition("}")[2]
        if element.tag == name:
            for inner in element.iter():
                inner.tag = inner.tag.rpartition("}")[2]
            yield element


def _facts(element: Element, above: str) -> Iterator[Fact]:
    tag, types = element.tag, TYPES.get(element.tag, ())
    path = above if tag in BLOCKS else f"{above}{tag}{_shown(element, types)}"
    if tag in PROSE or len(element) == 0:
        if value := words(element):
            yield Fact(path, value)
        return
    for child in element:
        if child.tag not in types:
            yield from _facts(child, above if tag in BLOCKS else f"{path}/")


def _shown(element: Element, types: Sequence[str]) -> str:
    found = [code for code in (words(element.find(each)) for each in types) if code]
    return f"[{' '.join(found)}]" if found else ""
