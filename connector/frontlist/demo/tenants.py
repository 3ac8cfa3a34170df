"""The two tenants as people use them: edits and looks through the sandboxes' controls."""

from __future__ import annotations

from typing import Any

import httpx

Record = dict[str, Any]
LOCALE = {"locale": "en_GB"}


class Sandbox:
    """One sandbox's controls."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=f"{url}/sandbox", timeout=10, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **params: str) -> Any:
        return self._http.get(path, params=params).raise_for_status().json()

    def send(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, path, json=body).raise_for_status()
        return answer.json() if answer.content else None

    def writes(self) -> int:
        """Calls that could change something, since the sandbox started."""
        return int(self.get("/calls", method="none")["writes"])

    def waiting(self) -> int:
        """Writes that came in and have not been answered yet."""
        return sum(call["status"] is None for call in self.get("/calls", writes="true")["calls"])

    def called(self, operation: str) -> int:
        """How often a GraphQL operation was asked for."""
        return len(self.get("/calls", operation=operation)["calls"])

    def fault(self, **rule: Any) -> int:
        """A fault on demand; answers its id."""
        return int(self.send("POST", "/faults", rule)["id"])

    def fired(self, fault: int) -> int:
        return sum(rule["fired"] for rule in self.get("/faults") if rule["id"] == fault)

    def heal(self, fault: int) -> None:
        """Removes this fault alone."""
        self._http.delete(f"/faults/{fault}")

    def toggle(self, **switches: Any) -> None:
        self.send("PATCH", "/toggles", switches)


class Consonance(Sandbox):
    """An editor at work."""

    def work(self, work_id: int) -> Record:
        return dict(self.get(f"/works/{work_id}"))

    def product(self, product_id: int) -> Record:
        return dict(self.get(f"/products/{product_id}"))

    def edit_work(self, work_id: int, **fields: Any) -> None:
        self.send("PATCH", f"/works/{work_id}", fields)

    def edit_product(self, product_id: int, **fields: Any) -> None:
        self.send("PATCH", f"/products/{product_id}", fields)

    def edit_price(self, product_id: int, price_id: int, amount: str) -> None:
        self.send("PATCH", f"/products/{product_id}/prices/{price_id}", {"amount": amount})

    def texts(self, work_id: int) -> list[Record]:
        return list(self.work(work_id)["marketing_texts"])


class Portal(Sandbox):
    """Marketing at work."""

    def records(self, module: str, work_id: int | None = None) -> list[Record]:
        found = list(self.get(f"/objects/{module}"))
        return [each for each in found if work_id is None or cell(each, "consonance_work_id") == work_id]

    def of_product(self, product_id: int) -> list[Record]:
        found = self.records("product")
        return [each for each in found if cell(each, "consonance_product_id") == product_id]

    def edit(self, module: str, record: Record, **cells: Any) -> None:
        """A person edits some cells; bare values are cells without dimensions."""
        self.send("POST", f"/objects/{module}", {"id": record["id"], **cells})


def cell(record: Record, field: str, **dimensions: str) -> Any:
    """The value of one cell."""
    for each in record["fields"].get(field) or []:
        if (each.get("dimensions") or {}) == dimensions:
            return each["value"]
    return None


def in_english(value: str) -> list[dict[str, Any]]:
    """A cell in the first locale."""
    return [{"value": value, "dimensions": LOCALE}]
