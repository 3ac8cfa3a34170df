"""Flow 1: what a title's records shall hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from frontlist.contract import Capabilities, Ensure, Plan, Resource
from frontlist.mapping import Cell, PublicSource
from unit.metadata.dossiers import (
    MAPPING,
    NOW,
    OF_TITLE,
    OTHER,
    RECORD,
    cell,
    context,
    described,
    document,
    dossier,
    fields_of,
    formats,
    keys,
    metadata,
    milestones,
    planned,
    portal,
    price,
    record,
)


def test_a_released_title_gets_a_record_a_product_and_one_of_its_own() -> None:
    result = planned(dossier(formats=formats(11, 12)))
    assert [each.resource.id for each in result.desired] == [RECORD, OTHER, OF_TITLE]
    assert {each.flow for each in result.desired} == {1}


def test_every_record_says_whose_it_is() -> None:
    result = planned(dossier())
    markers = {"consonance_work_id": 1, "consonance_product_id": 11, "frontlist_origin": "frontlist"}
    assert markers.items() <= fields_of(result).items()
    assert {"consonance_work_id": 1, "frontlist_origin": "frontlist"}.items() <= fields_of(result, OF_TITLE).items()


# -- the gate -------------------------------------------------------------------------------------------------------

GATE = [
    # stage, publishing status, whether it is sent
    (4, "02", True),
    (2, "02", False),
    (2, "04", True),
    (2, "07", True),
    (2, "01", False),
    (2, None, False),
]


@pytest.mark.parametrize(("stage", "status", "sent"), GATE)
def test_nothing_is_sent_before_the_release(stage: int, status: str | None, sent: bool) -> None:
    body = metadata(described(publishing_status=status))
    assert bool(planned(dossier(metadata=body, milestones=milestones(stage))).desired) is sent


def test_a_stage_that_goes_back_is_a_finding_and_withdraws_nothing() -> None:
    before = planned(dossier())
    result = planned(dossier(milestones=milestones(2)), notes=before.notes)
    assert result.desired[:1]
    assert fields_of(result)["withdrawn"] is False
    assert keys(result) == ["release/left"]


@pytest.mark.parametrize("name", ["metadata", "formats", "milestones"])
def test_what_was_never_seen_is_waited_for(name: str) -> None:
    result = planned(dossier(**{name: None}))
    assert result.desired == ()
    assert [wait.what for wait in result.waits] == [f"consonance.{name}"]


def test_an_object_that_no_title_claims_is_left_to_link() -> None:
    given = replace(dossier(), title="object:product/x")
    assert planned(given) == Plan()


# -- fields ---------------------------------------------------------------------------------------------------------

FIELDS: list[tuple[dict[str, Any], str, Any]] = [
    ({"metadata": metadata(described(full_title="A Tale"))}, "title", "A Tale"),
    ({"metadata": metadata(described(full_title=None))}, "title", "The Tale"),
    (
        {"metadata": metadata(described(full_title=None, title_prefix="A", title_without_prefix="Tale"))},
        "title",
        "A Tale",
    ),
    ({"metadata": metadata(subtitle="of a tub")}, "subtitle", "of a tub"),
    ({"metadata": metadata(season={"id": 1, "name": "Spring"})}, "season", "Spring"),
    ({"metadata": metadata(marketing_tier={"id": 1, "name": "Core"})}, "marketing_tier", "B"),
    (
        {"metadata": metadata(series=[{"id": 1, "name": "Tales", "part_number": "3"}])},
        "series_number",
        "3",
    ),
    ({"metadata": metadata(series=[{"id": 1, "name": "Tales"}])}, "series", ["Tales"]),
    ({"metadata": metadata(described(page_counts={"absolute": 320, "approximate": 300}))}, "page_count", 320),
    ({"metadata": metadata(described(page_counts={"absolute": None, "approximate": 300}))}, "page_count", 300),
    (
        {"metadata": metadata(described(measurements={"height_mm": "198.0"}))},
        "height",
        {"value": "198", "unit": "mm"},
    ),
    ({}, "isbn", "9780306406157"),
    ({"formats": formats(isbn13="978-0-306-40615-7")}, "isbn", "9780306406157"),
    ({}, "pub_date", "2027-02-01"),
    ({}, "project_stage_id", 4),
    ({}, "imprint", "Blue"),
    ({}, "price_gbp", "12.99"),
    ({"metadata": metadata(described(prices=[price("8.5")]))}, "price_gbp", "8.50"),
    ({}, "distributable[channel=trade]", True),
    ({"metadata": metadata(described(allow_onix_exports=False))}, "distributable[channel=web_shop]", False),
    ({}, "confidential", False),
    ({}, "title_ref", OF_TITLE),
]


@pytest.mark.parametrize(("bodies", "key", "value"), FIELDS)
def test_a_cell_holds(bodies: dict[str, Any], key: str, value: Any) -> None:
    assert fields_of(planned(dossier(**bodies)))[key] == value


def test_contributors_are_in_order_and_of_this_product() -> None:
    credits = [
        {"id": 1, "name": "Second", "role": "B01", "sequence": 2, "product_ids": [11, 12]},
        {"id": 2, "name": "First", "role": "A01", "sequence": 1, "product_ids": [11]},
        {"id": 3, "name": "Reader", "role": "E07", "sequence": 3, "product_ids": [12]},
    ]
    result = planned(dossier(metadata=metadata(contributions=credits)))
    assert fields_of(result)["contributors"] == ["First (A01)", "Second (B01)"]
    assert len(fields_of(result, OF_TITLE)["contributors"]) == 3


def test_the_main_subject_comes_first() -> None:
    subjects = [{"scheme": "Thema", "code": code, "main": code == "FRH"} for code in ("FBC", "FRH", "FA")]
    found = fields_of(planned(dossier(metadata=metadata(subjects=subjects))))
    assert found["thema"] == ["FRH", "FA", "FBC"]
    assert found["thema_main"] == "FRH"


def test_a_value_without_an_option_leaves_the_cell_alone() -> None:
    result = planned(dossier(metadata=metadata(marketing_tier={"id": 1, "name": "Whim"})))
    assert "marketing_tier" not in fields_of(result)
    assert keys(result) == ["option/marketing_tier/Whim"]


OPTIONS = {"fourallportal": Capabilities(values={"product.publishing_status": frozenset({"02", "04"})})}


def test_a_status_that_the_field_has_no_option_for_is_a_finding_and_leaves_the_cell_alone() -> None:
    result = planned(dossier(metadata=metadata(described(publishing_status="99"))), capabilities=OPTIONS)
    assert "publishing_status" not in fields_of(result)
    assert keys(result) == ["option/publishing_status/99"]
    [found] = [each for each in result.findings if each.key == "option/publishing_status/99"]
    assert "product 11" in found.where
    assert "`values` of publishing_status" in found.cure


@pytest.mark.parametrize("capabilities", [OPTIONS, {}, {"fourallportal": Capabilities()}])
def test_a_listed_status_passes_and_options_that_we_were_not_told_are_not_judged(capabilities: Any) -> None:
    result = planned(dossier(), capabilities=capabilities)
    assert fields_of(result)["publishing_status"] == "02"
    assert keys(result) == []


def test_one_unlisted_subject_leaves_the_whole_list_alone() -> None:
    subjects = [{"scheme": "Thema", "code": code, "main": code == "FRH"} for code in ("FBC", "FRH")]
    has = {"fourallportal": Capabilities(values={"product.thema": frozenset({"FRH"})})}
    result = planned(dossier(metadata=metadata(subjects=subjects)), capabilities=has)
    assert ("thema" in fields_of(result), keys(result)) == (False, ["option/thema/FBC"])


@pytest.mark.parametrize(
    ("isbn", "finding", "severity"),
    [("9780306406158", "isbn/wrong/11", "high"), ("12", "isbn/wrong/11", "high"), (None, "isbn/none", "low")],
)
def test_a_wrong_isbn_is_a_finding_and_no_cell_and_none_an_empty_one(
    isbn: str | None, finding: str, severity: str
) -> None:
    result = planned(dossier(formats=formats(isbn13=isbn)))
    assert fields_of(result).get("isbn", "not named") == (None if isbn is None else "not named")
    assert [(each.key, each.severity) for each in result.findings if "isbn" in each.key] == [(finding, severity)]


# -- what erases ----------------------------------------------------------------------------------------------------


def test_an_empty_value_is_planned_as_empty() -> None:
    """Whether it empties anything is for the engine to say, which knows what was ours."""
    fields = fields_of(planned(dossier(metadata=metadata(subtitle=None))))
    assert fields.get("subtitle", "not named") is None


def test_a_field_that_the_schema_does_not_offer_erases_nothing() -> None:
    before = planned(dossier(metadata=metadata(subtitle="of a tub")))
    body = metadata()
    del body["subtitle"]
    assert "subtitle" not in fields_of(planned(dossier(metadata=body), notes=before.notes))


# -- unreadable, gone -----------------------------------------------------------------------------------------------


def test_of_an_unreadable_aspect_nothing_is_planned() -> None:
    before = planned(dossier())
    bad = document("consonance.metadata", metadata(title="Old"), state="unreadable", reason="too large")
    result = planned(dossier(bad), notes=before.notes)
    found = fields_of(result)
    assert "title" not in found
    assert "price_gbp" not in found
    assert found["isbn"] == "9780306406157"
    assert "unreadable/consonance.metadata" in keys(result)


def test_without_formats_no_product_is_planned() -> None:
    bad = document("consonance.formats", None, state="unreadable")
    assert [each.resource.id for each in planned(dossier(bad)).desired] == [OF_TITLE]


def test_a_product_that_disappears_is_marked_and_not_deleted() -> None:
    before = planned(dossier(formats=formats(11, 12)))
    result = planned(dossier(formats=formats(11)), notes=before.notes)
    (gone,) = [each for each in result.desired if each.resource.id == OTHER]
    assert isinstance(gone, Ensure)
    assert (gone.create, gone.releases) == (False, True)
    assert not any(each.releases for each in result.desired if isinstance(each, Ensure) and each is not gone)
    found = fields_of(result, OTHER)
    assert (found["withdrawn"], found["distributable[channel=trade]"]) == (True, False)
    assert "title" not in found


def test_a_title_that_is_gone_marks_all_its_records() -> None:
    before = planned(dossier())
    gone = document("consonance.metadata", None, state="gone", reason="deleted")
    result = planned(dossier(gone), notes=before.notes)
    assert {each.resource.id for each in result.desired} == {RECORD, OF_TITLE}
    assert fields_of(result, OF_TITLE)["withdrawn"] is True


def test_a_title_that_was_merged_leaves_its_records_to_the_other() -> None:
    before = planned(dossier())
    merged = document("consonance.formats", None, state="gone", reason="merged", merged_into="work:2")
    assert planned(dossier(merged), notes=before.notes).desired == ()


def test_a_title_that_was_never_sent_leaves_nothing_to_mark() -> None:
    gone = document("consonance.formats", None, state="gone", reason="deleted")
    assert planned(dossier(gone)).desired == ()


# -- which record ---------------------------------------------------------------------------------------------------


def test_a_linked_record_is_used_and_keeps_its_own_origin() -> None:
    links = {Resource("fourallportal", "product", "11"): "theirs"}
    found = fields_of(planned(dossier(), links=links), "theirs")
    assert found["consonance_product_id"] == 11
    assert "frontlist_origin" not in found


def test_two_products_are_never_written_to_one_record() -> None:
    links = {Resource("fourallportal", "product", str(each)): "theirs" for each in (11, 12)}
    result = planned(dossier(formats=formats(11, 12)), links=links)
    assert [each.resource.id for each in result.desired] == ["theirs", OF_TITLE]
    assert keys(result) == ["link/product/theirs"]


def test_where_creating_is_off_nothing_is_created_and_referred_to() -> None:
    off = {"fourallportal": Capabilities(creatable={"product": "holds unlinked objects", "title": "the same"})}
    result = planned(dossier(), capabilities=off)
    assert not any(each.create for each in result.desired if isinstance(each, Ensure))
    assert "title_ref" not in fields_of(result)
    assert keys(result) == ["creation/product", "creation/title"]


def test_a_record_that_is_there_may_be_written_where_creating_is_off() -> None:
    off = {"fourallportal": Capabilities(creatable={"product": "holds unlinked objects", "title": "the same"})}
    here = portal(record(), record(module="product", id=RECORD, product=11))
    result = planned(dossier(here), capabilities=off)
    assert keys(result) == []
    assert fields_of(result)["title_ref"] == OF_TITLE


def test_beside_a_record_that_says_to_be_the_product_none_is_created() -> None:
    result = planned(dossier(portal(record(module="product", id="copy", product=11))))
    (ours,) = [each for each in result.desired if each.resource.id == RECORD]
    assert isinstance(ours, Ensure)
    assert not ours.create
    assert keys(result) == ["twin/product/11"]


# -- public from ----------------------------------------------------------------------------------------------------

ANNOUNCED = PublicSource("announcement_date")
OWN = PublicSource("tenant_public_from", Cell("tenant_public_from"))
DATES = [
    # announced, the tenant's own, public from, confidential
    ("2026-11-01", "2026-11-23", "2026-11-23", False),
    ("2026-11-24", "2026-11-01", "2026-11-24", True),
    ("2026-11-01", None, None, True),
    (None, "2026-11-01", None, True),
]


@pytest.mark.parametrize(("announced", "own", "public_from", "confidential"), DATES)
def test_a_record_is_confidential_until_the_latest_date(
    announced: str | None, own: str | None, public_from: str | None, confidential: bool
) -> None:
    mapping = replace(MAPPING, public_from=(ANNOUNCED, OWN))
    cells = [cell("tenant_public_from", own)] if own else []
    here = portal(record(*cells, module="product", id=RECORD, product=11))
    result = planned(dossier(here, milestones=milestones(announcement_date=announced)), context(mapping))
    found = fields_of(result)
    assert (found.get("public_from"), found["confidential"]) == (public_from, confidential)
    assert found["distributable[channel=trade]"] is not confidential
    assert bool(keys(result)) is (public_from is None)


def test_the_day_on_which_it_becomes_public_is_due_at_the_publishers_midnight() -> None:
    mapping = replace(MAPPING, public_from=(ANNOUNCED,))
    given = dossier(milestones=milestones(announcement_date="2027-06-01"))
    assert planned(given, context(mapping)).next_at == datetime(2027, 5, 31, 23, 0, tzinfo=UTC)


def test_an_unreadable_date_makes_nothing_public_and_nothing_confidential() -> None:
    mapping = replace(MAPPING, public_from=(ANNOUNCED,))
    before = planned(dossier(milestones=milestones(announcement_date="2026-01-01")), context(mapping))
    bad = document("consonance.milestones", None, state="unreadable")
    assert fields_of(planned(dossier(bad, metadata=metadata(described(publishing_status="04"))), context(mapping)))[
        "confidential"
    ]
    known = fields_of(planned(dossier(bad), context(mapping), notes=before.notes))
    assert "confidential" not in known
    assert "distributable[channel=trade]" not in known


# -- as a plan ------------------------------------------------------------------------------------------------------


def test_the_same_input_gives_the_same_plan_and_then_no_new_notes() -> None:
    given = dossier(formats=formats(11, 12))
    first = planned(given)
    assert planned(given) == first
    second = planned(given, notes=first.notes)
    assert second.notes is None
    assert second.desired == first.desired


def test_every_finding_has_a_cure_and_every_due_time_is_later() -> None:
    soon = price(effective_to=str((NOW + timedelta(days=3)).date()))
    result = planned(dossier(metadata=metadata(described(prices=[soon]))))
    assert all(each.message and each.cure for each in result.findings)
    assert result.next_at is not None
    assert result.next_at > NOW
