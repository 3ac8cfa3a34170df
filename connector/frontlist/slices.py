"""A slice: what goes to a target together, while it holds the leases of its titles and resources."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from frontlist.contract import Target
from frontlist.jobs import Job, open_ones
from frontlist.lanes import Bundle, Lane
from frontlist.orders import Result
from frontlist.state import processes
from frontlist.state.database import Database


@dataclass
class Holding:
    """Leases of a slice, in hand since `began` (the event loop's clock, before they were asked for)."""

    leases: dict[str, processes.Lease] = field(default_factory=dict)
    began: float = 0.0
    seconds: float = 0.0

    @property
    def deadline(self) -> float:
        """Nothing is sent after it: a margin before anybody else may have the lease."""
        return self.began + self.seconds * 0.8

    @property
    def old(self) -> bool:
        return asyncio.get_running_loop().time() > self.began + self.seconds / 4


@dataclass(eq=False)
class Slice:
    """What a lane lets go together. `answered`: the target has answered a call of it."""

    lane: Lane
    bundles: Sequence[Bundle]
    holding: Holding
    answered: bool = False

    @property
    def target(self) -> Target:
        return self.lane.target

    @property
    def jobs(self) -> list[Job]:
        return [each for bundle in self.bundles for each in bundle.jobs]

    @property
    def fused(self) -> list[Job]:
        """What need not be read, so that its intent is stored as its leases are taken."""
        return [each for each in open_ones(self.jobs) if self._needs_no_read(each)]

    @property
    def unfused(self) -> list[Job]:
        """What had to be read before its intent."""
        return [e for e in open_ones(self.jobs) if e.order.desired is not None and not self._needs_no_read(e)]

    def _needs_no_read(self, each: Job) -> bool:
        desired = each.order.desired
        return desired is not None and (each.order.absent or (not readable(self.target) and not desired.brake))

    def hold(self, leases: Mapping[str, processes.Lease], began: float, now: int) -> None:
        """What it got of the leases for which was asked at `began`."""
        self.holding.began, self.holding.leases = began, {}
        for bundle in self.bundles:
            for each in bundle.jobs:
                each.read_at = now
                names = [name for name in each.leases if name in leases and leases[name].holder == bundle.holder]
                self.holding.leases |= {name: leases[name] for name in names}
                if each.result is None and len(names) < len(each.leases):
                    each.result = Result("busy", "another worker holds the title or the resource", after=0.2)

    async def renew(self, db: Database) -> None:
        """Calls wait for their turn: what still holds its leases gets their full time again before it goes on."""
        holding = self.holding
        if not holding.old:
            return
        began = asyncio.get_running_loop().time()
        async with db.begin() as c:
            holding.leases = await processes.extend(db, c, list(holding.leases.values()), holding.seconds)
        holding.began = began
        for each in open_ones(self.jobs):
            if not all(name in holding.leases for name in each.leases):
                each.doubtful = each.wrote
                each.result = Result("busy", "the lease was lost while calls waited", after=0.2)


def readable(target: Target) -> bool:
    return getattr(target, "readable", True)
