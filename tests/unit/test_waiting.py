"""What does not end is let go of."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from frontlist.waiting import ended, let_go, meanwhile


async def test_what_ends_in_time_is_waited_for_and_raises_what_it_raises() -> None:
    async def broken() -> None:
        await asyncio.sleep(0)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await let_go(broken(), 60.0)


async def test_what_swallows_cancellations_is_given_up_also_where_we_are_given_up_ourselves() -> None:
    swallowed = 0

    async def closing() -> None:
        nonlocal swallowed
        for _ in range(3):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            swallowed += 1

    await let_go(closing(), 0.01)
    assert swallowed == 3
    outer = asyncio.create_task(let_go(closing(), 60.0))
    await asyncio.sleep(0)
    outer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer
    assert swallowed == 6


async def test_who_is_given_up_already_does_not_wait_as_long() -> None:
    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await let_go(_for_ever(), 1000.0)

    given_up = asyncio.create_task(work())
    await asyncio.sleep(0)
    given_up.cancel()
    done, _ = await asyncio.wait({given_up}, timeout=60)
    assert done == {given_up}


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def test_what_goes_on_beside_a_block_ends_with_it() -> None:
    ends = asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.set()

    async with meanwhile(forever()) as task:
        await asyncio.sleep(0)
        assert not task.done()
    assert (ends.is_set(), task.cancelled()) == (True, True)


async def test_nobody_waits_for_a_task_once_the_process_ends() -> None:
    stopping, told = asyncio.Event(), asyncio.Event()
    async with meanwhile(told.wait()) as task:
        waits = asyncio.create_task(ended(task, stopping))
        stopping.set()
        assert not await waits
        told.set()
        await task
        assert await ended(task, stopping)


async def test_what_a_task_raises_is_raised_to_who_waits_for_its_end() -> None:
    async def broken() -> None:
        raise ValueError("broken")

    async with meanwhile(broken()) as task:
        with pytest.raises(ValueError, match="broken"):
            await ended(task, asyncio.Event())
