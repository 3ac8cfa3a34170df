"""The latest documents and the offsets stored with them, on both databases."""

from __future__ import annotations

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frontlist.contract import Document, DocumentKey, TitleKey
from frontlist.state import dossier
from frontlist.state.database import Database
from frontlist.state.dossier import Stored

TITLE = TitleKey("work:1")
METADATA = DocumentKey("consonance", "metadata")


def present(revision: int, body: object = "body", title: TitleKey = TITLE) -> Stored:
    return Stored("consonance", "metadata", title, revision, "present", body)


def undecodable(revision: int) -> Stored:
    return Stored("consonance", "metadata", TITLE, revision, "unreadable", reason="not JSON")


async def store(db: Database, *documents: Stored) -> list[TitleKey]:
    async with db.begin() as c:
        return [each.title for each in await dossier.store(db, c, documents)]


async def latest(db: Database) -> Document:
    async with db.read() as c:
        return (await dossier.dossiers(c, [TITLE], {}))[TITLE].documents[METADATA]


@given(batches=st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_newest_revision_stands_in_whatever_order_they_come(db: Database, batches: list[list[int]]) -> None:
    async with db.begin() as c:
        await c.execute(sa.delete(dossier.document_table))
    newest = 0
    for batch in batches:
        newer = max(batch) > newest
        assert await store(db, *(present(each, f"body {each}") for each in batch)) == ([TITLE] if newer else [])
        newest = max(newest, *batch)
        found = await latest(db)
        assert (found.revision, found.body) == (newest, f"body {newest}")


async def test_the_same_revision_again_is_no_news(db: Database) -> None:
    assert await store(db, present(5)) == [TITLE]
    assert await store(db, present(5, "another")) == []
    assert (await latest(db)).body == "body"


async def test_a_record_that_cannot_be_decoded_keeps_the_last_readable_body(db: Database) -> None:
    await store(db, present(5))
    await store(db, undecodable(6))
    found = await latest(db)
    assert (found.state, found.revision, found.body, found.last_readable) == ("unreadable", 6, "body", 5)
    await store(db, undecodable(7))
    again = await latest(db)
    assert (again.revision, again.body, again.last_readable) == (7, "body", 5)


async def test_a_record_that_cannot_be_decoded_keeps_the_body_that_came_in_the_same_batch(db: Database) -> None:
    await store(db, present(5), undecodable(6))
    found = await latest(db)
    assert (found.state, found.body, found.last_readable) == ("unreadable", "body", 5)


async def test_an_unreadable_record_that_carries_the_last_readable_replaces_ours(db: Database) -> None:
    await store(db, present(5))
    await store(db, Stored("consonance", "metadata", TITLE, 7, "unreadable", "newer", "too large", 6))
    found = await latest(db)
    assert (found.body, found.last_readable) == ("newer", 6)


async def test_a_title_that_is_gone_has_no_body(db: Database) -> None:
    await store(db, present(5))
    await store(
        db, Stored("consonance", "metadata", TITLE, 6, "gone", reason="deleted", merged_into=TitleKey("work:2"))
    )
    found = await latest(db)
    assert (found.state, found.body, found.merged_into) == ("gone", None, "work:2")


async def test_erased_reads_as_gone_and_an_older_record_never_brings_it_back(db: Database) -> None:
    await store(db, present(5))
    await store(db, Stored("consonance", "metadata", TITLE, 6, "erased"))
    assert await store(db, present(5)) == []
    assert ((await latest(db)).state, (await latest(db)).body) == ("gone", None)


async def test_titles_are_those_of_which_a_wanted_document_is_known(db: Database) -> None:
    await store(db, present(5), present(5, title=TitleKey("work:2")))
    async with db.read() as c:
        assert await dossier.titles(c, [METADATA]) == ["work:1", "work:2"]
        assert await dossier.titles(c, [DocumentKey("fourallportal", "metadata")]) == []


async def test_offsets_move_forwards_only(db: Database) -> None:
    async with db.begin() as c:
        await dossier.save_offsets(db, c, {("t", 0): 9}, {"t": "id"})
        await dossier.save_offsets(db, c, {("t", 0): 7}, {"t": "id"})
        assert await dossier.offsets(c) == {("t", 0): (9, "id")}
