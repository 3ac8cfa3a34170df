"""Connectors: configuration, events, rebuild, objects by id."""

import pytest

from unit.sandbox_fourallportal.tenant import Tenant, cell

PRODUCTS = "frontlist_product"


def _scope(tenant: Tenant, condition: str, fields: list[str] | None = None) -> None:
    config = {"module": "product", "condition": condition, "fields": fields}
    tenant.sandbox.put("/connectors/only_some", json=config).raise_for_status()


def test_each_module_has_a_connector_with_all_its_fields(tenant: Tenant) -> None:
    listed = {one["connector_name"]: one["module_name"] for one in tenant.api.get("/connectors").json()}
    assert listed == {f"frontlist_{module}": module for module in ("title", "product", "file")}
    one = tenant.api.get(f"/connectors/{PRODUCTS}").json()
    described = tenant.api.get("/modules/product?groups=fields").json()["fields"]
    assert (one["module_name"], one["fields"]) == ("product", [field["name"] for field in described])


@pytest.mark.parametrize("path", ["", "/events/0?hash=x", "/objects?ids=x"])
def test_an_unknown_connector_is_404(tenant: Tenant, path: str) -> None:
    assert tenant.api.get(f"/connectors/nothing{path}").status_code == 404


def test_the_hash_changes_with_the_fields_and_comes_back_with_them(tenant: Tenant) -> None:
    first = tenant.hash()
    tenant.sandbox.put("/schema/product/fields/extra", json={"type": "CEText"}).raise_for_status()
    second = tenant.hash()
    tenant.sandbox.delete("/schema/product/fields/extra").raise_for_status()
    assert (second != first, tenant.hash()) == (True, first)


def test_creating_updating_and_deleting_make_rising_events_of_their_types(tenant: Tenant) -> None:
    tenant.put("product", {"id": "p"})
    tenant.put("title", {"id": "t"})
    tenant.put("product", {"id": "p", "title": [cell("T")]})
    tenant.delete("product", "p")
    events = tenant.events()
    assert [(e["object_id"], e["event_type"], e["object_type"]) for e in events] == [("p", k, 0) for k in (2, 1, 0)]
    ids = [e["id"] for e in events]
    assert ids == sorted(set(ids))
    assert tenant.events(ids[1]) == events[1:]
    assert tenant.events(ids[-1] + 1) == []


def test_a_call_answers_at_most_a_thousand_events(tenant: Tenant) -> None:
    tenant.sandbox.post("/objects/product", json=[{} for _ in range(1200)]).raise_for_status()
    first = tenant.events()
    rest = tenant.events(first[-1]["id"] + 1)
    assert (len(first), len(rest)) == (1000, 200)


@pytest.mark.parametrize(("switch", "status", "count"), [("refuse", 409, None), ("empty", 200, 0), ("ignore", 200, 1)])
def test_a_wrong_hash_is_answered_as_the_toggle_says(
    tenant: Tenant, switch: str, status: int, count: int | None
) -> None:
    tenant.toggle(wrong_hash=switch)
    tenant.put("product", {})
    answer = tenant.ask(1, pinned="another")
    assert answer.status_code == status
    assert count is None or len(answer.json()) == count


def test_a_missing_hash_is_refused_by_code_1(tenant: Tenant) -> None:
    answer = tenant.api.get(f"/connectors/{PRODUCTS}/events/1")
    assert (answer.status_code, answer.json()["code"]) == (400, 1)


def test_an_event_id_that_is_no_number_is_400(tenant: Tenant) -> None:
    assert tenant.api.get(f"/connectors/{PRODUCTS}/events/-1?hash=x").status_code == 400


def test_from_0_the_first_answer_is_falsely_empty_then_everything_visible_is_replayed(tenant: Tenant) -> None:
    tenant.put("product", *({"id": name} for name in "abc"))
    tenant.put("product", {"id": "a", "title": [cell("T")]})
    tenant.delete("product", "b")
    last = tenant.events()[-1]["id"]
    assert tenant.events(0) == []
    replayed = tenant.events(0)
    assert [(e["object_id"], e["event_type"], e["object_type"]) for e in replayed] == [("a", 2, 2), ("c", 2, 2)]
    assert replayed[0]["id"] > last


