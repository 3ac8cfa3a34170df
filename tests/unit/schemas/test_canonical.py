from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontlist_schemas.canonical import CanonicalError, canonical, fingerprint, parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def test_keys_are_sorted_and_nothing_is_escaped_without_need() -> None:
    assert canonical({"b": [1, None], "a": "ü"}) == '{"a":"ü","b":[1,null]}'.encode()


@pytest.mark.parametrize("value", [1.5, float("nan"), Decimal("1.5"), {1: 2}, b"x", {1, 2}])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(CanonicalError, match=r"at prices\[0\]"):
        canonical({"prices": [value]})


def test_half_a_surrogate_pair_is_refused_with_its_place() -> None:
    with pytest.raises(CanonicalError, match=r"surrogate pair at work\.title"):
        canonical({"work": {"title": "\ud83d"}})


def test_a_float_in_a_record_is_refused() -> None:
    with pytest.raises(CanonicalError, match=r"12\.99 is a float"):
        parse_json('{"amount": 12.99}')


@given(VALUES)
def test_reading_back_gives_the_same_value_and_fingerprint(value: object) -> None:
    again = parse_json(canonical(value))
    assert again == value
    assert fingerprint(again) == fingerprint(value)
