"""What was checked, against a deadline, and what was seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

#: Between two looks (seconds).
PAUSE = 0.1
#: After so many failures nobody waits long for the rest, so that a broken demo ends soon too.
TOLERANCE = 3
HURRY = 3.0


@dataclass(frozen=True)
class Seen:
    """Whether it is so, and what was seen."""

    ok: bool
    text: str = ""


@dataclass(frozen=True)
class Check:
    check: str
    ok: bool
    seconds: float
    seen: str = ""


@dataclass
class Step:
    """One thing that somebody does, and where it arrives."""

    flow: int
    done: str
    arrives: str
    checks: list[Check] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


class Screen(Protocol):
    """Where the story is told while it happens."""

    def step(self, step: Step) -> None: ...

    def waiting(self, what: str) -> AbstractContextManager[object]: ...

    def checked(self, check: Check) -> None: ...


class Silent:
    """Tells nobody."""

    def step(self, step: Step) -> None:
        """Says nothing."""

    def waiting(self, what: str) -> AbstractContextManager[object]:
        return nullcontext()

    def checked(self, check: Check) -> None:
        """Says nothing."""


class EndedError(Exception):
    """What all checks depend on has ended; nothing that follows can hold."""


class StoppedError(Exception):
    """A check failed, and nobody wants to see the rest."""


class Book:
    """The steps so far. `patience`: seconds until a check has failed; `alive` raises EndedError.

    `fail_fast`: the first check that fails raises StoppedError.
    """

    def __init__(
        self,
        screen: Screen | None = None,
        *,
        patience: float = 20.0,
        alive: Callable[[], None] = lambda: None,
        fail_fast: bool = False,
    ) -> None:
        self.fail_fast = fail_fast
        self.screen, self.patience, self.alive = screen or Silent(), patience, alive
        self.steps: list[Step] = []
        self.began = time.monotonic()

    @property
    def ok(self) -> bool:
        return bool(self.steps) and all(step.ok and step.checks for step in self.steps)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def step(self, flow: int, done: str, arrives: str) -> None:
        """A new step; the checks that follow are its own."""
        self.steps.append(Step(flow, done, arrives))
        self.screen.step(self.steps[-1])

    def comes(self, what: str, look: Callable[[], Seen], *, times: float = 1.0) -> bool:
        """It has to become so within the patience (`times` as long where much has to happen)."""
        limit = self._limit(times)
        return self._watch(what, look, lambda seen, waited: seen.ok or waited >= limit)

    def stays(self, what: str, look: Callable[[], Seen], seconds: float) -> bool:
        """It has to be so all the time."""
        return self._watch(what, look, lambda seen, waited: not seen.ok or waited >= seconds)

    def holds(self, what: str, seen: Seen | bool, text: str = "") -> bool:
        """It has to be so now."""
        found = seen if isinstance(seen, Seen) else Seen(seen, text)
        return self._note(Check(what, found.ok, 0.0, found.text))

    def _watch(self, what: str, look: Callable[[], Seen], over: Callable[[Seen, float], bool]) -> bool:
        began = time.monotonic()
        with self.screen.waiting(what):
            while True:
                self.alive()
                seen = _looked(look)
                waited = time.monotonic() - began
                if over(seen, waited):
                    break
                time.sleep(PAUSE)
        return self._note(Check(what, seen.ok, round(waited, 1), seen.text))

    def _limit(self, times: float) -> float:
        failed = sum(not check.ok for step in self.steps for check in step.checks)
        return min(HURRY, self.patience) if failed >= TOLERANCE else self.patience * times

    def _note(self, check: Check) -> bool:
        self.steps[-1].checks.append(check)
        self.screen.checked(check)
        if self.fail_fast and not check.ok:
            raise StoppedError(check.check)
        return check.ok

    def ended(self, why: str) -> None:
        """The story cannot go on."""
        if not self.steps:
            self.step(1, "The demo starts", "everywhere")
        with suppress(StoppedError):
            self._note(Check("the connector runs", False, 0.0, why))

    def as_plain(self) -> dict[str, Any]:
        """What `demo.json` says: each flow with its checks, in the order in which they were made."""
        flows: dict[int, list[dict[str, Any]]] = {}
        for step in self.steps:
            for check in step.checks:
                row = {**vars(check), "done": step.done, "arrives": step.arrives}
                flows.setdefault(step.flow, []).append(row)
        return {
            "ok": self.ok,
            "seconds": round(self.seconds, 1),
            "flows": [{"flow": flow, "checks": checks} for flow, checks in sorted(flows.items())],
        }


def _looked(look: Callable[[], Seen]) -> Seen:
    try:
        return look()
    except httpx.HTTPError as error:
        return Seen(False, f"the sandbox did not answer: {error}")
