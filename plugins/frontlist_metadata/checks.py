"""Findings of this consumer: keys that stay the same, a message that says what, a cure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from frontlist.contract import Finding

Severity = Literal["low", "normal", "high"]
#: Places named in one finding; a title may have hundreds of formats.
PLACES = 12


@dataclass
class _Open:
    kind: str
    message: str
    cure: str
    severity: Severity
    places: dict[str, None] = field(default_factory=dict)


class Findings:
    """Collects findings; one that is said of several products names them all."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def add(self, key: str, kind: str, message: str, cure: str, where: str = "", severity: Severity = "normal") -> None:
        found = self._open.setdefault(key, _Open(kind, message, cure, severity))
        if where:
            found.places[where] = None

    def all(self) -> tuple[Finding, ...]:
        """Sorted by key, so that the same input gives the same plan."""
        return tuple(
            Finding(key, each.kind, each.message, each.cure, _where(list(each.places)), each.severity)
            for key, each in sorted(self._open.items())
        )


def _where(places: list[str]) -> str:
    more = f" and {len(places) - PLACES} more" if len(places) > PLACES else ""
    return ", ".join(places[:PLACES]) + more
