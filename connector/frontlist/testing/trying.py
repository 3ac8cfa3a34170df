"""Runs a consumer's plan on cases, each time on a copy of the input."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from frontlist import ownership
from frontlist.contract import Absent, Consumer, Context, Dossier, Ensure, Finding, Json, Plan, Resource, Wait, Writes
from frontlist.errors import ConfigurationError
from frontlist.testing.cases import Case, gone, slimmed, unknown
from frontlist.testing.watching import Seen, watched


@dataclass(frozen=True)
class Fault:
    """What is wrong, and on which case."""

    case: str
    what: str


Faults = Iterator[Fault]


class Trial:
    """One consumer and the cases it is tried on. Plans are kept by case: rules share them."""

    def __init__(self, consumer: Consumer, cases: Iterable[Case], targets: Iterable[str]) -> None:
        self.consumer, self.whole, self.targets = consumer, list(cases), frozenset(targets)
        self._answers: dict[int, tuple[Case, Plan | str]] = {}
        self._seen: dict[int, Seen] = {}

    @cached_property
    def base(self) -> list[Case]:
        """The cases with nothing but the wanted documents."""
        return [each.only(self.consumer.wants) for each in self.whole]

    @cached_property
    def cases(self) -> list[Case]:
        """With what the states of documents add."""
        return [each for case in self.base for each in (case, *unknown(case), *gone(case))]

    @cached_property
    def every(self) -> list[Case]:
        """With what left-out fields add."""
        return [*self.cases, *(each for case in self.base for each in slimmed(case))]

    def plans(self, cases: Iterable[Case]) -> Iterator[tuple[Case, Plan]]:
        """The plans that were made; of those that were not only one rule speaks."""
        for case in cases:
            plan = self.plan(case)
            if plan is not None:
                yield case, plan

    def plan(self, case: Case) -> Plan | None:
        found = self.answer(case)
        return None if isinstance(found, str) else found

    def answer(self, case: Case) -> Plan | str:
        """The plan, or why there is none; made once."""
        if id(case) not in self._answers:
            # The case is kept too, so that no other gets its id.
            self._answers[id(case)] = (case, self.again(case))
        return self._answers[id(case)][1]

    def again(self, case: Case) -> Plan | str:
        return self.called(*copied(case))

    def called(self, dossier: Dossier, context: Context) -> Plan | str:
        try:
            found = self.consumer.plan(dossier, context)
        except Exception as error:
            return f"it raised {type(error).__name__}: {error}{_line(error)}"
        if inspect.iscoroutine(found):
            found.close()
            return "it is an async function"
        return misshapen(found) or found

    @cached_property
    def declared(self) -> Writes | str:
        """What the consumer says that it writes under the mapping of the cases, or why that cannot be read."""
        try:
            return ownership.declared(self.consumer, self.whole[0].context.mapping)
        except ConfigurationError as error:
            return error.what

    def seen(self, case: Case) -> Seen:
        """What a plan reaches for; the first call may load files that a library keeps, the second no more."""
        if id(case) not in self._seen:
            with watched(files=False) as first:
                self.again(case)
            with watched(files=True) as second:
                self.again(case)
            self._seen[id(case)] = Seen(True, first.clocks + second.clocks, first.io + second.io)
        return self._seen[id(case)]


def copied(case: Case) -> tuple[Dossier, Context]:
    """The mapping is handed on as it is: it is one object in production too."""
    given = case.context
    return copy.deepcopy(case.dossier), replace(copy.deepcopy(replace(given, mapping=None)), mapping=given.mapping)


def _line(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_globals.get('__name__')}, line {trace.tb_lineno})" if trace else ""


def misshapen(plan: object) -> str | None:
    """Why this is no plan that rules could look at."""
    if not isinstance(plan, Plan):
        return f"it answered a {type(plan).__name__}, not a Plan"
    for part, kinds in (("desired", (Ensure, Absent)), ("findings", (Finding,)), ("waits", (Wait,))):
        held = getattr(plan, part)
        if not isinstance(held, tuple):
            return f"`{part}` is a {type(held).__name__}, not a tuple"
        wrong = [each for each in held if not isinstance(each, kinds)]
        if wrong:
            return f"`{part}` holds a {type(wrong[0]).__name__}"
    if not (plan.notes is None or isinstance(plan.notes, Mapping)):
        return f"`notes` is a {type(plan.notes).__name__}, not a mapping"
    if not (plan.next_at is None or isinstance(plan.next_at, datetime)):
        return f"`next_at` is a {type(plan.next_at).__name__}, not a datetime"
    return next((fault for each in plan.desired if (fault := _odd(each))), None)


def _odd(desired: Ensure | Absent) -> str | None:
    resource = desired.resource
    if not isinstance(resource, Resource):
        return f"a desired state is of a {type(resource).__name__}, not of a Resource"
    if not all(isinstance(part, str) and part for part in (resource.target, resource.kind, resource.id)):
        return f"the resource {resource!r} has a part that is no text, or empty"
    if isinstance(desired, Ensure) and not isinstance(desired.fields, Mapping):
        return f"the fields of {resource} are a {type(desired.fields).__name__}, not a mapping"
    return None


def ensures(plan: Plan) -> Iterator[Ensure]:
    return (each for each in plan.desired if isinstance(each, Ensure))


def cells(plan: Plan) -> dict[tuple[Resource, str], Json]:
    """(resource, field) -> value."""
    return {(each.resource, key): value for each in ensures(plan) for key, value in each.fields.items()}


def resources(plan: Plan) -> set[Resource]:
    return {each.resource for each in plan.desired}


def let_go(plan: Plan) -> set[Resource]:
    """What the title says that it has no longer."""
    return {each.resource for each in plan.desired if isinstance(each, Absent) or each.releases}


def difference(first: Plan | str, second: Plan | str) -> str:
    """The first place at which two answers differ, shown."""
    if isinstance(first, str) or isinstance(second, str):
        return f"{_short(first)}, then {_short(second)}"
    one, other = cells(first), cells(second)
    for resource, key in dict.fromkeys((*one, *other)):
        at = (resource, key)
        if (at in one) != (at in other) or one.get(at) != other.get(at):
            return f"{resource} {key}: {_short(one.get(at, 'not named'))}, then {_short(other.get(at, 'not named'))}"
    for part in ("desired", "findings", "notes", "next_at", "waits"):
        was, now = getattr(first, part), getattr(second, part)
        if was != now:
            return f"{part}: {_short(was)}, then {_short(now)}"
    return "nothing that is shown"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 160 else f"{text[:157]}..."
