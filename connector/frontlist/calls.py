"""Calls to a target for a slice: what stands there is read, steps are written, and what fails says so to its jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from frontlist.contract import Actual, Done, Ensure, FieldKey, Refused, StepOutcome, Target
from frontlist.differences import Leaves, look, park, units
from frontlist.errors import DeadLetter, DeliveryError, Pause, Refuse, Retry
from frontlist.jobs import Job, end, open_ones
from frontlist.observed import Observed
from frontlist.orders import Result, dead_finding
from frontlist.slices import Slice, readable
from frontlist.state import applied
from frontlist.state.database import Database
from frontlist.step import Step as Point

log = structlog.get_logger(__name__)


class Calls:
    """Reads and writes of one process, to all targets."""

    def __init__(self, db: Database, observed: Observed, *, look_again: float, leaves: Leaves, step: Point) -> None:
        self.db, self.observed, self.step = db, observed, step
        self.look_again, self.leaves = look_again, leaves

    async def read(self, part: Slice, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        if not readable(part.target):
            for each in jobs:
                self.look(part, each, each.actual)
            return
        asked = [each.desired for each in jobs if not each.order.absent]
        try:
            found = await part.target.read(asked) if asked else {}
        except Exception as error:
            again = _server(error) and any(each.order.claim.attempts for each in jobs)
            if len(jobs) > 1 and (again or not isinstance(error, Retry | Pause)):
                half = len(jobs) // 2
                await self.read(part, jobs[:half])
                await self.read(part, jobs[half:])
            else:
                self.fail(part, jobs, error)
            return
        part.answered = part.answered or bool(asked)
        for each in jobs:
            self.look(part, each, found.get(each.order.resource))

    def look(self, part: Slice, each: Job, actual: Actual | None) -> None:
        each.actual = actual
        if not readable(part.target):
            _as_applied(each)
        try:
            look(part.target, each, each.read_at, self.look_again, self.leaves)
        except Exception as error:
            self.fail(part, [each], error)

    # --- writes ----------------------------------------------------------------------------------------------------

    async def write(self, part: Slice, jobs: Sequence[Job]) -> None:
        going = [each for each in jobs if each.steps]
        while going:
            await part.renew(self.db)
            going = open_ones(going)
            size = part.target.batch
            if len(going) <= size:
                await self._call(part, going)
            else:
                async with asyncio.TaskGroup() as group:
                    for start in range(0, len(going), size):
                        group.create_task(self._call(part, going[start : start + size]))
            going = [each for each in going if each.steps and each.result is None]
            if going:
                async with self.db.begin() as c:
                    kept = [(e.order.resource, e.order.claim.consumer, e.order.claim.claim, e.kept) for e in going]
                    await applied.keep_progress(c, kept)
                await self.step("stepped")
        for each in [one for one in open_ones(jobs) if one.unnamed]:
            await self._bisect(part, each)
        if any(each.wrote for each in jobs):
            await self.step("written")

    async def _call(self, part: Slice, chunk: Sequence[Job]) -> None:
        try:
            async with part.lane.call(min(each.order.claim.priority for each in chunk)):
                outcomes = await self._written(part, chunk)
        except Exception as error:
            await self._failed(part, chunk, error)
            return
        part.answered = True
        for each, said in zip(chunk, outcomes, strict=True):
            try:
                self._advance(part.target, each, said)
            except Exception as error:
                each.doubtful = True
                self.fail(part, [each], error)

    async def _written(self, part: Slice, chunk: Sequence[Job]) -> Sequence[StepOutcome]:
        """One outcome a step, which a plugin's target may get wrong."""
        with self.observed.traces.within(f"ensure {part.target.name}", [each.order.span for each in chunk]):
            outcomes = await part.target.write([each.steps[0] for each in chunk], part.holding.deadline)
        if len(outcomes) != len(chunk):
            raise RuntimeError(f"{part.target.name} answered {len(outcomes)} outcomes for {len(chunk)} steps")
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

    async def _failed(self, part: Slice, chunk: Sequence[Job], error: Exception) -> None:
        """A whole array failed: the culprit is found by halves where the array as such is not accepted."""
        if len(chunk) > 1 and (isinstance(error, Refuse | DeadLetter) or _again(part.target, chunk, error)):
            half = len(chunk) // 2
            for some in (chunk[:half], chunk[half:]):
                await self._call(part, some)
            return
        if isinstance(error, Refuse):
            part.answered = True
            self._advance(part.target, chunk[0], Refused(tuple(map(FieldKey, error.fields)), str(error)))
            return
        # What broke in our own code may have happened after the call went out.
        doubtful = error.maybe_done if isinstance(error, DeliveryError) else True
        for each in chunk:
            each.doubtful = each.doubtful or doubtful
        self.fail(part, chunk, error)

    async def _bisect(self, part: Slice, each: Job) -> None:
        """The target refused a record and named no field: fields go by halves, until what it will not have is alone."""
        refused: set[FieldKey] = set()
        left = [units(each)]
        try:
            while left:
                some = left.pop()
                names = frozenset[FieldKey]().union(*some)
                said = await self._some(part.target, each, names, part.holding.deadline)
                if said is None:
                    continue
                if len(some) > 1 and not said.fields:
                    left += [some[len(some) // 2 :], some[: len(some) // 2]]
                    continue
                refused |= set(said.fields) & names or names
                rest = [unit for unit in some if not unit & refused]
                left += [rest] if rest and len(rest) < len(some) else []
        except Exception as error:
            await self._failed(part, [each], error)
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

    def fail(self, part: Slice, jobs: Sequence[Job], error: Exception) -> None:
        if isinstance(error, Pause) or (isinstance(error, Retry) and error.sent):
            part.lane.breaker.failed(jobs[0].order.claim.title, error)
            for each in jobs:
                each.failed = True
        if isinstance(error, Pause):
            end(jobs, Result("retry", str(error), after=max(1.0, part.lane.breaker.blocked())))
        elif isinstance(error, Retry):
            self.observed.retried(part.target.name)
            end(jobs, Result("retry", str(error), after=error.after, attempt=True))
        elif isinstance(error, DeadLetter):
            for each in jobs:
                each.result = Result("dead-lettered", str(error), findings=(dead_finding(each.order, str(error)),))
        elif isinstance(error, DeliveryError):
            end(jobs, Result("stopped", str(error)))
            log.error("ensure: stopped", target=part.target.name, error=str(error))
        else:
            end(jobs, Result("stopped", f"{type(error).__name__}: {error}"))
            log.error("ensure: our own code failed", target=part.target.name, exc_info=error)


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
