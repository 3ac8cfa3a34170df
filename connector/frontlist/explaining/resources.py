"""A desired state beside what was applied and what stands in the target: what would be written, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from frontlist.clock import SECOND
from frontlist.contract import Absent, Actual, Desired, Ensure, FieldKey, Json, Mode, Resource, Target
from frontlist.errors import FrontlistError
from frontlist.modes import may_write
from frontlist.state.applied import Applied
from frontlist_schemas.canonical import fingerprint

#: Seconds for the answer of a target.
PATIENCE = 60.0


@dataclass(frozen=True)
class Live:
    """What targets answered; a target that did not answer is not in `read`, and `notes` say why."""

    read: Mapping[Resource, Actual | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


async def live(targets: Mapping[str, Target], desired: Sequence[Desired]) -> Live:
    """Read now, each target for itself."""
    found: dict[Resource, Actual | None] = {}
    notes: list[str] = []
    for name in sorted({each.resource.target for each in desired}):
        mine = [each for each in desired if each.resource.target == name]
        if name not in targets:
            notes.append(f"no target {name} is configured")
            continue
        try:
            async with asyncio.timeout(PATIENCE):
                found |= await targets[name].read(mine)
        except FrontlistError as error:
            notes.append(f"{name} was not read: {error}")
        except TimeoutError:
            notes.append(f"{name} was not read: no answer within {PATIENCE:.0f} s")
    return Live(found, tuple(notes))


@dataclass(frozen=True)
class Standing:
    """Everything about one desired state. `withheld`: planned empty values that erase nothing on first contact.

    `waits`: for what, a pause, a person or another title, else None.
    """

    desired: Desired
    mode: Mode
    proposal: str
    accepted: bool
    waits: str | None
    have: Applied | None
    withheld: frozenset[FieldKey]
    now: int
    refused_again: float

    @property
    def does(self) -> str:
        """What the engine makes of it under the mode in force."""
        if self.waits is not None:
            return "waits"
        if may_write(self.mode, self.accepted):
            return "writes"
        return {Mode.OFF: "nothing", Mode.OBSERVE: "observes", Mode.PROPOSE: "proposes"}[self.mode]

    def as_json(self, targets: Mapping[str, Target], seen: Live) -> dict[str, Json]:
        resource, have = self.desired.resource, self.have
        out: dict[str, Json] = {
            "resource": str(resource),
            "flow": self.desired.flow,
            "mode": self.mode.value,
            "does": self.does,
            "waits": self.waits,
            "proposal": self.proposal,
            "there": None if resource not in seen.read else seen.read[resource] is not None,
            "in_doubt": bool(have and have.in_doubt(self.now)),
            "dead_letter": have.dead["reason"] if have and have.dead else None,
        }
        if isinstance(self.desired, Absent):
            return {**out, "kind": "absent", "reason": self.desired.reason, "fields": []}
        target = targets.get(resource.target)
        fields = [self._field(self.desired, key, target, seen) for key in sorted(self.desired.fields)]
        return {**out, "kind": "ensure", "create": self.desired.create, "fields": fields}

    def _field(self, desired: Ensure, key: FieldKey, target: Target | None, seen: Live) -> dict[str, Json]:
        resource, value = desired.resource, desired.fields[key]
        is_read, actual = resource in seen.read, seen.read.get(resource)
        held = ((self.have.fields if self.have else None) or {}).get(key)
        change = self._change(desired, key, target, actual) if is_read else self._without_reading(desired, key)
        return {
            "field": key,
            "desired": value,
            "applied": held,
            "actual": actual.fields.get(key) if actual else None,
            "actual_known": is_read,
            "change": change,
            "why": self._why(key, value) if change == "left" else "",
        }

    def _change(self, desired: Ensure, key: FieldKey, target: Target | None, actual: Actual | None) -> str:
        value, have = desired.fields[key], self.have
        is_same = (
            target is not None
            and actual is not None
            and key in actual.fields
            and target.same(desired.resource, key, value, actual.fields[key])
        )
        if self._is_left(key, value):
            return "no" if is_same or (actual is None and value is None) else "left"
        if actual is None:
            if have is not None and have.present:
                return "removed by a person"
            return ("create" if value is not None else "no") if desired.create else "may not create"
        if is_same:
            return "no"
        return "write" if self._is_due(desired) else "drift"

    def _without_reading(self, desired: Ensure, key: FieldKey) -> str:
        if self._is_left(key, desired.fields[key]):
            return "left"
        return "unknown" if self._is_due(desired) else "no"

    def _is_due(self, desired: Ensure) -> bool:
        """Whether the engine would look at the target at all: it does not while everything is as applied."""
        have = self.have
        if have is None or not have.present or have.removed or have.fields is None or have.in_doubt(self.now):
            return True
        wanted = {key: value for key, value in desired.fields.items() if not self._is_left(key, value)}
        return any(key not in have.fields or have.fields[key] != value for key, value in wanted.items())

    def _is_left(self, key: FieldKey, value: Json) -> bool:
        return key in self.withheld or self._refusal(key, value) is not None

    def _refusal(self, key: FieldKey, value: Json) -> str | None:
        """Why the target would not have this very value lately."""
        why = self.have.refused.get(key) if self.have else None
        lately = self.now - round(self.refused_again * SECOND)
        if not why or why["value"] != fingerprint(value) or why["since"] <= lately:
            return None
        return str(why["reason"])

    def _why(self, key: FieldKey, value: Json) -> str:
        if key in self.withheld:
            return "an empty value erases nothing that we did not write; `frontlist adopt` settles it"
        reason = self._refusal(key, value)
        return f"refused by the target: {reason}" if reason else ""
