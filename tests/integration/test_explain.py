"""`frontlist explain` over a running installation, on both databases."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import tenants
from answers import answer
from frontlist import runtime
from frontlist.cli import terminal
from frontlist.cli.checks import show_title
from frontlist.cli.deciding import decide
from frontlist.contract import TitleKey
from frontlist.explaining import UnknownTitleError, explain
from frontlist.previewing import Preview
from frontlist.settings import Settings
from frontlist.state.applied import applied_table
from frontlist.state.work import Priority, work_table

WORK = "work:61001"


@pytest.fixture
def installation(tmp_path: Path, database_url, kafka_bootstrap, topic_prefix, pair) -> Settings:
    pace = {"calls_per_second": 1000.0}
    return tenants.settings(
        tmp_path, database_url, kafka_bootstrap, topic_prefix, pair, consonance=pace, fourallportal=pace
    )


@pytest.fixture
async def applied(installation: Settings) -> AsyncIterator[runtime.Installation]:
    """Everything was captured and written."""
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        yield it


@pytest.fixture
async def stopped(installation: Settings) -> AsyncIterator[runtime.Installation]:
    """Everything was captured and written, and nothing runs any more."""
    async with tenants.prepared(installation):
        async with tenants.running(installation) as it:
            await tenants.settled(it)
        async with runtime.opened(installation) as it:
            yield it


@pytest.fixture
async def observed(installation: Settings) -> AsyncIterator[runtime.Installation]:
    """Everything was captured and nothing written: the mode of new installations."""
    async with tenants.prepared(installation, mode=None), tenants.running(installation) as it:
        await tenants.settled(it)
        yield it


def metadata(found: dict[str, Any]) -> dict[str, Any]:
    [consumer] = [each for each in found["consumers"] if each["consumer"] == "metadata"]
    return dict(consumer)


def changes(found: dict[str, Any]) -> set[str]:
    return {field["change"] for each in metadata(found)["desired"] for field in each["fields"]}


async def rows(it: runtime.Installation) -> list[Any]:
    async with it.db.read() as c:
        return [(await c.execute(table.select())).all() for table in (work_table, applied_table)]


async def test_a_title_that_was_written_is_as_desired(stopped: runtime.Installation, pair: tenants.Pair) -> None:
    before = await rows(stopped)
    pair.dam.forget_calls()
    found = answer("explain", json.dumps(await explain(stopped, WORK), default=str))
    assert found["title"] == WORK
    assert changes(found) == {"no"}
    assert {each["does"] for each in metadata(found)["desired"]} == {"writes"}
    assert metadata(found)["work"]["outcome"] in ("applied", "unchanged")
    documents = {each["document"]: each["state"] for each in found["documents"]}
    assert documents["consonance.metadata"] == documents["fourallportal.metadata"] == "present"
    assert (await rows(stopped), pair.dam.writes(), pair.consonance.writes()) == (before, 0, 0)


async def test_it_is_found_by_work_id_and_by_isbn_as_people_write_them(applied: runtime.Installation) -> None:
    async with applied.db.read() as c:
        query = "SELECT body FROM document WHERE system='consonance' AND aspect='formats' AND title='work:61001'"
        body = (await c.exec_driver_sql(query)).scalar_one()
    isbn = body.partition('"isbn13":"')[2][:13]
    for text in ("61001", isbn, f"ISBN {isbn[:3]}-{isbn[3:]}"):
        assert (await explain(applied, text))["title"] == WORK


async def test_an_edit_by_a_person_shows_as_drift(stopped: runtime.Installation, pair: tenants.Pair) -> None:
    record = next(each for each in pair.records() if tenants.value(each, "consonance_work_id") == 61001)
    pair.dam.send("POST", "/sandbox/objects/product", {"id": record["id"], "author_line": "Somebody else"})
    found = await explain(stopped, WORK)
    [line] = [
        field
        for each in metadata(found)["desired"]
        if each["resource"].endswith(record["id"])
        for field in each["fields"]
        if field["field"] == "author_line"
    ]
    assert (line["change"], line["actual"]) == ("drift", "Somebody else")
    assert line["desired"] == line["applied"] != "Somebody else"


async def test_while_observing_it_says_what_would_be_created(observed: runtime.Installation) -> None:
    found = await explain(observed, WORK)
    assert {(each["mode"], each["does"], each["there"]) for each in metadata(found)["desired"]} == {
        ("observe", "observes", False)
    }
    assert changes(found) <= {"create", "no", "left"}
    assert "create" in changes(found)


async def test_the_tables_name_cells_with_their_dimensions(
    observed: runtime.Installation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal.out, "width", 300)
    show_title(await explain(observed, WORK))
    shown = capsys.readouterr().out
    assert "distributable[channel=web_shop]" in shown
    assert "mode observe: observes" in shown


async def test_a_target_that_is_down_is_a_note_and_not_an_error(
    applied: runtime.Installation, pair: tenants.Pair
) -> None:
    pair.dam.fault(kind="status", status=503)
    found = await explain(applied, WORK)
    pair.dam.heal()
    assert any("fourallportal" in note for note in found["notes"])
    assert any("fourallportal was not read" in note for note in metadata(found)["notes"])
    assert {each["there"] for each in metadata(found)["desired"] if "fourallportal" in each["resource"]} == {None}


async def test_a_pause_is_said_and_only_of_the_priority_that_it_stops(
    stopped: runtime.Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    await decide(stopped, "pause", "fourallportal/rights", {"why": "a launch day"})
    found = answer("explain", json.dumps(await explain(stopped, WORK), default=str))
    assert {each["does"] for each in metadata(found)["desired"]} == {"writes"}
    assert metadata(found)["notes"] == ["fourallportal/rights is paused: a launch day"]
    await decide(stopped, "pause", "fourallportal/*", {"why": "an upgrade"})
    found = answer("explain", json.dumps(await explain(stopped, WORK), default=str))
    assert {(each["does"], each["waits"]) for each in metadata(found)["desired"]} == {
        ("waits", "fourallportal is paused: an upgrade")
    }
    show_title(found)
    assert "waits: fourallportal is paused: an upgrade" in capsys.readouterr().out
    looked = [each async for each in Preview(stopped, Priority.SWEEP).looked("metadata", [TitleKey(WORK)])]
    assert {each.waits for each in looked} == {"fourallportal is paused: an upgrade"}


async def test_an_unknown_title_names_its_neighbours(observed: runtime.Installation) -> None:
    with pytest.raises(UnknownTitleError) as caught:
        await explain(observed, "61000")
    assert WORK in caught.value.nearby
    with pytest.raises(UnknownTitleError, match="nearby"):
        await explain(observed, "wrok:61001")
