"""Waiting that ends early, and letting go of what does not end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")

#: What does not end is cancelled so often, so far apart (seconds).
CANCELS, CANCEL = 5, 0.1
#: Who is given up waits no longer than this for what it leaves behind (seconds).
GIVEN_UP = 1.0


async def wait(stopping: asyncio.Event, seconds: float, *others: asyncio.Event) -> None:
    """For so many seconds, or until one of the events is set."""
    tasks = [asyncio.create_task(event.wait()) for event in (stopping, *others)]
    try:
        await asyncio.wait(tasks, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def meanwhile(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """`work` goes on beside the block, and no longer than it."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ended(task: asyncio.Task[Any], stopping: asyncio.Event) -> bool:
    """Whether it came to its end before the process does. Raises what it raised."""
    told = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({task, told}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
    if task.done():
        task.result()
    return task.done()


async def let_go(work: Coroutine[Any, Any, object], seconds: float) -> None:
    """`work`, given up after so many seconds, at once where we are given up meanwhile, and soon where we are already.

    Raises what it raises.
    Cancelled more than once: closing a client of Kafka swallows a cancellation at each of its steps.
    """
    task, us = asyncio.ensure_future(work), asyncio.current_task()
    try:
        await asyncio.wait({task}, timeout=min(seconds, GIVEN_UP) if us is not None and us.cancelling() else seconds)
    finally:
        for _ in range(CANCELS):
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=CANCEL)
    if task.done() and not task.cancelled():
        task.result()
