"""A small hand-made tenant served over real HTTP, and the client that tests speak to it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest

from frontlist_sandbox import serving
from frontlist_sandbox.consonance import server
from frontlist_sandbox.consonance.model import (
    Contact,
    Contract,
    Contribution,
    MarketingText,
    Measurements,
    Named,
    Price,
    Product,
    Series,
    SeriesMembership,
    Subject,
    Tenant,
    Work,
)

KEY = "k" * 32
OLD = date(2026, 1, 10)
TODAY = date(2026, 3, 1)

Ask = Callable[..., dict[str, Any]]


def tenant() -> Tenant:
    """Three works: 10 with two products, 20 with one that has no ISBN, 30 with none."""
    draft, approved = Named(1, "Draft"), Named(2, "Approved")
    imprint = Named(7, "Api Demo")
    made = Tenant(project_stages={1: draft, 2: approved}, imprints={7: imprint})
    made.contacts = {
        1: Contact(1, "Jane Austen", "Austen, Jane", "Austen", gender="F"),
        2: Contact(2, organisation_name="The Society"),
    }
    made.series = {5: Series(5, "Classics", "The early ones")}
    made.works = {
        10: Work(10, "Emma", "A novel", imprint=imprint, project_stage=draft, changed_on=OLD),
        20: Work(20, "Persuasion", changed_on=OLD),
        30: Work(30, "Sanditon", changed_on=OLD),
    }
    emma = made.works[10]
    emma.subjects = [Subject("THEMA", "FBC", "Classic fiction", True), Subject("BISAC", "FIC004000", "Classics")]
    emma.series = [SeriesMembership(1, 5, "2")]
    emma.audience_codes = ["01"]
    emma.contributions = [
        Contribution(1, 1, 10, "A01", 1, [101, 102]),
        Contribution(2, 2, 10, "B01", 2, [101]),
    ]
    emma.marketing_texts = [MarketingText(1, 10, "A *novel* & more", variant="MAIN_DESCRIPTION", product_ids=[101])]
    made.products = {
        101: Product(
            101,
            10,
            "PhysicalBookProduct",
            "Emma",
            "9780141439587",
            onix21_product_form_code="BC",
            publication_date=date(2018, 3, 20),
            publishing_status="04",
            prices=[Price(1, Decimal("9.99"), "GBP", "02", "05"), Price(2, Decimal("14.00"), "USD", "01")],
            for_sale_country_codes=["GB", "IE"],
            not_for_sale_country_codes=["US"],
            measurements=Measurements(198, 129, 14),
            page_counts={"page_count": 320, "absolute_page_count": 336},
            related=[("06", "9780141439588")],
            changed_on=OLD,
        ),
        102: Product(102, 10, "ElectronicBookProduct", "Emma", "9780141919157", changed_on=OLD),
        201: Product(201, 20, "GenericProduct", "Persuasion", None, changed_on=OLD),
    }
    made.contracts = {
        3: Contract(3, 10, "Head contract", signed_date=date(2017, 5, 1), term="84"),
        9: Contract(9, 20, "Second contract"),
    }
    return made


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    app = server.app(Tenant(), key=KEY, page_size=2, today=TODAY)
    with serving.serve(app) as running:
        _APPS[running.url] = app
        yield running.url


_APPS: dict[str, Any] = {}


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    """The served tenant as it was made, without rules, toggles or calls of an earlier test."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as client:
        fresh = tenant()
        for name, value in vars(fresh).items():
            setattr(_APPS[url].state.tenant, name, value)
        client.delete("/sandbox/toggles")
        client.delete("/sandbox/faults")
        client.delete("/sandbox/calls")
        yield client


@pytest.fixture
def ask(client: httpx.Client) -> Ask:
    """Sends a query and answers the whole body."""

    def asked(query: str, **variables: Any) -> dict[str, Any]:
        answer = client.post("/graphql", json={"query": query, "variables": variables})
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        return body

    return asked


@pytest.fixture
def data(ask: Ask) -> Ask:
    """Sends a query that has no errors and answers its data."""

    def asked(query: str, **variables: Any) -> dict[str, Any]:
        body = ask(query, **variables)
        assert "errors" not in body, body
        got: dict[str, Any] = body["data"]
        return got

    return asked
