"""Rules of how two plans of one title go together: later, renamed, or when less is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from frontlist.contract import Plan
from frontlist.testing.cases import Case, renamed, unknown
from frontlist.testing.trying import Fault, Faults, Trial, cells, difference, let_go, resources

#: A second, a night, and longer than any list of dates that a title has.
LATER = (timedelta(seconds=1), timedelta(hours=14), timedelta(days=4000))


def timers(trial: Trial) -> Faults:
    for case, plan, later, after in _later(trial):
        if (plan.desired, plan.waits) != (after.desired, after.waits):
            said = f"`next_at` is {plan.next_at}" if plan.next_at else "there is no `next_at`"
            yield Fault(case.label, f"{later} later it says otherwise, and {said}: {difference(plan, after)}")


def stable_findings(trial: Trial) -> Faults:
    for case, plan, later, after in _later(trial):
        changed = {each.key for each in plan.findings} ^ {each.key for each in after.findings}
        if changed:
            yield Fault(
                case.label, f"{later} later, before `next_at`, other findings stand: {', '.join(sorted(changed))}"
            )


def _later(trial: Trial) -> Iterator[tuple[Case, Plan, timedelta, Plan]]:
    """Plans with their own notes, and what they are later, while nothing was announced to change."""
    for case, first in trial.plans(trial.cases):
        noted = case if first.notes is None else case.at(notes=first.notes)
        plan = trial.again(noted)
        if isinstance(plan, str):
            continue
        for later in LATER:
            moment = case.context.now + later
            if plan.next_at is None or plan.next_at.utcoffset() is None or moment < plan.next_at:
                after = trial.again(noted.at(now=moment))
                if not isinstance(after, str):
                    yield noted, plan, later, after


def stable_ids(trial: Trial) -> Faults:
    for case, plan in trial.plans(trial.base):
        other = renamed(case)
        after = trial.again(other)
        if not isinstance(after, str) and resources(after) != resources(plan):
            fresh = sorted(map(str, resources(after) - resources(plan)))
            left = sorted(map(str, resources(plan) - resources(after)))
            yield Fault(other.label, f"now {', '.join(fresh) or 'nothing'} in place of {', '.join(left) or 'nothing'}")


def unknown_widens_nothing(trial: Trial) -> Faults:
    for case, plan in trial.plans(trial.base):
        if not case.dossier.documents and plan.desired:
            yield Fault(case.label, f"it plans {plan.desired[0].resource}")
        for less in unknown(case):
            for notes in (case.context.notes, plan.notes or case.context.notes):
                after = trial.again(less.at(notes=notes))
                if not isinstance(after, str):
                    yield from (Fault(less.label, what) for what in _wider(plan, after))


def _wider(known: Plan, less: Plan) -> Iterator[str]:
    """What is made, removed or emptied only because something is not known."""
    for resource in sorted(resources(less) - resources(known)):
        yield f"{resource} is planned, which it is not when all is known"
    dropped = let_go(known)
    for each in less.desired:
        if each.resource in (resources(known) - dropped) & let_go(less):
            yield f"{each.resource} shall go, which it shall not when all is known"
    stated = cells(known)
    for (resource, key), value in cells(less).items():
        if value is None and stated.get((resource, key)) is not None:
            yield f"{resource} {key} is emptied, which it is not when all is known"
