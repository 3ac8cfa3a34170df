from __future__ import annotations

from typing import Any

import pytest

from frontlist.errors import Pause, Stop
from frontlist.systems.consonance.restv4 import RestProduct, RestV4, isbn, product
from integration.consonance.conftest import Consonance


@pytest.mark.parametrize("spelling", ["quoted", "unquoted"])
@pytest.mark.parametrize("prices_as", ["number", "string"])
async def test_every_product_is_read_over_all_pages(consonance: Consonance, spelling: str, prices_as: Any) -> None:
    consonance.toggles.rest_prices_as = prices_as
    rest = RestV4.connect(consonance.settings.model_copy(update={"rest_token": spelling}))
    found = [each async for each in rest.products()]
    await rest.close()
    assert [each.id for each in found] == sorted(consonance.tenant.products)
    assert {(p.currency, p.amount) for p in found[0].prices or ()} == {("GBP", "12.5"), ("EUR", "0.1")}
    assert [each.isbn for each in found[:2]] == ["9780306406157", None]
    assert {odd for each in found for odd in each.oddities} == set()


async def by_isbn(rest: RestV4, digits: str) -> list[RestProduct]:
    return [each async for each in rest.products({"isbn_eq": digits})]


async def test_products_are_found_by_a_filter(consonance: Consonance) -> None:
    rest = RestV4.connect(consonance.settings)
    assert {p.work_id for p in await by_isbn(rest, "9780306406157")} == {1, 2, 3, 4, 5}
    assert await by_isbn(rest, "9780000000000") == []
    await rest.close()


async def test_the_plain_text_401_pauses(consonance: Consonance) -> None:
    consonance.toggles.key_expired = True
    rest = RestV4.connect(consonance.settings)
    with pytest.raises(Pause, match="HTTP Token: Access denied"):
        await by_isbn(rest, "9780306406157")
    await rest.close()


@pytest.mark.parametrize("odd", [{"prices": None}, {"isbn": 978}, {"marketingtexts": {}}])
def test_what_is_not_as_documented_is_unknown_and_said(odd: dict[str, Any]) -> None:
    found = product({"id": 1, **odd})
    assert found.oddities == tuple(odd)
    assert getattr(found, {"marketingtexts": "texts"}.get(next(iter(odd)), next(iter(odd)))) is None


def test_measurements_may_be_null_and_unknown_keys_are_left_aside() -> None:
    found = product({"id": 1, "measurements": None, "moon_phase": "full", "rights_not_available_countries": []})
    assert (found.dimensions_mm, found.not_available, found.oddities) == (None, (), ())


@pytest.mark.parametrize(("stated", "digits"), [("No ISBN", None), ("978-0-306-40615-7", "9780306406157"), ("", None)])
def test_isbns_lose_their_hyphens_and_the_literal_is_none(stated: str, digits: str | None) -> None:
    assert isbn(stated) == digits


async def test_an_answer_that_is_no_list_stops_with_what_it_was(consonance: Consonance) -> None:
    rest = RestV4.connect(consonance.settings.model_copy(update={"url": consonance.settings.url + "/sandbox/state?x="}))
    with pytest.raises(Stop, match="no product list"):
        await by_isbn(rest, "9780306406157")
    await rest.close()
