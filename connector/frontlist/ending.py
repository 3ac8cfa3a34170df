"""The end of a process: what is under way may finish within the grace period, then it is given up.

Whatever is given up was prepared for: a call in flight is in doubt, a reserved document is read again, a claim and a
lease run out. So nothing that hangs (a target, Kafka, the database) is worth waiting for any longer.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, Field

from frontlist.errors import FrontlistError

log = structlog.get_logger(__name__)
T = TypeVar("T")
#: What was given up may still release its claims and leases for so long (seconds).
RELEASE = 5.0
#: Exit codes of a process that had to leave something hanging, and of one that was told twice.
HUNG, TOLD_TWICE = 4, 130


class ShutdownSettings(BaseModel):
    """How the process ends."""

    model_config = ConfigDict(extra="forbid")

    grace: float = Field(
        15.0,
        gt=0,
        description="calls under way may end for so long after SIGTERM, then they are given up (seconds); it takes up "
        "to 10 s more to let go, so keep this 10 s below the orchestrator's own limit (Kubernetes: 30 s)",
    )


class HungError(FrontlistError):
    """Something did not even let itself be cancelled."""


async def within_grace(
    stopping: asyncio.Event, work: Coroutine[Any, Any, T], grace: float, release: float = RELEASE
) -> T | None:
    """What `work` answers or raises; it is given up `grace` seconds after `stopping`, then None."""
    task, told = asyncio.create_task(work), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({task, told}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({task}, timeout=grace)
        if not task.done():
            log.warning("stopping: what is under way is given up", seconds=grace, waits=waiting())
            task.cancel()
            await asyncio.wait({task}, timeout=release)
        if not task.done():
            raise HungError(
                f"{waiting()} could not be ended",
                where=f"{release:g} s after it was given up",
                cure="none is needed: the next process settles what was in flight; report it where Kafka, the database "
                "and the systems answered all the time",
            )
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
    finally:
        told.cancel()
    return None if task.cancelled() else task.result()


def waiting() -> str:
    """Where every other task waits, for the log."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    return "; ".join(sorted({_place(task) for task in others}))


def _place(task: asyncio.Task[Any]) -> str:
    """The innermost place of ours in the chain of awaits."""
    found = task.get_name()
    inner: Any = task.get_coro()
    while inner is not None:
        frame = getattr(inner, "cr_frame", None) or getattr(inner, "ag_frame", None)
        if frame is not None and "frontlist" in frame.f_code.co_filename:
            found = frame.f_code.co_qualname
        inner = getattr(inner, "cr_await", None) or getattr(inner, "ag_await", None)
    return found


def on_signals(stopping: asyncio.Event, grace: float, release: float = RELEASE) -> None:
    """SIGTERM and Ctrl-C ask to stop; the process ends then, whatever hangs. Told twice it ends at once."""
    loop = asyncio.get_running_loop()

    def told(_number: int, _frame: object) -> None:
        if watch.is_alive():
            os._exit(TOLD_TWICE)
        watch.start()
        loop.call_soon_threadsafe(stopping.set)

    # A thread and plain handlers, as the loop itself may hang.
    watch = threading.Timer(grace + release + 2.0, _leave)
    watch.daemon = True
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)


def _leave() -> None:
    log.error("stopping: something hangs; the process leaves it behind")
    sys.stderr.flush()
    os._exit(HUNG)
