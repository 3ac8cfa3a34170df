"""The canonical fields: what Consonance's documents carry and a mapping may give to 4ALLPORTAL.

`aspect` is the document that a field comes from (`docs/decisions/0001`); the metadata plugin reads it from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "list", "date", "number", "bool", "code", "metric", "id"]
Level = Literal["work", "product"]
Aspect = Literal["metadata", "formats", "milestones", "derived"]


@dataclass(frozen=True)
class Canonical:
    """One field. `level` work: every product has the same value; the title record holds only these."""

    name: str
    kind: Kind
    level: Level
    aspect: Aspect
    about: str


def _work(name: str, kind: Kind, about: str, aspect: Aspect = "metadata") -> Canonical:
    return Canonical(name, kind, "work", aspect, about)


def _product(name: str, kind: Kind, about: str, aspect: Aspect = "metadata") -> Canonical:
    return Canonical(name, kind, "product", aspect, about)


CANONICAL: tuple[Canonical, ...] = (
    _work("work_title", "text", "title of the work"),
    _work("work_subtitle", "text", "subtitle of the work"),
    _product("title", "text", "title of the product, else of the work"),
    _product("subtitle", "text", "subtitle of the product, else of the work"),
    _work("original_title", "text", "title in the original language"),
    _work("original_subtitle", "text", "subtitle in the original language"),
    _work("authorship", "text", "how the authors are shown, as one line"),
    _product("contributors", "list", "as credited, in order: Ada Byron (A01); those of this product"),
    _work("imprint", "text", "name of the imprint"),
    _work("work_type", "text", "name of the work type"),
    _work("season", "text", "name of the season"),
    _work("marketing_tier", "text", "name of the marketing tier"),
    _work("audience", "text", "description of the audience"),
    _work("series", "list", "names of the series"),
    _work("series_number", "text", "part number in the first series that has one"),
    _work("edition_number", "number", "number of the edition"),
    _work("thema_main", "code", "main Thema subject"),
    _work("thema", "list", "Thema subjects, main one first"),
    _work("bisac_main", "code", "main BISAC subject"),
    _work("bisac", "list", "BISAC subjects, main one first"),
    _work("bic_main", "code", "main BIC subject"),
    _work("bic", "list", "BIC subjects, main one first"),
    _product("publishing_status", "code", "ONIX List 64"),
    _product("product_availability", "code", "ONIX List 65"),
    _product("edition_statement", "text", "edition statement of the product, else of the work"),
    _product("asin", "text", "Amazon's number"),
    _product("page_count", "number", "pages: absolute, else approximate"),
    _product("word_count", "number", "number of words"),
    _product("height", "metric", "height in mm"),
    _product("width", "metric", "width in mm"),
    _product("thickness", "metric", "thickness in mm"),
    _product(
        "distributable", "bool", "may be sent to a channel: ONIX exports allowed, not confidential, not withdrawn"
    ),
    _product("isbn", "text", "ISBN-13 of 13 digits, right check digit only", "formats"),
    _product("isbn_dashes", "text", "ISBN-13 with its dashes, right check digit only", "formats"),
    _product("product_kind", "text", "Consonance's kind, e.g. PhysicalBookProduct", "formats"),
    _product("product_form", "code", "product form, ONIX 2.1 List 7 as Consonance gives it", "formats"),
    _product("in_house_format", "text", "name of the in-house format", "formats"),
    _product("in_house_edition", "text", "name of the in-house edition", "formats"),
    _work("project_stage", "text", "name of the project stage", "milestones"),
    _work("project_stage_id", "number", "id of the project stage", "milestones"),
    _product("publication_date", "date", "publication date", "milestones"),
    _product("planned_publication_date", "date", "planned publication date", "milestones"),
    _product("announcement_date", "date", "date from which the product may be announced", "milestones"),
    _product("public_from", "date", "first day on which the record is not confidential", "derived"),
    _product("confidential", "bool", "not yet public", "derived"),
    _product("withdrawn", "bool", "no longer in Consonance; set instead of deleting the record", "derived"),
    _product("title_record", "id", "id of the title's record, where there is a title module", "derived"),
    _work("product_records", "list", "ids of the records of the title's products", "derived"),
)

BY_NAME: dict[str, Canonical] = {each.name: each for each in CANONICAL}

#: Product-level fields that a title record may hold as well: they have one value for the title.
ON_TITLE = frozenset({"contributors", "confidential", "withdrawn", "title", "subtitle", "public_from"})

#: Field types of 4ALLPORTAL (its field documentation) that can hold a kind without loss.
TYPES: dict[Kind, frozenset[str]] = {
    "text": frozenset({"CEVarchar", "CEText", "CEEnum"}),
    "code": frozenset({"CEVarchar", "CEText", "CEEnum"}),
    "list": frozenset({"CEVarcharList", "CETextList", "CEVarchar", "CEText", "CEIdList", "CEExternalIdList"}),
    "date": frozenset({"CEDate", "CETimestamp", "CEVarchar"}),
    "number": frozenset({"CEInteger", "CELong", "CEDouble", "CEVarchar"}),
    "bool": frozenset({"CEBoolean"}),
    "metric": frozenset({"CEMetric"}),
    "id": frozenset({"CEId", "CEExternalId", "CEObjectLink", "CEExternalObjectLink"}),
}
