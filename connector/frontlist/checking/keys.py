"""Keys that end. No API of either vendor tells when, so a person states it as `key_expires`."""

from __future__ import annotations

from datetime import date, timedelta

from frontlist.checking.verdict import Check

#: How long before its end a key is warned of.
SOON = timedelta(days=30)


def expiry(area: str, setting: str, expires: date | None, today: date, *, limited: bool) -> list[Check]:
    """`limited`: keys of this vendor have a validity (of 4ALLPORTAL that is documented)."""
    what, cure = "validity of the key", f"make a new key, then set {setting}"
    if expires is None:
        if not limited:
            return []
        detail = "keys have a validity, which the API does not tell"
        return [Check(area, what, "unknown", detail, setting, f"look it up where the key was made, and set {setting}")]
    left = (expires - today).days
    if left < 0:
        return [Check(area, what, "warning", f"ended on {expires} by the configuration", setting, cure)]
    if expires - today <= SOON:
        return [Check(area, what, "warning", f"ends on {expires}, in {left} days", setting, cure)]
    return [Check(area, what, "ok", f"until {expires}", setting)]
