"""What is sent for a record: changed fields, each with all its cells."""

from typing import Any

import pytest

from frontlist.contract import Actual, Ensure, FieldKey, Json, Resource
from frontlist.systems.fourallportal.modules import Module, ModuleField
from frontlist.systems.fourallportal.patches import Patch, patch

MODULE = Module(
    name="product",
    fields=(
        ModuleField(name="title", type="CEVarchar", dimensions=("locale",)),
        ModuleField(name="isbn", type="CEVarchar"),
        ModuleField(name="price", type="CEDouble"),
    ),
)
RECORD = Resource("fourallportal", "product", "r1")


def same(key: FieldKey, one: Json, other: Json) -> bool:
    return bool(one == other)


def ensure(**fields: Any) -> Ensure:
    return Ensure(RECORD, {FieldKey(key): value for key, value in fields.items()}, flow=1)


def wanting(fields: dict[str, Any]) -> Ensure:
    return ensure(**fields)


def there(**cells: list[dict[str, Any]]) -> Actual:
    fields = {
        FieldKey(name + "".join(f"[{d}={v}]" for d, v in cell["dimensions"].items())): cell["value"]
        for name, listed in cells.items()
        for cell in listed
    }
    return Actual(fields, {"cells": cells})


def cell(value: Any, **dimensions: str) -> dict[str, Any]:
    return {"dimensions": dimensions, "value": value}


def test_nothing_to_change_is_no_patch() -> None:
    assert patch(ensure(isbn="1"), there(isbn=[cell("1")]), same) is None


def test_only_fields_that_differ_are_sent() -> None:
    made = patch(ensure(isbn="1", price="2"), there(isbn=[cell("1")], price=[cell("3")]), same)
    assert made is not None
    assert set(made.fields) == {"price"}


def test_a_changed_field_is_sent_with_the_cells_of_other_dimensions() -> None:
    actual = there(title=[cell("Book", locale="en_GB"), cell("Buch", locale="de_DE")])
    made = patch(wanting({"title[locale=en_GB]": "New"}), actual, same)
    assert made is not None
    assert list(made.fields["title"]) == [cell("Buch", locale="de_DE"), cell("New", locale="en_GB")]
    assert made.keys == ("title[locale=en_GB]",)


def test_an_emptied_cell_is_sent_as_null() -> None:
    made = patch(ensure(isbn=None), there(isbn=[cell("1")]), same)
    assert made is not None
    assert made.body(MODULE) == {"id": "r1", "isbn": [{"value": None, "dimensions": None}]}


def test_a_record_is_created_with_what_holds_something() -> None:
    made = patch(ensure(isbn="1", price=None), None, same)
    assert made is not None
    assert made.creates
    assert made.body(MODULE) == {"id": "r1", "isbn": [{"value": "1", "dimensions": None}]}


def test_numbers_are_sent_as_json_of_their_type() -> None:
    made = patch(ensure(price="19.90"), None, same)
    assert made is not None
    assert made.body(MODULE)["price"] == [{"value": 19.9, "dimensions": None}]


def test_a_patch_read_back_is_the_same_call() -> None:
    made = patch(wanting({"title[locale=en_GB]": "New"}), None, same)
    assert made is not None
    assert Patch.read(made.as_json()).fingerprint == made.fingerprint


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("object 1 of 3: field isbn: 30 characters", ("isbn",)),
        ("value of 'isbn' is too long", ("isbn",)),
        ("module 'product' refuses the price of this isbn", ()),
        ("the request cannot be processed", ()),
    ],
)
def test_a_refusal_names_the_fields_that_its_message_names(message: str, named: tuple[str, ...]) -> None:
    made = patch(ensure(isbn="1", price="2"), None, same)
    assert made is not None
    assert made.named(message) == named
