"""A process ends within its grace period, whatever hangs."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from frontlist import ending
from frontlist.ending import HungError, within_grace


@pytest.fixture
def stopping() -> asyncio.Event:
    told = asyncio.Event()
    told.set()
    return told


async def test_what_ends_by_itself_is_waited_for(stopping: asyncio.Event) -> None:
    async def work() -> str:
        await asyncio.sleep(0.05)
        return "done"

    assert await within_grace(stopping, work(), 60.0) == "done"


async def test_nothing_is_given_up_before_it_was_told() -> None:
    async def work() -> str:
        await asyncio.sleep(0.2)
        return "done"

    assert await within_grace(asyncio.Event(), work(), 0.0) == "done"


async def test_what_hangs_is_given_up_and_may_release_what_it_holds(stopping: asyncio.Event) -> None:
    released = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            released.set()

    assert await within_grace(stopping, work(), 0.01) is None
    assert released.is_set()


async def test_what_cannot_be_cancelled_is_left_behind(stopping: asyncio.Event) -> None:
    free = asyncio.Event()

    async def work() -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    try:
        with pytest.raises(HungError, match="could not be ended"):
            await within_grace(stopping, work(), 0.01, release=0.01)
    finally:
        free.set()


async def test_what_is_raised_is_raised(stopping: asyncio.Event) -> None:
    async def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await within_grace(stopping, work(), 60.0)


async def test_it_is_cancelled_from_outside() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    outer = asyncio.create_task(_outer(within_grace(asyncio.Event(), work(), 60.0)))
    await asyncio.sleep(0.01)
    outer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer
    assert ended.is_set()


async def _outer(work: Coroutine[Any, Any, None]) -> None:
    await work


HANGING = """
import asyncio, time
from frontlist import ending

async def main():
    ending.on_signals(asyncio.Event(), grace={grace}, release=0.0)
    print("ready", flush=True)
    while True:
        time.sleep(0.1)  # the loop itself hangs

asyncio.run(main())
"""


@pytest.fixture
def hanging() -> Iterator[Callable[[float], subprocess.Popen[str]]]:
    with ExitStack() as stack:

        def start(grace: float) -> subprocess.Popen[str]:
            command = [sys.executable, "-c", HANGING.format(grace=grace)]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            return process

        yield start


def test_a_process_whose_loop_hangs_ends_all_the_same(hanging: Callable[[float], subprocess.Popen[str]]) -> None:
    process = hanging(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == ending.HUNG


def test_told_twice_it_ends_at_once(hanging: Callable[[float], subprocess.Popen[str]]) -> None:
    process = hanging(1000.0)
    while process.poll() is None:  # two signals at the same moment are one
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
    assert process.returncode == ending.TOLD_TWICE
