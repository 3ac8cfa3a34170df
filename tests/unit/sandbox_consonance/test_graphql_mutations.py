"""GraphQL writing: what each mutation changes, reports and refuses."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLList, get_named_type, get_nullable_type

from frontlist_sandbox.consonance import mutations, schema

from .conftest import KEY, Ask

CREATE = """mutation ($input: CreateMarketingTextInput!) { createMarketingText(input: $input) {
  clientMutationId errors marketingText { id externalText externalTextMarkdown variant productIds } } }"""
UPDATE_WORK = """mutation ($input: UpdateWorkInput!) { updateWork(input: $input) {
  errors work { title projectStage { id } bisacs { code main } } } }"""
UPDATE_PRODUCT = """mutation ($input: UpdateProductInput!) { updateProduct(input: $input) {
  errors product { publicationDate onixPublishingStatusCode isbn { isbn13 } } } }"""
DELETE = "mutation ($id: Int!) { deleteMarketingText(input: {id: $id}) { success errors } }"


def _text(**fields: Any) -> dict[str, Any]:
    return {"workId": 10, "externalTextMarkdown": "**Bold**", **fields}


def test_a_created_text_is_markdown_in_and_html_out(data: Ask) -> None:
    made = data(CREATE, input=_text(clientMutationId="c1", variant="SHORT_DESCRIPTION"))["createMarketingText"]
    assert (made["clientMutationId"], made["errors"]) == ("c1", [])
    assert made["marketingText"]["externalText"] == "<p><strong>Bold</strong></p>"
    assert made["marketingText"]["externalTextMarkdown"] == "**Bold**"
    assert made["marketingText"]["productIds"] == [101, 102]


def test_a_created_text_makes_its_work_changed(data: Ask) -> None:
    data(CREATE, input=_text())
    assert data('{ works(workSearch: {changedSince: "2026-03-01"}) { id } }')["works"] == [{"id": 10}]


def test_a_refused_text_leaves_nothing_behind(client: httpx.Client, data: Ask) -> None:
    for wrong in (_text(workId=1), _text(externalTextMarkdown=" "), _text(productIds=[201])):
        answer = data(CREATE, input=wrong)["createMarketingText"]
        assert answer["errors"]
        assert answer["marketingText"] is None
    assert client.get("/sandbox/state").json()["counts"]["marketing_texts"] == 1


def test_a_text_is_deleted_once(data: Ask) -> None:
    assert data(DELETE, id=1)["deleteMarketingText"] == {"success": True, "errors": []}
    assert data(DELETE, id=1)["deleteMarketingText"]["success"] is False
    assert data("{ work(workSearch: {idEq: 10}) { marketingTexts { id } } }")["work"]["marketingTexts"] == []


def test_ids_of_deleted_texts_are_not_given_again(data: Ask) -> None:
    first = data(CREATE, input=_text())["createMarketingText"]["marketingText"]["id"]
    data(DELETE, id=first)
    assert data(CREATE, input=_text())["createMarketingText"]["marketingText"]["id"] > first


#: Names the object, or comes back in the answer; everything else of an input is something to keep.
OF_THE_CALL = {"id", "clientMutationId"}
INPUTS = {
    "CreateMarketingTextInput": {"workId": 10, "externalTextMarkdown": "Old"},
    "UpdateWorkInput": {"id": 10},
    "UpdateProductInput": {"id": 101},
    "DeleteMarketingTextInput": {"id": 1},
}
OWN_LISTS = ("seasons", "marketing_tiers", "work_types", "project_stages")
WELL_FORMED = {
    "workId": 20,
    "isbn": "9780306406157",
    "productIds": [102],
    "products": [{"id": 101, "asin": "B1"}],
    **dict.fromkeys(mutations.WORK_LISTS, 3),
}
GIVEN = {"Int": 3, "Boolean": True, "ISO8601Date": "2027-01-01", "String": "New"}


def _input(kind: str) -> GraphQLInputObjectType:
    found = schema.build().type_map[kind]
    assert isinstance(found, GraphQLInputObjectType)
    return found


def _value(kind: str, name: str) -> Any:
    of = _input(kind).fields[name].type
    inner = get_named_type(of)
    one = list(inner.values)[-1] if isinstance(inner, GraphQLEnumType) else GIVEN.get(inner.name)
    return WELL_FORMED.get(name, [one] if isinstance(get_nullable_type(of), GraphQLList) else one)


def test_these_are_all_inputs_of_mutations() -> None:
    taken = {kind.name for kind in schema.build().type_map.values() if isinstance(kind, GraphQLInputObjectType)}
    assert set(INPUTS) == {name for name in taken if name.endswith("Input")}


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in INPUTS for name in _input(kind).fields if name not in OF_THE_CALL],
)
def test_every_field_of_an_input_is_kept_and_shown_to_the_tester(
    client: httpx.Client, data: Ask, kind: str, name: str
) -> None:
    for entries in OWN_LISTS:
        client.post(f"/sandbox/{entries}", json={"id": 3, "name": "Third"})

    def after(given: dict[str, Any]) -> list[Any]:
        mutation = kind[0].lower() + kind[1:].removesuffix("Input")
        query = f"mutation ($input: {kind}!) {{ {mutation}(input: $input) {{ errors }} }}"
        assert data(query, input=INPUTS[kind] | given)[mutation]["errors"] == []
        rows = [client.get(f"/sandbox/{row}").json() for row in ("works/10", "works/20", "products/101")]
        # The newest text alone, whatever its id.
        return [
            row | {"marketing_texts": [text | {"id": 0} for text in row.get("marketing_texts", [])][-1:]}
            for row in rows
        ]

    assert after({}) != after({name: _value(kind, name)})


def test_a_doi_is_read_over_rest(client: httpx.Client, data: Ask) -> None:
    data(UPDATE_PRODUCT, input={"id": 101, "productIdentifyingDoi": "10.1000/182"})
    headers = {"Authorization": f"Token token={KEY}"}
    found = client.get("/api/v4/products.json?q[id_eq]=101", headers=headers).json()["products"]
    assert [each["product_doi"] for each in found] == ["10.1000/182"]


def test_a_work_is_updated_by_the_fields_given(data: Ask) -> None:
    given = {"id": 10, "projectStageId": 2, "bisacs": ["FIC019000", "FIC004000"]}
    answer = data(UPDATE_WORK, input=given)["updateWork"]
    assert answer["errors"] == []
    assert answer["work"]["title"] == "Emma"
    assert answer["work"]["projectStage"] == {"id": 2}
    assert answer["work"]["bisacs"] == [
        {"code": "FIC019000", "main": True},
        {"code": "FIC004000", "main": False},
    ]


def test_a_work_is_updated_wholly_or_not_at_all(data: Ask) -> None:
    given = {"id": 10, "title": "Other", "products": [{"id": 101, "asin": "B1"}, {"id": 999}]}
    answer = data(UPDATE_WORK, input=given)["updateWork"]
    assert answer["errors"] == ["Product not found"]
    assert answer["work"]["title"] == "Emma"
    assert data("{ product(productSearch: {idEq: 101}) { asin } }")["product"] == {"asin": None}


def test_an_unknown_project_stage_is_refused(data: Ask) -> None:
    answer = data(UPDATE_WORK, input={"id": 10, "projectStageId": 77})["updateWork"]
    assert answer["errors"] == ["projectStageId 77 does not exist"]


def test_a_product_is_updated_and_a_null_empties(data: Ask) -> None:
    given = {"id": 101, "publicationDate": "2026-09-01", "onixPublishingStatusCode": "_02"}
    answer = data(UPDATE_PRODUCT, input=given)["updateProduct"]
    assert answer["product"]["publicationDate"] == "2026-09-01"
    assert answer["product"]["onixPublishingStatusCode"] == "_02"
    emptied = data(UPDATE_PRODUCT, input={"id": 101, "publicationDate": None})["updateProduct"]
    assert emptied["product"]["publicationDate"] is None
    assert emptied["product"]["onixPublishingStatusCode"] == "_02"


def test_an_isbn_with_a_wrong_check_digit_is_refused(data: Ask) -> None:
    answer = data(UPDATE_PRODUCT, input={"id": 101, "isbn": "9780141439580"})["updateProduct"]
    assert answer["errors"] == ["Isbn is invalid"]
    assert answer["product"]["isbn"] == {"isbn13": "9780141439587"}


def test_a_tenant_may_refuse_a_field_and_say_so_in_either_style(client: httpx.Client, ask: Ask) -> None:
    client.patch("/sandbox/toggles", json={"refuse": {"UpdateProductInput.publicationDate": "is locked"}})
    given = {"id": 101, "publicationDate": "2026-09-01"}
    assert ask(UPDATE_PRODUCT, input=given)["data"]["updateProduct"]["errors"] == ["is locked"]
    client.patch("/sandbox/toggles", json={"errors_in_payload": False})
    answer = ask(UPDATE_PRODUCT, input=given)
    assert answer["errors"][0]["message"] == "is locked"
    assert answer["data"]["updateProduct"] is None
