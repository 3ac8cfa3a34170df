"""Titles of real ONIX files, served by the Consonance sandbox, arrive in 4ALLPORTAL as the files state them.

`onix_reading` reads the files independently of the catalogue; `conftest` says which run is on which database.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import tenants
from acceptance import losing, onix_reading
from acceptance.arrivals import Arrival, Record
from acceptance.onix_reading import GROUPS, Product
from frontlist_sandbox.catalogue.assumed import LOST

# Its servers and files are made once: one worker does all of it.
pytestmark = pytest.mark.xdist_group("real-onix")

#: Project stage Released, or a status that the mapping's release gate names.
RELEASED = 4
STATUSES = frozenset(["04", "05", "06", "07", "08", "10", "11", "12", "13", "15", "16", "17", "18"])


def cell(name: str) -> Callable[[Record], Any]:
    return lambda record: tenants.value(dict(record), name)


def millimetres(name: str) -> Callable[[Record], Any]:
    def read(record: Record) -> float | None:
        stated = tenants.value(dict(record), name)
        assert stated is None or stated["unit"] == "mm"
        return stated and stated["value"]

    return read


def of_books(kind: str) -> Callable[[Product], Any]:
    """Evidenced GraphQL measures books alone."""
    return lambda product: product.size(kind) if product.is_book else None


#: Field of 4ALLPORTAL -> (what the file states, what arrived).
FIELDS: Mapping[str, tuple[Callable[[Product], Any], Callable[[Record], Any]]] = {
    "title": (lambda p: p.title, cell("title")),
    "subtitle": (lambda p: p.subtitle, cell("subtitle")),
    "author_line": (lambda p: p.author_line, cell("author_line")),
    "contributors": (lambda p: p.contributors, cell("contributors")),
    "isbn": (lambda p: p.isbn, cell("isbn")),
    "imprint": (lambda p: p.imprint, cell("imprint")),
    "product_form": (lambda p: losing.LIST_7.get(p.form, p.form), cell("product_form")),
    "format": (lambda p: "PhysicalBookProduct" if p.is_book else "PhysicalProduct", cell("format")),
    "pub_date": (lambda p: p.publication_date, cell("pub_date")),
    "price_aud": (lambda p: p.price("AUD", "02", "00"), cell("price_aud")),
    "price_gbp": (lambda p: p.price("GBP", "02", "05"), cell("price_gbp")),
    "price_usd": (lambda p: p.price("USD", "01", "05"), cell("price_usd")),
    "price_eur": (lambda p: p.price("EUR", "02", "05"), cell("price_eur")),
    "bic": (lambda p: p.subjects("12") or None, cell("bic")),
    "bic_main": (lambda p: p.main_subject("12"), cell("bic_main")),
    "bisac": (lambda p: p.subjects("10") or None, cell("bisac")),
    "thema": (lambda p: p.subjects("93") or None, cell("thema")),
    "series": (lambda p: p.series or None, cell("series")),
    "series_number": (lambda p: p.series_number, cell("series_number")),
    "page_count": (lambda p: p.pages, cell("page_count")),
    "word_count": (lambda p: p.word_count if p.is_book else None, cell("word_count")),
    "height": (of_books("01"), millimetres("height")),
    "width": (of_books("02"), millimetres("width")),
    "thickness": (of_books("03"), millimetres("thickness")),
    "publishing_status": (lambda p: p.status, cell("publishing_status")),
    "product_availability": (lambda p: p.availability, cell("product_availability")),
}


def test_the_run_says_whether_the_real_files_are_here(request: pytest.FixtureRequest) -> None:
    default = request.config.rootpath.parent / "shared" / "data" / "onix"
    if not Path(os.environ.get("FRONTLIST_ONIX_DIR") or default).is_dir():
        required = os.environ.get("FRONTLIST_REQUIRE_REAL_ONIX") == "1"
        assert not required, "real files: not here, and FRONTLIST_REQUIRE_REAL_ONIX=1; set FRONTLIST_ONIX_DIR"
        warnings.warn("real files: not here; set FRONTLIST_ONIX_DIR to run the tests that need them", stacklevel=1)


# --- Macmillan -------------------------------------------------------------------------------------------------------


def test_every_distinct_product_of_macmillan_arrives_as_one_record(macmillan: Arrival, macmillan_file: Path) -> None:
    stated = [product.isbn for product in onix_reading.products(macmillan_file)]
    arrived = [tenants.value(dict(each), "isbn") for each in macmillan.first.records]
    assert len(stated) == 20
    assert sorted(arrived) == sorted(stated)


def test_each_title_of_macmillan_has_one_record_that_names_its_products(macmillan: Arrival) -> None:
    named = [each for title in macmillan.first.titles for each in cell("products")(title)]
    assert sorted(named) == sorted(record["id"] for record in macmillan.first.records)


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_arrives_as_the_file_states_it(field: str, macmillan: Arrival, macmillan_file: Path) -> None:
    read, arrived = FIELDS[field]
    stated = {product.isbn: read(product) for product in onix_reading.products(macmillan_file)}
    assert {isbn: arrived(record) for isbn, record in macmillan.by_isbn.items()} == stated


def test_no_field_is_written_that_no_test_compares(macmillan: Arrival) -> None:
    """So that a field added to the mapping is compared with the file, too."""
    consonances = {"project_stage", "confidential", "distributable", "withdrawn"}
    written = {name for record in macmillan.first.records for name in record["fields"]} - losing.OURS
    assert written - consonances <= FIELDS.keys()


def test_what_is_lost_on_the_way_is_what_the_documentation_lists(macmillan: Arrival, macmillan_file: Path) -> None:
    records = macmillan.by_isbn
    pairs = [(product, records[product.isbn or ""]) for product in onix_reading.products(macmillan_file)]
    lost = losing.lost(pairs)
    listed = [path for loss in LOST for path in loss.paths]
    every = {fact.path for product, _ in pairs for fact in product.facts()}
    below = {
        path: {each for each in every if each == path or each.startswith((f"{path}/", f"{path}["))} for path in listed
    }
    assert lost - set().union(*below.values()) == set(), "lost, and not listed"
    assert {path for path, facts in below.items() if facts - lost} == set(), "listed, though it arrives"
    assert {path for path, facts in below.items() if not facts} == set(), "listed, though no record states it"
    assert [path for path, times in Counter(listed).items() if times > 1] == [], "listed twice"


# --- all the others --------------------------------------------------------------------------------------------------


def released(arrival: Arrival) -> list[int]:
    """Products of works of which one is released."""
    works = {p.work_id for p in arrival.catalogue.products.values() if p.publishing_status in STATUSES}
    works |= {w.id for w in arrival.catalogue.works.values() if w.project_stage and w.project_stage.id == RELEASED}
    return sorted(p.id for p in arrival.catalogue.products.values() if p.work_id in works)


def check_everything_arrived(arrival: Arrival) -> None:
    assert sorted(cell("consonance_product_id")(each) for each in arrival.first.records) == released(arrival)
    assert arrival.unreadable == []


def check_the_second_pass_was_silent(arrival: Arrival) -> None:
    assert min(arrival.second.reads.values()) > 0
    assert arrival.second.writes == {"consonance": 0, "dam": 0}
    assert arrival.second.offsets == arrival.first.offsets
    assert (arrival.second.records, arrival.second.titles) == (arrival.first.records, arrival.first.titles)


def test_the_other_real_files_are_all_run(other_files: list[list[Path]], real: Path) -> None:
    assert len(other_files) == GROUPS
    assert sum(map(len, other_files)) == len(list(real.glob("*.xml"))) - 1 >= 11


def test_every_released_product_of_the_other_real_files_arrives(others: Arrival) -> None:
    check_everything_arrived(others)


def test_every_released_product_of_our_own_files_arrives(ours: Arrival) -> None:
    assert len(ours.first.records) >= 10
    check_everything_arrived(ours)


def test_every_released_product_of_macmillan_arrives_readable(macmillan: Arrival) -> None:
    check_everything_arrived(macmillan)


def test_the_bundle_of_immateriel_arrives_as_one_title_of_four_formats(others: Arrival, real: Path) -> None:
    [path] = real.glob("immateriel*.xml")
    stated = onix_reading.products(path)
    references = {product.reference for product in stated}
    ids = {p.id for p in others.catalogue.products.values() if p.record_reference in references}
    if not ids:
        assert len(others.first.titles) < 3, "immateriel is in the large group"
        return
    records = {each["id"]: each for each in others.first.records if cell("consonance_product_id")(each) in ids}
    [title] = [each for each in others.first.titles if set(cell("products")(each)) & records.keys()]
    assert len(stated) == 4
    assert set(cell("products")(title)) == records.keys()
    assert {cell("title_ref")(each) for each in records.values()} == {title["id"]}
    assert {cell("title")(each) for each in records.values()} == {stated[0].title} == {cell("title")(title)}
    assert sorted(cell("product_form")(each) for each in records.values()) == ["DG", "DG", "DG", "DH"]
    assert [isbn for each in records.values() if (isbn := cell("isbn")(each))] == ["9782752908643"]


# --- again -----------------------------------------------------------------------------------------------------------


def test_a_second_pass_over_macmillan_makes_no_write_and_no_event(macmillan: Arrival) -> None:
    check_the_second_pass_was_silent(macmillan)


def test_a_second_pass_over_the_other_real_files_makes_no_write_and_no_event(others: Arrival) -> None:
    check_the_second_pass_was_silent(others)


def test_a_second_pass_over_our_own_files_makes_no_write_and_no_event(ours: Arrival) -> None:
    check_the_second_pass_was_silent(ours)
