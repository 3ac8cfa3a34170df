"""What waits for a target in a process: who goes, who comes back, and that nobody is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontlist.breaker import Breaker, BreakerSettings
from frontlist.budget import Budget, Prepaid
from frontlist.contract import Ensure, FieldKey, Resource, TitleKey
from frontlist.errors import Retry
from frontlist.jobs import Job
from frontlist.lanes import Bundle, Lane
from frontlist.orders import Order, Result
from frontlist.state import work
from frontlist.turns import FAIR

RIGHTS, METADATA = work.Priority.RIGHTS, work.Priority.METADATA
FAILED = Retry("503", status=503)


@dataclass
class Target:
    """Only what a lane asks of it."""

    name: str = "shelf"
    batch: int = 1


@dataclass
class Time:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def bundle(number: int, priority: int = METADATA, *, jobs: int = 1) -> Bundle:
    title = TitleKey(f"work:{number}")
    claim = work.Claim("wishes", title, number, number, priority, 0, "test")
    wanted = [Ensure(Resource("shelf", f"kind{i}", title), {FieldKey("n"): number}, 1) for i in range(jobs)]
    return Bundle(claim, [Job(Order(claim, each.resource, each, {}, None), each) for each in wanted])


@dataclass
class Calls:
    """What the lane started: each call stands until it is let go; `let` None: calls end at once."""

    standing: list[tuple[list[Bundle], asyncio.Future[Exception | None]]] = field(default_factory=list)
    begun: list[list[int]] = field(default_factory=list)
    hang: Callable[[Sequence[Bundle]], bool] = lambda _bundles: True
    most: int = 0

    async def __call__(self, lane: Lane, bundles: Sequence[Bundle]) -> None:
        self.begun.append([each.claim.claim for each in bundles])
        if self.hang(bundles):
            call = (list(bundles), asyncio.get_running_loop().create_future())
            self.standing.append(call)
            self.most = max(self.most, len(self.standing))
            try:
                error = await call[1]
            finally:
                self.standing.remove(call)
            if error is not None:
                raise error
        for each in bundles:
            for job in each.jobs:
                job.result = Result("applied")

    def let_go(self, error: Exception | None = None) -> None:
        for _, ends in self.standing:
            ends.set_result(error)

    def numbers(self) -> set[int]:
        return {each.claim.claim for bundles, _ in self.standing for each in bundles}


@dataclass
class Scene:
    calls: Calls
    time: Time
    breaker: Breaker
    lane: Lane
    waiting: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    bundles: dict[int, Bundle] = field(default_factory=dict)

    def come(self, each: Bundle) -> Bundle:
        number = each.claim.claim
        self.bundles[number] = each
        self.waiting[number] = asyncio.get_running_loop().create_task(_through(self.lane, each))
        return each

    def result(self, number: int) -> Result:
        """The same of each of its jobs."""
        first, *others = [each.result for each in self.bundles[number].jobs]
        assert first is not None
        assert all(each == first for each in others)
        return first

    def outcome(self, number: int) -> tuple[str, bool]:
        return self.result(number).outcome, self.result(number).called

    def ended(self) -> set[int]:
        return {number for number, task in self.waiting.items() if task.done()}

    async def close(self) -> None:
        self.lane.close()
        self.calls.let_go()
        async with asyncio.timeout(60):
            await asyncio.gather(*self.waiting.values(), return_exceptions=True)


async def _through(lane: Lane, each: Bundle) -> None:
    await lane(each)


def scene(*, at_once: int = 3, batch: int = 1, budget: Budget | None = None, linger: float = 0.0) -> Scene:
    calls, time = Calls(), Time()
    breaker = Breaker(BreakerSettings(failures=2, first=10.0, longest=60.0), time)
    target: Any = Target(batch=batch)
    lane = Lane(target, budget or Budget(None), breaker, calls, at_once=at_once, linger=linger)
    return Scene(calls, time, breaker, lane)


async def turns(count: int = 50) -> None:
    """The event loop's, until nothing goes on by itself."""
    for _ in range(count):
        await asyncio.sleep(0)


class Held(Budget):
    """Hands out its slots when the test says so."""

    def __init__(self) -> None:
        super().__init__(10.0)
        self.slot = asyncio.Event()

    async def begin(self, priority: int) -> Prepaid:
        await self.slot.wait()
        return Prepaid()


