"""Ensure: desired states are brought about in a target, under a lease, with intent before and remembrance after.

Compare with what was applied; read what differs or is in doubt; intent; steps; remember (docs/decisions/0002).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import brakes, journal
from frontlist.brakes import Brakes, Change
from frontlist.clock import Clock
from frontlist.contract import (
    Absent,
    Actual,
    Desired,
    Done,
    Ensure,
    FieldKey,
    Finding,
    Json,
    Refused,
    Resource,
    Step,
    StepOutcome,
    Target,
)
from frontlist.errors import DeadLetter, DeliveryError, Pause, Refuse, Retry
from frontlist.gentleness import Backfill
from frontlist.state import applied, processes, work
from frontlist.state.database import Database
from frontlist.step import Step as Point
from frontlist.step import no_step
from frontlist_schemas.canonical import fingerprint

log = structlog.get_logger(__name__)
SECOND = 1_000_000


class EnsureSettings(BaseModel):
    """How targets are written; times in seconds."""

    model_config = ConfigDict(extra="forbid")

    lease: float = Field(45.0, gt=0, description="how long a title and a resource are held for the calls")
    look_again: float = Field(900.0, ge=0, description="until a doubtful write is read back once more")
    pause: float = Field(30.0, gt=0, description="until a target that refused our key is tried again")
    refused_again: float = Field(86_400.0, gt=0, description="until a refused field is tried again")
    calls_at_once: int = Field(8, ge=1, description="calls in flight to one target")


@dataclass(frozen=True)
class Order:
    """A desired state to be brought about for a claim; `desired` None: only settle what is in doubt.

    `absent`: it is known that the resource does not exist, so it need not be read. `read_back`: it is compared with
    what stands there, whatever was applied. `pinned`: fields that a person decided, which no brake holds. `run`: what
    set it off, where that has a name. `erased`: what stands there may name a person who was erased, so it is not kept.
    """

    claim: work.Claim
    resource: Resource
    desired: Desired | None
    vector: Mapping[str, int]
    applied: applied.Applied | None
    absent: bool = False
    read_back: bool = False
    pinned: frozenset[FieldKey] = frozenset()
    run: str = ""
    erased: bool = False


@dataclass(frozen=True)
class Result:
    """What became of an order. `after`: seconds until it is worth trying again; `changed`: fields written.

    `held`: fields that wait for a person; `drifted`: those that somebody changed, `left`: what of it stays as it is.
    `called`: the target was asked.
    """

    outcome: str
    detail: str = ""
    after: float | None = None
    attempt: bool = False
    changed: tuple[FieldKey, ...] = ()
    created: bool = False
    findings: tuple[Finding, ...] = ()
    held: frozenset[FieldKey] = frozenset()
    drifted: tuple[FieldKey, ...] = ()
    left: Mapping[FieldKey, Json] = field(default_factory=dict)
    called: bool = True


@dataclass
class _Job:
    """An order on its way through one `bring`."""

    order: Order
    desired: Desired
    actual: Actual | None = None
    read_at: int = 0
    progress: dict[str, Json] = field(default_factory=dict)
    refused: dict[str, Json] = field(default_factory=dict)
    held: dict[FieldKey, Finding] = field(default_factory=dict)
    left: dict[FieldKey, Json] = field(default_factory=dict)
    drifted: tuple[FieldKey, ...] = ()
    differs: tuple[FieldKey, ...] = ()
    steps: Sequence[Step] = ()
    intended: bool = False
    wrote: bool = False
    doubtful: bool = False
    result: Result | None = None

    @property
    def fields(self) -> Mapping[FieldKey, Json] | None:
        return self.desired.fields if isinstance(self.desired, Ensure) else None


@dataclass
class _Holding:
    """Leases in hand since `began` (the event loop's clock), for `seconds`."""

    leases: dict[str, processes.Lease]
    began: float
    seconds: float

    @property
    def deadline(self) -> float:
        """Nothing is sent after it: a margin before anybody else may have the lease."""
        return self.began + self.seconds * 0.8

    @property
    def old(self) -> bool:
        return asyncio.get_running_loop().time() > self.began + self.seconds / 4


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
        settings: EnsureSettings | None = None,
        backfill: Backfill | None = None,
        braking: Brakes | None = None,
        leaves: Callable[[Resource, FieldKey], bool] = lambda _resource, _key: False,
        step: Point = no_step,
    ) -> None:
        """`process`: the id under which rows are claimed. `journal`: the topic of what was done.

        `backfill`: what lets titles that are no live change through to Consonance; None: all. `braking`: the brakes;
        None: none. `leaves`: whether drift of a field stays as it is.
        """
        self.db, self.targets, self.process, self.clock = db, targets, process, clock
        self.settings, self.journal, self.step = settings or EnsureSettings(), journal, step
        self.backfill, self.braking, self.leaves = backfill, braking, leaves
        self.stopping: asyncio.Event | None = None
        self.stale_writes = 0
        self._paused: dict[str, float] = {}

    async def bring(self, orders: Sequence[Order]) -> dict[int, Result]:
        """A result for each order, by its index."""
        results: dict[int, Result] = {}
        by_target: dict[str, list[int]] = {}
        for i, order in enumerate(orders):
            by_target.setdefault(order.resource.target, []).append(i)
        for name, indices in by_target.items():
            some = await self._bring(name, [orders[i] for i in indices])
            results |= dict(zip(indices, some, strict=True))
        return results

    async def _bring(self, name: str, orders: Sequence[Order]) -> list[Result]:
        target = self.targets.get(name)
        if target is None:
            return [Result("deferred", f"no target {name} is configured") for _ in orders]
        now = self.clock.now_us()
        out = [self._without_call(order, now) or await self._held_back(name, order) for order in orders]
        jobs = [_job(order, now, self.settings) for order, done in zip(orders, out, strict=True) if done is None]
        # Each slice under its own leases: what waits for its turn does not hold titles.
        size = max(target.batch, self.settings.calls_at_once)
        for start in range(0, len(jobs), size):
            if self.stopping is not None and self.stopping.is_set():
                _all(jobs[start:], Result("busy", "the process is stopping", after=0.0))
                break
            await self._deliver(name, target, jobs[start : start + size])
        answers = iter(jobs)
        return [done if done is not None else _result(next(answers)) for done in out]

    async def _held_back(self, name: str, order: Order) -> Result | None:
        """A backfill to Consonance waits for its window and its share of a night."""
        live = order.claim.priority < work.Priority.BACKFILL or order.desired is None
        if name != "consonance" or live or self.backfill is None:
            return None
        async with self.db.begin() as c:
            seconds = await self.backfill.admit(c, order.claim.title)
        return Result("deferred", "backfill waits for its window", after=seconds) if seconds else None

    def _without_call(self, order: Order, now: int) -> Result | None:
        """What needs no call: nothing differs from what was applied, or it is known that it will not be accepted."""
        have, desired = order.applied, order.desired
        if have is None or have.in_doubt(now):
            return None
        if desired is None:
            return Result("unchanged")
        wanted, parked = _effective(order, now, self.settings)
        if have.dead and have.dead["fingerprint"] == _print(desired):
            finding = _dead_finding(order, have.dead["reason"])
            return Result("dead-lettered", have.dead["reason"], findings=(finding,), called=False)
        if order.read_back:
            return None
        if isinstance(wanted, Absent):
            return Result("unchanged") if not have.present else None
        same = have.present and have.fields is not None
        if not same or any(
            key not in (have.fields or {}) or (have.fields or {})[key] != v for key, v in wanted.fields.items()
        ):
            return None
        return _parked_result(order, parked) if parked else Result("unchanged")

    # --- under the lease -------------------------------------------------------------------------------------------

    async def _deliver(self, name: str, target: Target, jobs: list[_Job]) -> None:
        paused = self._paused.get(name, 0.0) - self.clock.now_us() / SECOND
        if paused > 0:
            _all(jobs, Result("retry", f"{name} is paused", after=paused))
            return
        wanted = [lease for job in jobs for lease in _leases(job.order)]
        holding = await self._hold(wanted)
        try:
            _one_each(jobs)
            for job in _open(jobs):
                if not all(lease in holding.leases for lease in _leases(job.order)):
                    job.result = Result("busy", "another worker holds the title or the resource", after=0.2)
            await self._read(name, target, _open(jobs))
            await self._brake(target, _open(jobs))
            await self._renew(holding, jobs)
            await self._intend(_open(jobs), list(holding.leases.values()))
            await self._write(name, target, _open(jobs), holding)
            await self._remember(jobs)
        finally:
            async with self.db.begin() as c:
                await processes.give_back(c, list(holding.leases.values()))

    async def _hold(self, names: Sequence[str]) -> _Holding:
        async with self.db.begin() as c:
            leases = await processes.acquire(self.db, c, names, self.clock.new_id(), self.settings.lease)
        return _Holding(leases, asyncio.get_running_loop().time(), self.settings.lease)

    async def _renew(self, holding: _Holding, jobs: Sequence[_Job]) -> None:
        """Calls wait for their turn: what still holds its leases gets their full time again before it goes on."""
        if not holding.old:
            return
        began = asyncio.get_running_loop().time()
        async with self.db.begin() as c:
            for lease in sorted(holding.leases.values(), key=lambda each: each.name):
                kept = await processes.extend(self.db, c, lease, self.settings.lease)
                if kept is None:
                    del holding.leases[lease.name]
        holding.began = began
        for job in _open(jobs):
            if not all(lease in holding.leases for lease in _leases(job.order)):
                job.doubtful = job.wrote
                job.result = Result("busy", "the lease was lost while calls waited", after=0.2)

    async def _read(self, name: str, target: Target, jobs: Sequence[_Job]) -> None:
        if not jobs:
            return
        async with self.db.read() as c:
            now = await self.db.now(c)
        asked = [job.desired for job in jobs if not job.order.absent]
        try:
            found = await target.read(asked) if asked else {}
        except Exception as error:
            if len(jobs) > 1 and not isinstance(error, Retry | Pause):
                half = len(jobs) // 2
                await self._read(name, target, jobs[:half])
                await self._read(name, target, jobs[half:])
            else:
                self._fail(name, jobs, error)
            return
        for job in jobs:
            job.actual, job.read_at = found.get(job.order.resource), now
            try:
                self._look(target, job, now)
            except Exception as error:
                self._fail(name, [job], error)

    def _look(self, target: Target, job: _Job, now: int) -> None:
        """What differs, and which steps are left; some need none."""
        order, actual = job.order, job.actual
        if order.desired is None:
            return
        if isinstance(job.desired, Ensure) and actual is None and _wants(target, job.desired):
            if order.applied is not None and order.applied.present and _stood(target, order.applied):
                job.result = Result("refused", "removed by a person", findings=(_removed(order),))
                return
            if not job.desired.create:
                job.result = Result("deferred", f"{order.resource} does not exist and may not be created now")
                return
        have = actual.fields if actual else {}
        job.differs = tuple(
            key
            for key, value in (job.fields or {}).items()
            if key not in have or not target.same(order.resource, key, value, have[key])
        )
        job.drifted = _drifted(target, order, have)
        self._leave(job, have)
        job.steps = target.steps(job.desired, actual, job.progress)
        first = job.steps[0].name if job.steps else None
        asked = order.applied.progress.get("asked", {}) if order.applied else {}
        if first in target.once and first in asked:
            again = asked[first] + round(self.settings.look_again * SECOND)
            if now < again:
                detail = f"{first} went out without an answer; looked for once more before it is repeated"
                job.result = Result("deferred", detail, after=(again - now) / SECOND)

    def _leave(self, job: _Job, have: Mapping[FieldKey, Json]) -> None:
        """Drift that policy leaves: what stands there is what is wanted, until source or mapping changes."""
        if not isinstance(job.desired, Ensure):
            return
        job.left = {
            key: have[key]
            for key in job.drifted
            if key in job.differs and _as_applied(job, key) and self.leaves(job.order.resource, key)
        }
        job.desired = replace(job.desired, fields={**job.desired.fields, **job.left})
        job.differs = tuple(key for key in job.differs if key not in job.left)

    async def _brake(self, target: Target, jobs: Sequence[_Job]) -> None:
        """What a brake holds is left out like a refused field, with its group; the rest goes on."""
        if self.braking is None:
            return
        price = self.braking.settings.price_change
        changes = {job.order.resource: found for job in jobs if (found := _harmful(job, price))}
        if not changes:
            return
        async with self.db.begin() as c:
            held = await self.braking.admit(c, [each for some in changes.values() for each in some])
        for job in jobs:
            mine = [each for each in changes.get(job.order.resource, ()) if each.cell in held]
            if mine:
                self._hold_back(target, job, mine)

    def _hold_back(self, target: Target, job: _Job, changes: Sequence[Change]) -> None:
        for each in changes:
            job.held[each.cell.field] = brakes.finding(each.cell, each.effect, each.was, each.becomes)
        if not isinstance(job.desired, Ensure):
            job.result = _held_result(job)
            return
        out = set(job.held)
        for group in job.desired.groups:
            out |= group if group & out else set()
        rest = {key: value for key, value in job.desired.fields.items() if key not in out}
        job.desired = replace(job.desired, fields=rest)
        job.differs = tuple(key for key in job.differs if key not in out)
        job.steps = target.steps(job.desired, job.actual, job.progress) if rest else ()
        if not job.steps:
            job.result = _held_result(job)

    async def _intend(self, jobs: Sequence[_Job], leases: Sequence[processes.Lease]) -> None:
        """Intents and before-images, if claims and leases still stand, in one transaction."""
        jobs = [job for job in jobs if job.order.desired is not None]
        if not jobs:
            return
        async with self.db.begin() as c:
            mine = await work.still_mine(self.db, c, self.process, _claims(jobs))
            held = all(
                [await processes.held(self.db, c, lease) for lease in sorted(leases, key=lambda each: each.name)]
            )
            standing = []
            for job in jobs:
                if held and (job.order.claim.consumer, job.order.claim.title) in mine:
                    standing.append(job)
                else:
                    job.result = Result("busy", "the claim or the lease was lost", after=0.1)
            accepted, taken = await applied.intend(self.db, c, [_intent(job) for job in standing])
            for job in standing:
                if job.order.resource in taken:
                    job.result = Result("refused", "another title claims it", findings=(_taken(job.order),))
                elif job.order.resource not in accepted:
                    job.result = Result("busy", "a newer plan stands", after=0.1)
                else:
                    job.intended = True
                    if job.steps:
                        await self._keep(c, job, {job.steps[0].name: job.read_at})
        await self.step("intended")

    async def _keep(self, c: AsyncConnection, job: _Job, asked: Mapping[str, int]) -> None:
        order = job.order
        await applied.keep_progress(
            c,
            order.resource,
            order.claim.consumer,
            order.claim.claim,
            {"of": _print(job.desired), "steps": job.progress, "asked": dict(asked)},
        )

    # --- calls -----------------------------------------------------------------------------------------------------

    async def _write(self, name: str, target: Target, jobs: Sequence[_Job], holding: _Holding) -> None:
        """Round after round the first step of each, in arrays, until no steps are left."""
        gate = asyncio.Semaphore(self.settings.calls_at_once)

        async def call(chunk: Sequence[_Job]) -> None:
            async with gate:
                await self._call(name, target, chunk, holding.deadline)

        going = [job for job in jobs if job.steps and job.result is None]
        while going:
            await self._renew(holding, going)
            going = _open(going)
            chunks = [going[i : i + target.batch] for i in range(0, len(going), target.batch)]
            async with asyncio.TaskGroup() as group:
                for chunk in chunks:
                    group.create_task(call(chunk))
            going = [job for job in going if job.steps and job.result is None]
            if going:
                async with self.db.begin() as c:
                    for job in sorted(going, key=lambda each: each.order.resource):
                        await self._keep(c, job, {job.steps[0].name: job.read_at})
                await self.step("stepped")
        if any(job.wrote for job in jobs):
            await self.step("written")

    async def _call(self, name: str, target: Target, chunk: Sequence[_Job], deadline: float) -> None:
        try:
            outcomes = await target.write([job.steps[0] for job in chunk], deadline)
        except Exception as error:
            await self._failed(name, target, chunk, error, deadline)
            return
        for job, outcome in zip(chunk, outcomes, strict=True):
            try:
                self._advance(target, job, outcome)
            except Exception as error:
                self._fail(name, [job], error)

    def _advance(self, target: Target, job: _Job, outcome: StepOutcome) -> None:
        if isinstance(outcome, Done):
            job.wrote = True
            job.progress[job.steps[0].name] = outcome.result
        elif not self._park(job, outcome.fields, outcome.reason):
            return
        job.steps = target.steps(job.desired, job.actual, job.progress)

    def _park(self, job: _Job, named: Sequence[FieldKey], reason: str) -> bool:
        """Leave the refused fields out, with their groups; False: the resource as a whole is refused."""
        wanted = job.desired
        out = set(named) & set(wanted.fields) if isinstance(wanted, Ensure) else set()
        if not isinstance(wanted, Ensure) or not out or out == set(wanted.fields):
            job.result = Result("dead-lettered", reason, findings=(_dead_finding(job.order, reason),))
            return False
        for group in wanted.groups:
            out |= group if group & out else set()
        for key in out:
            job.refused[key] = {"value": fingerprint(wanted.fields.get(key)), "reason": reason, "since": job.read_at}
        rest = {key: value for key, value in wanted.fields.items() if key not in out}
        job.desired = replace(wanted, fields=rest)
        job.differs = tuple(key for key in job.differs if key not in out)
        return True

    async def _failed(
        self, name: str, target: Target, chunk: Sequence[_Job], error: Exception, deadline: float
    ) -> None:
        """A whole array failed: find the culprit by halves where the array as such was refused."""
        if len(chunk) > 1 and isinstance(error, Refuse | DeadLetter):
            half = len(chunk) // 2
            for part in (chunk[:half], chunk[half:]):
                await self._call(name, target, part, deadline)
            return
        if isinstance(error, Refuse):
            self._advance(target, chunk[0], Refused(tuple(map(FieldKey, error.fields)), str(error)))
            return
        # What broke in our own code may have happened after the call went out.
        doubtful = error.maybe_done if isinstance(error, DeliveryError) else True
        for job in chunk:
            job.doubtful = doubtful
        self._fail(name, chunk, error)

    def _fail(self, name: str, jobs: Sequence[_Job], error: Exception) -> None:
        if isinstance(error, Pause):
            self._paused[name] = self.clock.now_us() / SECOND + self.settings.pause
            _all(jobs, Result("retry", str(error), after=self.settings.pause))
        elif isinstance(error, Retry):
            _all(jobs, Result("retry", str(error), after=error.after, attempt=True))
        elif isinstance(error, DeadLetter):
            for job in jobs:
                job.result = Result("dead-lettered", str(error), findings=(_dead_finding(job.order, str(error)),))
        elif isinstance(error, DeliveryError):
            _all(jobs, Result("stopped", str(error)))
            log.error("ensure: stopped", target=name, error=str(error))
        else:
            _all(jobs, Result("stopped", f"{type(error).__name__}: {error}"))
            log.error("ensure: our own code failed", target=name, exc_info=error)

    # --- remember --------------------------------------------------------------------------------------------------

    async def _remember(self, jobs: Sequence[_Job]) -> None:
        """Outcomes and the journal in one transaction; a refused one is a stale write, and its title is due again.

        What was intended and surely not written is remembered as it was before; the rest of what failed stays in doubt.
        """
        done = [job for job in jobs if job.result is None]
        unwritten = [job for job in jobs if job.result and job.intended and not job.wrote and not job.doubtful]
        if not any(job.intended for job in jobs) and not done:
            return
        async with self.db.begin() as c:
            now = await self.db.now(c)
            outcomes = [self._outcome(job, now) for job in done] + [_as_before(job) for job in unwritten]
            stale = await applied.remember(self.db, c, outcomes)
            for job in (each for each in jobs if each.doubtful):
                again = now + round(self.settings.look_again * SECOND)
                await applied.doubt(c, [job.order.resource], job.order.claim.consumer, now, again)
            lines = [(self.journal, str(job.order.claim.title), _line(job, now)) for job in done if job.wrote]
            await applied.post(self.db, c, lines)
            again_due = [job.order.claim for job in jobs if job.order.resource in stale]
            dues = [work.Due(each.consumer, each.title, now, each.priority, "stale write") for each in again_due]
            await work.mark(self.db, c, dues)
        self.stale_writes += len(stale)
        for job in done:
            job.result = self._settled(job)
        if any(job.wrote for job in done):
            await self.step("remembered")

    def _outcome(self, job: _Job, now: int) -> applied.Outcome:
        order, had = job.order, job.order.applied
        claim = order.claim.claim
        look = had.look_again_at if had else None
        if look is not None and look <= job.read_at:
            look = None
        elif had is not None and had.in_doubt(now) and look is None:
            look = now + round(self.settings.look_again * SECOND)
        if order.desired is None and had is not None:
            # The plan no longer names it: what stands there is looked at, nothing is written.
            return applied.Outcome(
                order.resource,
                order.claim.consumer,
                had.intent_claim,
                had.fields,
                job.actual is not None,
                had.progress,
                had.refused,
                had.dead,
                look,
                job.read_at,
            )
        return applied.Outcome(
            order.resource,
            order.claim.consumer,
            claim,
            job.fields,
            isinstance(job.desired, Ensure),
            {},  # all steps are done: what differs later is a new beginning
            job.refused,
            None,
            look,
            job.read_at,
        )

    def _settled(self, job: _Job) -> Result:
        found = (*job.held.values(), *(_drift(job, key) for key in job.drifted))
        changed = job.differs if job.wrote else ()
        if job.held:
            return replace(_held_result(job), changed=changed, findings=found)
        if job.refused:
            parked = _parked_result(job.order, job.refused)
            return replace(
                parked, changed=changed, findings=(*parked.findings, *found), drifted=job.drifted, left=job.left
            )
        if not job.wrote:
            return Result("unchanged", findings=found, drifted=job.drifted, left=job.left)
        created = job.actual is None
        return Result("applied", changed=changed, created=created, findings=found, drifted=job.drifted, left=job.left)


