"""The budget of one system: so many calls a second over all replicas, the most urgent first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from frontlist.state import slots
from frontlist.state.database import Database
from frontlist.turns import Turns

#: The priority of whoever calls now; what says nothing goes with the live changes of titles.
URGENCY: ContextVar[int] = ContextVar("urgency", default=40)
#: Calls that hold a lease go before all that could still wait without one.
UNDER_LEASE = 0
#: Slots are drawn from the database for so long ahead, so that an urgent call never waits behind a drawn block.
AHEAD = 0.1


class Prepaid:
    """A slot that was waited for before the call is made; given back if no call came of it."""

    def __init__(self) -> None:
        self.slots = 0


_prepaid: ContextVar[Prepaid | None] = ContextVar("prepaid", default=None)


class Budget:
    """Hands out moments at which a call may begin. `per_second` None: at once, nothing is counted."""

    def __init__(self, per_second: float | None) -> None:
        self.per_second = per_second
        self._shared: tuple[Database, str] | None = None
        self._waiting: Turns[asyncio.Future[None]] = Turns()
        self._task: asyncio.Task[None] | None = None
        self._spare = 0
        self._free = 0.0

    def share(self, db: Database, name: str) -> None:
        """From now on one budget with every replica on this database."""
        self._shared = (db, name)

    async def wait(self, deadline: float | None = None) -> bool:
        """Until this call's turn; False where it does not come before `deadline` (the event loop's clock)."""
        if deadline is not None and asyncio.get_running_loop().time() >= deadline:
            return False
        paid = _prepaid.get()
        if paid is not None and paid.slots:
            paid.slots -= 1
            return True
        if not self.per_second:
            return True
        try:
            async with asyncio.timeout_at(deadline):
                await self._turn(UNDER_LEASE if paid is not None else URGENCY.get())
        except TimeoutError:
            return False
        return True

    async def begin(self, priority: int) -> Prepaid:
        """The slot of the first call of something that has no lease yet."""
        paid = Prepaid()
        if self.per_second:
            await self._turn(priority)
            paid.slots = 1
        return paid

    @contextmanager
    def under_lease(self, paid: Prepaid, priority: int) -> Iterator[None]:
        """Calls made inside go before what has no lease; a slot that was not used goes to the next in line."""
        token, urgency = _prepaid.set(paid), URGENCY.set(priority)
        try:
            yield
        finally:
            _prepaid.reset(token)
            URGENCY.reset(urgency)
            self.give_back(paid)

    def give_back(self, paid: Prepaid) -> None:
        """A slot of which no call came goes to the next in line, if there is one."""
        if paid.slots and self._waiting:
            self._spare += paid.slots
        paid.slots = 0

    async def _turn(self, priority: int) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.push(priority, future)
        if self._task is None:
            self._task = asyncio.create_task(self._hand_out())
        try:
            await future
        except asyncio.CancelledError:
            if not self._waiting.remove({future}) and not future.cancelled() and self._waiting:
                self._spare += 1  # it was just given a slot
            raise

    async def _hand_out(self) -> None:
        try:
            while self._waiting:
                if self._spare:
                    self._spare -= 1
                    self._next()
                    continue
                first, count, apart = await self._slots()
                for i in range(count):
                    pause = first + i * apart - asyncio.get_running_loop().time()
                    if pause > 0:
                        await asyncio.sleep(pause)
                    self._next()
        finally:
            self._task = None

    async def _slots(self) -> tuple[float, int, float]:
        """When the first one is (the event loop's clock), how many there are, and how far apart."""
        assert self.per_second
        loop, apart = asyncio.get_running_loop(), 1.0 / self.per_second
        count = max(1, min(len(self._waiting), int(AHEAD / apart)))
        if self._shared is not None:
            db, name = self._shared
            try:
                async with db.begin() as c:
                    before = loop.time()
                    pause = await slots.draw(db, c, name, count, round(apart * 1_000_000))
                return before + pause / 1_000_000, count, apart
            except Exception:  # noqa: S110  the database is away: go on by our own clock, not faster
                pass
        first = max(loop.time(), self._free)
        self._free = first + count * apart
        return first, count, apart

    def _next(self) -> None:
        while self._waiting:
            future = self._waiting.pop()
            # Cancelled in this very turn of the loop, and not yet taken out.
            if not future.done():
                future.set_result(None)
                return