# --- who goes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [2, 3, 8])
@pytest.mark.parametrize("begun_before", range(FAIR + 1))
async def test_calls_that_hang_never_lock_rights_out(at_once: int, begun_before: int) -> None:
    """Whoever's turn it is by age: the last place is kept for rights."""
    it = scene(at_once=at_once)
    it.calls.hang = lambda bundles: bundles[0].claim.claim >= 1000 and bundles[0].claim.priority > RIGHTS
    for number in range(begun_before):
        it.come(bundle(number))
    await turns()
    for number in range(1000, 1000 + 3 * at_once):
        it.come(bundle(number))
    await turns()
    assert len(it.calls.standing) == at_once - 1
    for number in range(2 * FAIR):
        rights = it.come(bundle(2000 + number, RIGHTS))
        await turns()
        assert it.outcome(rights.claim.claim) == ("applied", True)
    await it.close()


async def test_a_place_kept_for_rights_is_not_taken_when_they_are_withdrawn_before_their_slot() -> None:
    budget = Held()
    it = scene(at_once=2, budget=budget)
    budget.slot.set()
    it.come(bundle(1))
    await turns()
    budget.slot.clear()
    it.come(bundle(2))
    it.come(bundle(3, RIGHTS))
    await turns()  # the lane waits for a slot for the rights
    it.lane.withdraw({3})
    budget.slot.set()
    await turns()
    assert it.calls.numbers() == {1}
    it.come(bundle(4, RIGHTS))
    await turns()
    assert it.calls.numbers() == {1, 4}
    await it.close()


async def test_a_title_of_many_calls_leaves_the_last_place_to_rights() -> None:
    it = scene(at_once=2)
    it.come(bundle(1, jobs=5))
    it.come(bundle(2))
    await turns()
    it.come(bundle(3, RIGHTS))
    await turns()
    assert it.calls.begun == [[1], [3]]
    await it.close()


async def test_with_one_call_at_a_time_everything_goes_in_turn() -> None:
    it = scene(at_once=1)
    for number in range(3):
        it.come(bundle(number))
    for _ in range(3):
        await turns()
        assert len(it.calls.standing) == 1
        it.calls.let_go()
    await turns()
    assert (it.calls.begun, it.ended()) == ([[0], [1], [2]], {0, 1, 2})


async def test_arrays_are_filled_by_urgency_and_a_title_is_never_split() -> None:
    it = scene(batch=3, at_once=4)
    it.calls.hang = lambda bundles: bundles[0].claim.claim == 1
    it.come(bundle(1, METADATA))
    await turns()
    for each in (bundle(2, jobs=2), bundle(3, RIGHTS), bundle(4, jobs=2), bundle(5)):
        it.come(each)
    await turns()
    it.calls.let_go()
    await turns()
    assert it.calls.begun == [[1], [3, 2], [4, 5]]
    await it.close()


# --- more and fewer at once ----------------------------------------------------------------------------------------


async def test_more_places_are_taken_at_once() -> None:
    it = scene(at_once=2)
    for number in range(10):
        it.come(bundle(number))
    await turns()
    it.lane.resize(4)
    await turns()
    assert len(it.calls.standing) == 3
    await it.close()


async def test_with_fewer_places_what_is_called_goes_on_and_nothing_begins_before_they_are_free() -> None:
    it = scene(at_once=8)
    for number in range(20):
        it.come(bundle(number))
    await turns()
    it.lane.resize(4)
    for left in (6, 5, 4, 3, 3, 3):
        it.calls.standing[0][1].set_result(None)
        await turns()
        assert len(it.calls.standing) == left
    assert len(it.calls.begun) == 9
    await it.close()


async def test_with_fewer_places_calls_that_hang_lock_rights_out_no_more_than_before() -> None:
    it = scene(at_once=8)
    it.calls.hang = lambda bundles: bundles[0].claim.claim < 1000
    for number in range(20):
        it.come(bundle(number))
    await turns()
    it.lane.resize(2)
    for number in range(1000, 1005):
        it.come(bundle(number, RIGHTS))
        await turns()
        assert it.outcome(number) == ("applied", True)
    assert len(it.calls.standing) == 7
    await it.close()


