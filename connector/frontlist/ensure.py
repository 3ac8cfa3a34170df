"""Ensure: desired states are brought about in a target, under a lease, with intent before and remembrance after.

Compare with what was applied; wait in the target's lane; hold; read what differs or is in doubt; brakes; the window of
a backfill and the intent; steps; remember (docs/decisions/0002 and 0004).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence

import structlog
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.brakes import Brakes
from frontlist.breaker import Breaker, BreakerSettings
from frontlist.budget import Budget
from frontlist.calls import Calls
from frontlist.clock import SECOND, Clock
from frontlist.contract import Resource, Target, TitleKey
from frontlist.differences import Leaves, harmful, hold_back
from frontlist.errors import ConfigurationError
from frontlist.gentleness import Backfill
from frontlist.grouping import Group
from frontlist.jobs import Job, deferred, job, open_ones, settled
from frontlist.lanes import Bundle, Lane
from frontlist.modes import Modes
from frontlist.observed import UNOBSERVED, Observed
from frontlist.orders import (
    Order,
    Result,
    left_result,
    lost_finding,
    taken_finding,
    taken_key,
    without_call,
)
from frontlist.pauses import KIND as PAUSE
from frontlist.pauses import Pauses
from frontlist.remembering import as_before, intent, line, outcome
from frontlist.slices import Holding, Slice, readable
from frontlist.state import applied, findings, installation, outbox, processes, work
from frontlist.state import settled as decided
from frontlist.state.database import Database, gone
from frontlist.step import Step as Point
from frontlist.step import no_step

log = structlog.get_logger(__name__)
#: What is in doubt in a target that is not configured is looked at again after so many seconds, give or take half.
LOST_AGAIN = 3600.0
CALLS_AT_ONCE = (
    "calls in flight to one target, over all replicas: each takes its part, at least 2; one of each is kept for rights"
)


class EnsureSettings(BaseModel):
    """How targets are written; times in seconds."""

    model_config = ConfigDict(extra="forbid")

    lease: float = Field(45.0, gt=0, description="how long a title and a resource are held for the calls")
    look_again: float = Field(900.0, ge=0, description="until a doubtful write is read back once more")
    refused_again: float = Field(86_400.0, gt=0, description="until a refused field is tried again")
    calls_at_once: int = Field(8, ge=1, description=CALLS_AT_ONCE)
    linger: float = Field(0.01, ge=0, description="how long an array waits for company")


class Delivery:
    """Brings desired states about in all targets, for one process."""

    def __init__(
        self,
        db: Database,
        targets: Mapping[str, Target],
        *,
        process: str,
        clock: Clock,
        journal: str,
        budgets: Mapping[str, Budget] | None = None,
        settings: EnsureSettings | None = None,
        breaker: BreakerSettings | None = None,
        backfill: Backfill | None = None,
        braking: Brakes | None = None,
        leaves: Leaves = lambda _resource, _key: False,
        step: Point = no_step,
        observed: Observed = UNOBSERVED,
    ) -> None:
        """`process`: the id under which rows are claimed. `journal`: the topic of what was done.

        `budgets`: by target; none: as many calls as come. `backfill`: what lets writes that are no live change through
        to Consonance; None: all. `braking`: the brakes; None: none. `leaves`: whether drift of a field stays as it is.
        """
        self.db, self.targets, self.process, self.clock = db, targets, process, clock
        self.settings, self.journal, self.step = settings or EnsureSettings(), journal, step
        self.backfill, self._breaker, self.observed = backfill, breaker or BreakerSettings(), observed
        self.braking = braking
        self.stale_writes = 0
        budgets = budgets or {}
        self.lanes = {name: self._lane(each, budgets.get(name) or Budget(None)) for name, each in targets.items()}
        self._calls = Calls(db, observed, look_again=self.settings.look_again, leaves=leaves, step=step)
        self._hold, self._intend = Group(self._hold_all), Group(self._intend_all)
        self._remember = Group(self._remember_all)

    def _lane(self, target: Target, budget: Budget) -> Lane:
        if target.once and not readable(target):
            raise ConfigurationError(
                "a target that cannot be read has steps that must not be repeated",
                where=target.name,
                cure="give it ids that we choose, or a way to read back",
            )

        def tell(state: str, why: str, seconds: float) -> None:
            self.observed.breaker(target.name, state, why, seconds or None)

        breaker = Breaker(self._breaker, self.clock.steady, tell)
        linger = self.settings.linger if target.batch > 1 else 0.0
        return Lane(target, budget, breaker, self._deliver, at_once=self.settings.calls_at_once, linger=linger)

    def share(self, replicas: int) -> None:
        """Calls at once are for all replicas together: each has its part, never less than one and one for rights."""
        whole = self.settings.calls_at_once
        for lane in self.lanes.values():
            lane.resize(max(min(2, whole), whole // replicas))

    def waiting(self, priority: int) -> int:
        """How many titles wait for their targets that are as urgent as that, or more."""
        return sum(lane.waiting(priority) for lane in self.lanes.values())

    def withdraw(self, claims: set[int]) -> None:
        for lane in self.lanes.values():
            lane.withdraw(claims)

    def send_back(self) -> None:
        """The process ends: what waits comes back, nothing new is taken; calls under way go on."""
        for lane in self.lanes.values():
            lane.close()

    def cancel(self) -> None:
        """Calls under way are left in doubt."""
        for lane in self.lanes.values():
            lane.cancel()

    async def bring(self, orders: Sequence[Order]) -> list[Result]:
        """A result for each order; all are of one title."""
        if len({order.resource.target for order in orders}) == 1:
            return await self._bring(orders[0].resource.target, orders)
        by_target: dict[str, list[int]] = {}
        for i, order in enumerate(orders):
            by_target.setdefault(order.resource.target, []).append(i)
        parts = await asyncio.gather(
            *(self._bring(name, [orders[i] for i in indices]) for name, indices in by_target.items())
        )
        asked = [i for indices in by_target.values() for i in indices]
        found = dict(zip(asked, [each for part in parts for each in part], strict=True))
        return [found[i] for i in range(len(orders))]

    async def _bring(self, name: str, orders: Sequence[Order]) -> list[Result]:
        lane = self.lanes.get(name)
        if lane is None:
            return [_lost(order) for order in orders]
        now, again = self.clock.now_us(), self.settings.refused_again
        out = [without_call(order, now, again) for order in orders]
        jobs = [job(order, now, again) for order, done in zip(orders, out, strict=True) if done is None]
        if jobs:
            _one_each(jobs)
            await lane(Bundle(jobs[0].order.claim, jobs))
        answers = iter(jobs)
        return [done if done is not None else _result(next(answers)) for done in out]

    # --- under the lease -------------------------------------------------------------------------------------------

    async def _deliver(self, lane: Lane, bundles: Sequence[Bundle]) -> None:
        part = Slice(lane, bundles, Holding(seconds=self.settings.lease))
        try:
            await self._hold(part)
            await self._calls.read(part, [each for each in open_ones(part.jobs) if not each.intended])
            await self._brake(part, [each for each in open_ones(part.jobs) if not each.intended])
            await part.renew(self.db)
            if any(not each.intended and each.order.desired is not None for each in open_ones(part.jobs)):
                await self._intend(part)
            if any(each.intended for each in part.jobs):
                await self.step("intended")
            await self._calls.write(part, open_ones(part.jobs))
            if part.answered and not any(each.failed for each in part.jobs):
                lane.breaker.succeeded()
        except Exception as error:
            alone = len(bundles) == 1 or gone(error)
            for each in open_ones(part.jobs):
                each.doubtful = each.intended
                each.result = Result("retry", f"{type(error).__name__}: {error}", attempt=True)
            with contextlib.suppress(Exception):
                await self._remember(part)
            if alone:
                raise
            # One of them broke it: each is tried by itself, and the culprit stops alone.
            log.error("ensure: titles are tried one by one", target=lane.target.name, exc_info=error)
            lane.alone |= {bundle.claim.title for bundle in bundles}
            return
        # A step that was carried out is noted even where the leases are gone: nobody else knows of it.
        if part.holding.leases or any(each.wrote or each.doubtful for each in part.jobs):
            await self._remember(part)

    async def _hold_all(self, parts: Sequence[Slice]) -> list[None]:
        """Leases for all; the intents too of what need not be read. Order of locks: work, leases, applied."""
        began = asyncio.get_running_loop().time()
        _not_intended(part.jobs for part in parts)
        wanted = [
            (name, bundle.holder) for part in parts for bundle in part.bundles for j in bundle.jobs for name in j.leases
        ]
        ready = [(part, each) for part in parts for each in part.fused]
        async with self.db.begin() as c:
            mine = await self._mine(c, [each for _, each in ready])
            leases = await processes.acquire(self.db, c, wanted, self.settings.lease)
            now = await self.db.now(c)
            for part in parts:
                part.hold(leases, began, now)
            fused = []
            for part, each in ready:
                if each.result is None:
                    self._calls.look(part, each, each.actual)
                if each.result is None:
                    fused.append(each)
            await self._intend_in(c, fused, mine, now)
        return [None] * len(parts)

    async def _brake(self, part: Slice, jobs: Sequence[Job]) -> None:
        """What a brake holds waits for a person; the rest goes on."""
        if self.braking is None:
            return
        price = self.braking.settings.price_change
        changes = {each.order.resource: found for each in jobs if (found := harmful(each, price))}
        if not changes:
            return
        async with self.db.begin() as c:
            held = await self.braking.admit(c, [each for some in changes.values() for each in some])
        for each in jobs:
            mine = [one for one in changes.get(each.order.resource, ()) if one.cell in held]
            try:
                if mine:
                    hold_back(part.target, each, mine)
            except Exception as error:
                self._calls.fail(part, [each], error)

    async def _intend_all(self, parts: Sequence[Slice]) -> list[None]:
        _not_intended(part.unfused for part in parts)
        jobs = [each for part in parts for each in part.unfused]
        leases = [lease for part in parts for lease in part.holding.leases.values()]
        async with self.db.begin() as c:
            mine = await self._mine(c, jobs)
            standing = await processes.held(c, leases)
            for each in jobs:
                if not all(name in standing for name in each.leases):
                    each.result = Result("busy", "the lease was lost", after=0.1)
            await self._intend_in(c, open_ones(jobs), mine, await self.db.now(c))
        return [None] * len(parts)

    async def _mine(self, c: AsyncConnection, jobs: Sequence[Job]) -> set[int]:
        """The claims that still stand; locked until the transaction ends."""
        claims = {each.order.claim.claim: each.order.claim for each in jobs if each.order.desired is not None}
        return await work.still_mine(c, self.process, claims.values(), skip_locked=True)

    async def _intend_in(self, c: AsyncConnection, jobs: Sequence[Job], mine: set[int], now: int) -> None:
        """Intents and before-images, if everything is still as it was planned from, in this transaction."""
        jobs = [each for each in jobs if each.order.desired is not None]
        if not jobs:
            return
        active, kinds = await decided.in_force(c, "mode", PAUSE)
        modes, pauses = Modes(kinds["mode"]), Pauses(kinds[PAUSE])
        rows = await applied.locked(c, [each.order.resource for each in jobs])
        for each in jobs:
            order = each.order
            if order.claim.claim not in mine:
                each.result = Result("busy", "the claim was lost", after=0.1)
            elif active != order.vector["activation"] or not order.may(modes):
                each.result = Result("busy", "mapping or mode changed meanwhile", after=0.0)
            elif pauses.why(order.resource.target, order.claim.priority):
                each.result = Result("busy", "it was paused meanwhile", after=0.0)
            elif order.until is not None and order.until <= now:
                each.result = Result("busy", "its time has come meanwhile", after=0.0)
            elif _stamp(rows.get((order.resource, order.claim.consumer))) != _stamp(order.applied):
                each.result = Result("busy", "a newer plan stands", after=0.1)
        await self._gently(c, open_ones(jobs))
        standing = open_ones(jobs)
        accepted, taken = await applied.intend(self.db, c, [intent(each) for each in standing], rows)
        for each in standing:
            if each.order.resource in taken and each.order.lets_go:
                each.result = left_result("another title")
            elif each.order.resource in taken:
                found = taken_finding(each.order)
                each.result = Result("refused", "another title claims it", findings=(found,))
                # Said here, where whoever has the resource cannot let go of it before: it tells whom that is due.
                claim = each.order.claim
                await findings.open_one(self.db, c, claim.consumer, claim.title, found, now)
            elif each.order.resource not in accepted:
                each.result = Result("busy", "a newer plan stands", after=0.1)
            else:
                each.intended = True
        await work.mark(self.db, c, _outrun(standing, rows, now))

    async def _gently(self, c: AsyncConnection, jobs: Sequence[Job]) -> None:
        """A backfill waits for Consonance's window and its share of a night, but only if it has something to write.

        What is in doubt is settled at once. Asked last, so that a title counts only if it is written.
        """
        if self.backfill is None:
            return
        asked = [each for each in jobs if each.order.resource.target == "consonance" and _backfills(each)]
        if not asked:
            return
        waits = await self.backfill.admit(c, [each.order.claim.title for each in asked])
        for each in asked:
            if (after := waits.get(each.order.claim.title)) is not None:
                each.result = deferred(each, "backfill waits for its window", after)

    # --- remember --------------------------------------------------------------------------------------------------

    async def _remember_all(self, parts: Sequence[Slice]) -> list[None]:
        """Outcomes and the journal in one transaction; a refused one is a stale write, and its title is due again.

        What was intended and surely not written is remembered as it was before; the rest of what failed stays in doubt.
        """
        jobs = [each for part in parts for each in part.jobs]
        done = [each for each in jobs if each.result is None]
        removed = [each for each in jobs if each.removed]
        unwritten = [e for e in jobs if e.result and e.intended and not e.wrote and not e.doubtful]
        halfway = [each for each in jobs if each.result and (each.wrote or each.doubtful)]
        async with self.db.begin() as c:
            now = await self.db.now(c)
            outcomes = [outcome(each, now, self.settings.look_again) for each in done + removed]
            stale = await applied.remember(self.db, c, outcomes + [as_before(each) for each in unwritten])
            again = now + round(self.settings.look_again * SECOND)
            doubtful = [(e.order.resource, e.order.claim.consumer) for e in halfway]
            await applied.doubt(c, doubtful, now, again)
            claims = [(e.order.resource, e.order.claim.consumer, e.order.claim.claim) for e in halfway]
            stale |= await applied.overtaken(c, claims)
            lines = [(self.journal, str(e.order.claim.title), line(e, now)) for e in done if e.wrote]
            await outbox.post(self.db, c, lines)
            await processes.give_back(c, [lease for part in parts for lease in part.holding.leases.values()])
            written = [each for each in jobs if each.wrote or each.doubtful]
            late = [e for e in written if (e.order.resource, e.order.claim.consumer) in stale]
            await work.mark(self.db, c, await self._others(c, done, late, now))
        self.stale_writes += sum(each.wrote for each in late)
        for each in late:
            self.observed.stale(each.order.resource.target, int(each.wrote))
        for each in done:
            if each.wrote and (each.order.resource, each.order.claim.consumer) not in stale:
                self.observed.wrote(each.order.claim.consumer, each.order.resource.target)
        for each in done:
            each.result = settled(each)
        if any(each.wrote for each in done):
            await self.step("remembered")
        return [None] * len(parts)

    async def _others(self, c: AsyncConnection, done: Sequence[Job], late: Sequence[Job], now: int) -> list[work.Due]:
        """Who is due by what was done: whose write came too late, and who waited for what was made or let go of."""
        claims = [each.order.claim for each in late]
        dues = [work.Due(each.consumer, each.title, now, each.priority, "stale write") for each in claims]
        made = {e.order.claim.title: e.order.claim for e in done if e.wrote and e.actual is None}
        if made:
            dues += [
                work.Due(name, title, now, each.priority, "created")
                for name in await installation.registered(c)
                for title, each in made.items()
                if name != each.consumer
            ]
        let_go = {taken_key(e.order.resource): e.order.claim.priority for e in done if e.order.lets_go}
        dues += [
            work.Due(row.consumer, TitleKey(row.title), now, let_go[row.key], "let go of")
            for row in await findings.with_keys(c, sorted(let_go))
        ]
        return dues


def _outrun(jobs: Sequence[Job], rows: Mapping[tuple[Resource, str], applied.Applied], now: int) -> Iterator[work.Due]:
    """Titles whose claim gave way to a newer one: each lets go of it, or says that it is claimed twice and waits."""
    for each in jobs:
        claim = each.order.claim
        had = rows.get((each.order.resource, claim.consumer))
        if each.intended and had is not None and had.title != claim.title and had.title_revision > 0:
            yield work.Due(claim.consumer, had.title, now, claim.priority, "claimed by another title")


def _not_intended(slices: Iterable[Sequence[Job]]) -> None:
    """A transaction that is repeated begins anew."""
    for jobs in slices:
        for each in jobs:
            each.intended = False


def _backfills(each: Job) -> bool:
    """Whether it would write, and neither for a live change nor to settle what is in doubt."""
    had = each.order.applied
    return bool(each.steps) and not each.order.claim.live and (had is None or not had.in_doubt(each.read_at))


def _stamp(row: applied.Applied | None) -> tuple[int, int, int | None]:
    return (0, 0, None) if row is None else (row.intent_claim, row.applied_claim, row.doubt_since)


def _one_each(jobs: Sequence[Job]) -> None:
    """A resource that a plan names twice is brought about once at a time."""
    seen: set[Resource] = set()
    for each in jobs:
        if each.order.resource in seen:
            each.result = Result("busy", "the plan names it twice", after=0.2)
        seen.add(each.order.resource)


def _lost(order: Order) -> Result:
    """Its plugin was taken out: looked at again now and then, each at its own time, should it come back."""
    after = random.uniform(0.5, 1.5) * LOST_AGAIN  # noqa: S311  jitter, nothing secret
    found = (lost_finding(order.resource),)
    why = f"no target {order.resource.target} is configured"
    return Result("deferred", why, after=after, findings=found, called=False, lost=True)


def _result(each: Job) -> Result:
    assert each.result is not None
    return each.result
