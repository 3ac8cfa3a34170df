"""GraphQL reading: names, searches, pages and what changedSince reports."""

from __future__ import annotations

import httpx
import pytest
from graphql import build_client_schema, get_introspection_query

from .conftest import Ask


def _ids(rows: list[dict[str, int]]) -> list[int]:
    return [row["id"] for row in rows]


def test_the_schema_is_introspectable_and_shows_no_marks(data: Ask) -> None:
    schema = build_client_schema(data(get_introspection_query()))  # type: ignore[arg-type]
    kinds = schema.get_possible_types(schema.type_map["Product"])  # type: ignore[arg-type]
    assert len(kinds) == 7
    assert "assumed" not in {directive.name for directive in schema.directives}
    assert "updateMarketingText" not in schema.mutation_type.fields  # type: ignore[union-attr]


def test_a_product_reads_with_codes_twins_and_concrete_type(data: Ask) -> None:
    product = data("""{ product(productSearch: {isbn13Eq: "9780141439587"}) {
      id __typename isbn { isbn10 isbn13 isbnWithDashes } publicationDate publicationDateString
      onixPublishingStatusCode onixPublishingStatus { code description } forSaleCountryCodes isForSaleWorldwide
      onix21ProductForm { description } absolutePageCount work { title }
      ... on PhysicalBookProduct { productHeight(unit: CM) productWidth }
      prices { amount currencyCode currency { description } onixPriceTypeCode onixPriceTypeQualifierCode } } }""")[
        "product"
    ]
    assert product["__typename"] == "PhysicalBookProduct"
    assert product["isbn"] == {
        "isbn10": "0141439580",
        "isbn13": "9780141439587",
        "isbnWithDashes": "978-0-14-143958-7",
    }
    assert (product["publicationDate"], product["publicationDateString"]) == ("2018-03-20", "20 March 2018")
    assert product["onixPublishingStatusCode"] == "_04"
    assert product["onixPublishingStatus"] == {"code": "04", "description": "Active"}
    assert (product["productHeight"], product["productWidth"]) == (19.8, 129)
    assert (product["forSaleCountryCodes"], product["isForSaleWorldwide"]) == (["GB", "IE"], False)
    assert product["prices"][0] == {
        "amount": 9.99,
        "currencyCode": "GBP",
        "currency": {"description": "Pound Sterling"},
        "onixPriceTypeCode": "_02",
        "onixPriceTypeQualifierCode": "_05",
    }


def test_a_work_reads_with_people_subjects_series_and_texts(data: Ask) -> None:
    work = data("""{ work(workSearch: {idEq: 10}) {
      projectStage { id name } imprint { id name } audience { onixAudiences { code description } }
      contributions { sequenceNumber productIds onixContributorRoleCode onixContributorRole { description }
        contributor { __typename ... on Person { personNameInverted } ... on Organisation { organisationName } } }
      subjectCodes(schemesIn: [THEMA], mainOnly: true) { __typename code main description ... on Thema { parentCode } }
      seriesMemberships { partNumber series { titleWithSubtitle } }
      prizes { prizeName } } }""")["work"]
    assert work["projectStage"] == {"id": 1, "name": "Draft"}
    assert work["audience"]["onixAudiences"][0]["description"] == "General / adult"
    assert [c["contributor"] for c in work["contributions"]] == [
        {"__typename": "Person", "personNameInverted": "Austen, Jane"},
        {"__typename": "Organisation", "organisationName": "The Society"},
    ]
    assert work["contributions"][1]["onixContributorRole"]["description"] == "Edited by"
    assert [s["__typename"] for s in work["subjectCodes"]] == ["Thema"]
    assert work["seriesMemberships"][0]["series"]["titleWithSubtitle"] == "Classics: The early ones"
    assert work["prizes"] == []


def test_a_text_reads_as_html_as_plain_text_and_as_markdown(data: Ask) -> None:
    text = data("""{ work(workSearch: {idEq: 10}) { marketingTexts(variantIn: [MAIN_DESCRIPTION]) {
      html: externalText plain: externalText(stripHtml: true) externalTextMarkdown } } }""")["work"]
    assert text["marketingTexts"] == [
        {
            "html": "<p>A <em>novel</em> &amp; more</p>",
            "plain": "A novel & more",
            "externalTextMarkdown": "A *novel* & more",
        }
    ]


def test_texts_and_contributions_are_ticked_per_product(data: Ask) -> None:
    query = """{ products(workSearch: {idEq: 10}) { id marketingTexts { id } contributions { id } } }"""
    counts = {p["id"]: (len(p["marketingTexts"]), len(p["contributions"])) for p in data(query)["products"]}
    assert counts == {101: (1, 2), 102: (0, 1)}


WORK_SEARCHES = [
    ("idEq: 20", [20]),
    ("contractIdEq: 3", [10]),
    ('titleEq: "Emma"', [10]),
    ('titleCont: "SUASI"', [20]),
    ('subtitleEq: "A novel"', [10]),
    ('subtitleCont: "nov"', [10]),
    ("subtitlePresent: false", [20, 30]),
    ("imprintIdIn: [7, 8]", [10]),
    ("after: 10", [20, 30]),
    ('changedSince: "2026-01-10", after: 20', [30]),
    ('changedSince: "2026-01-11"', []),
]


