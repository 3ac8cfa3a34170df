import json
from typing import Any

import pytest

from frontlist.contract import ASPECTS
from frontlist.source import Raw, RawKey
from frontlist_schemas import canonical
from unit.consonance.works import TITLE, assembled, contracts, contribution, product, source, work

PRIVATE: dict[str, Any] = {
    "royalties": [{"rate": "SECRET"}],
    "flatFeeValue": "SECRET",
    "guaranteedRoyaltyValue": "SECRET",
    "authorDiscount": "SECRET",
    "gender": "SECRET",
    "addresses": [{"addressLine1": "SECRET"}],
    "emails": ["SECRET"],
    "vatNumber": "SECRET",
    "notes": [{"noteText": "SECRET"}],
    "salesforceUid": "SECRET",
    "authorCut": "SECRET",
}


def everywhere(value: Any) -> Any:
    """The answer with private fields in every object."""
    if isinstance(value, dict):
        return {**{k: everywhere(v) for k, v in value.items()}, **PRIVATE}
    return [everywhere(v) for v in value] if isinstance(value, list) else value


def full() -> dict[str, Any]:
    """A work with an object in each of its lists."""
    return work(
        season={"id": 6, "name": "Spring"},
        audience={"description": "Adults", "onixAudiences": [{"code": "01"}]},
        seriesMemberships=[{"id": 8, "partNumber": "2", "series": {"id": 9, "name": "Tales"}}],
        subjects_THEMA=[{"code": "FBA", "description": "Fiction", "main": True}],
        productionRuns=[{"id": 10, "name": "First", "deliveryDate": "2027-01-01", "productIds": [2]}],
        supportingResources=[{"id": 11, "filename": "cover.jpg", "productIds": [2]}],
    )


def contract() -> dict[str, Any]:
    return {
        "id": 12,
        "contractName": "Head contract",
        "signedDate": "2026-01-01",
        "term": "60",
        "licensedRights": [{"rightType": "Audio"}, {"rightType": "Abridged"}],
        "deliveryDates": [{"id": 13, "dateDue": "2026-05-01"}],
        "msDeliveryDate": "2026-06-01",
    }


def test_a_work_full_of_private_data_leaves_none_of_it_in_any_document() -> None:
    documents = assembled(everywhere(full()), everywhere(contracts(contract())))
    assert {s.state for s in documents.values()} == {"present"}
    assert "SECRET" not in json.dumps({aspect: s.body for aspect, s in documents.items()})


def test_the_private_work_makes_the_same_documents_as_the_plain_one() -> None:
    assert assembled(everywhere(full()), everywhere(contracts(contract()))) == assembled(full(), contracts(contract()))


def test_each_field_lands_in_its_one_aspect() -> None:
    documents = {aspect: s.body for aspect, s in assembled(full(), contracts(contract())).items()}
    assert documents["metadata"]["products"][0]["prices"][0]["amount"] == "12.99"
    assert documents["metadata"]["subjects"] == [
        {"scheme": "THEMA", "code": "FBA", "description": "Fiction", "main": True}
    ]
    assert documents["metadata"]["series"] == [{"id": 8, "series_id": 9, "name": "Tales", "part_number": "2"}]
    assert documents["rights"]["products"] == [
        {"id": 2, "for_sale": ["AU", "NZ"], "not_for_sale": [], "worldwide": False}
    ]
    assert documents["rights"]["contracts"]["items"][0]["right_types"] == ["Abridged", "Audio"]
    assert documents["milestones"]["products"] == [{"id": 2, "publication_date": "2027-02-01"}]
    assert documents["milestones"]["contracts"]["items"][0]["deliveries"] == [{"id": 13, "due": "2026-05-01"}]
    assert documents["formats"]["products"] == [
        {"id": 2, "kind": "PhysicalBookProduct", "isbn13": "9780306406157", "product_form": "BC"}
    ]
    assert documents["assets"]["resources"] == [{"id": 11, "filename": "cover.jpg", "product_ids": [2]}]


def test_every_document_has_a_canonical_form_that_the_order_of_answers_does_not_change() -> None:
    two = [product(), product(id=20, forSaleCountryCodes=["AU", "NZ"])]
    one = assembled(work(products=two))
    other = assembled(work(products=two[::-1]))
    assert {a: canonical(s.body) for a, s in one.items()} == {a: canonical(s.body) for a, s in other.items()}


def test_what_was_not_offered_is_absent_and_what_is_empty_is_null() -> None:
    metadata = assembled(work(subtitle=None))["metadata"].body
    assert metadata["subtitle"] is None
    assert "season" not in metadata
    assert "subjects" not in metadata


def test_contracts_that_were_not_read_are_unseen() -> None:
    documents = assembled(work())
    assert documents["rights"].body["contracts"] == {"state": "unseen"}
    assert documents["milestones"].body["contracts"] == {"state": "unseen"}


def test_unknown_codes_are_kept_without_the_underscore_that_enums_need() -> None:
    found = assembled(work(products=[product(onixPublishingStatusCode="_99", onix21ProductFormCode="QQ")]))
    assert found["metadata"].body["products"][0]["publishing_status"] == "99"
    assert found["formats"].body["products"][0]["product_form"] == "QQ"


@pytest.mark.parametrize(
    ("isbn", "stated"),
    [
        ({"isbn13": "9780306406158"}, "9780306406158"),  # wrong check digit
        ({"isbn13": None}, None),
        ({"isbn13": "No ISBN"}, None),
        (None, None),
    ],
)
def test_an_isbn_is_kept_as_given_and_none_is_null(isbn: Any, stated: str | None) -> None:
    assert assembled(work(products=[product(isbn=isbn)]))["formats"].body["products"][0]["isbn13"] == stated


