"""The portal's time, which tests move."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def wall_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


class Clock:
    """Some source of time plus what /sandbox/clock has added to it."""

    def __init__(self, source: Callable[[], datetime] = wall_clock) -> None:
        self._source = source
        self._ahead = timedelta()

    def now(self) -> datetime:
        """The present, cut to the millisecond that the API shows."""
        moment = self._source() + self._ahead
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def advance(self, seconds: float) -> None:
        """Move the portal's time forward."""
        if seconds < 0:
            raise ValueError("the portal's clock only goes forward: give seconds >= 0")
        self._ahead += timedelta(seconds=seconds)

    def reset(self) -> None:
        """Back to the source's own time, for a tenant that begins anew."""
        self._ahead = timedelta()


def stamp(moment: datetime) -> str:
    """The only form that the vendor's docs show: 2023-05-01T10:10:01.803Z."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"
