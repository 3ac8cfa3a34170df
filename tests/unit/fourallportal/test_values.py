"""Values: typed JSON and text mean the same, and nothing in normal form is a float."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontlist.systems.fourallportal import values

KNOWN = frozenset().union(
    *(values.TEXT, values.LISTS, values.WHOLE, values.NUMBERS),
    *(values.BOOLEANS, values.DATES, values.TIMESTAMPS, values.METRICS),
)
kinds = st.sampled_from([*sorted(KNOWN), "", "CEOfTomorrow"])
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.decimals(allow_nan=False).map(str)
metrics = st.fixed_dictionaries({"value": scalars, "unit": st.sampled_from(["kg", "g", ""])})
anything = scalars | st.lists(scalars, max_size=4) | metrics

ALIKE: list[tuple[str, Any, Any]] = [
    ("CEInteger", "1", 1),
    ("CELong", "61417", 61417),
    ("CEInteger", "1.0", 1),
    ("CEBoolean", "true", True),
    ("CEBoolean", "false", False),
    ("CEBoolean", 1, True),
    ("CEDouble", "19.990", "19.99"),
    ("CEDouble", 20, "20.0"),
    ("CEDouble", "1E+2", 100),
    ("CEVarchar", 5, "5"),
    ("CEVarchar", True, "true"),
    ("CEText", "", None),
    ("CEVarcharList", [], None),
    ("CEVarcharList", "a", ["a"]),
    ("CEVarcharList", [1, "b"], ["1", "b"]),
    ("CEDate", "2026-05-01T00:00:00.000Z", "2026-05-01"),
    ("CETimestamp", "2026-05-01T12:10:01.803+02:00", "2026-05-01T10:10:01.803Z"),
    ("CETimestamp", "2026-05-01 10:10:01.8030", "2026-05-01T10:10:01.803999Z"),
    ("CEMetric", {"value": "5.0", "unit": "kg", "normalized": "5000"}, {"value": 5, "unit": "kg"}),
    ("CEOfTomorrow", {"a": 1}, {"a": 1}),
]
UNLIKE: list[tuple[str, Any, Any]] = [
    ("CEVarchar", "01", "1"),
    ("CEText", " a", "a"),
    ("CEInteger", 1, 2),
    ("CEInteger", 0, None),
    ("CEBoolean", False, None),
    ("CEVarcharList", ["a", "b"], ["b", "a"]),
    ("CEDate", "2026-05-01T22:00:00.000Z", "2026-05-02"),
    ("CEMetric", {"value": 5, "unit": "kg"}, {"value": 5, "unit": "g"}),
    ("", 1, True),
]


@pytest.mark.parametrize(("kind", "one", "other"), ALIKE)
def test_two_forms_of_one_value_are_the_same(kind: str, one: Any, other: Any) -> None:
    assert values.same(one, other, kind)


@pytest.mark.parametrize(("kind", "one", "other"), UNLIKE)
def test_two_values_are_not_the_same(kind: str, one: Any, other: Any) -> None:
    assert not values.same(one, other, kind)


def test_a_metric_without_a_unit_has_the_fields_default() -> None:
    assert values.normal("210.0", "CEMetric", "mm") == {"value": "210", "unit": "mm"}


@given(anything, kinds)
def test_the_normal_form_of_a_normal_form_is_itself(value: Any, kind: str) -> None:
    once = values.normal(value, kind)
    assert values.identical(values.normal(once, kind), once)


@given(anything, kinds)
def test_a_normal_form_is_json_without_floats(value: Any, kind: str) -> None:
    def no_float(text: str) -> float:
        raise AssertionError(f"a float: {text}")

    json.loads(json.dumps(values.normal(value, kind)), parse_float=no_float)


@given(anything, kinds)
def test_what_is_sent_and_read_back_is_the_same(value: Any, kind: str) -> None:
    sent = json.dumps(values.wire(value, kind, "mm"))
    back = json.loads(sent, parse_float=str)
    assert values.same(back, _as_float(value, kind), kind, "mm")


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=4))
def test_an_amount_survives_a_floating_field(amount: Decimal) -> None:
    back = json.loads(json.dumps(values.wire(str(amount), "CEDouble")), parse_float=str)
    assert Decimal(values.normal(back, "CEDouble")) == amount


def _as_float(value: Any, kind: str) -> Any:
    """A floating field keeps no more than a float does."""
    if kind in values.METRICS and isinstance(value, dict):
        return {**value, "value": _as_float(value["value"], "CEDouble")}
    number = values.decimal(value) if kind in values.NUMBERS | values.METRICS else None
    if number is None or number == number.to_integral_value():
        return value
    return str(float(number))
