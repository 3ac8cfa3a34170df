"""File events of the mount `data`."""

from collections.abc import Callable
from typing import Any

import pytest

from unit.sandbox_fourallportal.tenant import Tenant


def _event(tenant: Tenant, event: str, path: object, destination: str | None = None) -> int:
    body = {"path": path, **({"destination": destination} if destination else {})}
    return tenant.api.post(f"/extensions/dam/mounts/data/events/{event}", json=body).status_code


def _stored(tenant: Tenant, path: str, data: bytes = b"data") -> None:
    tenant.sandbox.put(f"/mounts/data/{path}", content=data).raise_for_status()
    assert _event(tenant, "CREATE", path) == 200


def _files(tenant: Tenant) -> dict[str, dict[str, Any]]:
    listed = tenant.api.get("/modules/file/objects?limit=1000").json()["result"]
    return {"/".join(p for p in (_value(f, "parent_path"), _value(f, "name")) if p): f for f in listed}


def _value(one: dict[str, Any], field: str) -> str:
    return str(one[field][0]["value"])


def test_create_makes_a_file_object_by_mount_folder_and_name(tenant: Tenant) -> None:
    _stored(tenant, "covers/2026/a.jpg", b"bytes")
    one = _files(tenant)["covers/2026/a.jpg"]
    known = {name: _value(one, name) for name in ("mount", "parent_path", "name", "mimetype", "created_by")}
    assert known == {
        "mount": "data",
        "parent_path": "covers/2026",
        "name": "a.jpg",
        "mimetype": "image/jpeg",
        "created_by": "mount",
    }
    assert tenant.media(one["id"], "Original").content == b"bytes"


def test_a_file_at_the_top_has_an_empty_folder(tenant: Tenant) -> None:
    _stored(tenant, "a.pdf")
    assert _value(_files(tenant)["a.pdf"], "parent_path") == ""


def test_update_gives_the_same_object_new_content(tenant: Tenant) -> None:
    _stored(tenant, "a.jpg", b"old")
    before = _files(tenant)["a.jpg"]
    tenant.sandbox.put("/mounts/data/a.jpg", content=b"new")
    assert _event(tenant, "UPDATE", "a.jpg") == 200
    after = _files(tenant)["a.jpg"]
    assert after["id"] == before["id"]
    assert after["mod_time_img"] != before["mod_time_img"]
    assert tenant.media(after["id"], "Original").content == b"new"


def test_creating_the_same_path_twice_makes_one_object(tenant: Tenant) -> None:
    _stored(tenant, "a.jpg")
    _stored(tenant, "a.jpg")
    assert len(_files(tenant)) == 1


def test_move_keeps_the_object_and_its_content(tenant: Tenant) -> None:
    _stored(tenant, "in/a.jpg")
    before = _files(tenant)["in/a.jpg"]["id"]
    assert _event(tenant, "MOVE", "in/a.jpg", "out/b.jpg") == 200
    assert {path: one["id"] for path, one in _files(tenant).items()} == {"out/b.jpg": before}
    assert tenant.media(before, "Original").content == b"data"


def test_a_folder_moves_and_goes_with_what_is_below_it(tenant: Tenant) -> None:
    for path in ("in/a.jpg", "in/deep/b.jpg", "inside/c.jpg"):
        _stored(tenant, path)
    _event(tenant, "MOVE", "in", "out")
    assert set(_files(tenant)) == {"out/a.jpg", "out/deep/b.jpg", "inside/c.jpg"}
    _event(tenant, "DELETE", "out")
    assert set(_files(tenant)) == {"inside/c.jpg"}


def test_a_copy_is_a_create_with_a_destination(tenant: Tenant) -> None:
    _stored(tenant, "a.jpg")
    tenant.sandbox.put("/mounts/data/b.jpg", content=b"data")
    assert _event(tenant, "CREATE", "a.jpg", "b.jpg") == 200
    assert set(_files(tenant)) == {"a.jpg", "b.jpg"}


def test_delete_is_soft(tenant: Tenant) -> None:
    _stored(tenant, "a.jpg")
    assert _event(tenant, "DELETE", "a.jpg") == 200
    assert _files(tenant) == {}
    assert len(tenant.sandbox.get("/objects/file?deleted=true").json()) == 1


def test_folders_make_no_object(tenant: Tenant) -> None:
    tenant.sandbox.put("/mounts/data/covers?folder=true")
    _event(tenant, "CREATE", "covers")
    assert _files(tenant) == {}


def test_what_happens_in_the_mount_reaches_the_connector(tenant: Tenant) -> None:
    _stored(tenant, "a.jpg")
    _event(tenant, "MOVE", "a.jpg", "b.jpg")
    _event(tenant, "DELETE", "b.jpg")
    told = [(e["event_type"], e["object_type"]) for e in tenant.events(1, "frontlist_file")]
    assert told == [(2, 0), (1, 1), (1, 0), (0, 0)]


@pytest.mark.parametrize("path", ["/a.jpg", "a/", "../a.jpg", "a//b", "", None])
def test_a_path_with_a_slash_at_an_end_or_a_way_up_is_400(tenant: Tenant, path: object) -> None:
    assert _event(tenant, "CREATE", path) == 400


def test_other_mounts_and_events_are_404(tenant: Tenant) -> None:
    assert _event(tenant, "UNKNOWN", "a.jpg") == 404
    answer = tenant.api.post("/extensions/dam/mounts/other/events/CREATE", json={"path": "a.jpg"})
    assert answer.status_code == 404


def test_a_move_without_destination_is_400(tenant: Tenant) -> None:
    assert _event(tenant, "MOVE", "a.jpg") == 400


def test_mount_events_may_be_for_the_system_key_only(serve: Callable[..., Tenant]) -> None:
    tenant = serve(key="ordinary", system_key="system")
    tenant.toggle(mounts_need_system_key=True)
    assert _event(tenant, "CREATE", "a.jpg") == 403
    tenant.api.headers["Authorization"] = "Bearer system"
    assert _event(tenant, "CREATE", "a.jpg") == 200
