"""Rules of what one plan says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from frontlist.contract import EVERY_FIELD, Absent, Desired, Ensure, Json, Plan, Writes
from frontlist.testing.trying import Fault, Faults, Trial, ensures, let_go
from frontlist_schemas import CanonicalError, canonical


def own_flows(trial: Trial) -> Faults:
    for case, plan in trial.plans(trial.every):
        for each in plan.desired:
            if each.flow not in trial.consumer.flows:
                yield Fault(case.label, f"{each.resource} is of flow {each.flow!r}, which `flows` does not name")


def known_targets(trial: Trial) -> Faults:
    for case, plan in trial.plans(trial.every):
        for each in plan.desired:
            if each.resource.target not in trial.targets:
                yield Fault(case.label, f"{each.resource} is in a target other than {', '.join(sorted(trial.targets))}")


def writes(trial: Trial) -> Faults:
    if isinstance(trial.declared, str):
        return  # `declares` says so
    for case, plan in trial.plans(trial.every):
        for each in plan.desired:
            yield from (Fault(case.label, what) for what in _undeclared(each, trial.declared))


def _undeclared(desired: Desired, declared: Writes) -> Iterator[str]:
    place = (desired.resource.target, desired.resource.kind)
    named = declared.get(place)
    if named is None:
        yield f"it plans {desired.resource}, and `writes` does not name {place}"
    elif isinstance(desired, Ensure) and EVERY_FIELD not in named:
        for key in sorted(map(str, desired.fields)):
            # `field[locale=en_GB]` is a cell of `field`.
            if key.partition("[")[0] not in named:
                yield f"it plans {desired.resource} {key}, which `writes` does not name"


def clean_fields(trial: Trial) -> Faults:
    for case, plan in trial.plans(trial.every):
        for each in ensures(plan):
            for key, value in each.fields.items():
                fault = unclean(value) or (None if isinstance(key, str) and key else "a field key is text")
                if fault:
                    yield Fault(case.label, f"{each.resource} {key}: {fault}")


def clean_notes(trial: Trial) -> Faults:
    for case, plan in trial.plans(trial.every):
        fault = unclean(plan.notes)
        if fault:
            yield Fault(case.label, f"notes: {fault}")


def unclean(value: Json) -> str | None:
    """Why a value would not come back from JSON as it is; the engine compares it with what came back."""
    try:
        back = json.loads(canonical(value))
    except (CanonicalError, RecursionError) as error:
        return str(error)
    return None if back == value else f"{value!r} comes back from JSON as {back!r}"


def one_voice(trial: Trial) -> Faults:
    for case, plan in trial.plans(trial.every):
        claimed = {each.resource for each in ensures(plan) if not each.releases}
        for resource in sorted(claimed & let_go(plan)):
            yield Fault(case.label, f"{resource} shall be there and shall not be there")
        said = Counter((each.resource, key) for each in ensures(plan) for key in each.fields)
        for (resource, key), times in said.items():
            if times > 1:
                yield Fault(case.label, f"{resource} {key} is planned {times} times")


def whole_groups(trial: Trial) -> Faults:
    for case, plan in trial.plans(trial.every):
        for each in ensures(plan):
            lacking = {key for group in each.groups for key in group if key not in each.fields}
            if lacking:
                yield Fault(case.label, f"{each.resource}: a group names {', '.join(sorted(lacking))}, no field does")


def readable(trial: Trial) -> Faults:
    for case, plan in trial.plans(trial.every):
        yield from (Fault(case.label, what) for what in _unsaid(plan))


def _unsaid(plan: Plan) -> Iterator[str]:
    for finding in plan.findings:
        for part in ("key", "kind", "message", "cure"):
            if not str(getattr(finding, part)).strip():
                yield f"finding {finding.key!r} has no {part}"
        if finding.severity not in ("low", "normal", "high"):
            yield f"finding {finding.key!r} has the severity {finding.severity!r}"
    for wait in plan.waits:
        if not (wait.what.strip() and wait.reason.strip()):
            yield f"{wait!r} does not say what for, or why"
    for each in plan.desired:
        if isinstance(each, Absent) and not each.reason.strip():
            yield f"{each.resource} shall go, and no reason is given"


def unique_findings(trial: Trial) -> Faults:
    for case, plan in trial.plans(trial.every):
        for key, times in Counter(finding.key for finding in plan.findings).items():
            if times > 1:
                yield Fault(case.label, f"{times} findings have the key {key!r}")


def next_at_ahead(trial: Trial) -> Faults:
    for case, plan in trial.plans(trial.every):
        if plan.next_at is None:
            continue
        if plan.next_at.utcoffset() is None:
            yield Fault(case.label, f"`next_at` is {plan.next_at}, which has no zone")
        elif plan.next_at <= case.context.now:
            yield Fault(case.label, f"`next_at` is {plan.next_at}, now is {case.context.now}")
