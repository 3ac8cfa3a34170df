"""What bringing a plan about would do to a linked record."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from frontlist.adopting.comparing import by_field, compare, erasures
from frontlist.contract import FieldKey, Json, Resource

RECORD = Resource("fourallportal", "product", "a")


def same(_: FieldKey, one: Json, other: Json) -> bool:
    return str(one) == str(other)


def changes(wanted: dict[str, Any], actual: dict[str, Any], cleared: tuple[str, ...] = ()) -> Any:
    keys = {FieldKey(key): value for key, value in wanted.items()}
    there = {FieldKey(key): value for key, value in actual.items()}
    return compare("work:1", RECORD, keys, [FieldKey(key) for key in cleared], there, same)


def effects(*given: Any) -> dict[str, str]:
    return {each.key: each.effect for each in changes(*given)}


def test_values_overwrite_fill_or_are_equal() -> None:
    found = effects({"a": "new", "b": "new", "c": 1}, {"a": "old", "c": "1"})
    assert found == {"a": "overwrite", "b": "fill", "c": "equal"}


def test_false_and_nought_are_values_and_overwrite() -> None:
    assert effects({"a": False, "b": 0}, {"a": True, "b": 7}) == {"a": "overwrite", "b": "overwrite"}


def test_an_empty_value_of_the_owner_would_erase_what_is_there() -> None:
    assert effects({}, {"a": "old", "b": None}, ("a", "b", "c")) == {"a": "erase"}


def test_an_adopted_empty_value_is_shown_as_erasing_too() -> None:
    assert effects({"a": None, "b": None}, {"a": "old"}) == {"a": "erase", "b": "equal"}


def test_fields_are_counted_and_the_most_endangered_come_first() -> None:
    rows = by_field(changes({"fine": 1, "lost": 1}, {"fine": 1, "lost": 2}))
    assert [(row.key, row.counts["overwrite"], row.counts["equal"]) for row in rows] == [("lost", 1, 0), ("fine", 0, 1)]
    assert [(each.old, each.new) for each in rows[0].examples["overwrite"]] == [(2, 1)]


def test_an_erasure_is_known_by_what_would_be_lost() -> None:
    [old], [new] = (erasures(changes({}, {"a": text}, ("a",))).values() for text in ("old", "new"))
    assert old[str(RECORD)].keys() == new[str(RECORD)].keys() == {"a"}
    assert old != new


values = st.none() | st.just("") | st.just([]) | st.booleans() | st.integers(0, 3) | st.sampled_from(["x", "y"])
cells = st.dictionaries(st.sampled_from("abcd"), values)


@given(cells, cells, st.sets(st.sampled_from("efgh")))
def test_only_what_holds_something_can_be_lost(
    wanted: dict[str, Any], actual: dict[str, Any], cleared: set[str]
) -> None:
    for each in changes(wanted, actual, tuple(cleared)):
        held = actual.get(each.key) not in (None, "", [])
        assert held or each.effect in ("fill", "equal")
        assert each.effect != "erase" or each.new in (None, "", [])