async def test_a_call_for_rights_finds_a_place_when_there_are_fewer() -> None:
    lane = scene(at_once=4).lane
    async with lane.call(METADATA), lane.call(METADATA), lane.call(METADATA):
        lane.resize(2)
        fourth = asyncio.create_task(_in(lane, METADATA))
        async with asyncio.timeout(30), lane.call(RIGHTS):
            second = asyncio.create_task(_in(lane, RIGHTS))
            await turns()
            assert not fourth.done()
            assert not second.done()
        await second
        assert not fourth.done()
    await fourth


async def test_who_waits_for_a_place_and_is_cancelled_takes_none_along() -> None:
    lane = scene(at_once=2).lane
    async with lane.call(METADATA):
        waiting = [asyncio.create_task(_in(lane, METADATA)) for _ in range(3)]
        await turns()
    waiting[0].cancel()  # it was woken just now
    await asyncio.wait_for(asyncio.gather(*waiting[1:]), 30)


# --- the breaker ---------------------------------------------------------------------------------------------------


def broken(it: Scene) -> None:
    for title in ("work:1", "work:2"):
        it.breaker.failed(title, FAILED)


async def test_while_the_target_is_paused_what_waits_comes_back_uncalled() -> None:
    it = scene()
    broken(it)
    it.come(bundle(1))
    await turns()
    assert (it.outcome(1), it.calls.begun) == (("retry", False), [])
    assert (it.result(1).after or 0.0) >= it.breaker.blocked()


async def test_one_title_probes_that_has_not_failed_and_the_others_come_back() -> None:
    it = scene()
    broken(it)
    it.time.now += 61.0
    for number in (1, 2, 3):
        it.come(bundle(number))
    await turns()
    assert it.calls.begun == [[3]]
    assert {number: it.outcome(number) for number in (1, 2)} == {1: ("retry", False), 2: ("retry", False)}
    it.breaker.succeeded()
    it.calls.let_go()
    it.come(bundle(4))
    await turns()
    assert it.calls.begun == [[3], [4]]
    await it.close()


@pytest.mark.parametrize("error", [None, KeyError("ours")], ids=["without a call", "with a bug"])
async def test_a_probe_that_ended_without_an_answer_lets_another_one_probe(error: Exception | None) -> None:
    it = scene()
    broken(it)
    it.time.now += 61.0
    it.come(bundle(3))
    await turns()
    it.calls.let_go(error)
    await turns()
    assert it.breaker.state == "half-open"
    it.come(bundle(4))
    await turns()
    assert it.calls.begun == [[3], [4]]
    await it.close()


async def test_a_probe_that_is_cancelled_lets_another_one_probe() -> None:
    it = scene()
    broken(it)
    it.time.now += 61.0
    it.come(bundle(3))
    await turns()
    it.lane.cancel()
    await turns()
    assert (it.breaker.state, it.breaker.blocked()) == ("half-open", 0.0)
    with pytest.raises(TimeoutError):
        await it.waiting[3]


# --- who comes back ------------------------------------------------------------------------------------------------


async def test_when_it_is_closed_what_waits_comes_back_and_what_is_called_goes_on() -> None:
    it = scene(at_once=2)
    for number in (1, 2, 3):
        it.come(bundle(number))
    await turns()
    it.lane.close()
    it.come(bundle(4))
    await turns()
    assert {number: it.outcome(number) for number in (2, 3, 4)} == dict.fromkeys((2, 3, 4), ("busy", False))
    assert it.ended() == {2, 3, 4}
    it.calls.let_go()
    await turns()
    assert (it.outcome(1), it.calls.begun) == (("applied", True), [[1]])


async def test_more_than_starts_in_a_second_comes_back_and_later() -> None:
    it = scene(at_once=2, budget=Budget(3.0))
    for number in range(10):
        it.come(bundle(number))
    await turns()
    back = it.ended()
    assert len(back) == 7
    for number in back:
        assert it.outcome(number) == ("busy", False)
        assert 1.0 <= (it.result(number).after or 0.0) <= 1.5
    await it.close()


async def test_who_is_less_urgent_takes_no_room_from_rights() -> None:
    it = scene(at_once=2, budget=Budget(3.0))
    for number in range(10):
        it.come(bundle(number))
    it.come(bundle(100, RIGHTS))
    await turns()
    assert 100 not in it.ended()
    await it.close()


async def test_without_a_rate_nothing_comes_back() -> None:
    it = scene(at_once=2)
    for number in range(5000):
        it.come(bundle(number))
    await turns()
    assert it.ended() == set()
    await it.close()


