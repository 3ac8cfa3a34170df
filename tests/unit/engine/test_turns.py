"""Whose turn it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from frontlist.turns import FAIR, Turns


def test_the_most_urgent_goes_first_and_of_equals_who_came_first() -> None:
    turns: Turns[str] = Turns()
    for priority, item in ((40, "a"), (10, "b"), (40, "c"), (10, "d")):
        turns.push(priority, item)
    assert [turns.pop() for _ in range(4)] == ["b", "d", "a", "c"]


def test_each_tenth_turn_is_for_who_has_waited_longest() -> None:
    turns: Turns[str] = Turns()
    turns.push(90, "patient")
    for i in range(2 * FAIR):
        turns.push(10, f"urgent {i}")
    assert [turns.pop() for _ in range(FAIR)].index("patient") == FAIR - 1


@given(st.lists(st.tuples(st.sampled_from((10, 40, 90)), st.booleans())))
def test_whatever_comes_and_goes_nothing_is_lost_or_doubled(events: list[tuple[int, bool]]) -> None:
    turns: Turns[int] = Turns()
    waiting: dict[int, int] = {}
    for number, (priority, takes) in enumerate(events):
        if takes and waiting:
            assert turns.head() == min(waiting.values())
            waiting.pop(turns.pop())
        else:
            turns.push(priority, number)
            waiting[number] = priority
        assert (len(turns), sorted(turns)) == (len(waiting), sorted(waiting))
        for least in (10, 40, 90):
            assert turns.at_least(least) == sum(each <= least for each in waiting.values())


def test_what_is_removed_comes_no_more() -> None:
    turns: Turns[str] = Turns()
    for item in ("a", "b", "c"):
        turns.push(40, item)
    assert turns.remove({"b", "x"}) == ["b"]
    assert [turns.pop(), turns.pop(), len(turns)] == ["a", "c", 0]


def test_an_urgent_turn_is_never_given_to_who_is_merely_old() -> None:
    turns: Turns[str] = Turns()
    turns.push(50, "asset")
    for i in range(3 * FAIR):
        turns.push(10, f"rights {i}")
    assert "asset" not in [turns.pop(urgent=True) for _ in range(3 * FAIR)]
