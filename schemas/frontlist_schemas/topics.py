"""The names of the topics."""

from __future__ import annotations

from collections.abc import Iterable

SYSTEMS = ("consonance", "fourallportal")
ASPECTS = ("metadata", "assets", "rights", "milestones", "formats")
PREFIX = "frontlist"
VERSION = "v1"


def topic(prefix: str, system: str, aspect: str) -> str:
    """`frontlist.consonance.rights.v1`."""
    return f"{prefix}.{system}.{aspect}.{VERSION}"


def changes(prefix: str = PREFIX, further: Iterable[tuple[str, str]] = ()) -> tuple[str, ...]:
    """The ten change topics, and those of `further` (system, aspect) that plugins bring."""
    ours = [(system, aspect) for system in SYSTEMS for aspect in ASPECTS]
    return tuple(topic(prefix, system, aspect) for system, aspect in (*ours, *further))


def links(prefix: str = PREFIX) -> str:
    return f"{prefix}.links.{VERSION}"


def decisions(prefix: str = PREFIX) -> str:
    return f"{prefix}.decisions.{VERSION}"


def journal(prefix: str = PREFIX) -> str:
    """What was done; the only topic that is not compacted."""
    return f"{prefix}.journal.{VERSION}"


def compacted(prefix: str = PREFIX, further: Iterable[tuple[str, str]] = ()) -> tuple[str, ...]:
    return (*changes(prefix, further), links(prefix), decisions(prefix))


def parse(prefix: str, name: str) -> tuple[str, str] | None:
    """(system, aspect) of a change topic, None for any other."""
    parts = name.removeprefix(f"{prefix}.").split(".")
    if not name.startswith(f"{prefix}.") or len(parts) != 3 or parts[2] != VERSION:
        return None
    return parts[0], parts[1]
