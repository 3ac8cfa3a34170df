"""A lane: what waits for one target in this process, without a lease, until a call may begin (docs/decisions/0004)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from frontlist.breaker import Breaker
from frontlist.budget import Budget, Prepaid
from frontlist.contract import Target
from frontlist.jobs import Job, end, open_ones
from frontlist.orders import Result
from frontlist.state import work
from frontlist.turns import Turns


@dataclass(eq=False)
class Bundle:
    """All that one title wants of one target: it goes under one lease of the title."""

    claim: work.Claim
    jobs: Sequence[Job]
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def holder(self) -> str:
        """Who holds its leases."""
        return f"{self.claim.consumer}/{self.claim.claim}"


class Places:
    """Places for calls, the last one kept for rights; how many there are may change while they are taken."""

    def __init__(self, most: int) -> None:
        self._most, self._ordinary, self._urgent = most, 0, 0
        self._waiting: list[asyncio.Future[None]] = []

    def resize(self, most: int) -> None:
        self._most = most
        self._wake()

    @asynccontextmanager
    async def one(self, *, urgent: bool) -> AsyncIterator[None]:
        while not self._free(urgent):
            freed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(freed)
            await freed
        self._count(urgent, 1)
        try:
            yield
        finally:
            self._count(urgent, -1)
            self._wake()

    def _free(self, urgent: bool) -> bool:
        here = self._ordinary + self._urgent < self._most
        if urgent:
            return here or (self._most > 1 and not self._urgent)
        return here and self._ordinary < max(1, self._most - 1)

    def _count(self, urgent: bool, by: int) -> None:
        if urgent:
            self._urgent += by
        else:
            self._ordinary += by

    def _wake(self) -> None:
        """All, in turn: each looks for itself, so that no place is lost with one that is cancelled."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)


Run = Callable[["Lane", Sequence[Bundle]], Awaitable[None]]


