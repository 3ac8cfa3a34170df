"""Waiting that ends early."""

from __future__ import annotations

import asyncio


async def wait(stopping: asyncio.Event, seconds: float, *others: asyncio.Event) -> None:
    """For so many seconds, or until one of the events is set."""
    tasks = [asyncio.create_task(event.wait()) for event in (stopping, *others)]
    try:
        await asyncio.wait(tasks, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
