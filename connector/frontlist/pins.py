"""Pins: what a person decided in place of what a plan says, for as long as the plan says the same.

Undo, drift that is left alone and a rejected write are all pins: decisions `pinned/<consumer>/<resource>`, so they
survive a rebuild, and intent, lease, guard, journal and modes apply to them as to any plan (docs/decisions/0005).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import Desired, Ensure, FieldKey, Json, Resource
from frontlist.state import settled
from frontlist.state.database import CHUNK
from frontlist_schemas.canonical import fingerprint

KIND = "pinned"


@dataclass(frozen=True)
class Pin:
    """`planned`: the fingerprint of what the plan said then, None where it did not name the field."""

    planned: str | None
    value: Json
    run: str

    def as_json(self) -> Json:
        return {"planned": self.planned, "value": self.value, "run": self.run}


@dataclass(frozen=True)
class Pins:
    """All pins of one resource."""

    fields: Mapping[FieldKey, Pin] = field(default_factory=dict)

    def as_json(self) -> Json:
        """The decision's body; None where nothing is pinned any more."""
        return {"fields": {key: pin.as_json() for key, pin in self.fields.items()}} if self.fields else None

    def with_fields(self, more: Mapping[FieldKey, Pin]) -> Pins:
        return Pins({**self.fields, **more})

    def without(self, keys: Iterable[FieldKey]) -> Pins:
        out = set(keys)
        return Pins({key: pin for key, pin in self.fields.items() if key not in out})


@dataclass(frozen=True)
class Put:
    """A desired state with its pins. `stand`: fields in force, `lifted`: whose plan changed. `run`: who pinned."""

    desired: Desired
    stand: frozenset[FieldKey] = frozenset()
    lifted: frozenset[FieldKey] = frozenset()
    run: str = ""


def put(planned: Desired, pins: Pins) -> Put:
    """What the engine is to bring about."""
    fields = dict(planned.fields) if isinstance(planned, Ensure) else {}
    stand = {key: pin for key, pin in pins.fields.items() if pin.planned == printed(fields, key)}
    lifted = frozenset(pins.fields) - frozenset(stand)
    if not stand:
        return Put(planned, lifted=lifted)
    values = {**fields, **{key: pin.value for key, pin in stand.items()}}
    if isinstance(planned, Ensure):
        # What the plan would take away as a whole may have to be made again.
        added = any(pin.planned is None for pin in stand.values())
        desired = replace(planned, fields=values, create=planned.create or added)
    else:
        desired = Ensure(planned.resource, values, planned.flow)
    run = max(pin.run for pin in stand.values())
    return Put(desired, frozenset(stand), lifted, run)


def printed(fields: Mapping[FieldKey, Json], key: FieldKey) -> str | None:
    """What a pin remembers of a plan's field."""
    return fingerprint(fields[key]) if key in fields else None


async def of(connection: AsyncConnection, consumer: str, resources: Sequence[Resource]) -> dict[Resource, Pins]:
    """Those resources that have pins."""
    by_key = {name(consumer, each): each for each in resources}
    keys = sorted(by_key)
    out: dict[Resource, Pins] = {}
    for start in range(0, len(keys), CHUNK):
        found = await settled.decisions(connection, KIND, keys[start : start + CHUNK])
        out |= {by_key[key]: read(body) for key, body in found.items()}
    return out


def name(consumer: str, resource: Resource) -> str:
    return f"{consumer}/{resource}"


def read(body: Json) -> Pins:
    """From a decision's body; whoever wrote nonsense pinned nothing."""
    stated = body if isinstance(body, Mapping) else {}
    fields = stated.get("fields")
    found = {FieldKey(key): _pin(each) for key, each in fields.items()} if isinstance(fields, Mapping) else {}
    return Pins({key: pin for key, pin in found.items() if pin is not None})


def _pin(body: Json) -> Pin | None:
    if not isinstance(body, Mapping) or "value" not in body:
        return None
    planned, run = body.get("planned"), body.get("run")
    return Pin(planned if isinstance(planned, str) else None, body["value"], run if isinstance(run, str) else "")
