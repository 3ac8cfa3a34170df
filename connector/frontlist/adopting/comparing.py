"""What bringing a plan about would do to what is there: pure.

| effect | the owner says | the other side holds |
|---|---|---|
| equal | a value | the same, by the target's own measure |
| overwrite | a value | another one |
| fill | a value | nothing |
| erase | nothing | a value; only once a person adopted it |
| beside | a text | another text of the same kind, which stays: it is not ours |
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from frontlist.contract import FieldKey, Json, Resource
from frontlist_schemas.canonical import fingerprint

Effect = Literal["equal", "overwrite", "fill", "erase", "beside"]
EFFECTS: tuple[Effect, ...] = ("overwrite", "erase", "fill", "beside", "equal")
EXAMPLES = 3
Same = Callable[[FieldKey, Json, Json], bool]


@dataclass(frozen=True)
class Change:
    """What becomes of one field of one resource."""

    title: str
    resource: Resource
    key: str
    effect: Effect
    old: Json = None
    new: Json = None

    @property
    def print(self) -> str:
        """Of what would be lost."""
        return fingerprint(self.old)[:16]


@dataclass(frozen=True)
class Field:
    """One row of the report: a field of a kind, and how often what would become of it."""

    target: str
    kind: str
    key: str
    counts: Mapping[Effect, int]
    examples: Mapping[Effect, tuple[Change, ...]]


def compare(
    title: str,
    resource: Resource,
    wanted: Mapping[FieldKey, Json],
    cleared: Iterable[FieldKey],
    actual: Mapping[FieldKey, Json],
    same: Same,
) -> list[Change]:
    """`wanted`: what the plan names; `cleared`: fields that it would name as empty if a person adopted that."""
    changes = [
        Change(title, resource, key, _effect(key, new, actual.get(key), same), actual.get(key), new)
        for key, new in sorted(wanted.items())
    ]
    changes += [
        Change(title, resource, key, "erase", actual.get(key)) for key in sorted(cleared) if not empty(actual.get(key))
    ]
    return changes


def _effect(key: FieldKey, new: Json, old: Json, same: Same) -> Effect:
    if empty(new) and not empty(old):
        return "erase"
    if same(key, new, old) or (empty(new) and empty(old)):
        return "equal"
    return "fill" if empty(old) else "overwrite"


def empty(value: Json) -> bool:
    """None, "" and [] hold nothing; False and 0 are values."""
    return value is None or value == "" or value == []


def by_field(changes: Iterable[Change]) -> list[Field]:
    """Counted, with the first examples; most endangered fields first."""
    found: dict[tuple[str, str, str], list[Change]] = defaultdict(list)
    for each in changes:
        found[each.resource.target, each.resource.kind, each.key].append(each)
    rows = [_field(*place, several) for place, several in found.items()]
    return sorted(rows, key=lambda row: (row.target, row.kind, [-row.counts[effect] for effect in EFFECTS], row.key))


def _field(target: str, kind: str, key: str, changes: Sequence[Change]) -> Field:
    ordered = sorted(changes, key=lambda each: (each.title, each.resource))
    of = {effect: [each for each in ordered if each.effect == effect] for effect in EFFECTS}
    examples: dict[Effect, tuple[Change, ...]] = {
        e: tuple(several[:EXAMPLES]) for e, several in of.items() if e != "equal"
    }
    return Field(target, kind, key, {effect: len(several) for effect, several in of.items()}, examples)


def erasures(changes: Iterable[Change]) -> dict[str, dict[str, dict[str, str]]]:
    """title -> resource -> field -> fingerprint of what would be lost."""
    found: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for each in changes:
        if each.effect == "erase":
            found[each.title][str(each.resource)][each.key] = each.print
    return {title: {at: dict(keys) for at, keys in sorted(of.items())} for title, of in sorted(found.items())}
