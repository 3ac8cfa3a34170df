"""Single values of a record: numbers, dates and identifiers, None where the text is none."""

from __future__ import annotations

import calendar
import re
from datetime import date
from decimal import Decimal

from lxml import etree
from stdnum import ean, isbn

from frontlist_sandbox.catalogue.prose import words

_NUMBER = re.compile(r"\d{1,12}([.,]\d{1,6})?", re.ASCII)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)
_DATE = re.compile(r"(\d{4})-?(\d{2})?-?(\d{2})?(?:T.*)?", re.ASCII)
_INVISIBLE = re.compile(r"[\s\-‐-―]+")


def text(element: etree._Element | None, path: str) -> str | None:
    """The words at a path, on one line; None where there are none."""
    found = None if element is None else element.find(path)
    return " ".join(words(found).split()) or None


def texts(element: etree._Element | None, path: str) -> list[str]:
    found = [] if element is None else element.findall(path)
    return [value for value in (" ".join(words(each).split()) for each in found) if value]


def number(raw: str | None) -> Decimal | None:
    """A decimal; a comma counts as a point, as some senders write it."""
    return Decimal(raw.replace(",", ".")) if raw and _NUMBER.fullmatch(raw) else None


def whole(raw: str | None) -> int | None:
    return int(raw) if raw and _WHOLE.fullmatch(raw) else None


def day(element: etree._Element | None, path: str = "Date") -> tuple[date | None, bool]:
    """A date and whether it was exact: of a mere year or month it is the last day, the latest that it can mean."""
    raw = text(element, path)
    return (None, True) if raw is None else of_day(raw)


def of_day(raw: str) -> tuple[date | None, bool]:
    match = _DATE.fullmatch(raw)
    if match is None:
        return None, False
    year, month, in_month = (int(part) if part else None for part in match.groups())
    if year is None or not 1 <= year <= 9999 or not 1 <= (month or 12) <= 12:
        return None, False
    last = calendar.monthrange(year, month or 12)[1]
    if in_month is not None and not 1 <= in_month <= last:
        return None, False
    return date(year, month or 12, in_month or last), in_month is not None


def digits(raw: str) -> str:
    """An identifier without hyphens and blanks."""
    return _INVISIBLE.sub("", raw)


def is_thirteen(value: str) -> bool:
    return len(value) == 13 and value.isascii() and value.isdigit()


def is_sound(value: str) -> bool:
    """Thirteen digits with the right check digit."""
    return is_thirteen(value) and bool(ean.is_valid(value))


def from_isbn10(value: str) -> str | None:
    return str(isbn.to_isbn13(value)) if len(value) == 10 and isbn.is_valid(value) else None
