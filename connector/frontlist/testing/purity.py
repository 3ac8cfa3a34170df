"""Rules of how a plan is made: from its input alone, the same one each time."""

from __future__ import annotations

import copy
from dataclasses import replace

from frontlist.contract import ASPECTS, DocumentKey
from frontlist.testing.cases import Case
from frontlist.testing.trying import Fault, Faults, Trial, copied, difference


def declares(trial: Trial) -> Faults:
    consumer = trial.consumer
    if not (isinstance(consumer.name, str) and consumer.name and consumer.name == consumer.name.strip().lower()):
        yield Fault("its declaration", f"`name` is {consumer.name!r}, not a short text in lower case")
    if not (isinstance(consumer.wants, frozenset) and consumer.wants):
        yield Fault("its declaration", f"`wants` is {consumer.wants!r}, not a frozenset of documents")
    wrong = [key for key in consumer.wants if not (isinstance(key, DocumentKey) and key.aspect in ASPECTS)]
    if wrong:
        yield Fault("its declaration", f"`wants` holds {wrong[0]!r}; aspects are {', '.join(ASPECTS)}")
    if not (isinstance(consumer.flows, frozenset) and consumer.flows and all(type(i) is int for i in consumer.flows)):
        yield Fault("its declaration", f"`flows` is {consumer.flows!r}, not a frozenset of numbers")
    if isinstance(trial.declared, str):
        yield Fault("its declaration", trial.declared)


def covered(trial: Trial) -> Faults:
    there = {each.key for case in trial.base for each, _ in case.bodies()}
    for key in sorted(key for key in trial.consumer.wants if key not in there):
        yield Fault("all dossiers", f"it wants {key}, and no dossier has a present one")
    plans = [plan for _, plan in trial.plans(trial.base)]
    if len(plans) == len(trial.base) and not any(plan.desired or plan.findings for plan in plans):
        yield Fault("all dossiers", "it planned nothing and found nothing, so nothing was tried")


def answers(trial: Trial) -> Faults:
    for case in trial.every:
        found = trial.answer(case)
        if isinstance(found, str):
            yield Fault(case.label, found)


def repeatable(trial: Trial) -> Faults:
    for case, plan in trial.plans(trial.cases):
        for other in (case, _reordered(case)):
            again = trial.again(other)
            if again != plan:
                yield Fault(other.label, difference(plan, again))
                break


def _reordered(case: Case) -> Case:
    documents = dict(reversed([*case.dossier.documents.items()]))
    links = dict(reversed([*case.context.links.items()]))
    label = f"{case.label}, its documents in another order"
    return replace(case, label=label, dossier=replace(case.dossier, documents=documents)).at(links=links)


def memoryless(trial: Trial) -> Faults:
    """The same titles backwards, so that each follows another one."""
    before = {case.label: plan for case, plan in trial.plans(trial.cases)}
    for case in reversed(trial.cases):
        again = trial.again(case)
        if case.label in before and again != before[case.label]:
            yield Fault(f"{case.label}, planned after another title", difference(before[case.label], again))


def input_untouched(trial: Trial) -> Faults:
    for case in trial.cases:
        dossier, context = copied(case)
        mapping = copy.deepcopy(context.mapping)
        comparable = mapping == context.mapping
        trial.called(dossier, context)
        plain, given = (replace(each, mapping=None) for each in (context, case.context))
        if dossier != case.dossier or plain != given:
            yield Fault(case.label, "the dossier or the context is not what it was before")
        if comparable and mapping != context.mapping:
            yield Fault(case.label, "the mapping is not what it was before")
            return


def no_clock(trial: Trial) -> Faults:
    for case in trial.cases:
        for call in dict.fromkeys(trial.seen(case).clocks):
            yield Fault(case.label, f"it called {call}")


def no_io(trial: Trial) -> Faults:
    for case in trial.cases:
        for call in dict.fromkeys(trial.seen(case).io):
            yield Fault(case.label, f"it tried {call}")


def only_wanted(trial: Trial) -> Faults:
    for case, reduced in zip(trial.whole, trial.base, strict=True):
        less = trial.answer(reduced)
        others = sorted(map(str, case.dossier.documents.keys() - trial.consumer.wants))
        plan = trial.again(case) if others else less
        if plan != less:
            yield Fault(case.label, f"{difference(plan, less)} (without {', '.join(others)})")