def _as_before(job: _Job) -> applied.Outcome:
    """Nothing was written: what was remembered stands, and what will not be accepted is known by its fingerprint."""
    order, had = job.order, job.order.applied
    dead = None
    if job.result is not None and job.result.outcome == "dead-lettered" and order.desired is not None:
        dead = {"fingerprint": _print(order.desired), "reason": job.result.detail, "since": job.read_at}
    return applied.Outcome(
        order.resource,
        order.claim.consumer,
        order.claim.claim,
        had.fields if had else None,
        job.actual is not None and (had is None or had.present),
        had.progress if had else {},
        {**(had.refused if had else {}), **job.refused},
        dead,
        had.look_again_at if had and had.look_again_at and had.look_again_at > job.read_at else None,
        job.read_at,
    )


def _job(order: Order, now: int, settings: EnsureSettings) -> _Job:
    desired, parked = _effective(order, now, settings)
    had = order.applied
    progress = had.progress if had and order.desired and had.progress.get("of") == _print(desired) else {}
    return _Job(order, desired, progress=dict(progress.get("steps", {})), refused=dict(parked))


def _effective(order: Order, now: int, settings: EnsureSettings) -> tuple[Desired, dict[str, Json]]:
    """The desired state without the fields that the target refused lately for the same value, and these."""
    desired = order.desired
    if desired is None:
        assert order.applied is not None
        return Ensure(order.resource, order.applied.intent_fields or order.applied.fields or {}, 0, create=False), {}
    if isinstance(desired, Absent) or order.applied is None or not order.applied.refused:
        return desired, {}
    lately = now - round(settings.refused_again * SECOND)
    parked = {
        key: why
        for key, why in order.applied.refused.items()
        if key in desired.fields
        and why["value"] == fingerprint(desired.fields[FieldKey(key)])
        and why["since"] > lately
    }
    rest = {key: value for key, value in desired.fields.items() if key not in parked}
    return replace(desired, fields=rest), parked


