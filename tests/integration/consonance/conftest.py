"""A Consonance sandbox over real HTTP, with a small tenant that a test may change in place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest
from pydantic import SecretStr

from frontlist.systems.consonance.client import Client
from frontlist.systems.consonance.settings import ConsonanceSettings
from frontlist.systems.consonance.source import ConsonanceSource
from frontlist.systems.consonance.target import ConsonanceTarget
from frontlist_sandbox import serving
from frontlist_sandbox.consonance import server
from frontlist_sandbox.consonance.model import (
    Contact,
    Contract,
    Contribution,
    LicensedRight,
    Measurements,
    Named,
    Price,
    Product,
    Subject,
    SupportingResource,
    Tenant,
    Work,
)
from frontlist_sandbox.consonance.toggles import Toggles

KEY = "k" * 32
TODAY = date(2026, 11, 23)


@dataclass
class Consonance:
    """The served tenant, its toggles, and our two sides of it."""

    tenant: Tenant
    toggles: Toggles
    settings: ConsonanceSettings
    client: Client
    source: ConsonanceSource
    target: ConsonanceTarget

    def again(self, **changes: object) -> Client:
        """Another client, to be closed by the test."""
        return Client.connect(self.settings.model_copy(update=changes))


def filled_tenant(works: int = 5) -> Tenant:
    """Works 1..n with two products each; contributor 1 with a gender, contract 1 of work 1 with money."""
    tenant = Tenant()
    tenant.contacts[1] = Contact(1, "Ada Byron", "Byron, Ada", "Byron", gender="SECRET")
    for id_ in range(1, works + 1):
        tenant.works[id_] = Work(
            id_,
            f"Tale {id_}",
            imprint=Named(1, "Blue"),
            project_stage=Named(2, "Approved"),
            subjects=[Subject("THEMA", "FBA", "Fiction", main=True), Subject("BISAC", "FIC000000", "Fiction")],
            contributions=[Contribution(id_, 1, id_, "A01", 1, [id_ * 10, id_ * 10 + 1])],
            supporting_resources=[SupportingResource(id_, id_, "cover.jpg", product_ids=[id_ * 10])],
            changed_on=date(2026, 1, 1),
        )
        for number, kind in enumerate(("PhysicalBookProduct", "ElectronicBookProduct")):
            tenant.products[id_ * 10 + number] = _product(id_ * 10 + number, id_, kind)
    tenant.contracts[1] = Contract(
        1, 1, "Head", date(2026, 1, 1), "60", licensed_rights=[LicensedRight(1, "Audio", 0.77)], flat_fee_value=4321.5
    )
    return tenant


def _product(id_: int, work: int, kind: str) -> Product:
    return Product(
        id_,
        work,
        kind,
        f"Tale {work}",
        None if kind.startswith("E") else "9780306406157",
        onix21_product_form_code="BC",
        publishing_status="04",
        publication_date=date(2027, 2, 1),
        prices=[Price(id_, Decimal("12.50"), "GBP", "02"), Price(id_ + 1000, Decimal("0.1"), "EUR", "04")],
        for_sale_country_codes=["NZ", "AU"],
        measurements=Measurements(198.5, 129, 14),
        page_counts={"absolute_page_count": 320},
        changed_on=date(2026, 1, 1),
    )


@pytest.fixture
def tenant() -> Tenant:
    return filled_tenant()


@pytest.fixture
async def consonance(tenant: Tenant) -> AsyncIterator[Consonance]:
    app = server.app(tenant, key=KEY, page_size=2, today=TODAY)
    with serving.serve(app) as running:
        settings = ConsonanceSettings(
            url=running.url, key=SecretStr(KEY), zone="Europe/London", timeout=5, calls_per_second=1000
        )
        client = Client.connect(settings)
        yield Consonance(
            tenant, app.state.toggles, settings, client, ConsonanceSource(client, settings), ConsonanceTarget(client)
        )
        await client.close()
