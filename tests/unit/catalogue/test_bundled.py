"""The bundled catalogue has what demos and tests need, and is sound in itself."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from stdnum import isbn

from frontlist_sandbox.catalogue.bundled import bundled
from frontlist_sandbox.catalogue.stages import RELEASED
from frontlist_sandbox.consonance.model import Price, Tenant


@pytest.fixture
def tenant(today: date) -> Tenant:
    return bundled(today)


def test_every_isbn_is_sound_single_and_in_a_range_that_is_not_allotted(tenant: Tenant) -> None:
    numbers = [product.isbn13 for product in tenant.products.values() if product.isbn13]
    assert len(set(numbers)) == len(numbers)
    assert all(isbn.is_valid(number) and number.startswith(("97866", "9798000")) for number in numbers)


def test_there_are_products_without_isbn_works_not_released_and_one_not_for_export(tenant: Tenant) -> None:
    assert [p for p in tenant.products.values() if p.isbn13 is None]
    assert {w.project_stage.id for w in tenant.works.values() if w.project_stage} == {1, 2, 3, RELEASED, 5}
    assert [p.id for p in tenant.products.values() if not p.allow_onix_exports] == [94102]


def test_there_are_three_imprints_and_titles_in_four_scripts(tenant: Tenant) -> None:
    assert {w.imprint.id for w in tenant.works.values() if w.imprint} == {1, 2, 3}
    titles = {w.title for w in tenant.works.values()}
    assert {"源氏物語", "ألف ليلة وليلة", "Ὀδύσσεια", "Frankenstein"} <= titles


def test_exactly_one_sterling_consumer_price_holds_before_and_after_a_change(tenant: Tenant, today: date) -> None:
    def valid(price: Price, on: date) -> bool:
        sterling = (price.currency_code, price.type_code, price.qualifier_code) == ("GBP", "02", "05")
        return sterling and (price.effective_from or on) <= on <= (price.effective_to or on)

    for days, amount in ((0, "8.99"), (13, "8.99"), (14, "9.99")):
        prices = [p for p in tenant.products[94002].prices if valid(p, today + timedelta(days=days))]
        assert [str(price.amount) for price in prices] == [amount]


def test_contracts_include_one_that_ends_one_that_ended_and_one_unsigned(tenant: Tenant, today: date) -> None:
    ended = [c for c in tenant.contracts.values() if c.terminated_date and c.terminated_date < today]
    assert len(ended) == 1
    assert [c.id for c in tenant.contracts.values() if c.signed_date is None] == [71006]
    assert all(contract.work_id in tenant.works for contract in tenant.contracts.values())


def test_the_confidential_title_is_announced_only_later(tenant: Tenant, today: date) -> None:
    (last_man,) = tenant.products_of(61010)
    assert last_man.announcement_date is not None
    assert last_man.announcement_date > today


def test_whatever_names_a_product_names_one_of_its_work(tenant: Tenant) -> None:
    for work in tenant.works.values():
        own = {product.id for product in tenant.products_of(work.id)}
        linked = [c.product_ids for c in work.contributions] + [t.product_ids for t in work.marketing_texts]
        linked += [r.product_ids for r in work.supporting_resources] + [r.product_ids for r in work.production_runs]
        assert all(set(product_ids) <= own for product_ids in linked)


def test_ids_do_not_depend_on_the_day(tenant: Tenant, today: date) -> None:
    later = bundled(today + timedelta(days=300))
    assert [p.id for p in later.products.values()] == [p.id for p in tenant.products.values()]
