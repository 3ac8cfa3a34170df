from copy import deepcopy
from typing import Any

import pytest

from frontlist_schemas.compatibility import breaks

OLD: dict[str, Any] = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer"},
        "price": {"anyOf": [{"$ref": "#/$defs/Price"}, {"type": "null"}]},
        "origin": {"enum": ["ours", "theirs"]},
    },
    "$defs": {"Price": {"type": "object", "properties": {"amount": {"type": "string"}, "label": {"type": "string"}}}},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """OLD with what stands at a path replaced, or removed where the value is None."""
    new = deepcopy(OLD)
    *parents, last = path.split("/")
    place = new
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return new


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("required", ["id", "price"], "$.price: required added"),
        ("required", [], "$.id: no longer required"),
        ("properties/price", None, "$.price: property removed"),
        ("$defs/Price/properties/amount", None, "$.price/anyOf[0].amount: property removed"),
        ("$defs/Price/properties/amount", {"type": "number"}, "type changed from 'string' to 'number'"),
        ("$defs/Price/properties/amount", {"type": "string", "pattern": "x"}, "amount/pattern: None became 'x'"),
        ("properties/id", {"type": ["integer", "null"]}, "$.id: type changed"),
        ("properties/origin", {"enum": ["ours"]}, "$.origin: enum value 'theirs' removed"),
        ("properties/origin", {"enum": ["ours", "theirs", "both"]}, "$.origin: enum value 'both' added"),
        ("properties/price", {"$ref": "#/$defs/Price"}, "$.price"),
    ],
)
def test_a_breaking_change_is_named(path: str, value: Any, said: str) -> None:
    found = breaks(OLD, changed(path, value))
    assert found
    assert any(said in line for line in found), found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("properties/season", {"type": "string"}),
        ("$defs/Price/properties/currency", {"type": "string"}),
        ("description", "prose"),
        ("properties/id", {"type": "integer", "title": "Id", "examples": [1]}),
    ],
)
def test_an_optional_field_and_prose_are_a_minor(path: str, value: Any) -> None:
    assert breaks(OLD, changed(path, value)) == []
