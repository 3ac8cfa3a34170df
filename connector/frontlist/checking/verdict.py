"""What `frontlist check` found: checks with their cure, and what became of each assumption."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from frontlist.errors import FrontlistError

Status = Literal["ok", "warning", "failed", "unknown"]
Standing = Literal["confirmed", "refuted", "unknown"]
#: What is shorter would strike ordinary words.
SHORTEST = 6
#: A broken file is quoted where it breaks, and a key may stand just there.
_STATED = re.compile(r"(?i)\b((?:key|password|token)\s*[:=]\s*)[^\s,}]+")
_VARIABLE = re.compile(r"FRONTLIST_\w*(KEY|PASSWORD)$")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `area`: configuration, mapping, Kafka, database, or a system."""

    area: str
    what: str
    status: Status = "ok"
    detail: str = ""
    where: str = ""
    cure: str = ""


@dataclass(frozen=True)
class Settled:
    """An assumption of the sandbox, held against this tenant. `detail`: what was seen, or who has to look."""

    id: str
    system: str
    what: str
    status: Standing
    detail: str


@dataclass(frozen=True)
class Report:
    """All of it."""

    checks: tuple[Check, ...]
    assumptions: tuple[Settled, ...]

    @property
    def failed(self) -> bool:
        return any(each.status == "failed" for each in self.checks)

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": not self.failed,
            "checks": [asdict(each) for each in self.checks],
            "assumptions": [asdict(each) for each in self.assumptions],
        }

    def without(self, secrets: Iterable[str]) -> Report:
        """The same with no secret in any text, whoever quoted it."""
        known = sorted({each for each in (*secrets, *_in_the_environment()) if each}, key=len, reverse=True)
        return Report(
            tuple(_clean(each, ("what", "detail", "where", "cure"), known) for each in self.checks),
            tuple(_clean(each, ("detail",), known) for each in self.assumptions),
        )


def failed(area: str, what: str, error: FrontlistError) -> Check:
    """An error that a person can read, as a check."""
    return Check(area, what, "failed", error.what, error.where, error.cure)


def _in_the_environment() -> list[str]:
    return [value for name, value in os.environ.items() if _VARIABLE.match(name)]


def _clean(each: Any, names: Sequence[str], secrets: Sequence[str]) -> Any:
    return replace(each, **{name: hidden(getattr(each, name), secrets) for name in names})


def hidden(text: str, secrets: Sequence[str]) -> str:
    for secret in (each for each in secrets if len(each) >= SHORTEST):
        text = text.replace(secret, "***")
    return _STATED.sub(r"\1***", text)
