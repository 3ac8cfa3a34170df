"""The rules by name, and what runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from frontlist.contract import Consumer, Context, Dossier
from frontlist.testing import building, purity, saying, standing
from frontlist.testing.cases import cases
from frontlist.testing.trying import Faults, Trial

SYSTEMS = ("consonance", "fourallportal")
#: Faults of one rule that are shown; the rest are counted.
SHOWN = 3


@dataclass(frozen=True)
class Rule:
    """What a consumer promises, and what to do where it does not hold."""

    promise: str
    cure: str
    check: Callable[[Trial], Faults]


RULES: Mapping[str, Rule] = {
    "declares": Rule(
        "`name`, `wants`, `flows` and `writes` say what the consumer is",
        "see `frontlist.Consumer`",
        purity.declares,
    ),
    "writes": Rule(
        "plans name only fields that `writes` names",
        "add the field to `writes`: two consumers with one field must be able to refuse to start",
        saying.writes,
    ),
    "covered": Rule(
        "the dossiers make the consumer do something",
        "give `dossiers` that hold what it wants and that it acts on, and the `mapping` that it needs",
        purity.covered,
    ),
    "answers": Rule(
        "`plan` answers every well-formed dossier with a Plan",
        "expect each field to be left out, null or empty, and each document unseen, unreadable or gone: "
        "answer `Plan(waits=...)` or a Finding. In production this title would stop",
        purity.answers,
    ),
    "repeatable": Rule(
        "the same dossier and context give the same plan",
        "take nothing from chance, ids of objects or the order of sets; sort, and choose ids by `chosen_id`",
        purity.repeatable,
    ),
    "memoryless": Rule(
        "a plan does not depend on earlier ones",
        "keep nothing on the consumer or in modules; what must be remembered are `notes`",
        purity.memoryless,
    ),
    "input-untouched": Rule(
        "`plan` changes nothing that it was given",
        "build new mappings and lists: `{**body, ...}`",
        purity.input_untouched,
    ),
    "no-clock": Rule(
        "the time is `context.now`",
        "use `context.now`, and `next_at` for the moment at which the answer changes",
        purity.no_clock,
    ),
    "no-io": Rule(
        "`plan` reaches neither network nor processes, threads or files",
        "leave it to a target, or bring it in as a document of a system; read package data once, at import",
        purity.no_io,
    ),
    "only-wanted": Rule(
        "`plan` looks only at documents that `wants` names",
        "add the document to `wants`: else nobody plans again when it changes",
        purity.only_wanted,
    ),
    "own-flows": Rule(
        "every desired state is of a flow that `flows` names",
        "add the flow to `flows`: modes are set by flow, a consumer never sees them",
        saying.own_flows,
    ),
    "known-targets": Rule(
        "resources are in targets that the consumer is for",
        "correct the resource, or name the targets: `conformance(..., targets=[...])`",
        saying.known_targets,
    ),
    "clean-fields": Rule(
        "fields hold JSON that comes back as it is",
        "amounts are text, days are ISO text, tuples are lists, keys are text",
        saying.clean_fields,
    ),
    "clean-notes": Rule(
        "notes are JSON that comes back as it is",
        "amounts are text, moments are ISO text, tuples and sets are sorted lists, keys are text",
        saying.clean_notes,
    ),
    "one-voice": Rule(
        "a plan says one thing of each field of a resource",
        "gather a resource's fields in one Ensure",
        saying.one_voice,
    ),
    "whole-groups": Rule(
        "groups are of fields that the same Ensure names",
        "name all fields of the group, or leave the group out",
        saying.whole_groups,
    ),
    "readable": Rule(
        "findings, waits and removals say what, why and what cures it",
        "write message and cure for a person who knows the title and not the code",
        saying.readable,
    ),
    "unique-findings": Rule(
        "a finding's key is its own within a plan",
        "put into the key what tells them apart, e.g. the product's id; or make them one finding",
        saying.unique_findings,
    ),
    "next-at": Rule(
        "`next_at` is ahead of `context.now`, with its zone",
        "leave out moments that have passed; None where time alone changes nothing",
        saying.next_at_ahead,
    ),
    "timers": Rule(
        "a plan that changes by time alone says when",
        "give as `next_at` the first moment at which the answer is another one",
        standing.timers,
    ),
    "stable-findings": Rule(
        "a finding keeps its key for as long as it stands",
        "leave times, counts and revisions out of the key; it closes when its key is no longer said",
        standing.stable_findings,
    ),
    "stable-ids": Rule(
        "a resource stays the same when titles and ISBNs change",
        "choose its id from the id of the work or product: `chosen_id(context.tenant, kind, id)`",
        standing.stable_ids,
    ),
    "unknown-widens-nothing": Rule(
        "a document that is unseen or unreadable makes, removes or empties nothing",
        "leave the field out of the Ensure until the document is known; only an owner's own word empties",
        standing.unknown_widens_nothing,
    ),
}


@dataclass(frozen=True)
class Violation:
    """A rule that a consumer breaks, and the first case that shows it."""

    consumer: str
    rule: str
    what: str
    case: str

    def __str__(self) -> str:
        rule = RULES[self.rule]
        return (
            f"{self.consumer} breaks `{self.rule}`: {rule.promise}.\n"
            f"  what: {self.what}\n  on:   {self.case}\n  cure: {rule.cure}"
        )


def violations(
    consumer: Consumer,
    *,
    dossiers: Iterable[Dossier] = (),
    mapping: Any = None,
    context: Context | None = None,
    targets: Iterable[str] = SYSTEMS,
) -> list[Violation]:
    """All that the kit finds, without pytest. ValueError where a given document is not well-formed."""
    trial = _trial(consumer, dossiers, mapping, context, targets)
    return [found for rule in RULES for found in _broken(trial, rule)]


def conformance(
    consumer: Consumer,
    *,
    dossiers: Iterable[Dossier] = (),
    mapping: Any = None,
    context: Context | None = None,
    targets: Iterable[str] = SYSTEMS,
) -> Callable[[str], None]:
    """A test function for pytest, one case a rule: assign it to a name that begins with `test_`.

    `dossiers`: some that the consumer acts on; samples and variants come on top. `mapping`: what it expects as
    `context.mapping`. `context`: links, decisions, notes and capabilities where it needs them. `targets`: the systems
    that it writes to.
    """
    import pytest  # only who tests needs it

    trial = _trial(consumer, dossiers, mapping, context, targets)

    @pytest.mark.parametrize("rule", list(RULES))
    def conforms(rule: str) -> None:
        found = _broken(trial, rule)
        if found:
            more = [f"... and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
            pytest.fail("\n".join([*map(str, found[:SHOWN]), *more]), pytrace=False)

    return conforms


def _trial(
    consumer: Consumer, dossiers: Iterable[Dossier], mapping: Any, context: Context | None, targets: Iterable[str]
) -> Trial:
    around = context or building.context()
    if mapping is not None:
        around = replace(around, mapping=mapping)
    return Trial(consumer, cases(dossiers, around), targets)


def _broken(trial: Trial, rule: str) -> list[Violation]:
    name = str(getattr(trial.consumer, "name", "") or type(trial.consumer).__name__)
    return [Violation(name, rule, each.what, each.case) for each in RULES[rule].check(trial)]
