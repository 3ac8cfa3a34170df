"""Named points between two actions, at which a test may stop us; nothing happens there in production."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

Step = Callable[[str], Awaitable[None]]

#: All names, in the order in which a change passes them.
NAMES = (
    "captured",
    "reserved",
    "published",
    "confirmed",
    "stored",
    "claimed",
    "planned",
    "intended",
    "stepped",
    "written",
    "remembered",
    "finished",
)


async def no_step(_name: str) -> None:
    """Production's step."""
