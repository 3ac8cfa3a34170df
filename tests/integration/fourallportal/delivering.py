"""The engine in small: read, first step of each, until nothing is left; refused fields are left out and tried on."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from frontlist.contract import Done, Ensure, FieldKey, Refused, Resource, Step
from frontlist.systems.fourallportal.target import FourallportalTarget


@dataclass
class Delivered:
    """What came of it: calls by step, refusals by record."""

    steps: list[str] = field(default_factory=list)
    refused: dict[str, Refused] = field(default_factory=dict)


def ensure(id: str, *, create: bool = True, **fields: Any) -> Ensure:
    """Brackets cannot stand in a keyword: `title__en_GB` is `title[locale=en_GB]`."""
    keyed = {FieldKey(f"{k.replace('__', '[locale=')}]" if "__" in k else k): v for k, v in fields.items()}
    return Ensure(Resource("fourallportal", "product", id), keyed, flow=1, create=create)


async def deliver(target: FourallportalTarget, desired: Sequence[Ensure]) -> Delivered:
    """Until nothing is left to do."""
    came, left = Delivered(), {one.resource: one for one in desired}
    progress: dict[Resource, dict[str, Any]] = {resource: {} for resource in left}
    actual = await target.read(desired)
    while todo := [steps[0] for r, one in left.items() if (steps := target.steps(one, actual[r], progress[r]))]:
        came.steps += [step.name for step in todo]
        outcomes = await target.write(todo, asyncio.get_running_loop().time() + 10)
        for step, outcome in zip(todo, outcomes, strict=True):
            if isinstance(outcome, Done):
                progress[step.resource][step.name] = outcome.result
            else:
                _refused(step, outcome, left, came)
    return came


def _refused(step: Step, outcome: Refused, left: dict[Resource, Ensure], came: Delivered) -> None:
    came.refused[step.resource.id] = outcome
    one = left.pop(step.resource)
    fields = {key: value for key, value in one.fields.items() if key not in outcome.fields}
    if outcome.fields and fields:
        left[step.resource] = replace(one, fields=fields)
