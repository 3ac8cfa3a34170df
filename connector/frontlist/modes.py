"""What a flow may do for an imprint: off, observe, propose or apply. New installations observe."""

from __future__ import annotations

from collections.abc import Mapping

from frontlist.contract import Dossier, Json, Mode


class Modes:
    """The modes in force, from decisions with keys `<flow>/<imprint>`; `*` stands for every flow or imprint."""

    def __init__(self, decided: Mapping[str, Json]) -> None:
        self._decided = {key: Mode(value) for key, value in decided.items()}

    def of(self, flow: int, imprint: str | None) -> Mode:
        """The most specific decision: flow and imprint, the flow, the imprint, all."""
        keys = [f"{flow}/*", "*/*"] if imprint is None else [f"{flow}/{imprint}", f"{flow}/*", f"*/{imprint}", "*/*"]
        return next((self._decided[key] for key in keys if key in self._decided), Mode.OBSERVE)


def imprint(dossier: Dossier) -> str | None:
    """The name of the title's imprint as Consonance states it."""
    body = dossier.get("consonance", "metadata").body or {}
    stated = body.get("imprint")
    name = stated.get("name") if isinstance(stated, Mapping) else None
    return name if isinstance(name, str) else None
