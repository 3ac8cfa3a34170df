"""Pauses: a person stops writes to a system, all of them or those of one priority, until the pause is lifted.

Decisions `pause/<target>/<priority>`, where `*` is every priority; a null body has lifted it. Like a lower mode they
act at once: what waits in a lane is looked at again before its intent.
"""

from __future__ import annotations

from collections.abc import Mapping

from frontlist.contract import Json
from frontlist.state.work import Priority

KIND = "pause"
#: What is paused is looked at again after so many seconds, though lifting hastens it.
AGAIN = 3600.0


class Pauses:
    """The pauses in force."""

    def __init__(self, decided: Mapping[str, Json]) -> None:
        self._why = {key: _read(body) for key, body in decided.items()}

    def why(self, target: str, priority: int) -> str | None:
        """In words, why nothing of this priority is written there now; None: it is."""
        if not self._why:
            return None
        keys = (f"{target}/*", f"{target}/{_name(priority)}")
        return next((f"{target} is paused: {self._why[key]}" for key in keys if key in self._why), None)

    def of(self, target: str) -> list[str]:
        """All in force for a system, each in words."""
        found = sorted(key for key in self._why if key.rpartition("/")[0] == target)
        return [f"{key} is paused: {self._why[key]}" for key in found]


def _name(priority: int) -> str:
    return next((each.name.lower() for each in Priority if each == priority), str(priority))


def _read(body: Json) -> str:
    """Whoever wrote nonsense meant to stop something."""
    why = body.get("why") if isinstance(body, Mapping) else None
    return why if isinstance(why, str) and why else "no reason given"