async def test_what_is_withdrawn_comes_back_to_be_planned_anew_unless_it_is_called() -> None:
    it = scene(at_once=2)
    for number in (1, 2, 3):
        it.come(bundle(number))
    await turns()
    it.lane.withdraw({1, 2, 99})
    await turns()
    assert (it.ended(), it.outcome(2)) == ({2}, ("busy", False))
    it.calls.let_go()
    await turns()
    assert it.calls.begun == [[1], [3]]
    await it.close()


async def test_what_breaks_is_told_to_those_of_the_call_alone() -> None:
    it = scene(at_once=3)
    it.come(bundle(1))
    await turns()
    it.calls.let_go(KeyError("ours"))
    it.come(bundle(2))
    await turns()
    it.calls.let_go()
    with pytest.raises(KeyError):
        await it.waiting[1]
    await it.waiting[2]


async def test_who_waits_may_be_cancelled_and_the_rest_goes_on() -> None:
    it = scene(at_once=2)
    for number in (1, 2, 3):
        it.come(bundle(number))
    await turns()
    it.waiting[1].cancel()
    it.waiting[2].cancel()
    await turns()
    it.calls.let_go()
    await turns()
    it.calls.let_go()
    await turns()
    it.calls.let_go()
    await it.waiting[3]


async def test_a_title_with_many_resources_leaves_the_last_place_to_rights() -> None:
    it = scene(at_once=3, batch=1)
    it.come(bundle(0))
    it.come(bundle(1, jobs=2))
    await turns()
    it.come(bundle(2, RIGHTS))
    await turns()
    assert len(it.calls.standing) == 3
    await it.close()


async def test_the_last_call_is_for_rights() -> None:
    lane = scene(at_once=2).lane
    async with lane.call(METADATA):
        second = asyncio.create_task(_in(lane, METADATA))
        await turns()
        async with lane.call(RIGHTS):
            assert not second.done()
    await second


async def _in(lane: Lane, priority: int) -> None:
    async with lane.call(priority):
        pass


# --- whatever happens ----------------------------------------------------------------------------------------------

EVENTS = st.one_of(
    st.tuples(st.just("comes"), st.sampled_from([RIGHTS, METADATA, work.Priority.SWEEP]), st.integers(1, 3)),
    st.tuples(st.just("ends"), st.booleans()),
    st.tuples(st.just("withdrawn"), st.integers(0, 30)),
    st.tuples(st.just("fails")),
    st.tuples(st.just("time passes")),
    st.tuples(st.just("answers")),
)


@given(st.lists(EVENTS, max_size=40), st.integers(1, 4), st.integers(1, 3))
async def test_whatever_happens_each_title_ends_once_and_the_last_place_is_the_rights(
    events: list[tuple[Any, ...]], at_once: int, batch: int
) -> None:
    it = scene(at_once=at_once, batch=batch)
    for name, *arguments in events:
        await _happens(it, name, *arguments)
        await turns(8)
        slices = [bundles for bundles, _ in it.calls.standing]
        assert len(slices) <= at_once
        others = [each for each in slices if all(one.claim.priority > RIGHTS for one in each)]
        assert len(others) <= max(1, at_once - 1)
        if at_once > 1 and it.breaker.state == "closed":
            urgent = {number for number, each in it.bundles.items() if each.claim.priority <= RIGHTS}
            assert urgent <= it.ended() or len(others) < len(slices), "rights wait for a place"
    await it.close()
    assert it.ended() == set(it.waiting)
    for number, task in it.waiting.items():
        if task.exception() is None:
            assert it.outcome(number)[0] in ("applied", "busy", "retry")
    called = [number for some in it.calls.begun for number in some]
    assert len(called) == len(set(called)), "called twice"


async def _happens(it: Scene, name: str, *arguments: Any) -> None:
    if name == "comes":
        priority, jobs = arguments
        it.come(bundle(len(it.bundles), priority, jobs=jobs))
    elif name == "ends" and it.calls.standing:
        it.calls.standing[0][1].set_result(KeyError("ours") if arguments[0] else None)
    elif name == "withdrawn":
        it.lane.withdraw({*arguments})
    elif name == "fails":
        it.breaker.failed(f"work:{len(it.bundles)}", FAILED)
    elif name == "time passes":
        it.time.now += 61.0
    elif name == "answers":
        it.breaker.succeeded()
