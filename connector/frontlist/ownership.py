"""Who writes what: a field of a target has one owner, so consumers that would write one field refuse to start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from frontlist.contract import EVERY_FIELD, Consumer, Writes
from frontlist.errors import ConfigurationError
from frontlist.mapping import FieldMapping, claims

PORTAL = "fourallportal"
#: Fields that one message names.
SHOWN = 5


def check(consumers: Mapping[str, Consumer], mapping: FieldMapping) -> None:
    """Raises the first of `contests`."""
    found = contests(consumers, mapping)
    if found:
        raise found[0]


def contests(consumers: Mapping[str, Consumer], mapping: FieldMapping) -> list[ConfigurationError]:
    """Every field that two would write, and what else is wrong with the declarations; sorted by consumers."""
    declarations: dict[str, Writes] = {}
    wrong: list[ConfigurationError] = []
    for name, consumer in sorted(consumers.items()):
        try:
            declarations[name] = declared(consumer, mapping)
        except ConfigurationError as error:
            wrong.append(error)
    for (one, ours), (other, theirs) in combinations(declarations.items(), 2):
        wrong.extend(_between(one, ours, other, theirs))
    for name, writes in declarations.items():
        wrong.extend(_with_the_portal(name, writes, mapping))
    return wrong


def declared(consumer: Consumer, mapping: object) -> Writes:
    """What it says that it writes; raises ConfigurationError where that cannot be read."""
    try:
        found = consumer.writes(mapping)
        fault = misshapen(found)
    except Exception as error:
        fault = f"it raised {type(error).__name__}: {error}"
    if fault:
        raise ConfigurationError(
            f"consumer {consumer.name!r} does not say what it writes: {fault}",
            where="plugins",
            cure="see `frontlist.Consumer.writes`; upgrade or uninstall its plugin",
        )
    return found


def misshapen(found: object) -> str | None:
    """Why this is no declaration."""
    if not isinstance(found, Mapping):
        return f"`writes` answered a {type(found).__name__}, not a mapping"
    for place, names in found.items():
        if not (isinstance(place, tuple) and len(place) == 2 and all(isinstance(part, str) and part for part in place)):
            return f"{place!r} is no (target, kind)"
        if not isinstance(names, frozenset) or not all(isinstance(name, str) and name for name in names):
            return f"the fields of {'/'.join(place)} are {names!r}, not a frozenset of names"
        cells = sorted(name for name in names if "[" in name)
        if cells:
            return f"{cells[0]!r} is a cell: name its field, without dimensions"
    return None


def _between(one: str, ours: Writes, other: str, theirs: Writes) -> Iterator[ConfigurationError]:
    for place in sorted(ours.keys() & theirs.keys()):
        shared = _shared(ours[place], theirs[place])
        if shared:
            yield ConfigurationError(
                f"consumers {one!r} and {other!r} both write {_named(place, shared)}",
                where="plugins",
                cure="one field has one owner: take the field out of the mapping or the settings of one of them, "
                "or uninstall its plugin",
            )


def _shared(ours: frozenset[str], theirs: frozenset[str]) -> frozenset[str]:
    if EVERY_FIELD in ours:
        return theirs
    return ours if EVERY_FIELD in theirs else ours & theirs


def _with_the_portal(name: str, writes: Writes, mapping: FieldMapping) -> Iterator[ConfigurationError]:
    """Fields that people write in 4ALLPORTAL. One with cells of both systems is the mapping's own affair (`rules`)."""
    found = list(claims(mapping))
    ours = {(claim.module, claim.cell.field) for claim in found if claim.owner != PORTAL}
    told: set[tuple[str, str]] = set()
    for claim in found:
        field = (claim.module, claim.cell.field)
        if claim.owner != PORTAL or field in ours | told:
            continue
        if _shared(writes.get((PORTAL, claim.module), frozenset()), frozenset({claim.cell.field})):
            told.add(field)
            yield ConfigurationError(
                f"consumer {name!r} writes {_named((PORTAL, claim.module), {claim.cell.field})}, which the mapping "
                f"gives to 4ALLPORTAL ({claim.by})",
                where=f"{mapping.file}:{claim.line}",
                cure="map the text or date to another field, or uninstall the consumer's plugin",
            )


def _named(place: tuple[str, str], names: frozenset[str] | set[str]) -> str:
    shown = sorted("every field" if name == EVERY_FIELD else name for name in names)
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return f"{'/'.join(place)}: {', '.join(shown[:SHOWN])}{more}"
