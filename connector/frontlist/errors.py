"""Errors, grouped by what the runtime does next.

FrontlistError
├── ConfigurationError   refuse to start; the message names the place and the cure
├── DeliveryError        a call to a system did not do what was asked
│   ├── Retry            the same call may succeed later (5xx, 408, 429, connection)
│   ├── Pause            the whole target is closed to us (401, expired key): stop calling, probe
│   ├── Refuse           the target will not have these fields; the rest may go on
│   ├── DeadLetter       the target will never accept this resource
│   └── Stop             our own bug or an answer that breaks the contract: this row alone stops
└── UnreadableError      a record or an answer that cannot be understood; kept, reported, never guessed
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence


class FrontlistError(Exception):
    """Something a person can read: what happened, where, and what cures it."""

    def __init__(self, what: str, *, where: str = "", cure: str = "") -> None:
        self.what, self.where, self.cure = what, where, cure
        super().__init__(what)

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        cure = f". Cure: {self.cure}" if self.cure else ""
        return f"{self.what}{where}{cure}"


class ConfigurationError(FrontlistError):
    """Refuses to start."""


class UnreadableError(FrontlistError):
    """Kept with its reason; stops only what depends on it."""


class DeliveryError(FrontlistError):
    """`maybe_done`: the request may have been carried out although it failed (so it is in doubt)."""

    def __init__(self, what: str, *, where: str = "", cure: str = "", maybe_done: bool = False) -> None:
        super().__init__(what, where=where, cure=cure)
        self.maybe_done = maybe_done


class Retry(DeliveryError):
    """`after`: seconds that the target asked for (Retry-After), or None. `status`: of its answer, or None.

    `sent`: False where it is our own lateness, and says nothing about the target.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        cure: str = "",
        maybe_done: bool = False,
        after: float | None = None,
        status: int | None = None,
        sent: bool = True,
    ) -> None:
        super().__init__(what, where=where, cure=cure, maybe_done=maybe_done)
        self.after, self.status, self.sent = after, status, sent


class Pause(DeliveryError):
    """Nothing is called on this target until a probe succeeds."""


class Refuse(DeliveryError):
    """`fields`: the field keys refused, empty where the answer names none."""

    def __init__(self, what: str, *, fields: Sequence[str] = (), where: str = "", cure: str = "") -> None:
        super().__init__(what, where=where, cure=cure)
        self.fields = tuple(fields)


class DeadLetter(DeliveryError):
    """Not called again until the desired state changes or a person re-drives it."""


class Stop(DeliveryError):
    """Tried again daily and at each release."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """Itself, or all that a group holds: parts that run side by side fail as one."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from causes(each)
    else:
        yield error


def said(error: BaseException) -> str:
    """What an error says of itself; a time-out says nothing."""
    return str(error) or type(error).__name__