@pytest.mark.parametrize(
    ("fields", "aspects", "where"),
    [
        ({"products": None}, {"metadata", "rights", "milestones", "formats"}, "products is null where a list was"),
        ({"products": [product(prices=None)]}, {"metadata"}, "products.0.prices is null"),
        ({"products": [product(forSaleCountryCodes=None)]}, {"rights"}, "products.0.forSaleCountryCodes is null"),
        ({"contributions": None}, {"metadata"}, "contributions is null"),
        ({"supportingResources": None}, {"assets"}, "supportingResources is null"),
        ({"productionRuns": None}, {"milestones"}, "productionRuns is null"),
        ({"products": [None]}, {"metadata", "rights", "milestones", "formats"}, "products.0 is NoneType"),
        ({"title": 12}, {"metadata"}, "title: Input should be a valid string"),
        ({"title": "\ud83d"}, {"metadata"}, "surrogate pair at title"),
        ({"products": [product(publicationDate="soon")]}, {"milestones"}, "products.0.publication_date"),
        ({"products": [product(prices=[{"id": 1, "amount": "NaN"}])]}, {"metadata"}, "products.0.prices.0.amount"),
    ],
)
def test_what_is_no_use_makes_its_own_aspect_unreadable_and_names_the_field(
    fields: dict[str, Any], aspects: set[str], where: str
) -> None:
    documents = assembled(work(**fields))
    unreadable = {aspect for aspect, s in documents.items() if s.state == "unreadable"}
    assert unreadable == aspects
    assert all(where in (documents[aspect].reason or "") for aspect in aspects)


def test_an_error_beside_data_stops_only_the_aspect_that_holds_the_field() -> None:
    documents = assembled(work(season=None), season="the season is on fire")
    assert documents["metadata"].state == "unreadable"
    assert "the season is on fire" in (documents["metadata"].reason or "")
    assert {s.state for aspect, s in documents.items() if aspect != "metadata"} == {"present"}


def test_an_error_deep_inside_strikes_the_object_that_it_blanked() -> None:
    documents = assembled(work(products=[product(isbn=None)]), products__0__isbn__isbn13="no digits")
    assert documents["formats"].state == "unreadable"
    assert documents["rights"].state == "present"


def test_contracts_that_cannot_be_read_leave_the_other_aspects_alone() -> None:
    documents = assembled(work(), contracts(contracts=None))
    assert {a for a, s in documents.items() if s.state == "unreadable"} == {"rights", "milestones"}


def test_images_that_we_uploaded_are_left_out() -> None:
    images = [{"id": 1, "filename": "9780306406157_front-cover_0a1b2c3d.jpg"}, {"id": 2, "filename": "front.jpg"}]
    assert [r["id"] for r in assembled(work(supportingResources=images))["assets"].body["resources"]] == [2]


def test_a_person_erased_on_request_is_left_out_with_the_lines_that_name_everyone() -> None:
    two = [contribution(7), {**contribution(8, personName="B C"), "id": 6}]
    metadata = assembled(work(contributions=two), omit=frozenset({"contact:7"}))["metadata"].body
    assert [c["contact_id"] for c in metadata["contributions"]] == [8]
    assert metadata["authorship"] is None
    assert "Ada Byron" not in json.dumps(metadata)


def test_an_organisation_is_credited_by_its_name() -> None:
    organisation = {
        **contribution(7),
        "contributor": {"__typename": "Organisation", "id": 7, "organisationName": "WHO"},
    }
    found = assembled(work(contributions=[organisation]))["metadata"].body["contributions"][0]
    assert (found["kind"], found["name"]) == ("Organisation", "WHO")


def test_a_work_that_is_not_there_is_gone_in_every_aspect() -> None:
    key = RawKey("work", "1")
    documents = source().assemble(TITLE, {key: Raw(key, None)}, frozenset())
    assert {a: s.state for a, s in documents.items()} == dict.fromkeys(ASPECTS, "gone")


def test_a_work_of_which_only_contracts_were_read_states_nothing_yet() -> None:
    key = RawKey("contracts", "1")
    assert source().assemble(TITLE, {key: Raw(key, contracts())}, frozenset()) == {}


def test_a_work_that_answers_only_errors_is_unreadable_with_the_message() -> None:
    key = RawKey("work", "1")
    documents = source().assemble(TITLE, {key: Raw(key, {"problems": {}}, unreadable="boom")}, frozenset())
    assert {(s.state, s.reason) for s in documents.values()} == {("unreadable", "boom")}


@pytest.mark.parametrize(
    ("stated", "key"),
    [
        ({"isbn13": "978-0-306-40615-7"}, {"978030640615"}),
        ({"isbn13": "9780306406158"}, {"978030640615"}),  # a wrong check digit is the same product
        ({"isbn13": "No ISBN"}, set()),
        ({"isbn13": None}, set()),
        (None, set()),
    ],
)
def test_a_work_is_found_by_the_isbns_of_its_products(stated: Any, key: set[str]) -> None:
    raw = Raw(RawKey("work", "1"), {"work": {"id": 1, "products": [{"id": 2, "isbn": stated}, None]}, "problems": {}})
    assert source().isbns(raw) == key


@pytest.mark.parametrize("body", [None, {"work": None}, {"work": {"products": None}}, {"contracts": []}])
def test_what_lists_no_products_states_no_isbn(body: Any) -> None:
    assert source().isbns(Raw(RawKey("work", "1"), body)) == set()
