"""What goes to a target: orders as the worker gives them, jobs as delivery works on them, results as they come back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from frontlist import brakes, journal
from frontlist.brakes import Change
from frontlist.clock import SECOND
from frontlist.contract import (
    Absent,
    Actual,
    Desired,
    Ensure,
    FieldKey,
    Finding,
    Json,
    Resource,
    Step,
    Target,
    TitleKey,
)
from frontlist.modes import Modes, may_write
from frontlist.state import applied, work
from frontlist.tracing import INVALID_SPAN, Span
from frontlist_schemas.canonical import fingerprint

#: Whether drift of a field stays as it is.
Leaves = Callable[[Resource, FieldKey], bool]


@dataclass(frozen=True)
class Order:
    """A desired state to be brought about for a claim; `desired` None: only settle what is in doubt.

    `absent`: it is known that the resource does not exist, so it need not be read. `read_back`: it is compared with
    what stands there, whatever was applied. `accepted`: a person accepted it as a proposal. `until`: the plan's answer
    changes then (microseconds since 1970). `pinned`: fields that a person decided, which no brake holds. `run`: what
    set it off, where that has a name. `erased`: what stands there may name a person who was erased, so it is not kept.
    `revision`: of the newest statement that the title makes about the resource.
    """

    claim: work.Claim
    resource: Resource
    desired: Desired | None
    vector: Mapping[str, int]
    applied: applied.Applied | None
    absent: bool = False
    read_back: bool = False
    imprint: str | None = None
    accepted: bool = False
    until: int | None = None
    pinned: frozenset[FieldKey] = frozenset()
    run: str = ""
    erased: bool = False
    revision: int = 0
    span: Span = INVALID_SPAN

    @property
    def lets_go(self) -> bool:
        return lets_go(self.desired)

    @property
    def another(self) -> TitleKey | None:
        """The other title that has the resource, where this one lets go of it: nothing is left to do."""
        return left_to(self.desired, self.applied, self.claim.title)

    def may(self, modes: Modes) -> bool:
        """Whether its flow may still write: a mode that was lowered acts at once."""
        if self.desired is None:
            return True
        return may_write(modes.of(self.desired.flow, self.imprint), self.accepted)


@dataclass(frozen=True)
class Result:
    """What became of an order. `after`: seconds until it is worth trying again; `changed`: fields written.

    `attempt`: it counts as a failed one. `called`: False where the target was not asked, since it came back without its
    turn or is known to be refused. `held`: fields that wait for a person; `drifted`: those that somebody changed,
    `left`: what of it stays as it is. `lost`: its target is not configured, so nothing is to be expected of it.
    """

    outcome: str
    detail: str = ""
    after: float | None = None
    attempt: bool = False
    changed: tuple[FieldKey, ...] = ()
    created: bool = False
    findings: tuple[Finding, ...] = ()
    called: bool = True
    held: frozenset[FieldKey] = frozenset()
    drifted: tuple[FieldKey, ...] = ()
    left: Mapping[FieldKey, Json] = field(default_factory=dict)
    lost: bool = False


@dataclass(eq=False)
class Job:
    """An order on its way."""

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
    failed: bool = False
    removed: bool = False
    unnamed: str = ""
    result: Result | None = None

    @property
    def fields(self) -> Mapping[FieldKey, Json] | None:
        return self.desired.fields if isinstance(self.desired, Ensure) else None

    @property
    def leases(self) -> tuple[str, str]:
        return f"title/{self.order.resource.target}/{self.order.claim.title}", f"resource/{self.order.resource}"

    @property
    def kept(self) -> Json:
        """Its progress as it is stored: it belongs to this desired state."""
        asked = {self.steps[0].name: self.read_at} if self.steps else {}
        return {"of": fingerprint_of(self.desired), "steps": self.progress, "asked": asked}


def job(order: Order, now: int, refused_again: float) -> Job:
    desired, parked = effective(order, now, refused_again)
    had = order.applied
    progress = had.progress if had and order.desired and had.progress.get("of") == fingerprint_of(desired) else {}
    return Job(order, desired, progress=dict(progress.get("steps", {})), refused=dict(parked))


def open_ones(jobs: Iterable[Job]) -> list[Job]:
    return [each for each in jobs if each.result is None]


def end(jobs: Iterable[Job], result: Result) -> None:
    for each in jobs:
        each.result = result


def lets_go(desired: Desired | None) -> bool:
    """Whether it is a title's last word on a resource."""
    return isinstance(desired, Absent) or (isinstance(desired, Ensure) and desired.releases)


def left_to(desired: Desired | None, have: applied.Applied | None, title: TitleKey) -> TitleKey | None:
    """The other title that has the resource that this one lets go of."""
    return have.title if have is not None and have.title != title and lets_go(desired) else None


def fingerprint_of(desired: Desired) -> str:
    return fingerprint(dict(desired.fields) if isinstance(desired, Ensure) else None)