def _intent(job: _Job) -> applied.Intent:
    order = job.order
    return applied.Intent(
        order.resource,
        order.claim.consumer,
        order.claim.title,
        order.claim.claim,
        order.vector,
        job.fields,
        _overwritten(job) if job.steps and not order.erased else {},
        order.run,
        creates=bool(job.steps) and job.actual is None and isinstance(job.desired, Ensure),
    )


def _overwritten(job: _Job) -> dict[FieldKey, Json]:
    """What will not stand there any more: what differs, and what we once wrote and no longer name (it may all go)."""
    have = job.actual.fields if job.actual else {}
    ours = (job.order.applied.fields if job.order.applied else None) or {}
    wanted = job.fields or {}
    return {
        key: have[key]
        for key in have
        if key in job.differs or (key in ours and key not in wanted and key not in job.held)
    }


def _line(job: _Job, now: int) -> Json:
    order = job.order
    have = job.actual.fields if job.actual else {}
    return journal.line(
        at=now,
        title=order.claim.title,
        consumer=order.claim.consumer,
        flow=job.desired.flow,
        resource=str(order.resource),
        effect="removed" if isinstance(job.desired, Absent) else "created" if job.actual is None else "changed",
        claim=order.claim.claim,
        reason=order.claim.reason,
        run=order.run,
        vector=dict(order.vector),
        was={key: None if order.erased else have.get(key) for key in job.differs or _overwritten(job)},
        becomes=job.fields or {},
    )


