"""A 4ALLPORTAL sandbox over real HTTP, and our side of it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from frontlist.clock import chosen_id
from frontlist.systems.fourallportal.client import Client
from frontlist.systems.fourallportal.modules import ModuleUse
from frontlist.systems.fourallportal.settings import FourallportalSettings
from frontlist.systems.fourallportal.source import FourallportalSource
from frontlist.systems.fourallportal.target import FourallportalTarget
from frontlist_sandbox import serving
from frontlist_sandbox.fourallportal import server

TENANT = "acme"
USE = ModuleUse(
    "product",
    "frontlist_product",
    frozenset({"description_long", "copy_state", "keywords", "price_float"}),
    "consonance_work_id",
    "consonance_product_id",
    "frontlist_origin",
)


class Sandbox:
    """What a person and a test do to the tenant."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=f"{url}/sandbox", timeout=10)

    def toggle(self, **toggles: object) -> None:
        self._http.patch("/toggles", json=toggles).raise_for_status()

    def edit(self, **fields: Any) -> str:
        return str(self._http.post("/objects/product", json=fields).raise_for_status().json()[0])

    def delete(self, id: str) -> None:
        self._http.delete(f"/objects/product/{id}").raise_for_status()

    def connector(self, **config: Any) -> None:
        self._http.put("/connectors/frontlist_product", json={"module": "product", **config}).raise_for_status()

    def drop_field(self, name: str) -> None:
        self._http.delete(f"/schema/product/fields/{name}").raise_for_status()

    def add_field(self, name: str, **spec: Any) -> None:
        self._http.put(f"/schema/product/fields/{name}", json=spec).raise_for_status()

    def fault(self, **rule: Any) -> None:
        self._http.post("/faults", json=rule).raise_for_status()

    def stored(self) -> dict[str, dict[str, Any]]:
        """The visible records' cells, by id."""
        return {one["id"]: one["fields"] for one in self._http.get("/objects/product").json()}

    def calls(self, method: str, path: str = "") -> int:
        """How often a route was called."""
        found = self._http.get("/calls", params={"method": method}).json()["calls"]
        return sum(path in call["path"] for call in found)

    def forget_calls(self) -> None:
        self._http.delete("/calls").raise_for_status()

    def close(self) -> None:
        self._http.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serving.serve(server.app()) as served:
        made = Sandbox(served.url)
        yield made
        made.close()


@pytest.fixture
def settings(sandbox: Sandbox) -> FourallportalSettings:
    return FourallportalSettings.model_validate(
        {
            "url": sandbox.url,
            "key": server.KEY,
            "locales": ["en_GB", "de_DE"],
            "timeout": 5,
            "calls_per_second": 1000,
            "rebuild_pause": 0,
            "rebuild_seconds": 0,
        }
    )


@pytest.fixture
async def client(settings: FourallportalSettings) -> AsyncIterator[Client]:
    async with settings.api() as api:
        yield Client(api)


@pytest.fixture
def source(client: Client, settings: FourallportalSettings) -> FourallportalSource:
    return FourallportalSource(client, [USE], TENANT, settings)


@pytest.fixture
def target(client: Client, settings: FourallportalSettings) -> FourallportalTarget:
    return FourallportalTarget(client, [USE], settings)


def product_id(number: int) -> str:
    return chosen_id(TENANT, "product", number)
