"""What an undo puts back: never over anything that came after the writes that it takes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from frontlist import Absent, Ensure, FieldKey, Resource
from frontlist.pins import Pin, Pins, printed, put, read
from frontlist.undoing import NOT_NAMED, Image, judge

VALUES = st.sampled_from(["A", "B", "C", None])
RECORD = Resource("shelf", "record", "1")


def same(one: Any, other: Any) -> bool:
    return bool(one == other)


@dataclass
class Story:
    """One field that we and others write; every write of ours has its image."""

    stands: Any = "A"
    says: Any = "A"
    images: list[Image] = field(default_factory=list)
    touched_after: bool = False

    def write(self, value: Any, *, chosen: bool) -> None:
        if value != self.stands:
            self.images.append(Image(len(self.images), FieldKey("f"), self.stands, value, chosen))
        self.stands = self.says = value


@example([("chosen", "B"), ("theirs", "C")])
@example([("chosen", "B"), ("ours", "C")])
@example([("chosen", "B"), ("theirs", "A")])
@given(st.lists(st.tuples(st.sampled_from(["ours", "chosen", "theirs"]), VALUES), max_size=12))
def test_an_undo_restores_what_stood_before_and_skips_all_that_changed_since(story: list[tuple[str, Any]]) -> None:
    one, before, later = Story(), NOT_NAMED, False
    for who, value in story:
        if who == "theirs":
            later = later or (before is not NOT_NAMED and value != one.stands)
            one.stands = value
            continue
        if who == "chosen" and value != one.stands and before is NOT_NAMED:
            before, later = one.stands, False
        elif who == "ours" and value != one.stands and before is not NOT_NAMED:
            later = True
        one.write(value, chosen=who == "chosen")
    if before is NOT_NAMED:
        return
    verdict, _, value = judge(one.images, one.stands, one.says, same)
    if verdict == "put back":
        assert value == before
        assert one.stands == one.images[-1].becomes == one.says
        assert one.images[-1].chosen, "nothing of ours came after"
    if verdict == "already so":
        assert one.stands == before
    if not later and one.stands != before:
        assert verdict == "put back", "nothing came after it, so it is put back"


@given(VALUES, VALUES, VALUES)
def test_another_word_of_the_plan_is_never_overruled(was: Any, becomes: Any, says: Any) -> None:
    verdict, _, _ = judge([Image(1, FieldKey("f"), was, becomes, True)], becomes, says, same)
    assert (verdict == "changed since") == (says != becomes)


@given(st.dictionaries(st.sampled_from("abc"), VALUES), st.dictionaries(st.sampled_from("abc"), VALUES), VALUES)
def test_a_pin_stands_exactly_as_long_as_the_plan_says_the_same(
    then: dict[str, Any], now: dict[str, Any], value: Any
) -> None:
    first = {FieldKey(key): each for key, each in then.items()}
    second = {FieldKey(key): each for key, each in now.items()}
    pins = read(Pins({FieldKey("a"): Pin(printed(first, FieldKey("a")), value, "undo/1")}).as_json())
    got = put(Ensure(RECORD, second, 1), pins)
    stands = (FieldKey("a") in first, first.get(FieldKey("a"))) == (FieldKey("a") in second, second.get(FieldKey("a")))
    assert isinstance(got.desired, Ensure)
    assert (FieldKey("a") in got.stand, FieldKey("a") in got.lifted) == (stands, not stands)
    assert got.desired.fields == (second | {FieldKey("a"): value} if stands else second)


def test_a_resource_that_the_plan_takes_away_is_kept_by_its_pins() -> None:
    pins = Pins({FieldKey("words"): Pin(None, "kept", "held/1")})
    got = put(Absent(RECORD, 1, "no longer wanted"), pins)
    assert got.desired == Ensure(RECORD, {FieldKey("words"): "kept"}, 1)


def test_nonsense_in_a_decision_pins_nothing() -> None:
    for body in (None, 3, {"fields": 3}, {"fields": {"a": 3}}, {"fields": {"a": {"planned": "x"}}}):
        assert read(body) == Pins()