def effective(order: Order, now: int, refused_again: float) -> tuple[Desired, dict[str, Json]]:
    """The desired state without the fields that the target refused lately for the same value, and these."""
    desired = order.desired
    if desired is None:
        assert order.applied is not None
        return Ensure(order.resource, order.applied.intent_fields or order.applied.fields or {}, 0, create=False), {}
    if isinstance(desired, Absent) or order.applied is None or not order.applied.refused:
        return desired, {}
    lately = now - round(refused_again * SECOND)
    parked = {
        key: why
        for key, why in order.applied.refused.items()
        if key in desired.fields
        and why["value"] == fingerprint(desired.fields[FieldKey(key)])
        and why["since"] > lately
    }
    rest = {key: value for key, value in desired.fields.items() if key not in parked}
    return replace(desired, fields=rest), parked


def without_call(order: Order, now: int, refused_again: float) -> Result | None:
    """What needs no call: nothing differs from what was applied, or it is known that it will not be accepted."""
    have, desired = order.applied, order.desired
    if order.another is not None:
        return left_result(order.another)
    if have is None or have.in_doubt(now):
        return None
    if desired is None:
        return Result("unchanged")
    if _says_otherwise_whose(order, have):
        return None
    wanted, parked = effective(order, now, refused_again)
    if have.dead and have.dead["fingerprint"] == fingerprint_of(desired):
        known = dead_finding(order, have.dead["reason"])
        return Result("dead-lettered", have.dead["reason"], findings=(known,), called=False)
    if order.read_back:
        return None
    if isinstance(wanted, Absent):
        return Result("unchanged") if not have.present else None
    held = have.fields
    if not have.present or have.removed or held is None:
        return None
    if any(key not in held or held[key] != value for key, value in wanted.fields.items()):
        return None
    return parked_result(order, parked) if parked else Result("unchanged")


def _says_otherwise_whose(order: Order, have: applied.Applied) -> bool:
    """Whether it lets go of what it had, or claims what it let go of: that is stored though no field differs."""
    released = have.title_revision == 0
    return have.title == order.claim.title and order.revision > 0 and released != order.lets_go


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


# --- what is stored ------------------------------------------------------------------------------------------------


def intent(job: Job) -> applied.Intent:
    order = job.order
    return applied.Intent(
        order.resource,
        order.claim.consumer,
        order.claim.title,
        order.claim.claim,
        order.vector,
        job.fields,
        _overwritten(job) if job.steps and not order.erased else {},
        job.kept if job.steps else (order.applied.progress if order.applied else {}),
        order.run,
        creates=bool(job.steps) and job.actual is None and isinstance(job.desired, Ensure),
        revision=order.revision,
        releases=order.lets_go,
    )


def _overwritten(job: Job) -> dict[FieldKey, Json]:
    """What will not stand there any more: what differs, and what we once wrote and no longer name (it may all go)."""
    have = job.actual.fields if job.actual else {}
    ours = (job.order.applied.fields if job.order.applied else None) or {}
    wanted = job.fields or {}
    return {
        key: have[key]
        for key in have
        if key in job.differs or (key in ours and key not in wanted and key not in job.held)
    }


def outcome(job: Job, now: int, look_again: float) -> applied.Outcome:
    """What is remembered of a job that went through, or that only looked."""
    order, had = job.order, job.order.applied
    look = had.look_again_at if had else None
    if look is not None and look <= job.read_at:
        look = None
    elif had is not None and had.in_doubt(now) and look is None:
        look = now + round(look_again * SECOND)
    if (order.desired is None or job.removed) and had is not None:
        # The plan no longer names it, or a person removed it: what stands there is looked at, nothing is written.
        # What once stood and was not to be removed is never forgotten, so that it is not made again unasked.
        stood = had.present and had.intent_fields is not None
        return applied.Outcome(
            order.resource,
            order.claim.consumer,
            had.intent_claim,
            had.fields,
            job.actual is not None or stood,
            had.progress,
            had.refused,
            had.dead,
            look,
            job.read_at,
            removed=job.actual is None and stood,
        )
    return applied.Outcome(
        order.resource,
        order.claim.consumer,
        order.claim.claim,
        _ours(job),
        isinstance(job.desired, Ensure),
        {},  # all steps are done: what differs later is a new beginning
        job.refused,
        None,
        look,
        job.read_at,
    )


def _ours(job: Job) -> Mapping[FieldKey, Json] | None:
    """What is ours now: what was planned, and what we wrote before where its new value is held or refused.

    Of a title that lets go, all that we wrote for it: whoever has the resource next may have to empty it.
    """
    if not isinstance(job.desired, Ensure):
        return None
    had = job.order.applied
    before: Mapping[FieldKey, Json] = (had.fields if had else None) or {}
    waiting = {*job.held, *map(FieldKey, job.refused)}
    stays = {key: value for key, value in before.items() if job.order.lets_go or key in waiting}
    return {**stays, **job.desired.fields}


