"""What only the sandbox offers."""

import time

import pytest

from frontlist_sandbox.fourallportal.assumed import ASSUMPTIONS
from frontlist_sandbox.fourallportal.toggles import Toggles
from unit.sandbox_fourallportal.tenant import Tenant, cell


def test_300_records_made_by_hand_are_there_at_once(tenant: Tenant) -> None:
    records = [{"isbn": f"978-0-00-{n:06}-X", "title": f"Book {n}", "deleted": n == 7} for n in range(300)]
    ids = tenant.sandbox.post("/objects/product", json=records).raise_for_status().json()
    assert (len(set(ids)), tenant.status("product", ids[7])) == (300, 404)
    assert tenant.get("product", ids[0])["isbn"] == [cell("978-0-00-000000-X")]
    state = tenant.sandbox.get("/state").json()["modules"]["product"]
    assert (state["visible"], state["deleted"]) == (299, 1)
    assert state["writes"] == {"person.created": 300, "person.deleted": 1}


def test_a_person_edits_one_cell_and_leaves_the_others(tenant: Tenant) -> None:
    both = [cell("Hello", locale="en_GB"), cell("Hallo", locale="de_DE")]
    tenant.put("title", {"id": "t", "description_long": both})
    edit = {"id": "t", "description_long": [cell("Hi", locale="en_GB")], "height": None}
    assert tenant.sandbox.post("/objects/title", json=edit).status_code == 400  # no such field on a title
    del edit["height"]
    tenant.sandbox.post("/objects/title", json=edit).raise_for_status()
    assert tenant.get("title", "t")["description_long"] == [cell("Hi", locale="en_GB"), both[1]]
    assert tenant.kinds("frontlist_title") == [2, 1]


@pytest.mark.parametrize(
    ("bare", "kept"),
    [
        ({"thema": ["FBA"]}, ["FBA"]),
        ({"height": {"value": 2, "unit": "cm"}}, {"value": 2.0, "unit": "cm", "normalized": 20.0}),
        ({"confidential": True}, True),
    ],
)
def test_a_person_may_give_bare_values(tenant: Tenant, bare: dict[str, object], kept: object) -> None:
    tenant.sandbox.post("/objects/product", json={"id": "p", **bare}).raise_for_status()
    assert tenant.get("product", "p")[next(iter(bare))] == [cell(kept)]


def test_a_person_deletes_and_purges(tenant: Tenant) -> None:
    tenant.put("product", {"id": "a"}, {"id": "b"})
    tenant.sandbox.delete("/objects/product/a").raise_for_status()
    tenant.sandbox.delete("/objects/product/b?purge=true").raise_for_status()
    assert [one["id"] for one in tenant.sandbox.get("/objects/product?deleted=true").json()] == ["a"]
    assert tenant.kinds() == [2, 2, 0]


def test_writes_by_api_and_by_person_are_counted_apart(tenant: Tenant) -> None:
    tenant.put("product", {"id": "p", "title": [cell("T")]})
    tenant.put("product", {"id": "p", "title": [cell("T")]})
    tenant.sandbox.post("/objects/product", json={"id": "p", "title": "U"})
    counts = tenant.sandbox.get("/state").json()["modules"]["product"]["writes"]
    assert counts == {"api.created": 1, "api.unchanged": 1, "api.updated": 1, "person.updated": 1}


def test_a_new_field_can_be_written_and_a_dropped_one_takes_its_values_along(tenant: Tenant) -> None:
    path = "/schema/product/fields/extra"
    tenant.sandbox.put(path, json={"type": "CEText", "dimensions": ["locale"]}).raise_for_status()
    tenant.put("product", {"id": "p", "extra": [cell("x", locale="de_DE")]})
    tenant.sandbox.delete(path).raise_for_status()
    tenant.sandbox.put(path, json={"type": "CEText"}).raise_for_status()
    assert "extra" not in tenant.get("product", "p")


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("Upper", {"type": "CEText"}),
        ("x" * 29, {"type": "CEText"}),
        ("module", {"type": "CEText"}),
        ("fine", {"type": "CEUnheardOf"}),
        ("fine", {"type": "CEMetric"}),
        ("fine", {"type": "CEText", "dimensions": ["planet"]}),
        ("fine", {"type": "CEEnum", "options": "unheard_of"}),
    ],
)
def test_a_field_that_breaks_the_rules_is_refused(tenant: Tenant, name: str, spec: object) -> None:
    assert tenant.sandbox.put(f"/schema/product/fields/{name}", json=spec).status_code == 422


def test_value_options_can_be_extended(tenant: Tenant) -> None:
    late = {"lifecycle": [cell("backlist")]}
    assert tenant.patch("product", late).status_code == 400
    tenant.sandbox.put("/value-options/lifecycle", json=["active", "backlist"]).raise_for_status()
    assert tenant.patch("product", late).status_code == 200


@pytest.mark.parametrize("wrong", [{"cells": "mix"}, {"unheard_of": 1}, {"max_batch": -1}, {"key_enabled": 1}])
def test_a_toggle_that_does_not_exist_is_refused(tenant: Tenant, wrong: object) -> None:
    answer = tenant.sandbox.patch("/toggles", json=wrong)
    assert (answer.status_code, "toggle" in answer.json()["error"]) == (422, True)
    assert tenant.sandbox.get("/toggles").json() == Toggles().as_json()


def test_a_reset_makes_the_tenant_as_it_was_at_the_start(tenant: Tenant) -> None:
    before = tenant.sandbox.get("/state").json()
    tenant.toggle(cells="merge")
    tenant.sandbox.put("/schema/product/fields/extra", json={"type": "CEText"}).raise_for_status()
    tenant.sandbox.post("/clock", json={"advance_seconds": 86_400}).raise_for_status()
    tenant.put("product", {"id": "p"})
    tenant.sandbox.post("/reset").raise_for_status()
    after = tenant.sandbox.get("/state").json()
    assert {**after, "now": ""} == {**before, "now": ""}
    assert after["now"][:10] <= time.strftime("%Y-%m-%d", time.gmtime())


def test_every_toggle_of_behaviour_is_among_the_assumptions() -> None:
    stated = " ".join(one.what for one in ASSUMPTIONS)
    ours = {"values", "envelope", "key_enabled"}  # named in other words, or no guess at all
    assert [name for name in Toggles().as_json() if name not in ours and name not in stated] == []
