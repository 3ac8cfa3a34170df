"""Price cells: the one price that is valid today, or nothing; never first, last or lowest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from frontlist.mapping import PriceRule
from frontlist_metadata import body
from frontlist_metadata.body import Body
from frontlist_metadata.checks import Findings

#: Currencies without a minor unit in use (ISO 4217).
WHOLE = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF"}
)
UNQUALIFIED = "00"


@dataclass(frozen=True)
class Choice:
    """`amount` None: the cell is left alone, for `trouble`. `next_day`: the next day on which that may change."""

    amount: str | None
    trouble: str | None
    next_day: date | None


def choose(prices: Sequence[Body], rule: PriceRule, today: date) -> Choice:
    """The price that the selector names. A price whose dates or amount cannot be read makes it doubtful."""
    matching = [price for price in prices if _matches(price, rule)]
    spans = [_span(price) for price in matching]
    next_day = min((day for span in spans if span for day in _boundaries(span) if day > today), default=None)
    if None in spans:
        return Choice(None, "a price has a date that cannot be read", next_day)
    valid = [price for price, span in zip(matching, spans, strict=True) if span and span[0] <= today <= span[1]]
    if len(valid) != 1:
        trouble = f"{len(valid)} prices are valid" if valid else ("none is valid" if matching else "there is none")
        return Choice(None, trouble, next_day)
    amount = body.to_amount(valid[0].get("amount"))
    if amount is None or amount < 0:
        return Choice(None, "the amount cannot be read", next_day)
    return Choice(shown(str(valid[0]["amount"]), rule.currency), None, next_day)


def shown(amount: str, currency: str) -> str:
    """8.5 -> 8.50, 3300.0 JPY -> 3300; no digit is rounded away."""
    whole, _, fraction = f"{body.to_amount(amount):f}".partition(".")
    fraction = fraction.rstrip("0").ljust(0 if currency in WHOLE else 2, "0")
    return f"{whole}.{fraction}" if fraction else whole


def trouble(rule: PriceRule, choice: Choice, where: str, findings: Findings) -> None:
    """A finding a selector; it names the products."""
    which = f"{rule.currency}, type {rule.type}, qualifier {rule.qualifier}"
    several = choice.trouble != "there is none"
    findings.add(
        f"price/{rule.name}/{'doubtful' if several else 'none'}",
        "price",
        f"no price for {rule.amount.key} ({which}): {choice.trouble}; the cell is left as it is",
        "make one price valid at a time in Consonance, or change the selector in the mapping",
        where,
        "normal" if several else "low",
    )


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins for the publisher, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _matches(price: Body, rule: PriceRule) -> bool:
    qualifier = price.get("qualifier")
    return (
        price.get("currency") == rule.currency
        and price.get("type") == rule.type
        and (UNQUALIFIED if qualifier in (None, "") else qualifier) == rule.qualifier
    )


def _span(price: Body) -> tuple[date, date] | None:
    """First and last day (both count: ONIX price dates are inclusive); None where one cannot be read."""
    edges: list[date] = []
    for key, open_end in (("effective_from", date.min), ("effective_to", date.max)):
        stated = price.get(key)
        edge = open_end if stated in (None, "") else body.to_day(stated)
        if edge is None:
            return None
        edges.append(edge)
    return edges[0], edges[1]


def _boundaries(span: tuple[date, date]) -> list[date]:
    first, last = span
    return [first, *([last + timedelta(days=1)] if last < date.max else [])]
