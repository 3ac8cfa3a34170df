"""Keys, errors and health."""

from collections.abc import Callable

import httpx
import pytest

from unit.sandbox_fourallportal.tenant import Tenant

ROUTES = [
    ("GET", "/modules/product"),
    ("GET", "/modules/product/objects"),
    ("PATCH", "/modules/product/objects"),
    ("GET", "/modules/product/objects/x"),
    ("DELETE", "/modules/product/objects/x"),
    ("GET", "/modules/file/objects/x/media/Original"),
    ("GET", "/connectors"),
    ("GET", "/connectors/frontlist_product"),
    ("GET", "/connectors/frontlist_product/events/0"),
    ("GET", "/connectors/frontlist_product/objects"),
    ("GET", "/system/value-options"),
    *(("POST", f"/extensions/dam/mounts/data/events/{event}") for event in ("CREATE", "UPDATE", "DELETE", "MOVE")),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_each_of_the_fifteen_routes_refuses_a_wrong_key(tenant: Tenant, method: str, path: str) -> None:
    answer = httpx.request(method, f"{tenant.url}/api{path}", headers={"Authorization": "Bearer wrong"})
    assert (answer.status_code, answer.json()["status"]) == (401, 401)
    assert answer.json()["message"]


def test_a_missing_key_is_refused_like_a_wrong_one(tenant: Tenant) -> None:
    assert httpx.get(f"{tenant.url}/api/connectors").status_code == 401


def test_a_key_can_be_disabled_and_enabled_again(tenant: Tenant) -> None:
    tenant.toggle(key_enabled=False)
    assert tenant.api.get("/connectors").status_code == 401
    tenant.toggle(key_enabled=True)
    assert tenant.api.get("/connectors").status_code == 200


def test_the_key_is_an_option(serve: Callable[..., Tenant]) -> None:
    tenant = serve(key="another")
    assert tenant.api.get("/connectors").status_code == 200


def test_health_needs_no_key(tenant: Tenant) -> None:
    assert httpx.get(f"{tenant.url}/health").status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("POST", "/connectors", 405)])
def test_a_route_that_does_not_exist_answers_json(tenant: Tenant, method: str, path: str, status: int) -> None:
    answer = tenant.api.request(method, path)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


def test_faults_strike_this_server_too(tenant: Tenant) -> None:
    rule = {"kind": "status", "status": 429, "retry_after": 3, "path": "/api/modules", "count": 1}
    tenant.sandbox.post("/faults", json=rule).raise_for_status()
    struck, spared = (tenant.api.get("/modules/product") for _ in range(2))
    assert (struck.status_code, struck.headers["Retry-After"], spared.status_code) == (429, "3", 200)
