"""The budget of a system: how far apart calls are, and who goes first."""

from __future__ import annotations

import asyncio

from frontlist.budget import URGENCY, Budget


async def call(budget: Budget, urgency: int, name: str, done: list[str]) -> None:
    URGENCY.set(urgency)
    await budget.wait()
    done.append(name)


async def test_no_call_comes_before_its_slot() -> None:
    budget, times = Budget(20.0), list[float]()
    began = asyncio.get_running_loop().time()

    async def one() -> None:
        await budget.wait()
        times.append(asyncio.get_running_loop().time())

    await asyncio.gather(*(one() for _ in range(6)))
    assert all(at >= began + i * 0.05 - 0.001 for i, at in enumerate(sorted(times)))


async def test_without_a_rate_nothing_waits() -> None:
    budget = Budget(None)
    assert all([await budget.wait() for _ in range(1000)])


async def test_a_turn_that_comes_after_the_deadline_is_not_taken() -> None:
    budget, now = Budget(1.0), asyncio.get_running_loop().time()
    assert await budget.wait(now + 5.0)
    assert not await budget.wait(now + 0.1)
    done: list[str] = []
    async with asyncio.timeout(10.0):
        await call(budget, 40, "next", done)
    assert done == ["next"]


async def test_rights_go_before_a_thousand_that_wait() -> None:
    budget, done = Budget(50.0), list[str]()
    async with asyncio.TaskGroup() as group:
        bulk = [group.create_task(call(budget, 90, "bulk", done)) for _ in range(1000)]
        await asyncio.sleep(0.1)
        await group.create_task(call(budget, 10, "rights", done))
        for task in bulk:
            task.cancel()
    assert done.count("rights") == 1
    assert done.index("rights") < 100


async def test_a_call_under_a_lease_goes_before_what_could_still_wait() -> None:
    budget, done = Budget(20.0), list[str]()
    paid = await budget.begin(90)

    async def slice_() -> None:
        with budget.under_lease(paid, 90):
            await budget.wait()
            done.append("its first call")
            await budget.wait()
            done.append("its second call")

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(call(budget, 10, "rights", done))
        await asyncio.sleep(0)
        group.create_task(slice_())
    assert done.index("its first call") == 0
    assert done.index("its second call") < 3


async def test_a_slot_of_which_no_call_came_is_given_to_the_next() -> None:
    budget, done = Budget(2.0), list[str]()
    paid = await budget.begin(40)
    async with asyncio.TaskGroup() as group:
        for name in ("one", "two", "three"):
            group.create_task(call(budget, 40, name, done))
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        with budget.under_lease(paid, 40):
            pass
    # Three slots at two a second, one of them for nothing.
    assert asyncio.get_running_loop().time() - began < 1.4
    assert done == ["one", "two", "three"]


async def test_a_deadline_and_a_slot_in_one_turn_of_the_loop_leave_the_others_waiting_in_line() -> None:
    budget, loop = Budget(20.0), asyncio.get_running_loop()
    await budget.wait()
    late = asyncio.create_task(budget.wait(loop.time() + 0.09))
    other = asyncio.create_task(budget.wait())
    await asyncio.sleep(0.01)
    until = loop.time() + 0.12
    while loop.time() < until:  # a large document blocks the loop
        pass
    await late
    assert await asyncio.wait_for(other, 30)
