"""What is stored of a job: its intent before the calls, its outcome after them, its line of the journal."""

from __future__ import annotations

from collections.abc import Mapping

from frontlist import journal
from frontlist.clock import SECOND
from frontlist.contract import Absent, Ensure, FieldKey, Json
from frontlist.jobs import Job
from frontlist.orders import fingerprint_of
from frontlist.state import applied


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
