"""A title as Consonance states it, and what each canonical field is for it and for its products."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from frontlist.contract import Document, Dossier, Json
from frontlist_metadata import body
from frontlist_metadata.body import MISSING, Body, Found


@dataclass(frozen=True)
class Title:
    """The bodies of the documents that can be read now; None where one cannot."""

    work_id: int
    metadata: Body | None
    formats: Body | None
    milestones: Body | None

    @classmethod
    def of(cls, work_id: int, dossier: Dossier) -> Title:
        return cls(
            work_id, *(_present(dossier.get("consonance", name)) for name in ("metadata", "formats", "milestones"))
        )

    @cached_property
    def product_ids(self) -> list[int]:
        return sorted(body.by_id(self.formats, "products"))

    @cached_property
    def _by_id(self) -> tuple[dict[int, Body], dict[int, Body], dict[int, Body]]:
        found = [body.by_id(part, "products") for part in (self.metadata, self.formats, self.milestones)]
        return found[0], found[1], found[2]

    def product(self, product_id: int) -> Product:
        metadata, formats, milestones = self._by_id
        return Product(
            self,
            product_id,
            metadata.get(product_id, {}),
            formats.get(product_id, {}),
            milestones.get(product_id, {}),
        )

    @cached_property
    def statuses(self) -> frozenset[str]:
        """Publishing statuses of the products that formats lists, or of all where that cannot be read."""
        found = self._by_id[0]
        known = [each for key, each in found.items() if self.formats is None or key in self._by_id[1]]
        statuses = (body.text(each, "publishing_status") for each in known)
        return frozenset(status for status in statuses if isinstance(status, str))


@dataclass(frozen=True)
class Product:
    """A product beside its title."""

    title: Title
    id: int
    metadata: Body
    formats: Body
    milestones: Body

    @cached_property
    def label(self) -> str:
        """How findings name it."""
        isbn = self.formats.get("isbn13")
        return f"product {self.id}" + (f" ({isbn})" if isinstance(isbn, str) and isbn else "")


def _present(document: Document) -> Body | None:
    return document.body if document.present and isinstance(document.body, Mapping) else None


def of_title(canonical: str, title: Title) -> Found:
    """A work-level field; MISSING where its document cannot be read or does not carry it."""
    read = WORK.get(canonical)
    return MISSING if read is None else read(title)


def of_product(canonical: str, product: Product) -> Found:
    read = PRODUCT.get(canonical)
    return of_title(canonical, product.title) if read is None else read(product)


def _metadata(read: Callable[[Body, str], Found], key: str) -> Callable[[Title], Found]:
    return lambda title: MISSING if title.metadata is None else read(title.metadata, key)


def _main(scheme: str) -> Callable[[Title], Found]:
    def read(title: Title) -> Found:
        found = _subjects(title, scheme)
        return found if found is MISSING else next((code for code, main in found if main), None)

    return read


def _all(scheme: str) -> Callable[[Title], Found]:
    def read(title: Title) -> Found:
        found = _subjects(title, scheme)
        return found if found is MISSING else [code for code, _ in found]

    return read


def _subjects(title: Title, scheme: str) -> Found:
    """(code, main), main ones first, each code once."""
    if title.metadata is None or "subjects" not in title.metadata:
        return MISSING
    found: dict[str, bool] = {}
    for each in body.items(title.metadata, "subjects"):
        named, code = body.text(each, "scheme"), body.text(each, "code")
        if isinstance(named, str) and isinstance(code, str) and named.lower() == scheme:
            found[code] = found.get(code, False) or each.get("main") is True
    return sorted(found.items(), key=lambda each: (not each[1], each[0]))


def _series(title: Title) -> Found:
    if title.metadata is None or "series" not in title.metadata:
        return MISSING
    names = (body.text(each, "name") for each in body.items(title.metadata, "series"))
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def _series_number(title: Title) -> Found:
    if title.metadata is None or "series" not in title.metadata:
        return MISSING
    numbers = (body.text(each, "part_number") for each in body.items(title.metadata, "series"))
    return next((number for number in numbers if isinstance(number, str)), None)


def _audience(title: Title) -> Found:
    if title.metadata is None or "audience" not in title.metadata:
        return MISSING
    return body.text(body.section(title.metadata, "audience"), "description") or None


def _stage(read: Callable[[Body, str], Found], key: str) -> Callable[[Title], Found]:
    def stage(title: Title) -> Found:
        if title.milestones is None or "project_stage" not in title.milestones:
            return MISSING
        found = title.milestones["project_stage"]
        return read(found, key) if isinstance(found, Mapping) else None

    return stage


def _contributors(title: Title, product_id: int | None) -> Found:
    """Ada Byron (A01), in order; for a product those who are credited on it.

    ASSUMPTION: a contribution that names no product is of all of them.
    """
    if title.metadata is None or "contributions" not in title.metadata:
        return MISSING
    credited: list[tuple[int, int, str]] = []
    for each in body.items(title.metadata, "contributions"):
        products, name, role = body.ids(each, "product_ids"), body.text(each, "name"), body.text(each, "role")
        if isinstance(name, str) and (product_id is None or not products or product_id in products):
            sequence, identity = body.number(each, "sequence"), body.number(each, "id")
            place = sequence if isinstance(sequence, int) else 10**6
            shown = f"{name} ({role})" if isinstance(role, str) else name
            credited.append((place, identity if isinstance(identity, int) else 0, shown))
    return list(dict.fromkeys(shown for _, _, shown in sorted(credited)))


def _own_title(product: Product) -> Found:
    own = product.metadata
    full = body.text(own, "full_title")
    if isinstance(full, str):
        return full
    rest = body.text(own, "title_without_prefix")
    if isinstance(rest, str):
        prefix = body.text(own, "title_prefix")
        return f"{prefix} {rest}" if isinstance(prefix, str) else rest
    return of_title("work_title", product.title)


def _own(key: str, work: str) -> Callable[[Product], Found]:
    """The product's own value, else the work's."""

    def read(product: Product) -> Found:
        own = body.text(product.metadata, key)
        return own if isinstance(own, str) else of_title(work, product.title)

    return read


def _edition_statement(product: Product) -> Found:
    own = body.text(product.metadata, "edition_statement")
    if isinstance(own, str) or product.title.metadata is None:
        return own
    stated = body.text(product.title.metadata, "edition_statement")
    return own if stated is MISSING else stated


def _pages(product: Product) -> Found:
    counts = body.section(product.metadata, "page_counts")
    found = [body.number(counts, key) for key in ("absolute", "approximate")]
    exact = next((each for each in found if isinstance(each, int)), None)
    return exact if exact is not None or None in found else _null(product.metadata, "page_counts")


def _words(product: Product) -> Found:
    found = body.number(body.section(product.metadata, "page_counts"), "words")
    return found if found is not MISSING else _null(product.metadata, "page_counts")


def _millimetres(key: str) -> Callable[[Product], Found]:
    def read(product: Product) -> Found:
        stated = body.text(body.section(product.metadata, "measurements"), key)
        if stated is MISSING or stated is None:
            return _null(product.metadata, "measurements") if stated is MISSING else None
        amount = body.to_amount(stated)
        return MISSING if amount is None else {"value": plain(stated), "unit": "mm"}

    return read


def _null(parent: Body, key: str) -> Found:
    """None where the parent itself is stated to be none."""
    return None if key in parent and parent[key] is None else MISSING


def plain(decimal: str) -> str:
    """A decimal without exponent and without zeros at its end: 198.0 -> 198."""
    amount = body.to_amount(decimal)
    text = f"{amount:f}" if amount is not None else decimal
    return text.rstrip("0").rstrip(".") if "." in text else text


def _in(part: str, read: Callable[[Body, str], Found], key: str) -> Callable[[Product], Found]:
    def value(product: Product) -> Found:
        found: Body = getattr(product, part)
        return read(found, key)

    return value


WORK: Mapping[str, Callable[[Title], Found]] = {
    "work_title": _metadata(body.text, "title"),
    "work_subtitle": _metadata(body.text, "subtitle"),
    "title": _metadata(body.text, "title"),
    "subtitle": _metadata(body.text, "subtitle"),
    "original_title": _metadata(body.text, "original_title"),
    "original_subtitle": _metadata(body.text, "original_subtitle"),
    "authorship": _metadata(body.text, "authorship"),
    "contributors": lambda title: _contributors(title, None),
    "imprint": _metadata(body.name, "imprint"),
    "work_type": _metadata(body.name, "work_type"),
    "season": _metadata(body.name, "season"),
    "marketing_tier": _metadata(body.name, "marketing_tier"),
    "audience": _audience,
    "series": _series,
    "series_number": _series_number,
    "edition_number": _metadata(body.number, "edition_number"),
    "thema_main": _main("thema"),
    "thema": _all("thema"),
    "bisac_main": _main("bisac"),
    "bisac": _all("bisac"),
    "bic_main": _main("bic"),
    "bic": _all("bic"),
    "project_stage": _stage(body.text, "name"),
    "project_stage_id": _stage(body.number, "id"),
}

PRODUCT: Mapping[str, Callable[[Product], Found]] = {
    "title": _own_title,
    "subtitle": _own("subtitle", "work_subtitle"),
    "contributors": lambda product: _contributors(product.title, product.id),
    "publishing_status": _in("metadata", body.text, "publishing_status"),
    "product_availability": _in("metadata", body.text, "availability"),
    "edition_statement": _edition_statement,
    "asin": _in("metadata", body.text, "asin"),
    "page_count": _pages,
    "word_count": _words,
    "height": _millimetres("height_mm"),
    "width": _millimetres("width_mm"),
    "thickness": _millimetres("thickness_mm"),
    "product_kind": _in("formats", body.text, "kind"),
    "product_form": _in("formats", body.text, "product_form"),
    "in_house_format": _in("formats", body.name, "in_house_format"),
    "in_house_edition": _in("formats", body.name, "in_house_edition"),
    "publication_date": _in("milestones", body.day, "publication_date"),
    "planned_publication_date": _in("milestones", body.day, "planned_publication_date"),
    "announcement_date": _in("milestones", body.day, "announcement_date"),
}


def empty(value: Json) -> bool:
    """None and the empty list; False and 0 are values."""
    return value is None or value == []
