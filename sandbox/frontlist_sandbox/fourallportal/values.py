"""What each field type accepts and in which form the portal keeps it.

Readers raise ValueError with the reason. A number or boolean is also taken as text, since a tenant that
answers strings must accept what it answered.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, TypeAlias

from frontlist_sandbox.fourallportal import schema
from frontlist_sandbox.fourallportal.clock import stamp
from frontlist_sandbox.fourallportal.schema import Field

Value: TypeAlias = str | int | float | bool | list[str] | dict[str, Any]
Options: TypeAlias = Mapping[str, Sequence[str]]

ID_MAX = 36
SAFE_WHOLE = {"CEInteger": 2**31, "CELong": 2**63}


def read(field: Field, raw: object, options: Options) -> Value:
    """The value as the portal keeps it."""
    value = READERS[field.type](field, raw)
    if field.options is not None:
        _known(value, field.options, options)
    return value


def as_text(value: object) -> object:
    """The value as a tenant shows it that knows only strings, lists of strings and objects of strings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict):
        return {name: as_text(part) for name, part in value.items()}
    return value


def _known(value: Value, key: str, options: Options) -> None:
    stray = [item for item in (value if isinstance(value, list) else [value]) if item not in options[key]]
    if stray:
        raise ValueError(f"{stray[0]!r} is no value option of '{key}'")


def _text(field: Field, raw: object) -> str:
    if not isinstance(raw, str):
        raise ValueError(f"{field.type} takes a string, not {_kind(raw)}")
    if field.length is not None and len(raw) > field.length:
        raise ValueError(f"{len(raw)} characters, the field holds {field.length}")
    return raw


def _id(field: Field, raw: object) -> str:
    if not isinstance(raw, str) or not 0 < len(raw) <= ID_MAX:
        raise ValueError(f"{field.type} takes an id of 1 to {ID_MAX} characters, not {_kind(raw)}")
    return raw


def _list_of(item: Callable[[Field, object], str]) -> Callable[[Field, object], list[str]]:
    def reader(field: Field, raw: object) -> list[str]:
        if not isinstance(raw, list):
            raise ValueError(f"{field.type} takes a list of strings, not {_kind(raw)}")
        return [item(field, one) for one in raw]

    return reader


def _whole(field: Field, raw: object) -> int:
    number = _parsed(int, raw) if isinstance(raw, str) else raw
    if isinstance(number, bool) or not isinstance(number, int) or abs(number) >= SAFE_WHOLE[field.type]:
        raise ValueError(f"{field.type} takes a whole number in its range, not {_kind(raw)}")
    return number


def _number(field: Field, raw: object) -> float:
    number = _parsed(float, raw) if isinstance(raw, str) else raw
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise ValueError(f"{field.type} takes a number, not {_kind(raw)}")
    return float(number)


def _boolean(field: Field, raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if raw not in ("true", "false"):
        raise ValueError(f"{field.type} takes true or false, not {_kind(raw)}")
    return raw == "true"


def _date(field: Field, raw: object) -> str:
    day: date | None = _parsed(date.fromisoformat, raw) if isinstance(raw, str) and len(raw) == 10 else None
    if day is None:
        raise ValueError(f"{field.type} takes a date as 2026-05-01, not {_kind(raw)}")
    return day.isoformat()


def _timestamp(field: Field, raw: object) -> str:
    moment: datetime | None = _parsed(datetime.fromisoformat, raw) if isinstance(raw, str) and "T" in raw else None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"{field.type} takes a time with its zone as 2026-05-01T10:10:01.803Z, not {_kind(raw)}")
    return stamp(moment.astimezone(UTC))


def _metric(field: Field, raw: object) -> dict[str, Any]:
    metric = field.metric
    if metric is None or not isinstance(raw, dict) or not {"value", "unit"} <= set(raw):
        raise ValueError(f'CEMetric takes {{"value": 5.0, "unit": "kg"}}, not {_kind(raw)}')
    number, unit = _number(field, raw["value"]), raw["unit"]
    if unit not in metric.units:
        raise ValueError(f"unit {unit!r} is none of {', '.join(metric.units)}")
    return {"value": number, "unit": unit, "normalized": round(number * metric.units[unit], 6)}


def _parsed(parse: Callable[[str], Any], raw: str) -> Any:
    try:
        return parse(raw)
    except ValueError:
        return None


def _kind(raw: object) -> str:
    return f"{type(raw).__name__} {str(raw)[:60]!r}"


READERS: dict[str, Callable[[Field, object], Value]] = {
    **dict.fromkeys(schema.TEXT, _text),
    **dict.fromkeys(schema.TEXT_LISTS, _list_of(_text)),
    **dict.fromkeys(schema.IDS, _id),
    **dict.fromkeys(schema.ID_LISTS, _list_of(_id)),
    **dict.fromkeys(schema.WHOLE, _whole),
    **dict.fromkeys(schema.NUMBERS, _number),
    **dict.fromkeys(schema.BOOLEANS, _boolean),
    **dict.fromkeys(schema.DATES, _date),
    "CETimestamp": _timestamp,
    "CEMetric": _metric,
}
