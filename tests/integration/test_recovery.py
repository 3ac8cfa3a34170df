"""Undo, replay, brakes at capture, forgetting: between the sandboxes over real Kafka, by the commands people type."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

import tenants
from acceptance.test_crashes import LOCALE, edit, ours, record
from frontlist import recovering, runtime
from frontlist.cli import app
from frontlist.clock import moment
from frontlist.settings import Settings, load
from frontlist.state import captured, findings, mirror
from frontlist.state.images import before_table

WHOLE = True

WORK = 61001
TITLE = f"work:{WORK}"


class Desk:
    """An installation and the commands beside it."""

    def __init__(self, file: Path, pair: tenants.Pair) -> None:
        self.file, self.pair = file, pair

    @property
    def settings(self) -> Settings:
        return load(self.file)

    async def typed(self, *words: str) -> Any:
        """What a command answers as JSON."""
        result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--json", "--config", str(self.file)])
        assert result.exit_code == 0, result.exception or result.output
        return json.loads(result.stdout)

    async def said(self, *words: str) -> str:
        """What a command prints for people."""
        result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--config", str(self.file)])
        assert result.exit_code == 0, result.exception or result.output
        return result.stdout

    def line(self, work: int = WORK) -> Any:
        return tenants.value(record(self.pair, work), "author_line")

    async def author(self, words: str, work: int = WORK) -> None:
        """Consonance says so, and 4ALLPORTAL gets it."""
        self.pair.consonance.send("PATCH", f"/sandbox/works/{work}", {"authorship_description": words})
        await tenants.until(lambda: self.line(work) == words, what=words)


def desk(folder: Path, database: str, kafka: str, prefix: str, pair: tenants.Pair, **more: Any) -> Desk:
    """Drift is left for `reconcile` and `replay` to find."""
    path = folder / "frontlist.yaml"
    more = {"capture": {"drift": False}, **more}
    path.write_text(json.dumps(tenants.configuration(folder, database, kafka, prefix, pair, **more)))
    return Desk(path, pair)


async def test_a_title_is_put_back_and_stays_so_until_its_source_changes(
    tmp_path: Path, database_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> None:
    at = desk(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(at.settings), tenants.running(at.settings) as it:
        await tenants.settled(it)
        before = at.line()
        await at.author("Somebody else")
        await tenants.settled(it)
        shown = await at.typed("undo", "--title", TITLE, "--since", "1h", "--dry-run")
        verdicts = {(each["resource"].split("/")[1], each["field"]): each["verdict"] for each in shown["cells"]}
        assert verdicts["title", "author_line"] == "put back"
        assert (shown["run"], at.line()) == (None, "Somebody else")

        made = (await at.typed("undo", "--title", TITLE, "--since", "1h", "--yes"))["run"]
        await tenants.until(lambda: at.line() == before, what="the line of before")
        await tenants.settled(it)
        pair.consonance.send("PATCH", f"/sandbox/works/{WORK}", {"subtitle": "an edit of another field"})
        await tenants.until(lambda: tenants.value(record(pair, WORK), "subtitle") is not None, what="the other field")
        await tenants.settled(it)
        assert at.line() == before, "another field of the title lifts no pin"
        [said] = (await at.typed("explain", TITLE))["consumers"]
        assert ["author_line"] in [each["pinned"] for each in said["desired"]]
        assert made in {each["run"] for each in await at.typed("undo")}

        await at.author("A third")  # the source says something else now: the pin is lifted
        await tenants.settled(it)
        [said] = (await at.typed("explain", TITLE))["consumers"]
        assert "author_line" not in [field for each in said["desired"] for field in each["pinned"]]

        again = (await at.typed("undo", "--title", TITLE, "--since", "1h", "--yes"))["run"]
        await tenants.until(lambda: at.line() == before, what="it put back once more")
        await tenants.settled(it)
        await at.typed("undo", "--run", again, "--yes")
        await tenants.until(lambda: at.line() == "A third", what="the undo undone")


async def test_what_somebody_changed_since_is_left_alone(
    tmp_path: Path, sqlite_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> None:
    at = desk(tmp_path, sqlite_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(at.settings), tenants.running(at.settings) as it:
        await tenants.settled(it)
        await at.author("Somebody else")
        await tenants.settled(it)
        theirs = {"id": record(pair, WORK)["id"], "author_line": "a person's"}
        pair.dam.send("POST", "/sandbox/objects/title", theirs)
        said = await at.said("undo", "--title", TITLE, "--since", "1h", "--dry-run", "--rows", "0")
        assert "1 changed since" in " ".join(said.split())


async def test_a_text_in_consonance_is_put_back_taken_away_and_sent_again(
    tmp_path: Path, sqlite_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> None:
    at = desk(tmp_path, sqlite_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(at.settings), tenants.running(at.settings) as it:
        await tenants.settled(it)
        edit(pair, WORK, "first")
        await tenants.until(lambda: ours(pair, WORK) == ["first"], what="the first text")
        await tenants.settled(it)
        edit(pair, WORK, "second")
        await tenants.until(lambda: ours(pair, WORK) == ["second"], what="the second text")
        await tenants.settled(it)
        empty = {"description_long": [{"value": None, "dimensions": LOCALE}]}
        pair.dam.send("POST", "/sandbox/objects/title", {"id": record(pair, WORK)["id"], **empty})
        await tenants.until(lambda: not ours(pair, WORK), what="the text taken away")
        await tenants.settled(it)
        async with it.db.read() as c:
            rows = (await c.execute(before_table.select().order_by(before_table.c.number))).all()
        assert [row.becomes for row in rows if row.kind == "text" and row.field == "markdown"] == ['"second"', "null"]

        last = max(row.at for row in rows if row.kind == "text")
        stamp = moment(last - 1).isoformat()
        await at.typed("undo", "--title", TITLE, "--since", stamp, "--yes")
        await tenants.until(lambda: ours(pair, WORK) == ["second"], what="the text put back")
        await tenants.settled(it)
        edit(pair, WORK, "third")
        await tenants.until(lambda: ours(pair, WORK) == ["third"], what="a new text lifts the pin")
        await tenants.settled(it)


async def test_a_text_that_was_created_is_taken_away_by_an_undo(
    tmp_path: Path, sqlite_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> None:
    at = desk(tmp_path, sqlite_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(at.settings), tenants.running(at.settings) as it:
        await tenants.settled(it)
        edit(pair, WORK, "published by mistake")
        await tenants.until(lambda: ours(pair, WORK) == ["published by mistake"], what="the text")
        await tenants.settled(it)
        shown = await at.typed("undo", "--title", TITLE, "--yes")
        verdicts = {each["resource"].split("/")[1]: each["verdict"] for each in shown["cells"] if not each["field"]}
        assert verdicts == {"text": "taken away", "title": "not undoable", "product": "not undoable"}
        await tenants.until(lambda: not ours(pair, WORK), what="the text taken away")
        await tenants.settled(it)
        edit(pair, WORK, "meant")
        await tenants.until(lambda: ours(pair, WORK) == ["meant"], what="the next text")
        await tenants.settled(it)


async def test_a_pin_survives_a_lost_database(
    tmp_path: Path, database_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> None:
    first = desk(tmp_path, f"sqlite:///{tmp_path}/first.sqlite", kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(first.settings), tenants.running(first.settings) as it:
        await tenants.settled(it)
        before = first.line()
        await first.author("Somebody else")
        await tenants.settled(it)
        await first.typed("undo", "--title", TITLE, "--since", "1h", "--yes")
        await tenants.until(lambda: first.line() == before, what="the line of before")
        await tenants.settled(it)
    second = desk(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(second.settings, mode=None):
        async with runtime.opened(second.settings) as it:
            await recovering.rebuild(it)
        async with tenants.running(second.settings) as it:
            await tenants.settled(it)
            assert second.line() == before
            await second.author("A third")
            await tenants.settled(it)


async def test_what_was_written_before_the_database_was_lost_is_put_back(
    tmp_path: Path, database_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> None:
    """A field, and a text that was made."""
    first = desk(tmp_path, f"sqlite:///{tmp_path}/first.sqlite", kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(first.settings), tenants.running(first.settings) as it:
        await tenants.settled(it)
        before = first.line()
        await first.author("Somebody else")
        edit(pair, WORK, "Somebody else")
        await tenants.until(lambda: ours(pair, WORK) == ["Somebody else"], what="the text")
        await tenants.settled(it)
        shown = await first.typed("undo", "--title", TITLE, "--since", "1h", "--dry-run")
        await first.author("unchanged", 61002)
        await tenants.settled(it)
    second = desk(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(second.settings, mode=None):
        async with runtime.opened(second.settings) as it:
            await recovering.rebuild(it)
        async with tenants.running(second.settings) as it:
            await tenants.settled(it)
            again = await second.typed("undo", "--title", TITLE, "--since", "1h", "--dry-run")
            assert again["cells"] == shown["cells"]
            await second.typed("undo", "--title", TITLE, "--since", "1h", "--yes")
            await tenants.until(lambda: second.line() == before and not ours(pair, WORK), what="all put back")
            await tenants.settled(it)
            assert (second.line(), ours(pair, WORK), second.line(61002)) == (before, [], "unchanged")


async def test_nothing_of_a_forgotten_person_returns_with_a_rebuild(
    tmp_path: Path, database_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> None:
    """The journal still names her; of other titles everything is restored."""
    who = next(each for each in pair.tenant.contacts.values() if each.person_name == "Imogen Harrow")
    first = desk(tmp_path, f"sqlite:///{tmp_path}/first.sqlite", kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(first.settings), tenants.running(first.settings) as it:
        await tenants.settled(it)
        await first.author("Imogen Harrow alone")
        await first.author("Somebody else", 61003)
        await tenants.settled(it)
        titles = (await first.typed("forget", f"contact:{who.id}", "--yes"))["titles"]
        assert TITLE in titles
        assert "work:61003" not in titles
        await tenants.until(lambda: named_nowhere(it, "Harrow"), what="no document or mirror that names her")
        await tenants.settled(it)
    second = desk(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(second.settings, mode=None):
        async with runtime.opened(second.settings) as it:
            await recovering.rebuild(it)
            assert await named_nowhere(it, "Harrow")
            async with it.db.read() as c:
                fields = (await c.exec_driver_sql("SELECT intent_fields, applied_fields FROM applied")).all()
                images = {row.title for row in await c.execute(before_table.select())}
        assert not any("Harrow" in (text or "") for row in fields for text in row)
        assert "work:61003" in images
        async with tenants.running(second.settings) as it:
            await tenants.settled(it)
            pair.consonance.send("PATCH", f"/sandbox/works/{WORK}", {"title": "Pride, again"})
            await tenants.until(lambda: tenants.value(record(pair, WORK), "title") == "Pride, again", what="the title")
            await tenants.settled(it)
            # The line that named her alone is empty by now, and was ours to empty.
            assert second.line() is None
            assert await named_nowhere(it, "Harrow")


async def test_titles_that_vanish_at_once_wait_for_a_person(
    tmp_path: Path, database_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> None:
    sweeping = {"full_sweep_interval": 1.0}
    brakes = {"share": 0.0, "floor": 1}
    at = desk(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair, brakes=brakes, consonance=sweeping)
    gone = [work.id for work in pair.tenant.works.values() if work.imprint and work.imprint.id == 1][:3]
    assert len(gone) == 3
    async with tenants.prepared(at.settings), tenants.running(at.settings) as it:
        await tenants.settled(it)
        for work in gone:
            pair.consonance.send("DELETE", f"/sandbox/works/{work}")
        await tenants.until(lambda: waits(it, 2), seconds=120, what="two titles that wait")
        [group] = [each for each in await at.typed("held", "list") if each["effect"] == "title-gone"]
        assert (group["imprint"], group["titles"]) == ("Gaslamp Classics", 2)
        shown = await at.typed("held", "show", str(group["list"]))
        kept = {each["title"] for each in shown}
        assert await states(it, sorted(kept)) == {"present"}
        assert (await at.typed("held", "confirm", str(group["list"]), "--dry-run"))["writes"] == 2
        assert (await at.typed("held", "confirm", str(group["list"])))["writes"] == 2
        await tenants.until(lambda: waits(it, 0), what="nothing that waits")
        await tenants.until(lambda: are(it, sorted(kept), "gone"), what="both titles gone")
        await tenants.settled(it)


async def waits(it: runtime.Installation, number: int) -> bool:
    async with it.db.read() as c:
        return len([row for row in await findings.open_ones(c) if row.consumer == "capture/consonance"]) == number


async def states(it: runtime.Installation, titles: list[str]) -> set[str]:
    async with it.db.read() as c:
        query = "SELECT title, state FROM document WHERE system = 'consonance' AND aspect <> 'rights'"
        return {row.state for row in await c.exec_driver_sql(query) if row.title in titles}


async def are(it: runtime.Installation, titles: list[str], state: str) -> bool:
    return await states(it, titles) == {state}


async def test_elements_that_vanish_wait_and_a_rejected_loss_is_not_published(
    tmp_path: Path, sqlite_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> None:
    brakes = {"elements_share": 0.0, "elements_floor": 0}
    at = desk(tmp_path, sqlite_url, kafka_bootstrap, topic_prefix, pair, brakes=brakes)
    async with tenants.prepared(at.settings), tenants.running(at.settings) as it:
        await tenants.settled(it)
        part = pair.tenant.works[WORK].contributions[1].id
        pair.consonance.send("DELETE", f"/sandbox/works/{WORK}/contributions/{part}")
        await tenants.until(lambda: waits(it, 1), what="the loss that waits")
        [group] = await at.typed("held", "list")
        assert "contributions" in str((await at.typed("held", "show", str(group["list"])))[0]["is"])
        await at.typed("held", "reject", str(group["list"]))
        await tenants.until(lambda: waits(it, 0), what="nothing that waits")
        await tenants.settled(it)
        assert await contributors(it) == 2
        # A new statement of the title is judged anew.
        pair.consonance.send("PATCH", f"/sandbox/works/{WORK}", {"title": "Pride"})
        await tenants.until(lambda: waits(it, 1), what="the new loss that waits")


async def contributors(it: runtime.Installation) -> int:
    async with it.db.read() as c:
        query = f"SELECT body FROM document WHERE title = '{TITLE}' AND system = 'consonance' AND aspect = 'metadata'"
        return len(json.loads((await c.exec_driver_sql(query)).scalar_one())["contributions"])


async def test_a_replay_is_shown_then_done_and_selects_by_imprint_and_by_the_log(
    tmp_path: Path, database_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> None:
    at = desk(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(at.settings), tenants.running(at.settings) as it:
        await tenants.settled(it)
        before = at.line()
        pair.dam.send("POST", "/sandbox/objects/title", {"id": record(pair, WORK)["id"], "author_line": "theirs"})
        shown = await at.typed("replay", "--consumer", "metadata", "--dry-run")
        cells = [(each["title"], cell) for each in shown["resources"] for cell in each["cells"]]
        assert cells == [(TITLE, {"field": "author_line", "is": "theirs", "would": before, "drift": True})]
        assert shown["fields"] == [{"target": "fourallportal", "kind": "title", "field": "author_line", "cells": 1}]
        assert at.line() == "theirs"

        async with it.db.read() as c:
            stamp = moment(await it.db.now(c)).isoformat()
        await at.author("of the window", 61003)
        await tenants.settled(it)
        done = await at.typed("replay", "--consumer", "metadata", "--from", stamp)
        assert (done["state"], done["titles"], at.line()) == ("done", 1, "theirs")
        done = await at.typed("replay", "--consumer", "metadata", "--imprint", "Gaslamp Classics")
        assert (done["state"], at.line()) == ("done", before)
        assert 0 < done["titles"] < 9
        assert {each["id"] for each in await at.typed("replay", "list")} >= {done["id"]}
        said = await at.said("reconcile", "--title", TITLE)
        assert "done, 1 of 1 titles, 0 cells written" in said


async def test_a_person_is_forgotten_everywhere_that_we_keep_them(
    tmp_path: Path, database_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> None:
    brakes = {"elements_share": 0.0, "elements_floor": 0}
    at = desk(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair, brakes=brakes)
    who = next(each for each in pair.tenant.contacts.values() if each.person_name == "Imogen Harrow")
    async with tenants.prepared(at.settings), tenants.running(at.settings) as it:
        await tenants.settled(it)
        await at.author("Imogen Harrow alone")
        await tenants.settled(it)
        done = await at.typed("forget", f"contact:{who.id}", "--yes")
        assert TITLE in done["titles"]
        assert done["removed"]["before-images"] > 0
        await tenants.until(lambda: named_nowhere(it, "Harrow"), what="no document or mirror that names her")
        await tenants.settled(it)
        assert await waits(it, 0), "an erasure is no loss"
        # Read again from Consonance, which still has her.
        pair.consonance.send("PATCH", f"/sandbox/works/{WORK}", {"title": "Pride, again"})
        await tenants.until(lambda: tenants.value(record(pair, WORK), "title") == "Pride, again", what="the new title")
        await tenants.settled(it)
        assert await named_nowhere(it, "Harrow")
        assert all("Harrow" not in json.dumps(each, ensure_ascii=False) for each in pair.records("title"))


async def test_a_person_is_forgotten_in_works_that_are_gone_or_wait_for_a_person(
    tmp_path: Path, sqlite_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> None:
    """Nothing in the mirror names her any more; what was published last does."""
    brakes = {"share": 0.0, "floor": 0}
    sweeping = {"full_sweep_interval": 1.0}
    at = desk(tmp_path, sqlite_url, kafka_bootstrap, topic_prefix, pair, brakes=brakes, consonance=sweeping)
    who = next(each for each in pair.tenant.contacts.values() if each.person_name == "Imogen Harrow")
    async with tenants.prepared(at.settings), tenants.running(at.settings) as it:
        await tenants.settled(it)
        assert await contributors(it) == 2
        pair.consonance.send("DELETE", f"/sandbox/works/{WORK}")
        await tenants.until(lambda: waits(it, 1), seconds=120, what="the title that waits")
        assert TITLE in (await at.typed("forget", f"contact:{who.id}", "--yes"))["titles"]
        await tenants.until(lambda: named_nowhere(it, "Harrow"), what="no document that names her")
        await tenants.until(lambda: waits(it, 1), what="the title that waits on")
        assert (await states(it, [TITLE]), await contributors(it)) == ({"present"}, 1)
        # Beside it her name may wait to be taken out of the record, which is a text that goes.
        [group] = [each for each in await at.typed("held", "list") if each["effect"] == "title-gone"]
        await at.typed("held", "confirm", str(group["list"]))
        await tenants.until(lambda: are(it, [TITLE], "gone"), what="the title gone")
        await tenants.until(lambda: unread(it), what="nothing kept of it")


async def unread(it: runtime.Installation) -> bool:
    """Whether capture keeps no last statement of the title."""
    query = f"SELECT readable_body FROM captured WHERE title = '{TITLE}' AND system = 'consonance'"
    async with it.db.read() as c:
        return not any((await c.exec_driver_sql(query)).scalars())


async def named_nowhere(it: runtime.Installation, name: str) -> bool:
    """In nothing that the database holds, but what was applied and is about to be written anew."""
    queries = (
        "SELECT body FROM document",
        "SELECT body FROM raw",
        "SELECT readable_body FROM captured",
        "SELECT was FROM before_image",
        "SELECT message FROM finding",
    )
    async with it.db.read() as c:
        found = [text for query in queries for (text,) in await c.exec_driver_sql(query)]
    return not any(name in (text or "") for text in found)


async def test_a_person_who_is_no_contact_is_refused(
    tmp_path: Path, sqlite_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> None:
    at = desk(tmp_path, sqlite_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(at.settings):
        result = await asyncio.to_thread(CliRunner().invoke, app, ["forget", "12", "--yes", "--config", str(at.file)])
    assert "names nobody" in str(result.exception)


def test_the_mirror_of_capture_is_what_is_asked() -> None:
    """`named_nowhere` reads these tables by name."""
    assert {mirror.raw_table.name, captured.captured_table.name, before_table.name} == {
        "raw",
        "captured",
        "before_image",
    }
