"""When a target is left alone."""

from __future__ import annotations

import pytest

from frontlist.breaker import Breaker, BreakerSettings
from frontlist.errors import Pause, Retry

FAILED = Retry("503", status=503)


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def breaker(time: Time) -> Breaker:
    return Breaker(BreakerSettings(failures=3, first=10.0, longest=60.0, refused_key=30.0), time)


def opened(breaker: Breaker) -> Breaker:
    for title in ("a", "b", "c"):
        breaker.failed(title, FAILED)
    return breaker


def test_different_titles_that_fail_in_a_row_open_it(breaker: Breaker) -> None:
    breaker.failed("a", FAILED)
    breaker.failed("b", FAILED)
    assert breaker.admit()
    breaker.failed("c", FAILED)
    assert (breaker.admit(), breaker.state, 7.0 < breaker.blocked() <= 10.0) == (False, "open", True)


def test_one_title_that_always_fails_opens_nothing(breaker: Breaker) -> None:
    for _ in range(100):
        breaker.failed("a", FAILED)
    assert breaker.admit()


def test_a_success_between_failures_counts_from_the_beginning(breaker: Breaker) -> None:
    breaker.failed("a", FAILED)
    breaker.failed("b", FAILED)
    breaker.succeeded()
    breaker.failed("c", FAILED)
    assert breaker.admit()


def test_a_429_opens_for_as_long_as_it_asks(breaker: Breaker) -> None:
    breaker.failed("a", Retry("429", status=429, after=5.0))
    assert breaker.blocked() == 5.0


def test_a_refused_key_opens_at_once(breaker: Breaker) -> None:
    breaker.failed("a", Pause("401"))
    assert 20.0 < breaker.blocked() <= 30.0


def test_after_the_pause_one_probes_and_its_success_closes(breaker: Breaker, time: Time) -> None:
    opened(breaker)
    time.now += 11
    assert [breaker.admit() for _ in range(3)] == [True, False, False]
    assert breaker.blocked() == 1.0
    breaker.succeeded()
    assert breaker.admit()


def test_a_probe_that_fails_doubles_the_pause_up_to_the_longest(breaker: Breaker, time: Time) -> None:
    opened(breaker)
    pauses = []
    for _ in range(5):
        time.now += 61
        assert breaker.admit()
        breaker.failed("d", FAILED)
        pauses.append(breaker.blocked())
    bounds = [(15, 20), (30, 40), (45, 60), (45, 60), (45, 60)]
    assert all(least <= pause <= most for pause, (least, most) in zip(pauses, bounds, strict=True))


def test_a_probe_that_called_nothing_leaves_the_next_one_to_probe(breaker: Breaker, time: Time) -> None:
    opened(breaker)
    time.now += 11
    assert breaker.admit()
    breaker.ended()
    assert breaker.admit()


def test_calls_that_were_under_way_when_it_opened_make_the_pause_no_longer(breaker: Breaker) -> None:
    opened(breaker)
    before = breaker.blocked()
    for title in "defgh":
        breaker.failed(title, FAILED)
    assert breaker.blocked() == before
