"""The breaker of one target: after failures nothing is called for a while, then one title probes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from frontlist.errors import DeliveryError, Pause, Retry

State = Literal["closed", "open", "half-open"]
Tell = Callable[[str, str, float], None]


class BreakerSettings(BaseModel):
    """When a target is left alone; times in seconds."""

    model_config = ConfigDict(extra="forbid")

    failures: int = Field(5, ge=1, description="calls for different titles that fail in a row until it opens")
    first: float = Field(1.0, gt=0, description="the first pause; doubled each time that the probe fails")
    longest: float = Field(300.0, gt=0, description="the longest pause")
    refused_key: float = Field(30.0, gt=0, description="the first pause after the key was not accepted (401)")


class Breaker:
    """Asked before each call, told after it. `now`: seconds, of any clock that only goes forward."""

    def __init__(self, settings: BreakerSettings, now: Callable[[], float], tell: Tell = lambda *_: None) -> None:
        """`tell`: called at each change with state, reason and the seconds until it is tried again."""
        self._settings, self._now, self._tell = settings, now, tell
        self._failed: set[str] = set()
        self._until = 0.0
        self._pause = 0.0
        self._open = False
        self._probing = False
        self.why = ""

    @property
    def state(self) -> State:
        if not self._open:
            return "closed"
        return "half-open" if self._probing or self._now() >= self._until else "open"

    @property
    def suspects(self) -> frozenset[str]:
        """Titles that failed: another one probes if there is one."""
        return frozenset(self._failed)

    def blocked(self) -> float:
        """Seconds until it is worth asking again; 0: something may be called now."""
        if not self._open:
            return 0.0
        return 1.0 if self._probing else max(0.0, self._until - self._now())

    def admit(self) -> bool:
        """Whether a call may begin now. While it is open, one after the pause: the probe, which must `end`."""
        if not self._open:
            return True
        if self._probing or self._now() < self._until:
            return False
        self._probing = True
        self._tell("half-open", self.why, 0.0)
        return True

    def ended(self) -> None:
        """The probe is over, whether it called or not: if it did not, the next one probes."""
        self._probing = False

    def succeeded(self) -> None:
        """The target answered, be it with a refusal."""
        self._failed.clear()
        if self._open:
            self._tell("closed", "", 0.0)
        self._open, self._probing, self._pause, self.why = False, False, 0.0, ""

    def failed(self, title: str, error: DeliveryError) -> None:
        """A call for this title did not get through."""
        if isinstance(error, Retry) and error.status == 429:
            self._shut(error, error.after if error.after is not None else self._longer(self._settings.first))
        elif isinstance(error, Pause):
            self._shut(error, self._longer(self._settings.refused_key))
        elif isinstance(error, Retry):
            self._failed.add(title)
            if self._open or len(self._failed) >= self._settings.failures:
                self._shut(error, self._longer(self._settings.first))

    def _longer(self, first: float) -> float:
        if self._open and not self._probing:
            return 0.0  # one of those that were under way when it opened
        self._pause = min(self._settings.longest, max(first, self._pause * 2))
        return self._pause * random.uniform(0.75, 1.0)  # noqa: S311  jitter, nothing secret

    def _shut(self, error: DeliveryError, pause: float) -> None:
        self._until = max(self._until, self._now() + pause)
        self._open, self._probing, self.why = True, False, str(error)
        self._tell("open", self.why, self.blocked())
