"""The sandbox's own routes: edits as a person makes them, and toggles."""

from __future__ import annotations

import httpx
import pytest

from frontlist_sandbox import assumptions
from frontlist_sandbox.consonance import assumed, schema

from .conftest import KEY, Ask


def test_the_state_counts_what_the_tenant_holds(client: httpx.Client) -> None:
    state = client.get("/sandbox/state").json()
    assert state["today"] == "2026-03-01"
    assert (state["counts"]["works"], state["counts"]["products"], state["counts"]["contracts"]) == (3, 3, 2)


def test_a_stage_is_set_by_id(client: httpx.Client, data: Ask) -> None:
    edited = client.patch("/sandbox/works/10", json={"project_stage": 2}).json()
    assert (edited["project_stage"]["name"], edited["changed_on"]) == ("Approved", "2026-03-01")
    assert client.patch("/sandbox/works/10", json={"project_stage": 9}).status_code == 422
    assert data("{ work(workSearch: {idEq: 10}) { projectStage { name } } }")["work"] == {
        "projectStage": {"name": "Approved"}
    }


def test_prices_are_added_edited_and_removed(client: httpx.Client, data: Ask) -> None:
    price = {"amount": "12.50", "currency_code": "EUR", "type_code": "02"}
    made = client.post("/sandbox/products/102/prices", json=price).json()
    assert client.patch(f"/sandbox/products/102/prices/{made['id']}", json={"amount": "13.00"}).status_code == 200
    query = "{ product(productSearch: {idEq: 102}) { prices { amount } } }"
    assert data(query)["product"]["prices"] == [{"amount": 13.0}]
    assert client.delete(f"/sandbox/products/102/prices/{made['id']}").status_code == 204
    assert data(query)["product"]["prices"] == []


def test_a_person_adds_a_text_to_a_work(client: httpx.Client, data: Ask) -> None:
    made = client.post("/sandbox/works/20/marketing_texts", json={"external_text_markdown": "By hand"}).json()
    assert (made["work_id"], made["id"]) == (20, 2)
    assert data('{ works(workSearch: {changedSince: "2026-03-01"}) { id } }')["works"] == [{"id": 20}]


def test_works_and_products_are_created_and_deleted(client: httpx.Client, data: Ask) -> None:
    work = client.post("/sandbox/works", json={"title": "New"}).json()["id"]
    product = {"work_id": work, "typename": "GenericProduct", "full_title": "New", "isbn13": None}
    assert client.post("/sandbox/products", json=product).status_code == 201
    assert client.delete("/sandbox/products/101").status_code == 204
    assert client.delete(f"/sandbox/works/{work}").status_code == 204
    assert data("{ products { id } works { id } }") == {
        "products": [{"id": 102}, {"id": 201}],
        "works": [{"id": 10}, {"id": 20}],
    }
    assert client.delete("/sandbox/products/101").status_code == 404


def test_the_id_of_what_was_deleted_is_not_given_again(client: httpx.Client) -> None:
    client.delete("/sandbox/works/30")
    assert client.post("/sandbox/works", json={"title": "New"}).json()["id"] > 30


def test_a_deletion_is_not_reported(client: httpx.Client, data: Ask) -> None:
    client.delete("/sandbox/products/101")
    assert data('{ works(workSearch: {changedSince: "2026-03-01"}) { id } }')["works"] == []


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("works/10", {"titel": "x"}, "Work has no field ['titel']; it has acronym"),
        ("products/101", {"publication_date": "soon"}, "wrong value for Product"),
        ("books/1", {}, "no kind 'books'; there are works"),
    ],
)
def test_a_wrong_edit_says_what_is_wrong(client: httpx.Client, path: str, body: dict[str, str], told: str) -> None:
    answer = client.patch(f"/sandbox/{path}", json=body)
    assert answer.status_code in (404, 422)
    assert told in answer.json()["error"]


def test_today_moves_and_edits_carry_it(client: httpx.Client) -> None:
    client.post("/sandbox/toggles", json={"today": "2026-05-05"})
    assert client.patch("/sandbox/works/30", json={"title": "S"}).json()["changed_on"] == "2026-05-05"


def test_an_unknown_toggle_is_refused(client: httpx.Client) -> None:
    answer = client.post("/sandbox/toggles", json={"blind": True, "page_size": 9})
    assert answer.status_code == 422
    assert client.get("/sandbox/toggles").json()["page_size"] == 2


