"""Raw objects become documents: which title they belong to, and what is stated of it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontlist.clock import chosen_id
from frontlist.contract import FieldKey, Resource, TitleKey
from frontlist.source import Raw, RawKey
from frontlist.systems.fourallportal import records
from frontlist.systems.fourallportal.client import Client
from frontlist.systems.fourallportal.modules import Module, ModuleField, ModuleUse
from frontlist.systems.fourallportal.settings import FourallportalSettings
from frontlist.systems.fourallportal.source import FourallportalSource
from frontlist_schemas.canonical import canonical
from frontlist_schemas.fourallportal import Metadata

USE = ModuleUse("product", "c", frozenset({"copy", "price"}), "work_id", "product_id", "origin")
MODULE = Module(
    name="product",
    fields=(
        ModuleField(name="copy", type="CEText", dimensions=("locale",)),
        ModuleField(name="price", type="CEDouble"),
        ModuleField(name="work_id", type="CELong"),
        ModuleField(name="product_id", type="CELong"),
        ModuleField(name="origin", type="CEVarchar"),
        ModuleField(name="editor", type="CEVarchar"),
    ),
)
TITLE = TitleKey("work:61417")


@pytest.fixture
def source() -> FourallportalSource:
    settings = FourallportalSettings.model_validate({"url": "http://localhost", "key": "k", "locales": ["en_GB"]})
    return FourallportalSource(Client(settings.api()), [USE], "acme", settings)


def shown(id: str = "r1", **fields: Any) -> Raw:
    return records.raw({"id": id, "module": "product", **fields}, MODULE, USE)


def body(source: FourallportalSource, *raws: Raw) -> Any:
    return source.assemble(TITLE, {raw.key: raw for raw in raws}, frozenset())["metadata"].body


def test_a_link_names_the_title_before_our_marker_does(source: FourallportalSource) -> None:
    links = {Resource("fourallportal", "product", "r1"): TitleKey("work:7")}
    assert source.title(shown(work_id=[{"value": 61417}]), links) == "work:7"


@pytest.mark.parametrize("marker", [61417, "61417"])
def test_our_marker_names_the_title(source: FourallportalSource, marker: object) -> None:
    assert source.title(shown(work_id=[{"value": marker}]), {}) == TITLE


@pytest.mark.parametrize("marker", [None, "", "abc", 0, -1, "1.5", True])
def test_an_object_without_a_usable_marker_stands_for_itself(source: FourallportalSource, marker: object) -> None:
    assert source.title(shown(work_id=[{"value": marker}]), {}) == "object:product/r1"


def test_a_document_holds_only_cells_that_4allportal_owns(source: FourallportalSource) -> None:
    raw = shown(copy=[{"value": "Text"}], editor=[{"value": "someone"}], work_id=[{"value": 61417}])
    assert [cell["field"] for cell in body(source, raw)["records"][0]["cells"]] == ["copy"]


def test_the_mirror_keeps_only_fields_in_use() -> None:
    raw = shown(copy=[{"value": "Text"}], editor=[{"value": "someone"}])
    assert raw.body == {"cells": {"copy": [{"dimensions": {}, "value": "Text"}]}}


@pytest.mark.parametrize("empty", [None, [], [{"value": None}], [{"value": ""}], [{"value": []}]])
def test_each_form_of_an_empty_field_makes_the_same_document(source: FourallportalSource, empty: object) -> None:
    assert body(source, shown(copy=empty)) == body(source, shown())


def test_numbers_are_decimal_strings(source: FourallportalSource) -> None:
    (record,) = body(source, shown(price=[{"value": "19.990"}]))["records"]
    assert record["cells"] == [{"field": "price", "dimensions": {}, "value": "19.99"}]


def test_a_record_names_its_product(source: FourallportalSource) -> None:
    assert body(source, shown(product_id=[{"value": "5"}]))["records"][0]["product"] == 5
    assert body(source, shown())["records"][0]["product"] is None


@pytest.mark.parametrize(
    ("id", "origin", "said"),
    [
        ("r1", "frontlist/acme", "ours"),
        ("r1", "frontlist", "ours"),
        ("r1", "frontlist/another", "theirs"),
        ("r1", None, "theirs"),
        (chosen_id("acme", "product", 5), None, "ours"),
    ],
)
def test_a_record_says_who_made_it(source: FourallportalSource, id: str, origin: str | None, said: str) -> None:
    raw = shown(id, product_id=[{"value": 5}], origin=[{"value": origin}])
    assert body(source, raw)["records"][0]["origin"] == said


def test_a_title_whose_records_are_all_gone_is_gone(source: FourallportalSource) -> None:
    gone = Raw(RawKey("product", "r1"), None)
    assert source.assemble(TITLE, {gone.key: gone}, frozenset())["metadata"].state == "gone"
    assert len(body(source, gone, shown("r2"))["records"]) == 1


def test_a_record_that_cannot_be_read_makes_the_document_unreadable(source: FourallportalSource) -> None:
    raw = shown(copy=[{"value": "a"}, {"value": "b"}])
    statement = source.assemble(TITLE, {raw.key: raw}, frozenset())["metadata"]
    assert statement.state == "unreadable"
    assert "product/r1/copy" in (statement.reason or "")


@given(st.permutations(["r1", "r2", "r3"]), st.permutations(["de_DE", "en_GB"]))
def test_the_order_of_an_answer_makes_no_other_document(ids: list[str], locales: list[str]) -> None:
    settings = FourallportalSettings.model_validate({"url": "http://localhost", "key": "k", "locales": ["en_GB"]})
    source = FourallportalSource(Client(settings.api()), [USE], "acme", settings)
    cells = [{"value": locale, "dimensions": {"locale": locale}} for locale in locales]
    ordered = [{"value": locale, "dimensions": {"locale": locale}} for locale in sorted(locales)]
    made = body(source, *(shown(id, copy=cells) for id in ids))
    assert made == body(source, *(shown(id, copy=ordered) for id in sorted(ids)))


def test_a_document_is_what_its_schema_says(source: FourallportalSource) -> None:
    made = body(source, shown(copy=[{"value": "a", "dimensions": {"locale": "en_GB"}}, {"value": "b"}], product_id=5))
    assert Metadata.model_validate_json(canonical(made)).body() == made


def test_text_that_cannot_be_published_makes_the_record_unreadable() -> None:
    assert "copy" in (shown(copy=[{"value": "\ud800"}]).unreadable or "")


def test_an_unreadable_record_still_belongs_to_its_title(source: FourallportalSource) -> None:
    assert source.title(shown(copy=[{"value": "a"}, {"value": "b"}], work_id=[{"value": 61417}]), {}) == TITLE


def test_another_mapping_is_another_version_and_another_connector_is_not() -> None:
    settings = FourallportalSettings.model_validate({"url": "http://localhost", "key": "k", "locales": ["en_GB"]})

    def version(**changes: Any) -> str:
        return FourallportalSource(Client(settings.api()), [replace(USE, **changes)], "acme", settings).version

    assert version() == version(connector="other")
    assert version() != version(owned=frozenset({"copy"}))


WATCHING = replace(USE, isbns=frozenset({"ean"}), written=frozenset({"line", "price_gb"}))
WATCHED = MODULE.model_copy(
    update={
        "fields": (
            *MODULE.fields,
            ModuleField(name="ean", type="CEVarchar"),
            ModuleField(name="line", type="CEVarchar", dimensions=("locale",)),
            ModuleField(name="price_gb", type="CEDouble"),
        )
    }
)
GB = {"locale": "en_GB"}


def watched(carried: tuple[str, ...] = (), **fields: Any) -> Raw:
    return records.raw({"id": "r1", **fields}, WATCHED, WATCHING, carried)


@pytest.mark.parametrize(
    ("shown", "wrote", "differs"),
    [
        ({"line": [{"value": "A", "dimensions": GB}]}, {"line[locale=en_GB]": "A"}, False),
        ({"line": [{"value": "B", "dimensions": GB}]}, {"line[locale=en_GB]": "A"}, True),
        ({"line": [{"value": "B"}, {"value": "A", "dimensions": GB}]}, {"line[locale=en_GB]": "A"}, False),
        ({"line": [{"value": "A"}]}, {"line[locale=en_GB]": "A"}, True),
        ({"line": None}, {"line[locale=en_GB]": "A"}, True),
        ({"line": None}, {"line[locale=en_GB]": None}, False),
        ({}, {"line[locale=en_GB]": "A"}, False),  # not shown: nothing is known
        ({"price_gb": "19.990"}, {"price_gb": "19.99"}, False),
        ({"work_id": "61417"}, {"work_id": 61417}, False),
        ({"work_id": None}, {"work_id": 61417}, True),
        ({"line": [{"value": "a"}, {"value": "b"}]}, {"line": "c"}, False),  # two cells for one place: not known
    ],
)
def test_a_cell_that_we_wrote_is_compared_as_its_field_means_it(
    shown: dict[str, Any], wrote: dict[str, Any], differs: bool
) -> None:
    keys = {FieldKey(key): value for key, value in wrote.items()}
    found = records.contradicted(watched(**shown).watched or {}, WATCHED, keys)
    assert found == (keys.keys() if differs else set())


def test_a_field_that_the_connector_carries_and_the_object_lacks_is_empty() -> None:
    keys = {FieldKey("price_gb"): "19.99"}
    assert records.contradicted(watched().watched or {}, WATCHED, keys) == set()
    assert records.contradicted(watched(("price_gb",)).watched or {}, WATCHED, keys) == keys.keys()


def test_what_is_watched_is_in_no_document(source: FourallportalSource) -> None:
    raw = watched(line="A", ean="978-0-306-40615-7", copy="Text", work_id=61417)
    assert [cell["field"] for cell in body(source, raw)["records"][0]["cells"]] == ["copy"]


@pytest.mark.parametrize("spelt", ["9780306406157", "978-0-306-40615-7", "0-306-40615-2", "ISBN 0306406152"])
def test_a_record_is_found_by_its_isbn_however_it_is_spelt(spelt: str) -> None:
    assert records.isbns(watched(ean=spelt).watched or {}, WATCHING) == {"978030640615"}


def test_a_record_without_an_isbn_states_none() -> None:
    assert records.isbns(watched(ean="No ISBN").watched or {}, WATCHING) == set()
