"""What the demo's book keeps: a check can fail, says what was seen, and one failure is enough."""

from __future__ import annotations

import itertools

import pytest

from frontlist.demo.checks import Book, EndedError, Seen, StoppedError


def book(**more: object) -> Book:
    made = Book(**{"patience": 0.3, **more})  # type: ignore[arg-type]
    made.step(1, "An editor edits", "4ALLPORTAL")
    return made


def never() -> Seen:
    return Seen(False, "two records")


def test_what_comes_true_in_time_holds() -> None:
    looks = itertools.count()
    it = book()
    assert it.comes("a record", lambda: Seen(next(looks) > 1))
    assert it.ok


def test_what_never_comes_true_fails_and_says_what_was_seen() -> None:
    it = book()
    assert not it.comes("one record", never)
    assert not it.ok
    [check] = it.as_plain()["flows"][0]["checks"]
    assert (check["ok"], check["seen"], check["done"]) == (False, "two records", "An editor edits")


def test_what_must_stay_fails_at_once_when_it_does_not() -> None:
    looks = itertools.count()
    it = book()
    assert not it.stays("nothing is written", lambda: Seen(next(looks) < 2, "a write"), 60)
    assert it.steps[0].checks[0].seconds < 5


def test_one_failure_is_enough() -> None:
    it = book()
    it.holds("a", False)
    it.holds("b", True)
    assert (it.ok, it.as_plain()["ok"]) == (False, False)


def test_a_story_without_checks_does_not_hold() -> None:
    assert not Book().ok
    assert not book().ok


def test_flows_are_reported_apart_and_in_order() -> None:
    it = book()
    it.holds("a", True)
    it.step(6, "Marketing releases", "Consonance")
    it.holds("b", True)
    it.step(1, "An editor edits again", "4ALLPORTAL")
    it.holds("c", True)
    found = {each["flow"]: [check["check"] for check in each["checks"]] for each in it.as_plain()["flows"]}
    assert found == {1: ["a", "c"], 6: ["b"]}


def test_the_end_of_the_connector_ends_every_wait() -> None:
    def gone() -> None:
        raise EndedError("it ended by itself")

    with pytest.raises(EndedError):
        book(alive=gone, patience=60).comes("one record", never)


def test_after_three_failures_nobody_waits_long() -> None:
    it = book(patience=60)
    for name in "abc":
        it.holds(name, False)
    it.comes("one record", never)
    assert it.steps[0].checks[-1].seconds < 10


def test_the_first_failure_stops_the_story_where_that_is_asked_for() -> None:
    it = book(fail_fast=True)
    with pytest.raises(StoppedError):
        it.holds("a", False, "seen")
    assert not it.ok
