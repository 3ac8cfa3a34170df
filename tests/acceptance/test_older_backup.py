"""A database restored from an older backup: what was done since is known all the same, from the journal."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tenants
from acceptance.test_crashes import edit, ours
from frontlist.contract import Resource, TitleKey
from frontlist.embedded import Databases
from frontlist.state import dead
from frontlist.state.findings import finding_table
from frontlist.state.images import before_table
from frontlist.state.outbox import outbox_table
from integration.test_recovery import TITLE, desk, named_nowhere

WHOLE = True

#: Of a record that nobody plans any more.
GONE = Resource("fourallportal", "title", "2f3c6a3e-4a57-5f0e-9d54-3b7c1e0f6e11")


class Backup:
    """Of a database with which nobody works just now."""

    def __init__(self, url: str, folder: Path, server: Callable[[], Databases]) -> None:
        self._name, self._copy, self._server = url.rpartition("/")[2], folder / "backup", server
        self._file = Path(url.partition(":///")[2]) if url.startswith("sqlite") else None

    def make(self) -> None:
        if self._file is None:
            tenants.copied(self._server(), self._name, f"{self._name}_old")
            return
        with contextlib.closing(sqlite3.connect(self._file)) as c:
            c.execute(f"VACUUM INTO '{self._copy}'")

    def restore(self) -> None:
        if self._file is None:
            self._server().drop(self._name)
            self._server().execute(f'ALTER DATABASE "{self._name}_old" RENAME TO "{self._name}"')
            return
        for each in self._file.parent.glob(f"{self._file.name}*"):
            if each.suffix != ".lock":
                each.unlink()
        shutil.copy(self._copy, self._file)


@pytest.fixture
def backup(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Backup:
    return Backup(database_url, tmp_path, lambda: request.getfixturevalue("postgres_server"))


async def images(it: Any) -> list[Any]:
    """What each write since the installation began has overwritten, in its order."""
    async with it.db.read() as c:
        rows = (await c.execute(before_table.select().order_by(before_table.c.claim, before_table.c.number))).all()
    return sorted((row.claim, row.kind, row.id, row.field, row.was, row.becomes, row.run) for row in rows)


async def all_is_told(it: Any) -> bool:
    async with it.db.read() as c:
        return (await c.execute(outbox_table.select().limit(1))).first() is None


async def test_what_was_done_since_the_backup_is_known(
    tmp_path: Path, database_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair, backup: Backup
) -> None:
    """What was written is put back by an undo; what a person deleted is not made again."""
    at = desk(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(at.settings), tenants.running(at.settings) as it:
        await tenants.settled(it)
    backup.make()
    async with tenants.running(at.settings) as it:
        await tenants.settled(it)
        before = at.line()
        await at.author("Somebody else")
        await at.author("not undone", 61002)
        edit(pair, 61003, "made since")
        await tenants.until(lambda: ours(pair, 61003) == ["made since"], what="the text")
        await tenants.settled(it)
        shown = await at.typed("undo", "--title", TITLE, "--since", "1h", "--dry-run")
        assert {each["becomes"] for each in shown["cells"] if each["field"] == "author_line"} == {before}
        overwritten = await images(it)
        await tenants.until(lambda: all_is_told(it), what="everything on the journal topic")
    [text] = [one for one in pair.tenant.works[61003].marketing_texts if one.external_text_markdown == "made since"]
    pair.consonance.send("DELETE", f"/sandbox/works/61003/marketing_texts/{text.id}")
    backup.restore()
    async with tenants.running(at.settings) as it:
        await tenants.settled(it)
        assert await images(it) == overwritten
        again = await at.typed("undo", "--title", TITLE, "--since", "1h", "--dry-run")
        assert again["cells"] == shown["cells"]
        await at.typed("undo", "--title", TITLE, "--since", "1h", "--yes")
        await tenants.until(lambda: at.line() == before, what="the line of before")
        await tenants.settled(it)
        assert (ours(pair, 61003), at.line(61002)) == ([], "not undone")
        async with it.db.read() as c:
            found = await c.execute(finding_table.select().where(finding_table.c.kind == "removed-by-a-person"))
        assert [row.where_.split("/")[1] for row in found if row.closed_at is None] == ["text"]


async def test_who_was_forgotten_since_the_backup_stays_so(
    tmp_path: Path, database_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair, backup: Backup
) -> None:
    """The backup names her in documents, mirror, before-images and a dead letter, and the journal does."""
    who = next(each for each in pair.tenant.contacts.values() if each.person_name == "Imogen Harrow")
    at = desk(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(at.settings), tenants.running(at.settings) as it:
        await tenants.settled(it)
        await at.author("Imogen Harrow alone")
        await tenants.settled(it)
        async with it.db.begin() as c:
            letter = dead.Refused(GONE, TitleKey(TITLE), "", "no", {"author_line": "Imogen Harrow"}, called=True)
            await dead.bury(it.db, c, "metadata", [letter], await it.db.now(c))
    backup.make()
    async with tenants.running(at.settings) as it:
        await tenants.settled(it)
        await at.author("Imogen Harrow again")
        await tenants.settled(it)
        await at.typed("forget", f"contact:{who.id}", "--yes")
        await tenants.until(lambda: named_nowhere(it, "Harrow"), what="no document or mirror that names her")
        await tenants.settled(it)
        assert not any("Harrow" in str(each) for each in await images(it))
        await tenants.until(lambda: all_is_told(it), what="everything on the topics")
    backup.restore()
    async with tenants.running(at.settings) as it:
        await tenants.settled(it)
        assert await named_nowhere(it, "Harrow")
        assert not any("Harrow" in str(each) for each in await images(it))
        async with it.db.read() as c:
            assert not any("Harrow" in (row.fields or "") for row in await c.execute(dead.dead_table.select()))
