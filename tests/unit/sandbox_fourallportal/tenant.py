"""A client of one sandbox tenant, for the tests beside it."""

from typing import Any

import httpx

from frontlist_sandbox.fourallportal import server


class Tenant:
    """A client of one sandbox: `api` carries the key, `sandbox` needs none."""

    def __init__(self, url: str, key: str = server.KEY) -> None:
        self.url = url
        self.api = httpx.Client(base_url=f"{url}/api", headers={"Authorization": f"Bearer {key}"})
        self.sandbox = httpx.Client(base_url=f"{url}/sandbox")

    def close(self) -> None:
        self.api.close()
        self.sandbox.close()

    def toggle(self, **switches: object) -> None:
        self.sandbox.patch("/toggles", json=switches).raise_for_status()

    def patch(self, module: str, *objects: object) -> httpx.Response:
        return self.api.patch(f"/modules/{module}/objects", json=list(objects))

    def put(self, module: str, *objects: object) -> list[str]:
        answer = self.patch(module, *objects)
        assert answer.status_code == 200, answer.text
        return list(answer.json())

    def get(self, module: str, record_id: str, **query: object) -> Any:
        return self.api.get(f"/modules/{module}/objects/{record_id}", params=query).raise_for_status().json()

    def status(self, module: str, record_id: str) -> int:
        return self.api.get(f"/modules/{module}/objects/{record_id}").status_code

    def delete(self, module: str, record_id: str) -> httpx.Response:
        return self.api.delete(f"/modules/{module}/objects/{record_id}")

    def media(self, record_id: str, usage: str, module: str = "file") -> httpx.Response:
        return self.api.get(f"/modules/{module}/objects/{record_id}/media/{usage}")

    def upload(self, record_id: str, data: bytes, name: str = "cover.png", kind: str = "image/png") -> None:
        path = f"/objects/file/{record_id}/media"
        self.sandbox.put(path, content=data, params={"name": name}, headers={"Content-Type": kind}).raise_for_status()

    def hash(self, connector: str = "frontlist_product") -> str:
        return str(self.api.get(f"/connectors/{connector}").raise_for_status().json()["hash"])

    def ask(self, start: int, connector: str = "frontlist_product", pinned: str | None = None) -> httpx.Response:
        query = {"hash": pinned or self.hash(connector)}
        return self.api.get(f"/connectors/{connector}/events/{start}", params=query)

    def events(self, start: int = 1, connector: str = "frontlist_product") -> list[dict[str, Any]]:
        return list(self.ask(start, connector).raise_for_status().json())

    def kinds(self, connector: str = "frontlist_product") -> list[int]:
        return [event["event_type"] for event in self.events(1, connector)]


def cell(value: object, **dimensions: str) -> dict[str, object]:
    return {"value": value, "dimensions": dimensions}
