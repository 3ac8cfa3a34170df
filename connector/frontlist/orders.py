"""An order to a target as the worker gives it: what needs no call, the result that comes back, what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from frontlist.clock import SECOND
from frontlist.contract import Absent, Desired, Ensure, FieldKey, Finding, Json, Resource, TitleKey
from frontlist.modes import Modes, may_write
from frontlist.state import applied, work
from frontlist.tracing import INVALID_SPAN, Span
from frontlist_schemas.canonical import fingerprint


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


def lets_go(desired: Desired | None) -> bool:
    """Whether it is a title's last word on a resource."""
    return isinstance(desired, Absent) or (isinstance(desired, Ensure) and desired.releases)


def left_to(desired: Desired | None, have: applied.Applied | None, title: TitleKey) -> TitleKey | None:
    """The other title that has the resource that this one lets go of."""
    return have.title if have is not None and have.title != title and lets_go(desired) else None


def fingerprint_of(desired: Desired | None) -> str:
    """As the engine knows a desired state again."""
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


def left_result(title: str) -> Result:
    return Result("unchanged", f"{title} has it now")


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


# --- findings ------------------------------------------------------------------------------------------------------


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
