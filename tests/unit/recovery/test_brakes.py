"""What a brake counts, and that it never lets more titles through than its limit in any 24 hours."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontlist import Brake
from frontlist.brakes import BrakeSettings, admitted, effect_of
from frontlist.clock import DAY
from frontlist.vanishing import vanished, without

HARM: list[tuple[Brake, Any, Any, str | None]] = [
    (Brake.OFFERED, True, False, "switch-off"),
    (Brake.OFFERED, True, None, "switch-off"),
    (Brake.OFFERED, "true", "false", "switch-off"),
    (Brake.OFFERED, False, True, None),
    (Brake.OFFERED, None, False, None),
    (Brake.HIDDEN, False, True, "switch-off"),
    (Brake.HIDDEN, None, True, "switch-off"),
    (Brake.HIDDEN, True, False, None),
    (Brake.LINK, ["a", "b"], ["a"], "unlink"),
    (Brake.LINK, ["a"], None, "unlink"),
    (Brake.LINK, "a", "b", "unlink"),
    (Brake.LINK, ["a"], ["a", "b"], None),
    (Brake.LINK, None, "a", None),
    (Brake.TEXT, "words", None, "text-removal"),
    (Brake.TEXT, "words", "  ", "text-removal"),
    (Brake.TEXT, ["words"], [], "text-removal"),
    (Brake.TEXT, "words", "other words", None),
    (Brake.TEXT, "", None, None),
    (Brake.PRICE, "10.00", "0", "price"),
    (Brake.PRICE, "10.00", None, "price"),
    (Brake.PRICE, "10.00", "4.99", "price"),
    (Brake.PRICE, "10.00", "15.01", "price"),
    (Brake.PRICE, "10.00", "5.00", None),
    (Brake.PRICE, "10.00", "15.00", None),
    (Brake.PRICE, "10.00", "no number", "price"),
    (Brake.PRICE, None, "10.00", None),
    (Brake.PRICE, "0", "10.00", None),
]


@pytest.mark.parametrize(("brake", "was", "becomes", "effect"), HARM)
def test_a_change_is_harmful_or_not_by_what_its_field_means(
    brake: Brake, was: Any, becomes: Any, effect: str | None
) -> None:
    assert effect_of(brake, was, becomes, 0.5) == effect


@given(st.decimals(min_value=0, max_value=10_000, places=2), st.decimals(min_value=0, max_value=10_000, places=2))
def test_a_price_is_braked_exactly_beyond_its_share(was: Any, becomes: Any) -> None:
    braked = was > 0 and (becomes == 0 or abs(becomes - was) * 2 > was)
    assert (effect_of(Brake.PRICE, str(was), str(becomes), 0.5) is not None) == braked


@given(st.floats(0, 1), st.integers(0, 50), st.integers(0, 100_000))
def test_the_limit_is_a_share_but_never_below_the_floor_nor_above_the_imprint(
    share: float, floor: int, titles: int
) -> None:
    limit = BrakeSettings(share=share, floor=floor).limit("price", titles)
    assert floor <= limit <= max(floor, titles)
    assert limit == floor or limit <= share * titles


@given(
    st.lists(st.tuples(st.integers(0, DAY), st.lists(st.integers(0, 30), max_size=8)), max_size=30),
    st.integers(0, 6),
)
def test_never_more_titles_than_the_limit_in_any_24_hours(story: list[tuple[int, list[int]]], limit: int) -> None:
    """`story`: (time since the one before, titles that want to change). A title passes again without counting anew."""
    now, last, passes = 0, dict[str, int](), list[tuple[int, str]]()
    for pause, some in story:
        now += pause
        titles = [f"work:{n}" for n in some]
        recent = {title for title, at in last.items() if at > now - DAY}
        good = admitted(titles, recent, limit, engaged=False)  # type: ignore[arg-type, type-var]
        last |= dict.fromkeys(good, now)
        passes += [(now, title) for title in good]
    for at, _ in passes:
        within = {title for when, title in passes if at - DAY < when <= at}
        assert len(within) <= limit


@given(st.lists(st.integers(0, 9)), st.sets(st.integers(0, 9)), st.integers(0, 20))
def test_nothing_passes_while_the_brake_is_on_and_all_that_was_counted_passes_while_it_is_off(
    some: list[int], counted: set[int], limit: int
) -> None:
    titles, passed = [f"work:{n}" for n in some], {f"work:{n}" for n in counted}
    assert admitted(titles, passed, limit, engaged=True) == set()  # type: ignore[arg-type]
    assert passed & set(titles) <= admitted(titles, passed, limit, engaged=False)  # type: ignore[arg-type]


LISTS: list[tuple[Any, Any, list[str]]] = [
    ({"a": [1, 2]}, {"a": [1]}, ["a: 2 -> 1"]),
    ({"a": [1, 2]}, {"a": [3, 4]}, []),
    ({"a": [1]}, {}, ["a: 1 -> 0"]),
    ({"products": [{"id": 1}, {"id": 2}]}, {"products": [{"id": 2}]}, ["products/1"]),
    ({"products": [{"id": 1, "p": [1, 2]}]}, {"products": [{"id": 1, "p": [1]}]}, ["products/1/p: 2 -> 1"]),
    ({"products": [{"id": 1}]}, {"products": [{"id": 1}, {"id": 2}]}, []),
    ({"products": [{"id": 1}]}, {"products": [{"id": 7}]}, []),
    ({"products": [{"id": 1}, {"id": 1}]}, {"products": [{"id": 1}]}, ["products: 2 -> 1"]),
    ({"title": "x"}, {"title": None}, []),
    ({"x": {"y": [1]}}, {"x": None}, ["x/y: 1 -> 0"]),
]


@pytest.mark.parametrize(("old", "new", "lost"), LISTS)
def test_an_element_that_vanishes_is_named(old: Any, new: Any, lost: list[str]) -> None:
    assert vanished(old, new) == lost


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "a", "b"]), inner, max_size=3),
    max_leaves=20,
)


@given(JSON)
def test_nothing_vanishes_from_what_stays_the_same(body: Any) -> None:
    assert vanished(body, body) == []


def test_an_erased_person_is_no_element_that_vanished() -> None:
    old = {"contributions": [{"id": 1, "contact_id": 12}, {"id": 2, "contact_id": 13}]}
    new = {"contributions": [{"id": 2, "contact_id": 13}]}
    assert vanished(without(old, frozenset({"contact:12"})), new) == []
    assert vanished(old, new) == ["contributions/1"]


def test_the_lines_that_name_all_authors_go_with_an_erased_person() -> None:
    body = {
        "contributions": [{"contact_id": 12}, {"contact_id": 13}],
        "authorship": "by both",
        "products": [{"product_id": 1, "authorship": "by both"}],
    }
    assert without(body, frozenset({"contact:12"})) == {
        "contributions": [{"contact_id": 13}],
        "authorship": None,
        "products": [{"product_id": 1, "authorship": None}],
    }
    assert without(body, frozenset({"contact:99"})) == body
