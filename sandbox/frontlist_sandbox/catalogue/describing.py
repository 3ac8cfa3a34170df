"""What a record's DescriptiveDetail states: form, titles, contributors, sizes, subjects, languages, audience."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lxml import etree

from frontlist_sandbox.catalogue import forms
from frontlist_sandbox.catalogue.drafts import Credit, Draft, Membership
from frontlist_sandbox.catalogue.values import number, text, texts, whole
from frontlist_sandbox.consonance.model import Extent, Subject

_SCHEMES = {"93": "THEMA", "10": "BISAC", "12": "BIC"}
_QUALIFIERS = frozenset({"94", "95", "96", "97", "98", "99"})
_PAGES = {
    "00": "main_content_page_count",
    "03": "front_matter_page_count",
    "04": "back_matter_page_count",
    "05": "total_numbered_pages",
    "06": "production_page_count",
    "07": "absolute_page_count",
    "10": "approximate_page_count",
    "11": "content_page_count",
    "12": "total_unnumbered_insert_page_count",
}
_PAGE_COUNT_FROM = ("00", "11", "05", "07", "06", "10")
_TO_MM = {"mm": 1.0, "cm": 10.0, "in": 25.4}
_TO_GRAMS = {"gr": 1.0, "kg": 1000.0, "oz": 28.349523125, "lb": 453.59237}
_MEASURES = {"01": "height_mm", "02": "width_mm", "03": "thickness_mm", "08": "weight_g"}
_NAME_PARTS = ("TitlesBeforeNames", "NamesBeforeKey", "PrefixToKey", "KeyNames", "SuffixToKey", "NamesAfterKey")


def read(draft: Draft, detail: etree._Element) -> None:
    """Put the block on the draft; a part that is missing or odd leaves its fields empty."""
    _form(draft, detail)
    _titles(draft, detail)
    _credits(draft, detail)
    _sizes(draft, detail)
    _subjects(draft, detail)
    _edition(draft, detail)
    draft.memberships = [m for m in map(_membership, detail.findall("Collection")) if m is not None]
    facts = draft.facts
    facts.languages = [
        code
        for language in detail.findall("Language")
        if text(language, "LanguageRole") == "01" and (code := text(language, "LanguageCode"))
    ]
    facts.audience_codes = _once(
        code
        for audience in detail.findall("Audience")
        if text(audience, "AudienceCodeType") == "01" and (code := text(audience, "AudienceCodeValue"))
    )
    facts.audience_description = text(detail, "AudienceDescription")


def _once(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _form(draft: Draft, detail: etree._Element) -> None:
    product = draft.product
    product.product_form_code = text(detail, "ProductForm")
    product.product_form_details = texts(detail, "ProductFormDetail")
    product.product_form_description = text(detail, "ProductFormDescription")
    product.typename = forms.typename(product.product_form_code, product.product_form_details)
    product.onix21_product_form_code = forms.onix21(product.product_form_code)


def _titles(draft: Draft, detail: etree._Element) -> None:
    titles = detail.findall("TitleDetail")
    main = next((t for t in titles if text(t, "TitleType") == "01"), titles[0] if titles else None)
    if main is None:
        return
    product, element = draft.product, _element_of(main, "01")
    product.title_prefix, rest = text(element, "TitlePrefix"), _title_rest(element)
    product.title_without_prefix, product.subtitle = rest, text(element, "Subtitle")
    whole_title = " ".join(part for part in (product.title_prefix, rest) if part)
    product.full_title = whole_title or text(main, "TitleStatement") or _of_collection(main, element)
    draft.facts.subtitle = product.subtitle
    original = next((t for t in titles if text(t, "TitleType") == "03"), None)
    if original is not None:
        draft.facts.title_in_original_language = _full(_element_of(original, "01")) or None


def _element_of(title: etree._Element, level: str) -> etree._Element | None:
    elements = title.findall("TitleElement")
    return next((e for e in elements if text(e, "TitleElementLevel") == level), elements[0] if elements else None)


def _title_rest(element: etree._Element | None) -> str | None:
    return text(element, "TitleWithoutPrefix") or text(element, "TitleText")


def _full(element: etree._Element | None) -> str:
    return " ".join(part for part in (text(element, "TitlePrefix"), _title_rest(element)) if part)


def _of_collection(title: etree._Element, element: etree._Element | None) -> str:
    """A volume without a title of its own is called after its collection and number."""
    parts = [_full(_element_of(title, "02")), text(element, "PartNumber") or text(element, "YearOfAnnual")]
    return ", ".join(part for part in parts if part)


def _membership(collection: etree._Element) -> Membership | None:
    titles = collection.findall("TitleDetail")
    title = next((t for t in titles if text(t, "TitleType") == "01"), titles[0] if titles else None)
    series = None if title is None else _element_of(title, "02")
    name = _full(series)
    if not name:
        return None
    issn = next(
        (text(i, "IDValue") for i in collection.findall("CollectionIdentifier") if text(i, "CollectionIDType") == "02"),
        None,
    )
    number_in_series = text(collection, "CollectionSequence/CollectionSequenceNumber")
    part = next(iter(texts(title, "TitleElement/PartNumber")), None) or number_in_series
    year = next(iter(texts(title, "TitleElement/YearOfAnnual")), None)
    return Membership(name, text(series, "Subtitle"), part, year, issn)


def _credits(draft: Draft, detail: etree._Element) -> None:
    for position, element in enumerate(detail.findall("Contributor"), start=1):
        credit = _credit(element, position)
        if credit.person_name or credit.organisation_name:
            draft.credits.append(credit)
        else:
            draft.note("a contributor without a name left out")
    draft.product.authorship_description = text(detail, "ContributorStatement")
    draft.facts.authorship_description = draft.product.authorship_description


def _credit(element: etree._Element, position: int) -> Credit:
    parts = [part for part in (text(element, name) for name in _NAME_PARTS) if part]
    person = text(element, "PersonName") or " ".join(parts) or None
    inverted = text(element, "PersonNameInverted")
    if person is None and inverted:
        person = " ".join(reversed([part.strip() for part in inverted.split(",", 1)]))
    key = text(element, "KeyNames")
    return Credit(
        roles=texts(element, "ContributorRole") or ["Z99"],
        sequence=whole(text(element, "SequenceNumber")) or position,
        person_name=person,
        person_name_inverted=inverted or _inverted(element, key),
        key_names=key,
        organisation_name=None if person else text(element, "CorporateName"),
        isni=_name_id(element, "16"),
        internal_id=_name_id(element, "01", "system-internal-identifier"),
        gender=text(element, "Gender"),
        languages_from=texts(element, "FromLanguage"),
        languages_to=texts(element, "ToLanguage"),
    )


def _inverted(element: etree._Element, key: str | None) -> str | None:
    before = text(element, "NamesBeforeKey")
    return f"{key}, {before}" if key and before else key


def _name_id(element: etree._Element, kind: str, name: str | None = None) -> str | None:
    for identifier in element.findall("NameIdentifier"):
        if text(identifier, "NameIDType") == kind and (name is None or text(identifier, "IDTypeName") == name):
            return text(identifier, "IDValue")
    return None


def _sizes(draft: Draft, detail: etree._Element) -> None:
    product, in_pages = draft.product, dict[str, int]()
    for element in detail.findall("Extent"):
        code, value = text(element, "ExtentType"), number(text(element, "ExtentValue"))
        if code is None or value is None:
            continue
        unit = text(element, "ExtentUnit") or "03"
        product.extents.append(Extent(code, value, unit))
        if code == "02" and unit == "02":
            product.page_counts.setdefault("number_of_words", int(value))
        elif unit == "03":
            in_pages.setdefault(code, int(value))
    product.page_counts.update({_PAGES[code]: count for code, count in in_pages.items() if code in _PAGES})
    total = next((in_pages[code] for code in _PAGE_COUNT_FROM if code in in_pages), None)
    if total is not None:
        product.page_counts["page_count"] = total
    _measures(draft, detail)


def _measures(draft: Draft, detail: etree._Element) -> None:
    """Senders repeat a measure in three units: the metric one is taken, the others are converted at need."""
    exact: set[str] = set()
    for element in detail.findall("Measure"):
        field = _MEASURES.get(text(element, "MeasureType") or "")
        value = number(text(element, "Measurement"))
        unit = (text(element, "MeasureUnitCode") or "").lower()
        factor = (_TO_GRAMS if field == "weight_g" else _TO_MM).get(unit)
        if field is None or value is None or factor is None or field in exact:
            continue
        if factor == 1.0:
            exact.add(field)
        elif getattr(draft.product.measurements, field) is not None:
            continue
        setattr(draft.product.measurements, field, round(float(value) * factor, 2))


def _subjects(draft: Draft, detail: etree._Element) -> None:
    mains: set[str] = set()
    for element in detail.findall("Subject"):
        scheme, code = text(element, "SubjectSchemeIdentifier") or "", text(element, "SubjectCode")
        heading = text(element, "SubjectHeadingText") or ""
        if scheme == "20":
            draft.facts.keywords.extend(_keywords(heading or code or ""))
        elif scheme in _SCHEMES and code:
            main = element.find("MainSubject") is not None and scheme not in mains
            mains.update({scheme} if main else ())
            draft.facts.subjects.append(Subject(_SCHEMES[scheme], code, heading, main))
        elif scheme in _QUALIFIERS and code:
            draft.facts.subject_qualifiers.append(Subject("THEMA", code, heading))
    draft.facts.keywords = _once(draft.facts.keywords)


def _keywords(raw: str) -> list[str]:
    separator = ";" if ";" in raw else ","
    return [word for word in (re.sub(r"\s+", " ", part).strip() for part in raw.split(separator)) if word]


def _edition(draft: Draft, detail: etree._Element) -> None:
    facts = draft.facts
    facts.edition_number = whole(text(detail, "EditionNumber"))
    facts.edition_statement = text(detail, "EditionStatement")
    facts.onix_edition_type_codes = texts(detail, "EditionType")
    draft.product.actual_edition_statement = facts.edition_statement
