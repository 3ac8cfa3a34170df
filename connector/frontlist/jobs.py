"""What goes to a target: orders as the worker gives them, jobs as delivery works on them, results as they come back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from frontlist.contract import (
    Absent,
    Actual,
    Desired,
    Ensure,
    FieldKey,
    Finding,
    Json,
    Mode,
    Resource,
    Step,
    Target,
)
from frontlist.modes import Modes
from frontlist.state import applied, work
from frontlist.tracing import INVALID_SPAN, Span
from frontlist_schemas.canonical import fingerprint

SECOND = 1_000_000


@dataclass(frozen=True)
class Order:
    """A desired state to be brought about for a claim; `desired` None: only settle what is in doubt.

    `absent`: it is known that the resource does not exist, so it need not be read. `accepted`: a person accepted it as
    a proposal. `until`: the plan's answer changes then (microseconds since 1970).
    """

    claim: work.Claim
    resource: Resource
    desired: Desired | None
    vector: Mapping[str, int]
    applied: applied.Applied | None
    absent: bool = False
    imprint: str | None = None
    accepted: bool = False
    until: int | None = None
    span: Span = INVALID_SPAN

    def may(self, modes: Modes) -> bool:
        """Whether its flow may still write: a mode that was lowered acts at once."""
        if self.desired is None:
            return True
        mode = modes.of(self.desired.flow, self.imprint)
        return mode == Mode.APPLY or (mode == Mode.PROPOSE and self.accepted)


@dataclass(frozen=True)
class Result:
    """What became of an order. `after`: seconds until it is worth trying again; `changed`: fields written.

    `attempt`: it counts as a failed one. `called`: False where it came back without its turn.
    """

    outcome: str
    detail: str = ""
    after: float | None = None
    attempt: bool = False
    changed: tuple[FieldKey, ...] = ()
    created: bool = False
    findings: tuple[Finding, ...] = ()
    called: bool = True


@dataclass(eq=False)
class Job:
    """An order on its way."""

    order: Order
    desired: Desired
    actual: Actual | None = None
    read_at: int = 0
    progress: dict[str, Json] = field(default_factory=dict)
    refused: dict[str, Json] = field(default_factory=dict)
    drifted: tuple[FieldKey, ...] = ()
    differs: tuple[FieldKey, ...] = ()
    steps: Sequence[Step] = ()
    intended: bool = False
    wrote: bool = False
    doubtful: bool = False
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
    if have is None or have.in_doubt(now):
        return None
    if desired is None:
        return Result("unchanged")
    wanted, parked = effective(order, now, refused_again)
    if have.dead and have.dead["fingerprint"] == fingerprint_of(desired):
        return Result("dead-lettered", have.dead["reason"], findings=(dead_finding(order, have.dead["reason"]),))
    if isinstance(wanted, Absent):
        return Result("unchanged") if not have.present else None
    held = have.fields
    if not have.present or held is None or any(key not in held or held[key] != v for key, v in wanted.fields.items()):
        return None
    return parked_result(order, parked) if parked else Result("unchanged")


def look(target: Target, job: Job, now: int, look_again: float) -> None:
    """What differs from what is there, and which steps are left; some need none."""
    order, actual = job.order, job.actual
    if order.desired is None:
        return
    if isinstance(job.desired, Ensure) and actual is None:
        if order.applied is not None and order.applied.present:
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
    job.drifted = drifted(target, order, have)
    job.steps = target.steps(job.desired, actual, job.progress)
    first = job.steps[0].name if job.steps else None
    asked = order.applied.progress.get("asked", {}) if order.applied else {}
    if first in target.once and first in asked:
        again = asked[first] + round(look_again * SECOND)
        if now < again:
            detail = f"{first} went out without an answer; looked for once more before it is repeated"
            job.result = Result("deferred", detail, after=(again - now) / SECOND)


def park(job: Job, named: Iterable[FieldKey], reason: str) -> bool:
    """Leave the refused fields out, with their groups; False: the resource as a whole is refused."""
    wanted = job.desired
    out = set(named) & set(wanted.fields) if isinstance(wanted, Ensure) else set()
    if not isinstance(wanted, Ensure) or not out or out == set(wanted.fields):
        job.result = Result("dead-lettered", reason, findings=(dead_finding(job.order, reason),))
        return False
    for group in wanted.groups:
        out |= group if group & out else set()
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
    have = job.actual.fields if job.actual else {}
    was = {key: have[key] for key in job.differs if key in have} if job.steps else {}
    return applied.Intent(
        order.resource,
        order.claim.consumer,
        order.claim.title,
        order.claim.claim,
        order.vector,
        job.fields,
        was,
        job.kept if job.steps else (order.applied.progress if order.applied else {}),
    )


def outcome(job: Job, now: int, look_again: float) -> applied.Outcome:
    """What is remembered of a job that went through."""
    order, had = job.order, job.order.applied
    look = had.look_again_at if had else None
    if look is not None and look <= job.read_at:
        look = None
    elif had is not None and had.in_doubt(now) and look is None:
        look = now + round(look_again * SECOND)
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
        order.claim.claim,
        job.fields,
        isinstance(job.desired, Ensure),
        {},  # all steps are done: what differs later is a new beginning
        job.refused,
        None,
        look,
        job.read_at,
    )


def as_before(job: Job) -> applied.Outcome:
    """Nothing was written: what was remembered stands, and what will not be accepted is known by its fingerprint."""
    order, had = job.order, job.order.applied
    dead = None
    if job.result is not None and job.result.outcome == "dead-lettered" and order.desired is not None:
        dead = {"fingerprint": fingerprint_of(order.desired), "reason": job.result.detail, "since": job.read_at}
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


def line(job: Job, now: int) -> Json:
    """What was done, for the journal."""
    have = job.actual.fields if job.actual else {}
    return {
        "at": now,
        "consumer": job.order.claim.consumer,
        "flow": job.desired.flow,
        "resource": str(job.order.resource),
        "created": job.actual is None,
        "claim": job.order.claim.claim,
        "vector": dict(job.order.vector),
        "fields": {key: {"was": have.get(key), "is": (job.fields or {}).get(key)} for key in job.differs},
    }


def settled(job: Job) -> Result:
    """The result of a job that was remembered."""
    drift = tuple(drift_finding(job, key) for key in job.drifted)
    if job.refused:
        parked = parked_result(job.order, job.refused)
        return replace(parked, changed=job.differs if job.wrote else (), findings=(*parked.findings, *drift))
    if not job.wrote:
        return Result("unchanged", findings=drift)
    return Result("applied", changed=job.differs, created=job.actual is None, findings=drift)


def drifted(target: Target, order: Order, have: Mapping[FieldKey, Json]) -> tuple[FieldKey, ...]:
    """Fields of ours that hold something else than what we wrote, though nothing of ours is in doubt."""
    if order.applied is None or order.applied.fields is None or order.applied.doubt_since is not None:
        return ()
    if order.applied.intent_claim > order.applied.applied_claim:
        return ()
    ours = order.applied.fields
    return tuple(key for key in ours if key in have and not target.same(order.resource, key, ours[key], have[key]))


# --- findings ------------------------------------------------------------------------------------------------------


def parked_result(order: Order, parked: Mapping[str, Json]) -> Result:
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


def drift_finding(job: Job, key: FieldKey) -> Finding:
    resource = job.order.resource
    return Finding(
        key=f"drift/{resource}/{key}",
        kind="drift",
        message=f"somebody changed {key} of {resource}, which is ours; it was set back",
        cure="change it at its source; the value that was there is a before-image (frontlist explain)",
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


def taken_finding(order: Order) -> Finding:
    return Finding(
        key=f"claimed/{order.resource}",
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