def _harmful(job: _Job, price_change: float) -> list[Change]:
    """What of it a brake may hold: known values that become harmful ones, and not by a person's own decision."""
    order, have = job.order, job.actual.fields if job.actual else {}
    consumer, title = order.claim.consumer, order.claim.title
    if isinstance(order.desired, Absent):
        if job.actual is None or not order.desired.brake:
            return []
        cell = brakes.cell(consumer, order.resource, "")
        return [brakes.change(cell, title, "removal", dict(have), None)]
    if not isinstance(job.desired, Ensure) or order.desired is None:
        return []
    found = []
    for key, brake in job.desired.brake.items():
        if key in have and key in job.differs and key not in order.pinned:
            becomes = job.desired.fields.get(key)
            effect = brakes.effect_of(brake, have[key], becomes, price_change)
            if effect is not None:
                cell = brakes.cell(consumer, order.resource, key)
                found.append(brakes.change(cell, title, effect, have[key], becomes))
    return found


def _held_result(job: _Job) -> Result:
    return Result(
        "held",
        ", ".join(sorted(str(key or job.order.resource) for key in job.held)),
        findings=tuple(job.held.values()),
        held=frozenset(job.held),
        drifted=job.drifted,
        left=job.left,
    )


def _leases(order: Order) -> tuple[str, str]:
    return f"title/{order.resource.target}/{order.claim.title}", f"resource/{order.resource}"


