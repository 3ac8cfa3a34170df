from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from frontlist.errors import DeliveryError, Pause, Retry, Stop
from frontlist.source import Feed, Page, Raw, RawKey, Statement
from frontlist.systems.consonance.queries import Queries
from frontlist_sandbox.consonance import assumed
from integration.consonance.conftest import KEY, TODAY, Consonance

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def one_pass(feed: Feed, cursor: Any = None, now: datetime = NOW) -> tuple[list[Page], Any]:
    pages = []
    while True:
        page = await feed.page(cursor, now)
        pages.append(page)
        # A cursor is kept as JSON between two pages.
        cursor = json.loads(json.dumps(page.cursor))
        if page.exhausted:
            return pages, cursor


def ids(pages: list[Page]) -> list[str]:
    return [raw.key.id for page in pages for raw in page.raws]


async def documents(consonance: Consonance, work: int = 1) -> dict[str, Statement]:
    raws: dict[RawKey, Raw] = {}
    for feed in consonance.source.feeds:
        for page in (await one_pass(feed))[0]:
            raws |= {raw.key: raw for raw in page.raws if raw.key.id == str(work)}
    title = consonance.source.title(next(iter(raws.values())), {})
    return dict(consonance.source.assemble(title, raws, frozenset()))


async def test_a_first_pass_lists_every_work_once_and_ends_on_an_empty_page(consonance: Consonance) -> None:
    pages, _ = await one_pass(consonance.source.feeds[0])
    assert [len(page.raws) for page in pages] == [2, 2, 1, 0]  # a short page is no end
    assert ids(pages) == ["1", "2", "3", "4", "5"]
    assert all(page.sweep for page in pages)


async def test_the_next_pass_asks_only_for_what_changed_since_the_day_before(consonance: Consonance) -> None:
    _, cursor = await one_pass(consonance.source.feeds[0])
    consonance.tenant.works[4].changed_on = TODAY - timedelta(days=1)
    pages, _ = await one_pass(consonance.source.feeds[0], cursor, NOW + timedelta(minutes=1))
    assert ids(pages) == ["4"]
    assert not any(page.sweep for page in pages)


async def test_all_works_are_read_again_when_the_full_sweep_is_due(consonance: Consonance) -> None:
    _, cursor = await one_pass(consonance.source.feeds[0])
    _, cursor = await one_pass(consonance.source.feeds[0], cursor, NOW + timedelta(hours=23))
    pages, _ = await one_pass(consonance.source.feeds[0], cursor, NOW + timedelta(hours=25))
    assert len(ids(pages)) == 5


async def test_the_documents_of_a_work_are_what_the_tenant_holds(consonance: Consonance) -> None:
    found = {aspect: statement.body for aspect, statement in (await documents(consonance)).items()}
    product = found["metadata"]["products"][0]
    assert [price["amount"] for price in product["prices"]] == ["12.5", "0.1"]
    assert product["measurements"] == {"height_mm": "198.5", "width_mm": "129", "thickness_mm": "14"}
    assert [s["scheme"] for s in found["metadata"]["subjects"]] == ["BISAC", "THEMA"]
    assert found["metadata"]["contributions"][0]["name"] == "Ada Byron"
    assert [p["isbn13"] for p in found["formats"]["products"]] == ["9780306406157", None]
    assert found["rights"]["contracts"]["items"][0]["right_types"] == ["Audio"]
    assert found["milestones"]["project_stage"] == {"id": 2, "name": "Approved"}
    assert found["assets"]["resources"][0]["filename"] == "cover.jpg"


async def test_money_gender_and_cuts_are_not_even_asked_for(consonance: Consonance) -> None:
    pages = [page for feed in consonance.source.feeds for page in (await one_pass(feed))[0]]
    read = str([raw.body for page in pages for raw in page.raws])
    assert not any(private in read for private in ("SECRET", "4321", "0.77"))


async def test_an_unchanged_second_pass_reads_the_same_raw_objects(consonance: Consonance) -> None:
    for feed in consonance.source.feeds:
        one, other = await one_pass(feed), await one_pass(feed)
        assert [page.raws for page in one[0]] == [page.raws for page in other[0]]


async def test_a_work_that_was_deleted_is_answered_as_not_there(consonance: Consonance) -> None:
    del consonance.tenant.works[3]
    keys = [RawKey("work", "3"), RawKey("contracts", "3"), RawKey("work", "2")]
    assert [raw.body is None for raw in await consonance.source.fetch(keys)] == [True, True, False]


