"""REST v4: envelope, keys, filters, tokens."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from .conftest import KEY

HEAD = list(
    re.findall(
        r"\w+",
        """id work_id full_title subtitle pub_date publishing_status out_of_print_date product_form edition_type_codes
edition_statement in_house_format in_house_edition isbn product_doi work_doi work_type_name season_name
marketing_tier_name project_stage_name lc_control_number in_house_work_reference publishers_url imprint weblinks
edition_number extents measurements""",
    )
)


def _list(client: httpx.Client, path: str = "/api/v4/products.json", **query: str) -> dict[str, Any]:
    answer = client.get(path, params=query, headers={"Authorization": f"Token token={KEY}"})
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


def test_the_envelope_is_the_documented_one_on_both_addresses(client: httpx.Client) -> None:
    body = _list(client)
    assert list(body) == ["current_page", "per_page", "total_pages", "url", "products"]
    assert (body["current_page"], body["per_page"], body["total_pages"]) == (1, 2, 2)
    assert body["url"] == f"{client.base_url}/api/v4/products.json".replace("//api", "/api")
    assert _list(client, "/api/products.json")["products"] == body["products"]


def test_pages_are_followed_to_total_pages_and_are_empty_after(client: httpx.Client) -> None:
    pages = [[p["id"] for p in _list(client, page=str(n))["products"]] for n in (1, 2, 3)]
    assert pages == [[101, 102], [201], []]


def test_a_product_has_the_documented_keys_in_order(client: httpx.Client) -> None:
    product = _list(client)["products"][0]
    assert list(product)[: len(HEAD)] == HEAD
    assert product["isbn"] == "978-0-14-143958-7"
    assert product["extents"]["page_count"] == 320
    assert product["measurements"] == {
        "product_dimensions_mm": "198 × 129 × 14",
        "product_dimensions_in": "7.8125 × 5.125 × 0.5625",
    }
    assert product["prices"][0] == {"currency_code": "GBP", "price_amount": "9.99", "price_qualifier": "05"}
    assert product["marketingtexts"] == [{"code": "01", "external_text": "<p>A <em>novel</em> &amp; more</p>"}]
    assert product["rights_not_available_countries"] == ["US"]


def test_a_product_without_isbn_says_so_in_words(client: httpx.Client) -> None:
    assert _list(client, page="2")["products"][0]["isbn"] == "No ISBN"


def test_an_amount_may_be_a_number_or_text(client: httpx.Client) -> None:
    client.patch("/sandbox/toggles", json={"rest_prices_as": "number"})
    assert _list(client)["products"][0]["prices"][0]["price_amount"] == 9.99


FILTERS = [
    ("q[id_eq]", "102", [102]),
    ("id_eq", "102", [101, 102]),
    ("q[isbn_eq]", "9780141439587", [101]),
    ("q[work_title_cont]", "suas", [201]),
    ("q[pub_date_eq]", "2018-03-20", [101]),
    ("q[pub_date_gt]", "2018-03-20", []),
    ("q[shops_id_eq]", "4", [101, 102]),
    ("q[full_title]", "Emma", [101, 102]),
    ("q[updated_at_gt]", "2020-01-01", [101, 102]),
]


@pytest.mark.parametrize(("name", "value", "found"), FILTERS)
def test_ransack_filters_narrow_and_unknown_ones_are_ignored(
    client: httpx.Client, name: str, value: str, found: list[int]
) -> None:
    assert [p["id"] for p in _list(client, **{name: value})["products"]] == found


@pytest.mark.parametrize("header", [f"Token token={KEY}", f'Token token="{KEY}"'])
def test_a_token_opens_quoted_or_not(client: httpx.Client, header: str) -> None:
    assert client.get("/api/v4/products.json", headers={"Authorization": header}).status_code == 200


@pytest.mark.parametrize("header", ["", "Token token=wrong", f"Bearer {KEY}", f'Token token="{KEY}'])
def test_a_wrong_key_gets_plain_text_401(client: httpx.Client, header: str) -> None:
    answer = client.get("/api/v4/products.json", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["www-authenticate"] == 'Token realm="Application"'
    assert answer.text.strip() == "HTTP Token: Access denied."
