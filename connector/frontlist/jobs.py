"""A job: an order on its way through delivery, and the result that it ends with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from frontlist.contract import Actual, Desired, Ensure, FieldKey, Finding, Json, Step
from frontlist.orders import Order, Result, effective, fingerprint_of, parked_result


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
