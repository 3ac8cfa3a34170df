"""Lists of objects and single ones."""

import re
from typing import Any

import pytest

from unit.sandbox_fourallportal.tenant import Tenant, cell


def _list(tenant: Tenant, **query: object) -> Any:
    return tenant.api.get("/modules/product/objects", params=query).raise_for_status().json()


def _fill(tenant: Tenant, count: int) -> list[str]:
    return tenant.put("product", *({"isbn": [cell(str(n))]} for n in range(count)))


def test_pages_by_offset_and_limit_cover_each_object_once(tenant: Tenant) -> None:
    ids = _fill(tenant, 7)
    pages = [_list(tenant, offset=offset, limit=3)["result"] for offset in (0, 3, 6)]
    assert [one["id"] for page in pages for one in page] == ids


def test_the_total_is_counted_only_on_demand(tenant: Tenant) -> None:
    _fill(tenant, 3)
    assert _list(tenant, totalCount="true", limit=1)["total_count"] == 3
    assert "total_count" not in _list(tenant)


def test_a_page_has_25_objects_unless_asked_otherwise(tenant: Tenant) -> None:
    _fill(tenant, 30)
    assert len(_list(tenant)["result"]) == 25


def test_a_limit_over_the_maximum_is_cut_in_silence(tenant: Tenant) -> None:
    tenant.toggle(max_limit=5)
    _fill(tenant, 9)
    assert len(_list(tenant, limit=100)["result"]) == 5


def test_only_the_fields_asked_for_come_beside_the_platforms_own(tenant: Tenant) -> None:
    tenant.put("product", {"id": "p", "isbn": [cell("1")], "title": [cell("T")], "format": [cell("F")]})
    [one] = _list(tenant, fields=["isbn", "title"])["result"]
    assert set(one) == {"id", "module", "type", "mod_time", "mod_time_img", "isbn", "title"}
    assert set(tenant.get("product", "p", fields=["isbn"])) == set(one) - {"title"}


def test_an_object_carries_scalars_and_arrays_of_cells(tenant: Tenant) -> None:
    tenant.put("product", {"id": "p", "keywords": [cell(["a", "b"], locale="en_GB"), cell(["c"], locale="de_DE")]})
    one = tenant.get("product", "p")
    assert (one["id"], one["module"], one["type"], one["mod_time_img"]) == ("p", "product", "default", [])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one["mod_time"])
    assert one["keywords"] == [cell(["a", "b"], locale="en_GB"), cell(["c"], locale="de_DE")]


@pytest.mark.parametrize("query", ["fields=unheard_of", "limit=-1", "offset=many"])
def test_a_query_that_makes_no_sense_is_400(tenant: Tenant, query: str) -> None:
    assert tenant.api.get(f"/modules/product/objects?{query}").status_code == 400


@pytest.mark.parametrize("path", ["/modules/nothing/objects", "/modules/product/objects/nobody"])
def test_what_is_not_there_is_404(tenant: Tenant, path: str) -> None:
    assert tenant.api.get(path).status_code == 404


@pytest.mark.parametrize(
    ("switch", "expected"),
    [
        ("empty", {"value": "T", "dimensions": {}}),
        ("null", {"value": "T", "dimensions": None}),
        ("absent", {"value": "T"}),
    ],
)
def test_dimensions_of_a_plain_cell_take_the_form_of_the_toggle(tenant: Tenant, switch: str, expected: object) -> None:
    tenant.toggle(dimensions=switch)
    tenant.put("product", {"id": "p", "title": [{"value": "T"}]})
    assert tenant.get("product", "p")["title"] == [expected]


@pytest.mark.parametrize(("switch", "expected"), [("array", []), ("null", [{"value": None, "dimensions": {}}])])
def test_a_field_without_value_is_shown_as_the_toggle_says(tenant: Tenant, switch: str, expected: object) -> None:
    tenant.put("product", {"id": "p"})
    assert "title" not in tenant.get("product", "p")
    tenant.toggle(empty_fields=switch)
    assert tenant.get("product", "p", fields="title")["title"] == expected


def test_a_tenant_of_strings_answers_strings_only(tenant: Tenant) -> None:
    tenant.toggle(values="strings")
    height = {"value": 198.5, "unit": "mm"}
    written = {"page_count": 320, "price_float": 9.99, "confidential": True, "height": height, "thema": ["FBA"]}
    tenant.put("product", {"id": "p", **{name: [cell(value)] for name, value in written.items()}})
    one = tenant.get("product", "p", fields=list(written))
    assert {name: one[name][0]["value"] for name in written} == {
        "page_count": "320",
        "price_float": "9.99",
        "confidential": "true",
        "height": {"value": "198.5", "unit": "mm", "normalized": "198.5"},
        "thema": ["FBA"],
    }


def test_the_legacy_envelope_wraps_answers_properties_and_errors(tenant: Tenant) -> None:
    tenant.put("product", {"id": "p", "title": [cell("T")]})
    tenant.toggle(envelope="legacy")
    answer = tenant.get("product", "p")
    assert (answer["code"], answer["result"]["module_name"]) == (0, "product")
    assert answer["result"]["properties"]["title"] == [cell("T")]
    assert tenant.api.get("/modules/nothing").json()["code"] == -1


def test_an_object_may_be_sent_back_as_it_was_read(tenant: Tenant) -> None:
    tenant.put("product", {"id": "p", "title": [cell("T")], "height": [cell({"value": 1, "unit": "cm"})]})
    tenant.toggle(values="strings")
    read = tenant.get("product", "p")
    tenant.put("product", read)
    assert {**tenant.get("product", "p"), "mod_time": read["mod_time"]} == read
