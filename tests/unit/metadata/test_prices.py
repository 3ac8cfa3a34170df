"""The price selector: exactly one, or the cell is left alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontlist.mapping import Cell, PriceRule
from frontlist_metadata.prices import choose, midnight, shown
from unit.metadata.dossiers import described, dossier, fields_of, metadata, planned, price

RULE = PriceRule("GBP", "02", Cell("price_gbp"), "05")
PLAIN = PriceRule("GBP", "02", Cell("price_gbp"), "00")
TODAY = date(2026, 11, 23)

CHOICES: list[tuple[list[dict[str, Any]], PriceRule, str | None, date | None]] = [
    ([price()], RULE, "12.99", None),
    ([], RULE, None, None),
    ([price(), price("9.99")], RULE, None, None),
    # equal amounts are two prices all the same
    ([price(), price()], RULE, None, None),
    ([price(type="01")], RULE, None, None),
    ([price(currency="USD")], RULE, None, None),
    ([price(qualifier="06"), price("8.00")], RULE, "8.00", None),
    ([price(qualifier=None)], RULE, None, None),
    ([price(qualifier=None)], PLAIN, "12.99", None),
    ([price(qualifier="00")], PLAIN, "12.99", None),
    ([price(qualifier="05")], PLAIN, None, None),
    # both days count
    ([price(effective_from="2026-11-23")], RULE, "12.99", None),
    ([price(effective_to="2026-11-23")], RULE, "12.99", date(2026, 11, 24)),
    ([price(effective_to="2026-11-22")], RULE, None, None),
    ([price(effective_from="2026-11-24")], RULE, None, date(2026, 11, 24)),
    (
        [price(effective_to="2026-12-31"), price("14.99", effective_from="2027-01-01")],
        RULE,
        "12.99",
        date(2027, 1, 1),
    ),
    ([price(effective_from="soon")], RULE, None, None),
    ([price(), price(effective_from=7)], RULE, None, None),
    ([price("free")], RULE, None, None),
    ([price("-1.00")], RULE, None, None),
    ([price(None)], RULE, None, None),  # type: ignore[arg-type]
    ([price("0.00")], RULE, "0.00", None),
    ([price(effective_to="9999-12-31")], RULE, "12.99", None),
]


@pytest.mark.parametrize(("prices", "rule", "amount", "next_day"), CHOICES)
def test_a_selector_chooses(
    prices: list[dict[str, Any]], rule: PriceRule, amount: str | None, next_day: date | None
) -> None:
    found = choose(prices, rule, TODAY)
    assert (found.amount, found.next_day) == (amount, next_day)
    assert (found.trouble is None) is (amount is not None)


@pytest.mark.parametrize(
    ("stated", "currency", "expected"),
    [
        ("8.5", "GBP", "8.50"),
        ("8", "GBP", "8.00"),
        ("8.125", "GBP", "8.125"),
        ("3300.0", "JPY", "3300"),
        ("0", "KRW", "0"),
    ],
)
def test_an_amount_is_shown_without_losing_a_digit(stated: str, currency: str, expected: str) -> None:
    assert shown(stated, currency) == expected


DAYS = st.none() | st.dates(TODAY - timedelta(days=4), TODAY + timedelta(days=4)).map(str)
PRICES = st.lists(
    st.builds(
        price,
        st.decimals(0, 999, places=2).map(str),
        currency=st.sampled_from(["GBP", "USD"]),
        type=st.sampled_from(["01", "02"]),
        qualifier=st.sampled_from([None, "00", "05"]),
        effective_from=DAYS,
        effective_to=DAYS,
    ),
    max_size=6,
)


def valid(prices: list[dict[str, Any]], rule: PriceRule, today: date) -> list[dict[str, Any]]:
    """By a second reading of the rule."""
    wanted = (rule.currency, rule.type, rule.qualifier)
    return [
        each
        for each in prices
        if (each["currency"], each["type"], each["qualifier"] or "00") == wanted
        and (each["effective_from"] or "0") <= str(today) <= (each["effective_to"] or "9")
    ]


@given(PRICES, st.sampled_from([RULE, PLAIN]))
def test_it_chooses_only_where_exactly_one_is_valid(prices: list[dict[str, Any]], rule: PriceRule) -> None:
    found, matching = choose(prices, rule, TODAY), valid(prices, rule, TODAY)
    if len(matching) == 1:
        assert found.amount is not None
        assert float(found.amount) == float(matching[0]["amount"])
    else:
        assert found.amount is None


@given(PRICES)
def test_nothing_changes_before_the_next_day_it_names(prices: list[dict[str, Any]]) -> None:
    found = choose(prices, RULE, TODAY)
    end = found.next_day or TODAY + timedelta(days=20)
    assert end > TODAY
    for day in range(1, (end - TODAY).days):
        assert choose(prices, RULE, TODAY + timedelta(days=day)).amount == found.amount


@given(PRICES)
def test_the_order_of_prices_does_not_matter(prices: list[dict[str, Any]]) -> None:
    assert choose(prices, RULE, TODAY) == choose(list(reversed(prices)), RULE, TODAY)


def test_today_is_the_publishers_day() -> None:
    late = datetime(2026, 7, 31, 23, 30, tzinfo=UTC)  # 1 August in London
    prices = [price(effective_to="2026-07-31"), price("14.99", effective_from="2026-08-01")]
    result = planned(dossier(metadata=metadata(described(prices=prices))), now=late)
    assert fields_of(result)["price_gbp"] == "14.99"


def test_a_current_price_is_due_again_when_it_ends() -> None:
    result = planned(dossier(metadata=metadata(described(prices=[price(effective_to="2027-06-30")]))))
    assert result.next_at == midnight(date(2027, 7, 1), ZoneInfo("Europe/London"))
    assert result.next_at == datetime(2027, 6, 30, 23, tzinfo=UTC)


def test_a_doubtful_price_leaves_the_cell_and_names_the_products() -> None:
    result = planned(dossier(metadata=metadata(described(prices=[price(), price("9.99")]))))
    assert "price_gbp" not in fields_of(result)
    (finding,) = [each for each in result.findings if each.key == "price/GBP-02-05/doubtful"]
    assert "product 11" in finding.where