def _claims(jobs: Iterable[_Job]) -> list[work.Claim]:
    return list({(job.order.claim.consumer, job.order.claim.title): job.order.claim for job in jobs}.values())


def _one_each(jobs: Sequence[_Job]) -> None:
    """A resource that two titles name (a product that moves) is brought about for one of them at a time."""
    seen: set[Resource] = set()
    for job in jobs:
        if job.order.resource in seen:
            job.result = Result("busy", "another title names it too", after=0.2)
        seen.add(job.order.resource)


def _open(jobs: Sequence[_Job]) -> list[_Job]:
    return [job for job in jobs if job.result is None]


def _all(jobs: Sequence[_Job], result: Result) -> None:
    for job in jobs:
        job.result = result


def _result(job: _Job) -> Result:
    assert job.result is not None
    return job.result


def _print(desired: Desired) -> str:
    return fingerprint(dict(desired.fields) if isinstance(desired, Ensure) else None)


def _parked_result(order: Order, parked: Mapping[str, Json]) -> Result:
    found = tuple(
        Finding(
            key=f"refused/{order.resource}/{key}",
            kind="refused-field",
            message=f"{order.resource.target} will not have {key}: {why['reason']}",
            cure="correct the value at its source or the mapping; it is tried again then, and daily",
            where=f"{order.resource} {key}",
        )
        for key, why in parked.items()
    )
    return Result("refused", "; ".join(sorted(parked)), findings=found)


