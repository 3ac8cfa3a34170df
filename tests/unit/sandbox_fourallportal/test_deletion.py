"""Soft deletion, its 30 days, and ids that come back."""

import pytest

from unit.sandbox_fourallportal.tenant import Tenant, cell

DAY = 86_400


def _deleted(tenant: Tenant) -> str:
    [record_id] = tenant.put("product", {"title": [cell("T")]})
    assert tenant.delete("product", record_id).status_code == 204
    return record_id


def test_a_deleted_object_vanishes_but_is_kept(tenant: Tenant) -> None:
    record_id = _deleted(tenant)
    assert tenant.status("product", record_id) == 404
    assert tenant.api.get("/modules/product/objects?totalCount=true").json() == {"total_count": 0, "result": []}
    [kept] = tenant.sandbox.get("/objects/product?deleted=true").json()
    assert (kept["id"], kept["deleted"], kept["fields"]["title"]) == (record_id, True, [cell("T")])


def test_a_deletion_is_an_event_of_type_0(tenant: Tenant) -> None:
    record_id = _deleted(tenant)
    assert tenant.events()[-1] | {"id": 0, "mod_time": ""} == {
        "id": 0,
        "mod_time": "",
        "object_id": record_id,
        "object_type": 0,
        "event_type": 0,
    }


def test_what_is_not_there_cannot_be_deleted(tenant: Tenant) -> None:
    record_id = _deleted(tenant)
    assert tenant.delete("product", record_id).status_code == 404
    assert tenant.delete("product", "nobody").status_code == 404


def test_after_30_days_a_deleted_object_is_purged(tenant: Tenant) -> None:
    _deleted(tenant)
    tenant.sandbox.post("/clock", json={"advance_seconds": 30 * DAY - 60})
    assert len(tenant.sandbox.get("/objects/product?deleted=true").json()) == 1
    tenant.sandbox.post("/clock", json={"advance_seconds": 60})
    assert tenant.sandbox.get("/objects/product?deleted=true").json() == []


@pytest.mark.parametrize(
    ("switch", "written", "read"), [("revive", 200, 200), ("fail", 409, 404), ("swallow", 200, 404)]
)
def test_an_upsert_of_a_deleted_id_ends_as_the_toggle_says(
    tenant: Tenant, switch: str, written: int, read: int
) -> None:
    record_id = _deleted(tenant)
    tenant.toggle(deleted_ids=switch)
    assert tenant.patch("product", {"id": record_id, "isbn": [cell("1")]}).status_code == written
    assert tenant.status("product", record_id) == read


def test_a_revived_object_comes_back_as_a_creation_with_its_fields(tenant: Tenant) -> None:
    record_id = _deleted(tenant)
    tenant.put("product", {"id": record_id, "isbn": [cell("1")]})
    assert tenant.kinds() == [2, 0, 2]
    assert tenant.get("product", record_id)["title"] == [cell("T")]


def test_a_purged_id_is_free_for_a_new_object(tenant: Tenant) -> None:
    record_id = _deleted(tenant)
    tenant.toggle(deleted_ids="fail")
    tenant.sandbox.post("/clock", json={"advance_seconds": 31 * DAY})
    tenant.put("product", {"id": record_id})
    assert "title" not in tenant.get("product", record_id)