@pytest.mark.parametrize(("search", "found"), WORK_SEARCHES)
def test_works_are_found_by_each_documented_attribute(data: Ask, search: str, found: list[int]) -> None:
    assert _ids(data("{ works(workSearch: {%s}) { id } }" % search)["works"]) == found  # noqa: UP031 - braces


PRODUCT_SEARCHES = [
    ("idEq: 102", [102]),
    ('isbn13Eq: "9780141439587"', [101]),
    ('isbn13In: ["9780141439587", "9780141919157"]', [101, 102]),
    ("isbn13Assigned: false", [201]),
    ('titleEq: "Persuasion"', [201]),
    ('titleCont: "emm"', [101, 102]),
    ('titlePrefixPresent: "true"', []),
    ('publicationDateEq: "2018-03-20"', [101]),
    ('publicationDateGt: "2018-03-20"', []),
    ('publicationDateLt: "2018-03-21"', [101]),
    ('publicationDateGteq: "2018-03-20"', [101]),
    ('publicationDateLteq: "2018-03-19"', []),
    ("onix21ProductFormCodeIn: [BC, BB]", [101]),
    ("productTypes: [GenericProduct]", [201]),
    ("productTypes: [], after: 101", [102, 201]),
    ('changedSince: "2026-01-11"', []),
]


@pytest.mark.parametrize(("search", "found"), PRODUCT_SEARCHES)
def test_products_are_found_by_each_documented_attribute(data: Ask, search: str, found: list[int]) -> None:
    assert _ids(data("{ products(productSearch: {%s}) { id } }" % search)["products"]) == found  # noqa: UP031 - braces


def test_products_are_found_by_their_prices(data: Ask) -> None:
    query = "{ products(priceSearch: {amountLteq: %s, currencyCodeIn: [GBP], onixPriceTypeCodeIn: [_02]}) { id } }"
    assert _ids(data(query % "10")["products"]) == [101]
    assert data(query % "5")["products"] == []


def test_a_product_search_on_works_filters_works_and_not_their_rows(data: Ask) -> None:
    works = data("{ works(productSearch: {idEq: 101}) { id products { id } } }")["works"]
    assert works == [{"id": 10, "products": [{"id": 101}, {"id": 102}]}]


def test_pages_are_cut_by_the_server_and_followed_by_after(data: Ask) -> None:
    query = "query ($after: Int) { works(workSearch: {after: $after}) { id } }"
    assert [_ids(data(query, after=after)["works"]) for after in (0, 20, 30)] == [[10, 20], [30], []]


def test_a_changed_product_reports_its_work_and_its_siblings(client: httpx.Client, data: Ask) -> None:
    client.patch("/sandbox/products/102", json={"asin": "B1"})
    since = """{ works(workSearch: {changedSince: "2026-03-01"}) { id }
                 products(productSearch: {changedSince: "2026-03-01"}) { id } }"""
    assert data(since) == {"works": [{"id": 10}], "products": [{"id": 101}, {"id": 102}]}
    client.patch("/sandbox/toggles", json={"over_report": False})
    assert data(since) == {"works": [], "products": [{"id": 102}]}


@pytest.mark.parametrize(("blind", "reported"), [(True, []), (False, [{"id": 10}])])
def test_a_contract_only_edit_shows_only_where_the_tenant_is_not_blind(
    client: httpx.Client, data: Ask, blind: bool, reported: list[dict[str, int]]
) -> None:
    client.patch("/sandbox/toggles", json={"blind_to_contracts": blind})
    client.patch("/sandbox/contracts/3", json={"terminated_date": "2026-02-01"})
    assert data('{ works(workSearch: {changedSince: "2026-03-01"}) { id } }')["works"] == reported
    assert data("{ contract(contractSearch: {idEq: 3}) { terminatedDate } }")["contract"] == {
        "terminatedDate": "2026-02-01"
    }


def test_contracts_are_swept_by_the_assumed_list_or_by_the_work(data: Ask) -> None:
    assert _ids(data("{ contracts(contractSearch: {after: 3}) { id } }")["contracts"]) == [9]
    assert data("{ work(workSearch: {idEq: 20}) { contracts { id } } }")["work"] == {"contracts": [{"id": 9}]}


def test_what_is_not_found_is_null(data: Ask) -> None:
    found = data("""{ work(workSearch: {idEq: 1}) { id } product(productSearch: {idEq: 1}) { id }
                      contract(contractSearch: {idEq: 1}) { id } }""")
    assert found == {"work": None, "product": None, "contract": None}


def test_a_wrong_query_is_an_error_with_200(ask: Ask) -> None:
    assert "Cannot query field 'nope'" in ask("{ works { nope } }")["errors"][0]["message"]
    assert "errors" in ask("{ works(workSearch: {changedSince: 3}) { id } }")
    assert "errors" in ask('{ works(workSearch: {changedSince: "soon"}) { id } }')