def _drifted(target: Target, order: Order, have: Mapping[FieldKey, Json]) -> tuple[FieldKey, ...]:
    """Fields of ours that hold something else than what we wrote, though nothing of ours is in doubt."""
    if order.applied is None or order.applied.fields is None or order.applied.doubt_since is not None:
        return ()
    if order.applied.intent_claim > order.applied.applied_claim:
        return ()
    ours = order.applied.fields
    return tuple(key for key in ours if key in have and not target.same(order.resource, key, ours[key], have[key]))


def _wants(target: Target, desired: Ensure) -> bool:
    """Whether something has to be there: a text without words has not."""
    return bool(target.steps(replace(desired, create=True), None, {}))


def _stood(target: Target, had: applied.Applied) -> bool:
    """Whether what was applied last is something that stands, so that somebody must have taken it away."""
    return had.fields is None or _wants(target, Ensure(had.resource, had.fields, 0))


def _as_applied(job: _Job, key: FieldKey) -> bool:
    """Whether the plan still says what we wrote: else the source changed too, and its word counts."""
    ours = (job.order.applied.fields if job.order.applied else None) or {}
    return key in ours and (job.fields or {}).get(key) == ours[key]


def _drift(job: _Job, key: FieldKey) -> Finding:
    resource = job.order.resource
    kept = key in job.left
    done = "it is left until source or mapping changes" if kept else "it was set back"
    return Finding(
        key=f"drift/{resource}/{key}",
        kind="drift",
        message=f"somebody changed {key} of {resource}, which is ours; {done}",
        cure="change it at its source"
        if kept
        else "change it at its source; the value that was there is a before-image (frontlist explain)",
        where=f"{resource} {key}",
        severity="low",
    )


def _removed(order: Order) -> Finding:
    return Finding(
        key=f"removed/{order.resource}",
        kind="removed-by-a-person",
        message=f"{order.resource} was there and is gone: somebody deleted it",
        cure="restore it there, or link the title to another record (frontlist link); it is never made again unasked",
        where=str(order.resource),
    )


def _taken(order: Order) -> Finding:
    return Finding(
        key=f"claimed/{order.resource}",
        kind="claimed-twice",
        message=f"{order.resource} is claimed by another title with a newer statement",
        cure="look up both titles in Consonance: a product belongs to one work",
        where=str(order.resource),
    )


def _dead_finding(order: Order, reason: str) -> Finding:
    return Finding(
        key=f"dead/{order.resource}",
        kind="dead-letter",
        message=f"{order.resource} is not accepted: {reason}",
        cure="correct it at its source or in the mapping; it is tried again when it changes",
        where=str(order.resource),
        severity="high",
    )