def as_before(job: Job) -> applied.Outcome:
    """Nothing was written: what was remembered stands, and what will not be accepted is known by its fingerprint.

    Only an answer that settles the matter settles a doubt: a call that failed, however surely, leaves it as it was.
    """
    order, had = job.order, job.order.applied
    dead = None
    if job.result is not None and job.result.outcome == "dead-lettered" and order.desired is not None:
        dead = {"fingerprint": fingerprint_of(order.desired), "reason": job.result.detail, "since": job.read_at}
    look = had.look_again_at if had else None
    return applied.Outcome(
        order.resource,
        order.claim.consumer,
        order.claim.claim,
        had.fields if had else None,
        job.actual is not None and (had is None or had.present),
        had.progress if had else {},
        {**(had.refused if had else {}), **job.refused},
        dead,
        look if dead is None or (look or 0) > job.read_at else None,
        job.read_at if dead is not None else 0,
    )


def line(job: Job, now: int) -> Json:
    """What was done, for the journal."""
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
        read=() if order.erased else have.keys(),
    )


def settled(job: Job) -> Result:
    """The result of a job that was remembered."""
    found = (*job.held.values(), *(drift_finding(job, key) for key in job.drifted))
    changed = job.differs if job.wrote else ()
    if job.held:
        return replace(held_result(job), changed=changed, findings=found)
    if job.refused:
        parked = parked_result(job.order, job.refused)
        found = (*parked.findings, *found)
        return replace(parked, changed=changed, findings=found, drifted=job.drifted, left=job.left)
    if not job.wrote:
        return Result("unchanged", findings=found, drifted=job.drifted, left=job.left)
    created = job.actual is None
    return Result("applied", changed=changed, created=created, findings=found, drifted=job.drifted, left=job.left)


def left_result(title: str) -> Result:
    return Result("unchanged", f"{title} has it now")


def held_result(job: Job) -> Result:
    return Result(
        "held",
        ", ".join(sorted(str(key or job.order.resource) for key in job.held)),
        findings=tuple(job.held.values()),
        held=frozenset(job.held),
        drifted=job.drifted,
        left=job.left,
    )


def deferred(job: Job, why: str, after: float) -> Result:
    """It was compared and has something to write, but not now; what a person must settle is said all the same."""
    found = tuple(job.held.values())
    return Result("deferred", why, after=after, findings=found, held=frozenset(job.held))


def drifted(target: Target, job: Job, have: Mapping[FieldKey, Json]) -> tuple[FieldKey, ...]:
    """Planned fields that hold something else than what we wrote, though nothing of ours is in doubt."""
    had = job.order.applied
    if had is None or had.fields is None or not had.certain:
        return ()
    ours = had.fields
    planned = ours if job.fields is None else job.fields
    both = [key for key in ours if key in planned and key in have]
    return tuple(key for key in both if not target.same(had.resource, key, ours[key], have[key]))


# --- findings ------------------------------------------------------------------------------------------------------


def parked_result(order: Order, parked: Mapping[str, Json]) -> Result:
    found = tuple(
        Finding(
            key=f"refused/{order.resource}/{key}",
            kind="refused-field",
            message=f"{order.resource.target} will not have {key}: {why['reason']}",
            cure="correct the value at its source or the mapping; it is tried again then, and daily",
            where=f"{order.resource} {key}",
            severity="high" if isinstance(order.desired, Ensure) and key in order.desired.narrows else "normal",
        )
        for key, why in parked.items()
    )
    return Result("refused", "; ".join(sorted(parked)), findings=found)


def drift_finding(job: Job, key: FieldKey) -> Finding:
    resource = job.order.resource
    kept = key in job.left
    done = "it is left until source or mapping changes" if kept else "it was set back"
    image = "" if kept else "; the value that was there is a before-image (frontlist explain)"
    return Finding(
        key=f"drift/{resource}/{key}",
        kind="drift",
        message=f"somebody changed {key} of {resource}, which is ours; {done}",
        cure=f"change it at its source{image}",
        where=f"{resource} {key}",
        severity="low",
    )


def removed_finding(order: Order) -> Finding:
    return Finding(
        key=f"removed/{order.resource}",
        kind="removed-by-a-person",
        message=f"{order.resource} was there and is gone: somebody deleted it",
        cure="restore it there, or link the title to another record (frontlist link); it is never made again unasked",
        where=str(order.resource),
    )


def lost_finding(resource: Resource) -> Finding:
    return Finding(
        key=f"lost/{resource}",
        kind="target-gone",
        message=f"what was written last to {resource} is in doubt, and no target {resource.target} is configured",
        cure=f"install the plugin of {resource.target} again, with its section of frontlist.yaml: it is read back "
        "within two hours then; if that system is gone for good, nothing else waits for it",
        where=str(resource),
        severity="low",
    )


def taken_key(resource: Resource) -> str:
    return f"claimed/{resource}"


def taken_finding(order: Order) -> Finding:
    return Finding(
        key=taken_key(order.resource),
        kind="claimed-twice",
        message=f"{order.resource} is claimed by another title with a newer statement",
        cure="look up both titles in Consonance: a product belongs to one work",
        where=str(order.resource),
    )


def dead_finding(order: Order, reason: str) -> Finding:
    return Finding(
        key=f"dead/{order.resource}",
        kind="dead-letter",
        message=f"{order.resource} is not accepted: {reason}",
        cure="correct it at its source or in the mapping; it is tried again when it changes",
        where=str(order.resource),
        severity="high",
    )
