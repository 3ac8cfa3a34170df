"""Cells: keys that survive the way there and back, and every form in which a tenant may show them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontlist.errors import UnreadableError
from frontlist.systems.fourallportal.cells import Cell, field_key, parse_key, read_cells

names = st.text(min_size=1, max_size=12)
dimension_sets = st.dictionaries(names, st.text(max_size=12), max_size=3)
GERMAN = (("locale", "de_DE"),)


@given(names, dimension_sets)
def test_a_key_read_back_names_the_same_cell(field: str, where: dict[str, str]) -> None:
    assert parse_key(field_key(field, tuple(where.items()))) == (field, tuple(sorted(where.items())))


@given(names, dimension_sets)
def test_the_order_of_dimensions_makes_no_other_key(field: str, where: dict[str, str]) -> None:
    pairs = tuple(where.items())
    assert field_key(field, pairs) == field_key(field, tuple(reversed(pairs)))


def test_a_key_is_written_with_its_dimensions_sorted() -> None:
    assert field_key("copy", (("locale", "en_GB"), ("channel", "web"))) == "copy[channel=web,locale=en_GB]"


@pytest.mark.parametrize("key", ["", "a[", "a[]", "a[locale]", "a[locale=x", "a[l=x,l=y]", "a=b", "[locale=x]"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="is no field key"):
        parse_key(key)


@pytest.mark.parametrize(
    "raw",
    [
        [{"value": "x", "dimensions": {}}],
        [{"value": "x", "dimensions": None}],
        [{"value": "x"}],
        {"value": "x"},
        {"value": "x", "dimensions": {"locale": None}},
        "x",
    ],
)
def test_each_form_of_a_cell_without_dimensions_reads_alike(raw: object) -> None:
    assert read_cells(raw) == (Cell((), "x"),)


@pytest.mark.parametrize("raw", [None, []])
def test_no_cells_are_no_cells(raw: object) -> None:
    assert read_cells(raw) == ()


def test_a_bare_list_and_a_bare_metric_are_values_not_cells() -> None:
    metric = {"value": "5.0", "unit": "kg"}
    assert read_cells(["a", "b"]) == (Cell((), ["a", "b"]),)
    assert read_cells(metric) == (Cell((), metric),)


def test_cells_are_sorted_by_their_dimensions() -> None:
    general, german = {"value": "Book", "dimensions": {}}, {"value": "Buch", "dimensions": {"locale": "de_DE"}}
    assert read_cells([german, general]) == (Cell((), "Book"), Cell(GERMAN, "Buch"))


def test_two_cells_that_contradict_each_other_are_unreadable() -> None:
    with pytest.raises(UnreadableError, match="different values"):
        read_cells([{"value": "x"}, {"value": "y"}], "product/1/title")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_whatever_a_property_holds_is_read_or_called_unreadable(raw: object) -> None:
    try:
        cells = read_cells(raw)
    except UnreadableError:
        return
    assert all(isinstance(cell, Cell) for cell in cells)
