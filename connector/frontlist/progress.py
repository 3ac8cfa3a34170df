"""How far something long is, said to whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable

#: Gets a line; each replaces the one before.
Say = Callable[[str], None]


def unsaid(line: str) -> None:
    """Nobody waits."""
