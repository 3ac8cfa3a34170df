"""Times as people type them, and as they read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from frontlist.clock import microseconds
from frontlist.errors import ConfigurationError

AGO = re.compile(r"(\d{1,6})([mhd])")
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def time(text: str, now: datetime, option: str) -> int:
    """`2026-11-20`, `2026-11-20T10:00`, with or without zone (UTC), or `3d`, `2h`, `30m` ago; in microseconds."""
    ago = AGO.fullmatch(text.strip())
    if ago:
        return microseconds(now - timedelta(**{UNITS[ago[2]]: int(ago[1])}))
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is no time", where=option, cure="say 2026-11-20, 2026-11-20T10:00Z, or 3d, 2h, 30m ago"
        ) from None
    return microseconds(found if found.tzinfo else found.replace(tzinfo=UTC))
