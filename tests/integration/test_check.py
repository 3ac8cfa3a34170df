"""`frontlist check` over real sandboxes, Kafka and both databases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest

import frontlist_metadata.plugin
import tenants
from answers import answer
from frontlist import checking, mapping, process, runtime
from frontlist.checking import Check, Report, Scratch
from frontlist.clock import Clock
from frontlist.contract import Consumer
from frontlist.errors import ConfigurationError
from frontlist.mapping import default_text, module_uses
from frontlist.plugins import Plugins, hookimpl
from frontlist.settings import Settings, load
from frontlist.starting import Access, Answers, start
from frontlist.state import installation as facts
from frontlist.state.database import Database
from frontlist_metadata.plugin import Metadata
from frontlist_sandbox.assumptions import collect
from frontlist_sandbox.fourallportal.server import KEY as DAM_KEY


def briskly(folder: Path, database: str, kafka: str, prefix: str, pair: tenants.Pair) -> Settings:
    pace = {"calls_per_second": 1000.0}
    return tenants.settings(folder, database, kafka, prefix, pair, consonance=pace, fourallportal=pace)


@pytest.fixture
def installation(tmp_path: Path, sqlite_url: str, kafka_bootstrap, topic_prefix, pair) -> Settings:
    return briskly(tmp_path, sqlite_url, kafka_bootstrap, topic_prefix, pair)


@pytest.fixture
async def ready(installation: Settings) -> AsyncIterator[Settings]:
    async with tenants.prepared(installation, mode=None):
        yield installation


def failures(report: Report) -> list[Check]:
    return [each for each in report.checks if each.status == "failed"]


def only(report: Report, what: str) -> Check:
    [found] = [each for each in report.checks if each.what == what]
    return found


def standing(report: Report, id_: str) -> str:
    return {each.id: each.status for each in report.assumptions}[id_]


async def test_a_sound_installation_passes_on_both_databases(
    tmp_path: Path, database_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> None:
    settings = briskly(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(settings, mode=None):
        report = await checking.look(settings)
    assert not report.failed, failures(report)
    assert only(report, "schema").status == "ok"
    assert [each.status for each in report.checks if each.what.startswith("topic ")] == ["ok"] * 13


async def test_half_a_rebuild_is_told(ready: Settings) -> None:
    db = Database(ready.database, Clock())
    async with db.begin() as c:
        await facts.state(db, c, {facts.REBUILDING: "1"})
    await db.close()
    told = only(await checking.look(ready), "rebuild")
    assert (told.status, "`frontlist rebuild` again" in told.cure) == ("failed", True)


async def test_nothing_is_written_anywhere(ready: Settings, pair: tenants.Pair) -> None:
    pair.dam.forget_calls()
    pair.consonance.forget_calls()
    await checking.look(ready)
    assert (pair.dam.writes(), pair.consonance.writes()) == (0, 0)


async def test_every_assumption_of_the_register_is_listed(ready: Settings) -> None:
    report = await checking.look(ready)
    assert {each.id for each in report.assumptions} == {each.id for each in collect()}
    assert standing(report, "consonance.payload-errors") == "confirmed"
    assert standing(report, "fourallportal.error-body") == "confirmed"
    assert standing(report, "fourallportal.cells-write") == "unknown"


async def test_names_that_the_tenant_lacks_are_refuted_and_told(ready: Settings, pair: tenants.Pair) -> None:
    pair.consonance.send("PATCH", "/sandbox/toggles", {"refuted": ["consonance.named-lists"]})
    report = await checking.look(ready)
    assert standing(report, "consonance.named-lists") == "refuted"
    missing = only(report, "fields of our queries")
    assert missing.status == "warning"
    assert "Work.projectStage" in missing.detail
    assert only(report, "release").detail == "the project stage cannot be read"


async def test_behaviours_are_settled_by_what_the_tenant_answers(ready: Settings, pair: tenants.Pair) -> None:
    record = {"id": "1" * 36, "title": "A title", "page_count": 12, "pub_date": "2026-05-01"}
    pair.dam.send("POST", "/sandbox/objects/product", record)
    before = await checking.look(ready)
    assert standing(before, "fourallportal.value-typing") == "confirmed"
    assert standing(before, "fourallportal.dimensions-form") == "confirmed"
    pair.dam.send("PATCH", "/sandbox/toggles", {"values": "strings", "dimensions": "null", "wrong_hash": "ignore"})
    after = await checking.look(ready)
    assert standing(after, "fourallportal.value-typing") == "refuted"
    assert standing(after, "fourallportal.dimensions-form") == "refuted"
    assert standing(after, "fourallportal.wrong-hash") == "refuted"


@pytest.mark.parametrize(("cells", "verb"), [("replace", "replaces"), ("merge", "merges")])
async def test_a_named_scratch_record_tells_how_patch_treats_cells_and_is_restored(
    ready: Settings, pair: tenants.Pair, cells: str, verb: str
) -> None:
    pair.dam.send("PATCH", "/sandbox/toggles", {"cells": cells})
    held = [{"value": "<p>Mine</p>", "dimensions": {"locale": "de_DE"}}]
    pair.dam.send("POST", "/sandbox/objects/title", {"id": "2" * 36, "description_long": held})
    report = await checking.look(ready, Scratch("title", "2" * 36, "description_long"))
    found = only(report, "what a PATCH does to other cells")
    assert (found.status, found.cure) == ("warning", f"write `patch: {verb}` into the mapping")
    assert standing(report, "fourallportal.cells-write") == ("confirmed" if cells == "replace" else "refuted")
    [record] = pair.records("title")
    assert record["fields"]["description_long"] == held


async def test_a_mapping_that_says_the_wrong_about_patch_fails(
    ready: Settings, tmp_path: Path, pair: tenants.Pair
) -> None:
    (tmp_path / "mapping.yaml").write_text(default_text().replace("patch: unknown", "patch: merges"))
    pair.dam.send("POST", "/sandbox/objects/title", {"id": "2" * 36, "title": "scratch"})
    report = await checking.look(ready, Scratch("title", "2" * 36, "description_long"))
    assert "cells of the other owner can be lost" in only(report, "what a PATCH does to other cells").detail
    assert report.failed


async def test_a_scratch_field_that_cannot_show_it_is_refused_before_anything_is_written(
    ready: Settings, pair: tenants.Pair
) -> None:
    pair.dam.send("POST", "/sandbox/objects/title", {"id": "2" * 36, "title": "scratch"})
    pair.dam.forget_calls()
    report = await checking.look(ready, Scratch("title", "2" * 36, "title"))
    assert "no text field with the dimension locale" in only(report, "what a PATCH does to other cells").detail
    assert pair.dam.writes() == 0


async def test_the_mapping_is_compared_with_the_tenant_by_line(
    ready: Settings, tmp_path: Path, pair: tenants.Pair
) -> None:
    text = default_text().replace("      isbn: isbn\n", "      isbn: isnb\n").replace("price_gbp", "price_float")
    (tmp_path / "mapping.yaml").write_text(text)
    report = await checking.look(ready)
    line = text.splitlines().index("      isbn: isnb") + 1
    [wrong] = [each for each in failures(report) if "isnb" in each.detail]
    assert (wrong.where, wrong.cure) == (f"{tmp_path / 'mapping.yaml'}:{line}", "did you mean isbn?")
    [money] = [each for each in report.checks if "floating" in each.detail]
    assert money.status == "warning"


class Other(Metadata):
    """A second consumer for the fields of the first."""

    name = "other"

    @hookimpl
    def frontlist_consumers(self) -> list[Consumer]:
        return [self]


TWO = {"metadata": frontlist_metadata.plugin, "other": Other()}


async def test_two_consumers_of_one_field_fail_and_are_named(ready: Settings) -> None:
    report = await checking.look(ready, plugins=Plugins(TWO))
    found = [each for each in failures(report) if each.area == "plugins"]
    assert any("'metadata' and 'other' both write fourallportal/product: " in each.detail for each in found)
    assert all("one field has one owner" in each.cure for each in found)
    alone = await checking.look(ready, plugins=Plugins({"metadata": frontlist_metadata.plugin}))
    assert only(alone, "consumers").detail == "metadata: no field has two"


async def test_two_consumers_of_one_field_do_not_start(ready: Settings, pair: tenants.Pair) -> None:
    async with runtime.opened(ready, Plugins(TWO)) as it:
        with pytest.raises(ConfigurationError, match="consumers 'metadata' and 'other' both write consonance/text: "):
            await process.run(it, asyncio.Event(), consumers=["metadata"])
    assert pair.records() == []


async def test_it_says_what_it_waits_for(ready: Settings) -> None:
    said: list[str] = []
    await checking.look(ready, say=said.append)
    assert said[0] == "looking at the database"
    assert said[-1].endswith(" looked at")
    assert {line.partition(" looked at")[0] for line in said[2:]} == {"Kafka", "Consonance", "4ALLPORTAL"}


async def test_what_it_prints_as_json_has_the_shape_that_is_documented(ready: Settings) -> None:
    report = await checking.look(ready)
    answer("check", json.dumps(report.as_json()))


async def test_a_missing_marker_field_turns_creating_off(ready: Settings, pair: tenants.Pair) -> None:
    pair.dam.send("DELETE", "/sandbox/schema/product/fields/frontlist_origin")
    report = await checking.look(ready)
    assert only(report, "creating in product").detail == "is off: no frontlist_origin"


async def test_a_connector_without_a_field_that_frontlist_writes_is_a_warning(
    ready: Settings, pair: tenants.Pair
) -> None:
    (use,) = (each for each in module_uses(mapping.load(default_text())) if each.module == "product")
    fields = sorted(use.read)
    kept = [name for name in fields if name != "author_line"]
    pair.dam.send("PUT", "/sandbox/connectors/frontlist_product", {"module": "product", "fields": kept})
    found = only(await checking.look(ready), "connector frontlist_product")
    assert (found.status, found.detail) == ("warning", "lacks author_line, which Frontlist writes")


async def test_a_connector_of_another_module_or_without_a_field_fails(ready: Settings, pair: tenants.Pair) -> None:
    pair.dam.send("PUT", "/sandbox/connectors/frontlist_product", {"module": "product", "fields": ["title"]})
    pair.dam.send("PUT", "/sandbox/connectors/frontlist_title", {"module": "product"})
    report = await checking.look(ready)
    assert "lacks channel_copy" in only(report, "connector frontlist_product").detail
    assert "is for the module product, not title" in only(report, "connector frontlist_title").detail


async def test_one_system_that_is_down_hides_nothing_of_the_others(ready: Settings, pair: tenants.Pair) -> None:
    pair.dam.send("PATCH", "/sandbox/toggles", {"key_enabled": False})
    report = await checking.look(ready)
    assert [each.area for each in failures(report)] == ["4ALLPORTAL"]
    assert "401" in only(report, "API").detail
    assert only(report, "GraphQL").status == "ok"
    assert standing(report, "fourallportal.error-body") == "unknown"


async def test_no_key_is_ever_shown(ready: Settings, pair: tenants.Pair) -> None:
    pair.consonance.fault(kind="status", path="/graphql", status=400, body=f"you sent {tenants.KEY}")
    report = await checking.look(ready)
    shown = str(report.as_json())
    assert tenants.KEY not in shown
    assert DAM_KEY not in shown


async def test_a_key_that_ends_soon_is_warned_of(ready: Settings) -> None:
    soon = ready.fourallportal.model_copy(update={"key_expires": date.today() + timedelta(days=5)})
    report = await checking.look(ready.model_copy(update={"fourallportal": soon}))
    assert only(report, "validity of the key").status == "warning"
    assert only(await checking.look(ready), "validity of the key").status == "unknown"


async def test_what_is_not_prepared_names_the_command_that_prepares_it(installation: Settings, tmp_path: Path) -> None:
    report = await checking.look(installation)
    assert {each.cure for each in failures(report)} == {"frontlist db upgrade", "frontlist topics apply"}
    assert not (tmp_path / "frontlist.sqlite").exists()


async def test_other_partitions_than_were_made_fail(ready: Settings) -> None:
    other = ready.model_copy(update={"kafka": ready.kafka.model_copy(update={"partitions": 3})})
    report = await checking.look(other)
    assert {each.where for each in failures(report)} == {"kafka.partitions"}
    assert len(failures(report)) == 10


async def test_what_init_writes_passes(
    tmp_path: Path, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONTLIST_CONSONANCE__KEY", tenants.KEY)
    monkeypatch.setenv("FRONTLIST_FOURALLPORTAL__KEY", DAM_KEY)
    monkeypatch.setenv("FRONTLIST_KAFKA__PREFIX", topic_prefix)
    monkeypatch.setenv("FRONTLIST_KAFKA__PARTITIONS", "2")
    answers = Answers(
        tenant="acme",
        zone="Europe/Berlin",
        locales={"de_DE": "ger"},
        currencies=("EUR",),
        consonance=Access(pair.consonance.url, key=tenants.KEY),
        fourallportal=Access(pair.dam.url, key=DAM_KEY),
        database=f"sqlite:///{tmp_path / 'frontlist.sqlite'}",
        kafka=kafka_bootstrap,
    )
    made = await start(answers, tmp_path / "frontlist.yaml")
    async with tenants.prepared(load(made.configuration), mode=None):
        report = await checking.check(made.configuration)
    assert not report.failed, failures(report)


async def test_a_configuration_that_cannot_be_read_is_the_one_failed_check(tmp_path: Path) -> None:
    (tmp_path / "frontlist.yaml").write_text("tenant: x\nconsonance: {key: 0123456789abcdef, key: [}\n")
    report = await checking.check(tmp_path / "frontlist.yaml")
    assert [each.area for each in failures(report)] == ["configuration"]
    assert "0123456789abcdef" not in str(report.as_json())
