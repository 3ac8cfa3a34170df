"""Module and field metadata, value options."""

from collections.abc import Callable
from typing import Any

import pytest

from frontlist_sandbox.fourallportal import schema
from unit.sandbox_fourallportal.tenant import Tenant


def _fields(tenant: Tenant, module: str) -> dict[str, dict[str, Any]]:
    found = tenant.api.get(f"/modules/{module}", params={"groups": "fields"}).raise_for_status().json()
    return {field["name"]: field for field in found["fields"]}


def test_a_module_describes_itself_and_its_fields(tenant: Tenant) -> None:
    found = tenant.api.get("/modules/product?groups=fields").json()
    assert {"name", "label", "labelSingular", "info", "menuEntry", "create", "objectImage", "fields"} <= set(found)
    described = {"name", "type", "length", "scale", "precision", "audit", "defaultValue", "metric", "valueOptionKey"}
    assert set(found["fields"][0]) == described | {"label", "info", "modules", "dimensions"}


def test_fields_come_only_when_asked_for(tenant: Tenant) -> None:
    assert "fields" not in tenant.api.get("/modules/product").json()


def test_an_unknown_module_is_404(tenant: Tenant) -> None:
    assert tenant.api.get("/modules/nothing?groups=fields").status_code == 404


def test_the_three_modules_hold_every_documented_type(tenant: Tenant) -> None:
    found = {f["type"] for module in ("title", "product", "file") for f in _fields(tenant, module).values()}
    assert found == schema.TYPES


def test_fields_tell_dimensions_options_targets_and_units(tenant: Tenant) -> None:
    fields = _fields(tenant, "product")
    assert fields["channel_copy"]["dimensions"] == ["locale", "channel"]
    assert fields["publishing_status"]["valueOptionKey"] == "publishing_status"
    assert fields["title_ref"]["modules"] == ["title"]
    assert fields["weight"]["metric"] == {"name": "weight", "defaultUnit": "g"}


@pytest.mark.parametrize("module", ["title", "product", "file"])
def test_names_keep_the_documented_rule(tenant: Tenant, module: str) -> None:
    assert all(schema.FIELD_NAME.fullmatch(name) for name in _fields(tenant, module))


def test_value_options_come_as_groups_of_items(tenant: Tenant) -> None:
    found = tenant.api.get("/system/value-options", params={"ids": ["readiness", "unheard_of"]}).json()
    assert list(found) == ["readiness"]
    assert [item["key"] for item in found["readiness"]["groups"][0]["items"]][:2] == ["ready", "not_ready"]


def test_referring_fields_are_found_by_value_options(tenant: Tenant) -> None:
    found = tenant.api.get("/system/value-options?ids=title.referenced_by").json()["title.referenced_by"]["groups"]
    by_parent = {group["key"]: group["items"] for group in found}
    assert {"key": "product_title_ref", "icon": "V-FIELD_LINK"} in by_parent["product"]


def test_value_options_without_ids_are_refused_by_code_1(tenant: Tenant) -> None:
    answer = tenant.api.get("/system/value-options")
    assert (answer.status_code, answer.json()["code"]) == (400, 1)


def test_locales_and_channels_are_options(serve: Callable[..., Tenant]) -> None:
    tenant = serve(locales=["fr_FR", "en_US"], channels=["app"])
    copy = {"description_long": [{"value": "x", "dimensions": {"locale": "fr_FR"}}]}
    assert tenant.patch("product", copy).status_code == 200
    gone = {"description_long": [{"value": "x", "dimensions": {"locale": "de_DE"}}]}
    assert tenant.patch("product", gone).status_code == 400