def test_the_ordinary_next_call_finds_the_replay_too(tenant: Tenant) -> None:
    tenant.put("product", {"id": "a"})
    assert tenant.events(0) == []
    assert [e["object_id"] for e in tenant.events(1)] == ["a"]


def test_changes_during_a_rebuild_follow_after_the_replay(tenant: Tenant) -> None:
    tenant.toggle(rebuild_calls=2)
    tenant.put("product", {"id": "a"})
    assert tenant.events(0) == []
    tenant.put("product", {"id": "b"})
    assert tenant.events(1) == []
    assert [e["object_id"] for e in tenant.events(1)] == ["a", "b"]


def test_a_rebuild_may_show_half_of_the_replay_meanwhile(tenant: Tenant) -> None:
    tenant.toggle(rebuild_shows="half", rebuild_calls=1)
    tenant.put("product", *({"id": name} for name in "abcd"))
    half = tenant.events(0)
    assert [e["object_id"] for e in half] == ["a", "b"]
    assert [e["object_id"] for e in tenant.events(half[-1]["id"] + 1)] == ["c", "d"]


def test_a_rebuild_may_take_time(tenant: Tenant) -> None:
    tenant.toggle(rebuild_calls=0, rebuild_seconds=600)
    tenant.put("product", {"id": "a"})
    assert tenant.events(0) == tenant.events(0) == []
    tenant.sandbox.post("/clock", json={"advance_seconds": 600})
    assert len(tenant.events(0)) == 1


def test_0_starts_anew_once_the_last_replay_was_read_on_from(tenant: Tenant) -> None:
    tenant.toggle(rebuild_calls=0)
    tenant.put("product", {"id": "a"})
    first = tenant.events(0)
    assert tenant.events(0) == first
    assert tenant.events(first[-1]["id"] + 1) == []
    assert tenant.events(0)[0]["id"] > first[-1]["id"]


def test_entering_a_condition_is_a_creation_and_leaving_it_a_deletion(tenant: Tenant) -> None:
    _scope(tenant, "lifecycle = 'active'")
    for state in ("announced", "active", "active", "withdrawn", "withdrawn"):
        tenant.put("product", {"id": "p", "lifecycle": [cell(state)]})
    assert tenant.kinds("only_some") == [2, 1, 0]
    assert tenant.kinds() == [2, 1, 1, 1, 1]


def test_objects_come_by_id_with_the_connectors_fields_and_the_unseen_are_left_out(tenant: Tenant) -> None:
    _scope(tenant, "lifecycle = 'active'", ["isbn"])
    active = {"isbn": [cell("1")], "title": [cell("T")], "lifecycle": [cell("active")]}
    tenant.put("product", {"id": "in", **active}, {"id": "out"}, {"id": "gone", **active})
    tenant.delete("product", "gone")
    query = {"ids": ["gone", "in", "out", "nobody", "in"]}
    [one] = tenant.api.get("/connectors/only_some/objects", params=query).json()
    assert (one["id"], one["isbn"], "title" in one) == ("in", [cell("1")], False)


def test_the_queue_of_a_changed_condition_stays_until_it_is_rebuilt(tenant: Tenant) -> None:
    tenant.toggle(rebuild_calls=0)
    _scope(tenant, "")
    tenant.put("product", {"id": "p"})
    pinned = tenant.hash("only_some")
    _scope(tenant, "lifecycle = 'active'")
    assert tenant.hash("only_some") != pinned
    assert [tenant.kinds("only_some"), tenant.events(0, "only_some")] == [[2], []]


def test_a_condition_that_cannot_be_read_is_refused_with_its_place(tenant: Tenant) -> None:
    answer = tenant.sandbox.put("/connectors/bad", json={"module": "product", "condition": "isbn = "})
    assert answer.status_code == 422
    assert "expected a value" in answer.json()["error"]
