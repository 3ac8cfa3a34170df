"""Groups: what many hand in is done together, as one transaction or one call, and each gets its own answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy.exc import DBAPIError

from frontlist.state.database import gone

T = TypeVar("T")
R = TypeVar("R")
#: A transaction that lost against another one (deadlock, lock time-out) is repeated so often.
REPEATS = 5


class Group(Generic[T, R]):
    """`run(items)` answers for each item in order; it is never cancelled by those who wait for it.

    An idle group begins at once, so a lone item waits for nobody; one that had company gathers for `linger` seconds
    before it runs again. A run that fails over one of its items is halved down to it; one that lost against another
    transaction is repeated whole; a database that is gone fails all.
    """

    def __init__(
        self, run: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, size: int = 250, linger: float = 0.005
    ) -> None:
        self._run, self._size, self._linger = run, size, linger
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, item: T) -> R:
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            # A task of its own: who waits may be cancelled, a transaction in its middle must not be.
            self._task = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                part, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
                await self._answer(part)
                if len(part) > 1:
                    await asyncio.sleep(self._linger)
        finally:
            self._task = None

    async def _answer(self, part: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            answers = await self._repeated([item for item, _ in part])
        except Exception as error:
            if len(part) > 1 and not gone(error):
                half = len(part) // 2
                await self._answer(part[:half])
                await self._answer(part[half:])
                return
            for _, future in part:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(part, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _repeated(self, items: Sequence[T]) -> Sequence[R]:
        for turn in range(REPEATS):
            try:
                return await self._run(items)
            except DBAPIError as error:
                if turn == REPEATS - 1 or not _lost(error):
                    raise
                await asyncio.sleep(random.uniform(0.0, 0.05 * 2**turn))  # noqa: S311  jitter, nothing secret
        raise AssertionError("unreachable")


def _lost(error: DBAPIError) -> bool:
    """Whether another transaction had the right of way: rolled back, or a lock that was not to be had in time."""
    state = getattr(error.orig, "sqlstate", None) or ""
    return state[:2] == "40" or state == "55P03"