class Lane:
    """The most urgent first, up to `target.batch` resources together, `at_once` of such slices in flight.

    One of these is kept for rights: calls that hang never lock rights out. More than the budget starts in a second is
    sent back, so one slow target never fills the worker's hand.
    """

    def __init__(
        self, target: Target, budget: Budget, breaker: Breaker, run: Run, *, at_once: int, linger: float
    ) -> None:
        self.target, self.budget, self.breaker = target, budget, breaker
        self._run, self.at_once, self._linger = run, at_once, linger
        self._waiting: Turns[Bundle] = Turns()
        self._running, self._urgent = 0, 0
        #: Titles that go by themselves the next time.
        self.alone: set[str] = set()
        #: What one title starts at once counts too, however many resources it has.
        self._calls = Places(at_once)
        self._changed = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None
        self._slices: set[asyncio.Task[None]] = set()
        self._closed = False

    async def __call__(self, bundle: Bundle) -> None:
        """Returns when each of its jobs has a result."""
        ahead = self._waiting.at_least(bundle.claim.priority)
        if self._closed:
            return end(bundle.jobs, Result("busy", "the process is stopping", after=0.0, called=False))
        if ahead >= self._most:
            pause = ahead / (self.budget.per_second or 20.0) * random.uniform(1.0, 1.5)  # noqa: S311  jitter
            return end(bundle.jobs, Result("busy", f"{self.target.name} has its hands full", pause, called=False))
        self._waiting.push(bundle.claim.priority, bundle)
        self._changed.set()
        if self._dispatcher is None:
            self._dispatcher = asyncio.create_task(self._dispatch())
        await bundle.done

    @property
    def _most(self) -> int:
        """What may wait: what begins within a second, and at least what fits into two slices."""
        if self.budget.per_second is None:
            return 100_000
        return max(2, round(self.budget.per_second)) * self.target.batch

    def call(self, priority: int) -> AbstractAsyncContextManager[None]:
        """A place for one call; the last one is kept for rights."""
        return self._calls.one(urgent=priority <= work.Priority.RIGHTS)

    def resize(self, at_once: int) -> None:
        """From now on so many calls at once. Those under way go on, and lock rights out no more than before."""
        self.at_once = at_once
        self._calls.resize(at_once)
        self._changed.set()

    def waiting(self, priority: int) -> int:
        """How many bundles wait that are as urgent as that, or more."""
        return self._waiting.at_least(priority)

    def withdraw(self, claims: set[int]) -> None:
        """What waits for these claims comes back: something more urgent was learnt of their titles."""
        unwanted = {each for each in self._waiting if each.claim.claim in claims} if claims else set()
        self._send_back(self._waiting.remove(unwanted), Result("busy", "planned anew", after=0.0, called=False))

    def close(self) -> None:
        """What waits comes back, nothing new is taken."""
        self._closed = True
        self._send_back(
            self._waiting.remove(set(self._waiting)),
            Result("busy", "the process is stopping", after=0.0, called=False),
        )

    def cancel(self) -> None:
        """What is under way is left in doubt."""
        for task in (*self._slices, *([self._dispatcher] if self._dispatcher else [])):
            task.cancel()

    def _send_back(self, bundles: Sequence[Bundle], result: Result) -> None:
        for bundle in bundles:
            end(open_ones(bundle.jobs), result)
            if not bundle.done.done():
                bundle.done.set_result(None)

    async def _dispatch(self) -> None:
        try:
            while self._waiting:
                if self._linger and len(self._waiting) < self.target.batch:
                    await asyncio.sleep(self._linger)
                if not self._waiting or self._sent_back():
                    continue
                if not self._free():
                    self._changed.clear()
                    await self._changed.wait()
                    continue
                paid = await self.budget.begin(self._waiting.head())
                self._begin(paid)
        finally:
            self._dispatcher = None

    def _sent_back(self) -> bool:
        pause = self.breaker.blocked()
        if pause <= 0:
            return False
        pause += random.random()  # noqa: S311  jitter, nothing secret
        result = Result("retry", f"{self.target.name} is paused: {self.breaker.why}", pause, called=False)
        self._send_back(self._waiting.remove(set(self._waiting)), result)
        return True

    def _free(self) -> bool:
        if self.at_once == 1:
            return not self._running
        if self._waiting.head() <= work.Priority.RIGHTS:
            return self._running < self.at_once or not self._urgent
        return self._running < self.at_once - 1

    def _begin(self, paid: Prepaid) -> None:
        probing = self.breaker.state != "closed"
        # What waits may have changed while the slot was waited for.
        if not self._waiting or not self._free() or not self.breaker.admit():
            self.budget.give_back(paid)
            return
        urgent = self._running >= self.at_once - 1
        bundles = self._probe(urgent) if probing else self._slice(urgent)
        calls = -(-sum(len(each.jobs) for each in bundles) // self.target.batch)
        # A title with many resources takes no more places than are free, and never the one that is kept.
        weight = max(1, min(calls, self.at_once - 1 - self._running))
        self._running += weight
        rights = min(each.claim.priority for each in bundles) <= work.Priority.RIGHTS
        self._urgent += rights
        task = asyncio.create_task(self._go(bundles, paid, weight, rights, probing))
        self._slices.add(task)
        task.add_done_callback(self._slices.discard)

    def _probe(self, urgent: bool) -> list[Bundle]:
        """One title; not one that failed, if another is there."""
        tried = [self._waiting.pop(urgent=urgent) for _ in range(min(20, len(self._waiting)))]
        fresh = next((each for each in tried if each.claim.title not in self.breaker.suspects), tried[0])
        for each in tried:
            if each is not fresh:
                self._waiting.push(each.claim.priority, each)
        return [fresh]

    def _slice(self, urgent: bool) -> list[Bundle]:
        """`urgent`: it takes the place that is kept for rights."""
        out: list[Bundle] = []
        count = 0
        while self._waiting and count < self.target.batch:
            if urgent and self._waiting.head() > work.Priority.RIGHTS and self.at_once > 1:
                break
            taken = self._waiting.pop(urgent=urgent)
            if taken.claim.title in self.alone and out:
                self._waiting.push(taken.claim.priority, taken)
                break
            out.append(taken)
            count += len(taken.jobs)
            if taken.claim.title in self.alone:
                self.alone.discard(taken.claim.title)
                break
        return out

    async def _go(self, bundles: Sequence[Bundle], paid: Prepaid, weight: int, rights: bool, probing: bool) -> None:
        failure: BaseException | None = None
        try:
            with self.budget.under_lease(paid, min(each.claim.priority for each in bundles)):
                await self._run(self, bundles)
        except BaseException as error:
            failure = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._running -= weight
            self._urgent -= rights
            self._changed.set()
            if probing:
                self.breaker.ended()
            for bundle in bundles:
                if bundle.done.done():
                    continue
                if failure is None:
                    bundle.done.set_result(None)
                else:
                    bundle.done.set_exception(_given_up(failure))


def _given_up(failure: BaseException) -> BaseException:
    if isinstance(failure, asyncio.CancelledError):
        return TimeoutError("the process stopped while a call was under way")
    return failure
