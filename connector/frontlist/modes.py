"""What a flow may do for an imprint: off, observe, propose or apply. New installations observe."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from frontlist.contract import Dossier, Json, Mode
from frontlist.state.dossier import imprint as stated

log = structlog.get_logger(__name__)


class Modes:
    """The modes in force, from decisions with keys `<flow>/<imprint>`; `*` stands for every flow or imprint."""

    def __init__(self, decided: Mapping[str, Json]) -> None:
        self._decided = {key: _read(key, value) for key, value in decided.items()}

    def of(self, flow: int, imprint: str | None) -> Mode:
        """The most specific decision: flow and imprint, the flow, the imprint, all."""
        keys = [f"{flow}/*", "*/*"] if imprint is None else [f"{flow}/{imprint}", f"{flow}/*", f"*/{imprint}", "*/*"]
        return next((self._decided[key] for key in keys if key in self._decided), Mode.OBSERVE)


def may_write(mode: Mode, accepted: bool) -> bool:
    """`accepted`: by a person, as it is proposed."""
    return mode == Mode.APPLY or (mode == Mode.PROPOSE and accepted)


def _read(key: str, value: Json) -> Mode:
    """Whoever wrote nonsense meant to decide something: nothing is written there until it is decided anew."""
    try:
        return Mode(value)
    except (ValueError, TypeError):
        log.warning("modes: a decision is no mode, so it observes", flow=key, cure="frontlist mode set")
        return Mode.OBSERVE


def imprint(dossier: Dossier) -> str | None:
    """The name of the title's imprint as Consonance states it."""
    return stated(dossier.get("consonance", "metadata").body)
