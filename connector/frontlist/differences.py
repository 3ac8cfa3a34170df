"""What is left to write of a job: what differs from what stands there, without what brakes hold and targets refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from frontlist import brakes
from frontlist.brakes import Change
from frontlist.clock import SECOND
from frontlist.contract import Absent, Ensure, FieldKey, Json, Resource, Target
from frontlist.jobs import Job, held_result
from frontlist.orders import Order, Result, dead_finding, removed_finding
from frontlist.state import applied
from frontlist_schemas.canonical import fingerprint

#: Whether drift of a field stays as it is.
Leaves = Callable[[Resource, FieldKey], bool]


def look(target: Target, job: Job, now: int, look_again: float, leaves: Leaves) -> None:
    """What differs from what is there, and which steps are left; some need none."""
    order, actual = job.order, job.actual
    if order.desired is None:
        return
    if isinstance(job.desired, Ensure) and actual is None and _wants(target, job.desired):
        if order.applied is not None and order.applied.present and _stood(target, order.applied):
            job.removed = True
            job.result = Result("refused", "removed by a person", findings=(removed_finding(order),))
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
    _spare(target, job, have)
    job.drifted = drifted(target, job, have)
    _leave(job, have, leaves)
    job.steps = target.steps(job.desired, actual, job.progress)
    first = job.steps[0].name if job.steps else None
    asked = order.applied.progress.get("asked", {}) if order.applied else {}
    if first in target.once and first in asked:
        again = asked[first] + round(look_again * SECOND)
        if now < again:
            detail = f"{first} went out without an answer; looked for once more before it is repeated"
            job.result = Result("deferred", detail, after=(again - now) / SECOND)


def _spare(target: Target, job: Job, have: Mapping[FieldKey, Json]) -> None:
    """What another title filled is emptied only as it was left: what people made of it since is nobody's but theirs.

    Where it is not known what was left, it counts as ours.
    """
    had = job.order.applied
    if had is None or had.fields is None or not isinstance(job.desired, Ensure):
        return
    if not _was_free(job.order, had) or not had.certain:
        return
    ours, wanted = had.fields, job.desired.fields
    spared = {
        key
        for key in job.differs
        if wanted[key] is None
        and ours.get(key) is not None
        and key in have
        and not target.same(had.resource, key, ours[key], have[key])
    }
    job.desired = replace(job.desired, fields={key: each for key, each in wanted.items() if key not in spared})
    job.differs = tuple(key for key in job.differs if key not in spared)


def _was_free(order: Order, had: applied.Applied) -> bool:
    """Whether it was let go of, or another title had it, so that nobody set back what people changed."""
    return had.title_revision == 0 or had.title != order.claim.title


def drifted(target: Target, job: Job, have: Mapping[FieldKey, Json]) -> tuple[FieldKey, ...]:
    """Planned fields that hold something else than what we wrote, though nothing of ours is in doubt."""
    had = job.order.applied
    if had is None or had.fields is None or not had.certain:
        return ()
    ours = had.fields
    planned = ours if job.fields is None else job.fields
    both = [key for key in ours if key in planned and key in have]
    return tuple(key for key in both if not target.same(had.resource, key, ours[key], have[key]))


def _leave(job: Job, have: Mapping[FieldKey, Json], leaves: Leaves) -> None:
    """Drift that policy leaves: what stands there is what is wanted, until source or mapping changes."""
    if not job.drifted or not isinstance(job.desired, Ensure):
        return
    ours = (job.order.applied.fields if job.order.applied else None) or {}
    job.left = {
        key: have[key]
        for key in job.drifted
        # Where the plan says something else than what we wrote, the source changed too, and its word counts.
        if key in job.differs and (job.fields or {}).get(key) == ours.get(key) and leaves(job.order.resource, key)
    }
    job.desired = replace(job.desired, fields={**job.desired.fields, **job.left})
    job.differs = tuple(key for key in job.differs if key not in job.left)


def _wants(target: Target, desired: Ensure) -> bool:
    """Whether something has to be there: a text without words has not."""
    return bool(target.steps(replace(desired, create=True), None, {}))


def _stood(target: Target, had: applied.Applied) -> bool:
    """Whether what was applied last is something that stands, so that somebody must have taken it away."""
    return had.fields is None or _wants(target, Ensure(had.resource, had.fields, 0))


def harmful(job: Job, price_change: float) -> list[Change]:
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


def hold_back(target: Target, job: Job, changes: Sequence[Change]) -> None:
    """What a brake holds is left out like a refused field, with its group; the rest goes on."""
    for each in changes:
        job.held[each.cell.field] = brakes.finding(each.cell, each.effect, each.was, each.becomes)
    if not isinstance(job.desired, Ensure):
        job.result = held_result(job)
        return
    out = set(job.held)
    for group in job.desired.groups:
        out |= group if group & out else set()
    rest = {key: value for key, value in job.desired.fields.items() if key not in out}
    job.desired = replace(job.desired, fields=rest)
    job.differs = tuple(key for key in job.differs if key not in out)
    job.steps = target.steps(job.desired, job.actual, job.progress) if rest else ()
    if not job.steps:
        job.result = held_result(job)


def park(job: Job, named: Iterable[FieldKey], reason: str) -> bool:
    """Leave the refused fields out, with their groups; False: the resource as a whole is refused."""
    wanted = job.desired
    out = set(named) & set(wanted.fields) if isinstance(wanted, Ensure) else set()
    if isinstance(wanted, Ensure):
        for group in wanted.groups:
            out |= group & set(wanted.fields) if group & out else set()
    if not isinstance(wanted, Ensure) or not out or out == set(wanted.fields):
        job.result = Result("dead-lettered", reason, findings=(dead_finding(job.order, reason),))
        return False
    for key in out:
        job.refused[key] = {"value": fingerprint(wanted.fields.get(key)), "reason": reason, "since": job.read_at}
    rest = {key: value for key, value in wanted.fields.items() if key not in out}
    job.desired = replace(wanted, fields=rest)
    job.differs = tuple(key for key in job.differs if key not in out)
    return True


def units(job: Job) -> list[frozenset[FieldKey]]:
    """The fields that would be written, those of a group together."""
    assert isinstance(job.desired, Ensure)
    left, out = set(job.differs), []
    for group in job.desired.groups:
        if group & left:
            out.append(frozenset(group & set(job.desired.fields)))
            left -= group
    return [*out, *(frozenset({key}) for key in sorted(left))]