@pytest.mark.parametrize(
    ("refuted", "contracts"),
    [
        ((), "seen"),  # stated by their work
        (("consonance.work-contracts",), "seen"),  # a root list
        (("consonance.work-contracts", "consonance.contracts-root"), "unseen"),
    ],
)
async def test_contracts_are_read_by_what_introspection_shows(
    consonance: Consonance, refuted: tuple[str, ...], contracts: str
) -> None:
    consonance.toggles.refuted = list(refuted)
    found = await documents(consonance)
    part = found["rights"].body["contracts"] if found["rights"].body else {}
    assert part["state"] == contracts
    if contracts == "seen":
        assert part["items"][0]["signed"] == "2026-01-01"
        none = (await documents(consonance, 2))["rights"].body
        assert none
        assert none["contracts"] == {"state": "seen", "as_of": "2026-11-23", "items": []}


async def test_a_schema_without_any_assumed_name_still_makes_five_documents(consonance: Consonance) -> None:
    consonance.toggles.refuted = [a.id for a in assumed.ASSUMPTIONS]
    found = await documents(consonance)
    assert {s.state for s in found.values()} == {"present"}
    assert "Work.projectStage" in str(Queries.of(await consonance.client.schema()).missing)
    assert "project_stage" not in (found["milestones"].body or {})


@pytest.mark.parametrize(
    ("toggle", "aspects", "said"),
    [
        ({"fail": {"Work#1.season": "season is broken"}}, {"metadata"}, "season is broken"),
        ({"fail": {"Product#10.isbn": "isbn is broken"}}, {"formats"}, "isbn is broken"),
        ({"override": {"Work#1.contributions": None}}, {"metadata"}, "contributions is null"),
        ({"override": {"Work#1.supportingResources": None}}, {"assets"}, "supportingResources is null"),
        ({"override": {"Work#1.contracts": None}}, {"rights", "milestones"}, "contracts is null"),
        # A field that may not be null blanks the list of products that it stands in.
        (
            {"fail": {"Product#10.allowOnixExports": "broken"}},
            {"metadata", "rights", "milestones", "formats"},
            "broken",
        ),
    ],
)
async def test_errors_beside_data_stop_only_what_depends_on_them(
    consonance: Consonance, toggle: dict[str, Any], aspects: set[str], said: str
) -> None:
    consonance.toggles.fail = toggle.get("fail", {})
    consonance.toggles.override = toggle.get("override", {})
    found = await documents(consonance)
    assert {aspect for aspect, s in found.items() if s.state == "unreadable"} == aspects
    assert all(said in (found[aspect].reason or "") for aspect in aspects)
    assert {s.state for s in (await documents(consonance, 2)).values()} == {"present"}


async def test_unknown_codes_are_kept(consonance: Consonance) -> None:
    consonance.toggles.override = {"Product#10.onixPublishingStatusCode": "99"}
    metadata = (await documents(consonance))["metadata"].body
    assert metadata
    assert metadata["products"][0]["publishing_status"] == "99"


async def test_works_that_answer_null_are_never_taken_for_an_empty_page(consonance: Consonance) -> None:
    consonance.toggles.override = {"Query.works": None}
    with pytest.raises(Stop, match="null where a list was"):
        await consonance.source.feeds[0].page(None, NOW)


@pytest.mark.parametrize("how", ["401-json", "401-text", "200-errors"])
async def test_an_expired_key_pauses_whatever_the_answer_looks_like(consonance: Consonance, how: Any) -> None:
    consonance.toggles.graphql_unauthorized = how
    consonance.toggles.key_expired = True
    with pytest.raises(Pause, match="key was not accepted") as raised:
        await consonance.source.feeds[0].page(None, NOW)
    assert KEY not in str(raised.value)


async def test_an_unreachable_host_is_tried_again_and_named(consonance: Consonance) -> None:
    client = consonance.again(url="http://127.0.0.1:9")
    with pytest.raises(Retry, match=r"127\.0\.0\.1:9 is reachable"):
        await client.schema()
    await client.close()


async def test_a_schema_that_changed_under_us_is_read_again(consonance: Consonance) -> None:
    feed = consonance.source.feeds[0]
    await feed.page(None, NOW)
    consonance.toggles.refuted = ["consonance.named-lists"]
    with pytest.raises(DeliveryError, match="the query was refused"):
        await feed.page(None, NOW)
    assert len((await feed.page(None, NOW)).raws) == 2


async def test_dates_of_the_look_back_are_days_of_the_publisher(consonance: Consonance) -> None:
    feed = consonance.source.feeds[0]
    _, cursor = await one_pass(feed, now=datetime(2026, 7, 1, 23, 30, tzinfo=UTC))  # London: 2 July, 00:30
    page = await feed.page(cursor, datetime(2026, 7, 2, 1, tzinfo=UTC))
    assert page.cursor["since"] == date(2026, 7, 1).isoformat()