@pytest.mark.parametrize(
    ("how", "status", "kind"),
    [("401-json", 401, "application/json"), ("401-text", 401, "text/plain"), ("200-errors", 200, "application/json")],
)
def test_a_wrong_graphql_key_is_told_in_the_chosen_way(client: httpx.Client, how: str, status: int, kind: str) -> None:
    client.post("/sandbox/toggles", json={"graphql_unauthorized": how})
    answer = client.post("/graphql", json={"query": "{ works { id } }"}, headers={"Authorization": "Bearer no"})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith(kind)
    assert "Emma" not in answer.text


def test_an_expired_key_opens_nothing(client: httpx.Client) -> None:
    client.post("/sandbox/toggles", json={"key_expired": True})
    assert client.post("/graphql", json={"query": "{ works { id } }"}).status_code == 401
    rest = client.get("/api/v4/products.json", headers={"Authorization": f"Token token={KEY}"})
    assert rest.status_code == 401


def test_errors_come_beside_data(client: httpx.Client, ask: Ask) -> None:
    client.post("/sandbox/toggles", json={"fail": {"Work#20.imprint": "imprint is broken"}})
    body = ask("{ works { id imprint { id } } }")
    assert body["data"]["works"] == [{"id": 10, "imprint": {"id": 7}}, {"id": 20, "imprint": None}]
    assert body["errors"][0] | {"locations": None} == {
        "message": "imprint is broken",
        "path": ["works", 1, "imprint"],
        "locations": None,
    }


def test_a_null_comes_where_a_list_was_and_a_code_nobody_knows(client: httpx.Client, data: Ask) -> None:
    override = {"Work.products": None, "Product.onixPublishingStatusCode": "99"}
    client.post("/sandbox/toggles", json={"override": override})
    assert data("{ work(workSearch: {idEq: 10}) { products { id } } }")["work"] == {"products": None}
    query = "{ product(productSearch: {idEq: 101}) { onixPublishingStatusCode } }"
    assert data(query)["product"] == {"onixPublishingStatusCode": "_99"}


def test_dirty_codes_of_the_tenant_go_out_as_they_are(client: httpx.Client, data: Ask) -> None:
    client.patch("/sandbox/products/101", json={"for_sale_country_codes": ["GB", "ROW"], "publishing_status": "77"})
    query = """{ product(productSearch: {idEq: 101}) { forSaleCountryCodes onixPublishingStatusCode
                 onixPublishingStatus { code description } } }"""
    assert data(query)["product"] == {
        "forSaleCountryCodes": ["GB", "ROW"],
        "onixPublishingStatusCode": "_77",
        "onixPublishingStatus": {"code": "77", "description": None},
    }


def test_texts_may_carry_rubbish(client: httpx.Client, data: Ask) -> None:
    client.post("/sandbox/toggles", json={"html_rubbish": True})
    text = data("{ work(workSearch: {idEq: 10}) { marketingTexts { externalText } } }")["work"]["marketingTexts"][0]
    assert "\u0000" in text["externalText"]
    assert "<script>" in text["externalText"]


def test_a_refuted_assumption_leaves_the_schema(client: httpx.Client, ask: Ask) -> None:
    client.post("/sandbox/toggles", json={"refuted": ["consonance.contracts-root"]})
    assert "Cannot query field 'contracts'" in ask("{ contracts { id } }")["errors"][0]["message"]
    assert ask("{ contract(contractSearch: {idEq: 3}) { id } }")["data"]["contract"] == {"id": 3}


def test_every_mark_in_the_schema_has_its_assumption() -> None:
    assert set(assumed.coordinates()) <= {a.id for a in assumed.ASSUMPTIONS}


REFUTED = [["consonance.type-names"], ["consonance.named-lists", "consonance.mutation-names"], [*assumed.coordinates()]]


@pytest.mark.parametrize("refuted", REFUTED)
def test_the_schema_stands_without_its_assumptions(client: httpx.Client, data: Ask, refuted: list[str]) -> None:
    client.post("/sandbox/toggles", json={"refuted": refuted})
    assert data("{ works { id title products { id fullTitle } } }")["works"][0]["title"] == "Emma"


def test_the_scan_of_marks_agrees_with_a_graphql_parser() -> None:
    marks = schema.text("schema.graphql").count("@assumed(") - 1  # one stands in the opening comment
    assert sum(len(names) for names in assumed.coordinates().values()) == marks
    assert "Query.contracts" in assumed.coordinates()["consonance.contracts-root"]
    assert "MarketingTextVariant.EXCERPT" in assumed.coordinates()["consonance.marketing-text-variants"]


def test_all_assumptions_are_collected_once() -> None:
    ids = [a.id for a in assumptions.collect()]
    assert len(ids) == len(set(ids))
    assert "consonance.payload-errors" in ids
