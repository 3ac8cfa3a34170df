"""Ensure: desired states are brought about in a target, under a lease, with intent before and remembrance after.

Compare with what was applied; wait in the target's lane; hold; read what differs or is in doubt; brakes; the window of
a backfill and the intent; steps; remember (docs/decisions/0002 and 0004).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.brakes import Brakes
from frontlist.breaker import Breaker, BreakerSettings
from frontlist.budget import Budget
from frontlist.clock import SECOND, Clock
from frontlist.contract import Actual, Done, Ensure, FieldKey, Refused, Resource, StepOutcome, Target, TitleKey
from frontlist.errors import ConfigurationError, DeadLetter, DeliveryError, Pause, Refuse, Retry
from frontlist.gentleness import Backfill
from frontlist.grouping import Group
from frontlist.jobs import (
    Job,
    Leaves,
    Order,
    Result,
    as_before,
    dead_finding,
    deferred,
    end,
    harmful,
    hold_back,
    intent,
    job,
    left_result,
    line,
    look,
    lost_finding,
    open_ones,
    outcome,
    park,
    settled,
    taken_finding,
    taken_key,
    units,
    without_call,
)
from frontlist.lanes import Bundle, Lane
from frontlist.modes import Modes
from frontlist.observed import UNOBSERVED, Observed
from frontlist.pauses import KIND as PAUSE
from frontlist.pauses import Pauses
from frontlist.state import applied, findings, installation, processes, work
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


@dataclass
class _Holding:
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
class _Slice:
    """What goes to a group together. `answered`: the target has answered a call of it."""

    target: Target
    bundles: Sequence[Bundle]
    holding: _Holding
    answered: bool = False

    @property
    def jobs(self) -> list[Job]:
        return [each for bundle in self.bundles for each in bundle.jobs]


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
        self.braking, self.leaves = braking, leaves
        self.stale_writes = 0
        budgets = budgets or {}
        self.lanes = {name: self._lane(each, budgets.get(name) or Budget(None)) for name, each in targets.items()}
        self._hold, self._intend = Group(self._hold_all), Group(self._intend_all)
        self._remember = Group(self._remember_all)

    def _lane(self, target: Target, budget: Budget) -> Lane:
        if target.once and not _readable(target):
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
        part = _Slice(lane.target, bundles, _Holding(seconds=self.settings.lease))
        try:
            await self._hold(part)
            await self._read(lane, [each for each in open_ones(part.jobs) if not each.intended], part)
            await self._brake(lane.target, [each for each in open_ones(part.jobs) if not each.intended])
            await self._renew(part)
            if any(not each.intended and each.order.desired is not None for each in open_ones(part.jobs)):
                await self._intend(part)
            if any(each.intended for each in part.jobs):
                await self.step("intended")
            await self._write(lane, open_ones(part.jobs), part)
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

    async def _hold_all(self, parts: Sequence[_Slice]) -> list[None]:
        """Leases for all; the intents too of what need not be read. Order of locks: work, leases, applied."""
        began = asyncio.get_running_loop().time()
        _not_intended(part.jobs for part in parts)
        wanted = [
            (name, bundle.holder) for part in parts for bundle in part.bundles for j in bundle.jobs for name in j.leases
        ]
        ready = [(part.target, each) for part in parts for each in open_ones(part.jobs) if _needs_no_read(part, each)]
        async with self.db.begin() as c:
            mine = await self._mine(c, [each for _, each in ready])
            leases = await processes.acquire(self.db, c, wanted, self.settings.lease)
            now = await self.db.now(c)
            for part in parts:
                part.holding.began = began
                part.holding.leases = {}
                for bundle in part.bundles:
                    self._held(part, bundle, leases, now)
            fused = []
            for target, each in ready:
                if each.result is None:
                    self._look(target, each, each.actual)
                if each.result is None:
                    fused.append(each)
            await self._intend_in(c, fused, mine, now)
        return [None] * len(parts)

    def _held(self, part: _Slice, bundle: Bundle, leases: Mapping[str, processes.Lease], now: int) -> None:
        for each in bundle.jobs:
            each.read_at = now
            got = {
                name: leases[name] for name in each.leases if name in leases and leases[name].holder == bundle.holder
            }
            part.holding.leases |= got
            if each.result is None and len(got) < len(each.leases):
                each.result = Result("busy", "another worker holds the title or the resource", after=0.2)

    async def _renew(self, part: _Slice) -> None:
        """Calls wait for their turn: what still holds its leases gets their full time again before it goes on."""
        holding = part.holding
        if not holding.old:
            return
        began = asyncio.get_running_loop().time()
        async with self.db.begin() as c:
            holding.leases = await processes.extend(self.db, c, list(holding.leases.values()), self.settings.lease)
        holding.began = began
        for each in open_ones(part.jobs):
            if not all(name in holding.leases for name in each.leases):
                each.doubtful = each.wrote
                each.result = Result("busy", "the lease was lost while calls waited", after=0.2)

    async def _read(self, lane: Lane, jobs: Sequence[Job], part: _Slice) -> None:
        if not jobs:
            return
        if not _readable(lane.target):
            for each in jobs:
                self._look(lane.target, each, each.actual)
            return
        asked = [each.desired for each in jobs if not each.order.absent]
        try:
            found = await lane.target.read(asked) if asked else {}
        except Exception as error:
            again = _server(error) and any(each.order.claim.attempts for each in jobs)
            if len(jobs) > 1 and (again or not isinstance(error, Retry | Pause)):
                half = len(jobs) // 2
                await self._read(lane, jobs[:half], part)
                await self._read(lane, jobs[half:], part)
            else:
                self._fail(lane, jobs, error)
            return
        part.answered = part.answered or bool(asked)
        for each in jobs:
            self._look(lane.target, each, found.get(each.order.resource))

    def _look(self, target: Target, each: Job, actual: Actual | None) -> None:
        each.actual = actual
        if not _readable(target):
            _as_applied(each)
        try:
            look(target, each, each.read_at, self.settings.look_again, self.leaves)
        except Exception as error:
            self._fail(self.lanes[target.name], [each], error)

    async def _brake(self, target: Target, jobs: Sequence[Job]) -> None:
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
                    hold_back(target, each, mine)
            except Exception as error:
                self._fail(self.lanes[target.name], [each], error)

    async def _intend_all(self, parts: Sequence[_Slice]) -> list[None]:
        _not_intended(self._unfused(part) for part in parts)
        jobs = [each for part in parts for each in self._unfused(part)]
        leases = [lease for part in parts for lease in part.holding.leases.values()]
        async with self.db.begin() as c:
            mine = await self._mine(c, jobs)
            standing = await processes.held(c, leases)
            for each in jobs:
                if not all(name in standing for name in each.leases):
                    each.result = Result("busy", "the lease was lost", after=0.1)
            await self._intend_in(c, open_ones(jobs), mine, await self.db.now(c))
        return [None] * len(parts)

    def _unfused(self, part: _Slice) -> list[Job]:
        """What had to be read before its intent."""
        return [e for e in open_ones(part.jobs) if e.order.desired is not None and not _needs_no_read(part, e)]

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

    # --- calls -----------------------------------------------------------------------------------------------------

    async def _write(self, lane: Lane, jobs: Sequence[Job], part: _Slice) -> None:
        going = [each for each in jobs if each.steps]
        while going:
            await self._renew(part)
            going = open_ones(going)
            size = lane.target.batch
            if len(going) <= size:
                await self._call(lane, going, part)
            else:
                async with asyncio.TaskGroup() as group:
                    for start in range(0, len(going), size):
                        group.create_task(self._call(lane, going[start : start + size], part))
            going = [each for each in going if each.steps and each.result is None]
            if going:
                async with self.db.begin() as c:
                    kept = [(e.order.resource, e.order.claim.consumer, e.order.claim.claim, e.kept) for e in going]
                    await applied.keep_progress(c, kept)
                await self.step("stepped")
        for each in [one for one in open_ones(jobs) if one.unnamed]:
            await self._bisect(lane, each, part)
        if any(each.wrote for each in jobs):
            await self.step("written")

    async def _call(self, lane: Lane, chunk: Sequence[Job], part: _Slice) -> None:
        try:
            async with lane.call(min(each.order.claim.priority for each in chunk)):
                outcomes = await self._written(lane, chunk, part.holding.deadline)
        except Exception as error:
            await self._failed(lane, chunk, error, part)
            return
        part.answered = True
        for each, said in zip(chunk, outcomes, strict=True):
            try:
                self._advance(lane.target, each, said)
            except Exception as error:
                each.doubtful = True
                self._fail(lane, [each], error)

    async def _written(self, lane: Lane, chunk: Sequence[Job], deadline: float) -> Sequence[StepOutcome]:
        """One outcome a step, which a plugin's target may get wrong."""
        with self.observed.traces.within(f"ensure {lane.target.name}", [each.order.span for each in chunk]):
            outcomes = await lane.target.write([each.steps[0] for each in chunk], deadline)
        if len(outcomes) != len(chunk):
            raise RuntimeError(f"{lane.target.name} answered {len(outcomes)} outcomes for {len(chunk)} steps")
        return outcomes

    def _advance(self, target: Target, each: Job, said: StepOutcome) -> None:
        if isinstance(said, Done):
            each.wrote = True
            asked = each.steps[0]
            each.progress[asked.name] = said.result
        elif not said.fields and _divisible(target, each):
            each.unnamed, each.steps = said.reason, ()
            return
        elif not park(each, said.fields, said.reason):
            return
        each.steps = target.steps(each.desired, each.actual, each.progress)
        if isinstance(said, Done) and each.steps and each.steps[0] == asked:
            raise RuntimeError(f"{target.name} names the step {asked.name} again, which is done")

    async def _failed(self, lane: Lane, chunk: Sequence[Job], error: Exception, part: _Slice) -> None:
        """A whole array failed: the culprit is found by halves where the array as such is not accepted."""
        if len(chunk) > 1 and (isinstance(error, Refuse | DeadLetter) or _again(lane.target, chunk, error)):
            half = len(chunk) // 2
            for some in (chunk[:half], chunk[half:]):
                await self._call(lane, some, part)
            return
        if isinstance(error, Refuse):
            part.answered = True
            self._advance(lane.target, chunk[0], Refused(tuple(map(FieldKey, error.fields)), str(error)))
            return
        # What broke in our own code may have happened after the call went out.
        doubtful = error.maybe_done if isinstance(error, DeliveryError) else True
        for each in chunk:
            each.doubtful = each.doubtful or doubtful
        self._fail(lane, chunk, error)

    async def _bisect(self, lane: Lane, each: Job, whole: _Slice) -> None:
        """The target refused a record and named no field: fields go by halves, until what it will not have is alone."""
        refused: set[FieldKey] = set()
        left = [units(each)]
        try:
            while left:
                part = left.pop()
                names = frozenset[FieldKey]().union(*part)
                said = await self._some(lane.target, each, names, whole.holding.deadline)
                if said is None:
                    continue
                if len(part) > 1 and not said.fields:
                    left += [part[len(part) // 2 :], part[: len(part) // 2]]
                    continue
                refused |= set(said.fields) & names or names
                rest = [unit for unit in part if not unit & refused]
                left += [rest] if rest and len(rest) < len(part) else []
        except Exception as error:
            await self._failed(lane, [each], error, whole)
            return
        park(each, refused, each.unnamed)

    async def _some(self, target: Target, each: Job, names: frozenset[FieldKey], deadline: float) -> Refused | None:
        """Write these fields alone; the refusal, if it is one."""
        assert isinstance(each.desired, Ensure)
        wanted = replace(each.desired, fields={key: each.desired.fields[key] for key in names})
        progress: dict[str, object] = {}
        while steps := target.steps(wanted, each.actual, progress):
            try:
                [said] = await target.write([steps[0]], deadline)
            except Refuse as error:
                said = Refused(tuple(map(FieldKey, error.fields)), str(error))
            if isinstance(said, Refused):
                return said
            each.wrote = True
            progress[steps[0].name] = said.result
        return None

    def _fail(self, lane: Lane, jobs: Sequence[Job], error: Exception) -> None:
        if isinstance(error, Pause) or (isinstance(error, Retry) and error.sent):
            lane.breaker.failed(jobs[0].order.claim.title, error)
            for each in jobs:
                each.failed = True
        if isinstance(error, Pause):
            end(jobs, Result("retry", str(error), after=max(1.0, lane.breaker.blocked())))
        elif isinstance(error, Retry):
            self.observed.retried(lane.target.name)
            end(jobs, Result("retry", str(error), after=error.after, attempt=True))
        elif isinstance(error, DeadLetter):
            for each in jobs:
                each.result = Result("dead-lettered", str(error), findings=(dead_finding(each.order, str(error)),))
        elif isinstance(error, DeliveryError):
            end(jobs, Result("stopped", str(error)))
            log.error("ensure: stopped", target=lane.target.name, error=str(error))
        else:
            end(jobs, Result("stopped", f"{type(error).__name__}: {error}"))
            log.error("ensure: our own code failed", target=lane.target.name, exc_info=error)

    # --- remember --------------------------------------------------------------------------------------------------

    async def _remember_all(self, parts: Sequence[_Slice]) -> list[None]:
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
            await applied.post(self.db, c, lines)
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


def _readable(target: Target) -> bool:
    return getattr(target, "readable", True)


def _needs_no_read(part: _Slice, each: Job) -> bool:
    desired = each.order.desired
    return desired is not None and (each.order.absent or (not _readable(part.target) and not desired.brake))


def _backfills(each: Job) -> bool:
    """Whether it would write, and neither for a live change nor to settle what is in doubt."""
    had = each.order.applied
    return bool(each.steps) and not each.order.claim.live and (had is None or not had.in_doubt(each.read_at))


def _as_applied(each: Job) -> None:
    """A target that cannot be read: what was applied counts as what is there; in doubt nothing does."""
    had = each.order.applied
    if had is None or not had.present:
        each.actual = None
    else:
        each.actual = Actual({} if had.in_doubt(each.read_at) else dict(had.fields or {}))


def _divisible(target: Target, each: Job) -> bool:
    """Whether a refusal that names no field can be narrowed down by writing fields apart."""
    return bool(getattr(target, "divisible", False)) and isinstance(each.desired, Ensure) and len(units(each)) > 1


def _server(error: Exception) -> bool:
    return isinstance(error, Retry) and error.status is not None and error.status >= 500


def _again(target: Target, chunk: Sequence[Job], error: Exception) -> bool:
    """Whether an array failed on the server for a second time, and its parts may be sent apart."""
    if not isinstance(error, Retry) or not _server(error):
        return False
    if error.maybe_done and any(each.steps[0].name in target.once for each in chunk):
        return False
    return any(each.order.claim.attempts for each in chunk)


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


__all__ = ["SECOND", "Delivery", "EnsureSettings", "Order", "Result"]
