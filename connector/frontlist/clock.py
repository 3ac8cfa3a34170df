"""The one source of time and ids."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime

#: Of our times, which are microseconds.
SECOND, DAY = 1_000_000, 86_400_000_000
#: Never changes: every id that we choose is derived from it.
NAMESPACE = uuid.UUID("5a0ad5a3-6a7f-5f0e-9d54-3b7c1e0f6e11")


class Clock:
    """Real time plus `offset_us`, which only tests move."""

    def __init__(self) -> None:
        self.offset_us = 0

    def now_us(self) -> int:
        """Microseconds since 1970, UTC."""
        return time.time_ns() // 1000 + self.offset_us

    def steady(self) -> float:
        """Seconds that never go back, whatever the machine's clock is set to: for how long something takes."""
        return time.monotonic() + self.offset_us / 1_000_000

    def new_id(self) -> str:
        return uuid.uuid4().hex


def moment(us: int) -> datetime:
    """Microseconds since 1970 as an aware UTC time."""
    return datetime.fromtimestamp(us / 1_000_000, UTC)


def iso(us: int) -> str:
    """Microseconds since 1970 as a person reads them, to the second."""
    return moment(us).isoformat(timespec="seconds")


def microseconds(at: datetime) -> int:
    """An aware time as microseconds since 1970."""
    return round(at.timestamp() * 1_000_000)


def chosen_id(tenant: str, kind: str, source_id: str | int) -> str:
    """The UUIDv5 of something that we create, from its source's own id; never from ISBN, title or host."""
    return str(uuid.uuid5(NAMESPACE, f"{tenant}/{kind}/{source_id}"))
