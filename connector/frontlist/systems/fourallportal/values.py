"""Values of the field types: one normal form for comparing and publishing, another for sending.

A tenant may answer typed JSON or text throughout (UNKNOWN), so both are read. The normal form has no floats: whole
numbers are int, all others decimal strings. Empty (null, "", []) is None.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from frontlist.contract import Json

TEXT = frozenset(
    {"CEVarchar", "CEText", "CEEmail", "CEPhone", "CEEnum", "MAMString", "XMPString"}
    | {"CEId", "CEExternalId", "CEObjectLink", "CEExternalObjectLink"}
)
LISTS = frozenset(
    {"CEVarcharList", "CETextList", "CEEmailList", "CEAddressList", "MAMList", "CEIdList", "CEExternalIdList"}
)
WHOLE = frozenset({"CEInteger", "CELong"})
NUMBERS = frozenset({"CEDouble", "MAMNumber", "XMPNumber"})
BOOLEANS = frozenset({"CEBoolean", "MAMBoolean"})
DATES = frozenset({"CEDate", "MAMDate"})
TIMESTAMPS = frozenset({"CETimestamp"})
METRICS = frozenset({"CEMetric"})


def normal(value: Json, kind: str, unit: str | None = None) -> Json:
    """The value as it is compared and published; what does not look like its type stays as it is.

    `unit`: a metric's default unit, for one that comes without.
    """
    if value is None or value == "" or value == []:
        return None
    if kind in METRICS:
        return _metric(value, unit)
    return _NORMAL.get(kind, _as_it_is)(value)


def same(one: Json, other: Json, kind: str, unit: str | None = None) -> bool:
    """Whether two values of a field mean the same."""
    return identical(normal(one, kind, unit), normal(other, kind, unit))


def identical(one: Json, other: Json) -> bool:
    """Equal in type too: Python holds True for 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def wire(value: Json, kind: str, unit: str | None = None) -> Any:
    """The value as JSON of its type; text that is no such value goes as it is, for the portal to refuse."""
    plain = normal(value, kind, unit)
    if kind in NUMBERS:
        return _number(plain)
    if kind in METRICS and isinstance(plain, dict):
        return {**plain, "value": _number(plain["value"])}
    return plain


def decimal(value: Json) -> Decimal | None:
    """The finite number that a value is, as JSON or as text; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    # Also bounds what a hostile exponent can make of a few characters.
    return number if number.is_finite() and abs(number.adjusted()) < 400 else None


def day(value: Json) -> date | None:
    """The date that a value is; a time counts only at midnight, since its zone could move the day."""
    if not isinstance(value, str):
        return None
    at = moment(value) if len(value) > 10 else None
    if at is not None:
        return at.date() if (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0) else None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def moment(value: Json) -> datetime | None:
    """The time that a text is, in UTC; without a zone it counts as UTC (ASSUMPTION: as 4APQL's timestamps)."""
    if not isinstance(value, str) or len(value) < 11:
        return None
    try:
        at = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    try:
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return None


def _decimal(value: Json) -> Json:
    number = decimal(value)
    return value if number is None else _text_of(number)


def _whole(value: Json) -> Json:
    number = decimal(value)
    if number is None:
        return value
    return int(number) if number == number.to_integral_value() else _text_of(number)


def _text_of(number: Decimal) -> str:
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _boolean(value: Json) -> Json:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    # A database's own form, only ever read: "1" as text stays as it is.
    return bool(value) if isinstance(value, int) and value in (0, 1) else value


def _date(value: Json) -> Json:
    found = day(value)
    return value if found is None else found.isoformat()


def _timestamp(value: Json) -> Json:
    at = moment(value)
    # DATETIME(4) keeps no microseconds and the API shows milliseconds.
    return value if at is None else f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _text(value: Json) -> Json:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


def _list(value: Json) -> Json:
    return [_text(item) for item in (value if isinstance(value, list) else [value])]


def _metric(value: Json, unit: str | None) -> Json:
    if not isinstance(value, dict):
        return value if unit is None or decimal(value) is None else {"unit": unit, "value": _decimal(value)}
    number = value.get("value")
    return None if number in (None, "") else {"unit": value.get("unit") or unit, "value": _decimal(number)}


def _number(value: Json) -> Json | float:
    number = decimal(value)
    if number is None:
        return value
    return int(number) if number == number.to_integral_value() else float(number)


def _as_it_is(value: Json) -> Json:
    return value


_NORMAL: dict[str, Callable[[Json], Json]] = {
    **dict.fromkeys(TEXT, _text),
    **dict.fromkeys(LISTS, _list),
    **dict.fromkeys(WHOLE, _whole),
    **dict.fromkeys(NUMBERS, _decimal),
    **dict.fromkeys(BOOLEANS, _boolean),
    **dict.fromkeys(DATES, _date),
    **dict.fromkeys(TIMESTAMPS, _timestamp),
}
