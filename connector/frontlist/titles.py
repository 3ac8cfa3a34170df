"""A claimed title on its way through the worker: its plan, its orders that came back, and what they leave behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from frontlist import aftermath
from frontlist.aftermath import Beside
from frontlist.contract import Consumer, Dossier, Finding, Json, Plan, Resource
from frontlist.orders import Order, Result
from frontlist.pins import Put
from frontlist.state import work
from frontlist.tracing import INVALID_SPAN, Span

#: Of these nothing is known: what was found of their resources stays open.
UNSETTLED = frozenset({"retry", "busy", "deferred", "stopped"})


@dataclass
class Title:
    """One claimed title on its way; `noted`: what its consumer's last plan noted.

    `changed_at`: when the live change was observed that made it due (microseconds since 1970). `stated`: see
    aftermath. `there`: what stood beside the plan.
    """

    consumer: Consumer
    claim: work.Claim
    noted: Mapping[str, Json]
    plan: Plan | None = None
    error: str = ""
    results: list[Result] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unsettled: set[str] = field(default_factory=set)
    span: Span = INVALID_SPAN
    changed_at: int | None = None
    stated: int = 0
    there: Beside = field(default_factory=Beside)
    puts: dict[Resource, Put] = field(default_factory=dict)
    brought: list[aftermath.Brought] = field(default_factory=list)

    def came_back(self, order: Order, result: Result) -> None:
        """What became of an order."""
        self.results.append(result)
        self.brought.append(_brought(order, result))
        self.findings += self.there.heard(order.resource, order.desired, result)
        if result.outcome in UNSETTLED:
            self.unsettled.add(str(order.resource))

    def put_off(self, order: Order, result: Result) -> None:
        """An order that cannot be given yet: nothing is known of its resource, so findings stay open, sweeps wait."""
        self.results.append(result)
        self.brought.append(_brought(order, result))
        self.unsettled.add(str(order.resource))

    def done(self) -> aftermath.Done:
        planned = None if self.plan is None else frozenset(each.resource for each in self.plan.desired)
        outcomes = [each.outcome for each in self.results]
        return aftermath.Done(self.claim, planned, self.brought, self.puts, outcomes, self.stated)


def _brought(order: Order, result: Result) -> aftermath.Brought:
    return aftermath.Brought(
        order.resource,
        order.desired,
        result.outcome,
        result.detail,
        result.called,
        len(result.changed),
        result.held,
        result.drifted,
        result.left,
        result.after,
        result.lost,
    )


def changed_at(claim: work.Claim, dossier: Dossier) -> int | None:
    documents = dossier.documents.items() if claim.live else ()
    return next((int(each.revision) for key, each in documents if str(key) == claim.reason), None)
