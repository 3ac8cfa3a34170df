"""The mirror's rows on both databases: what was read when, under which title, with which ISBNs."""

from __future__ import annotations

from frontlist.contract import TitleKey
from frontlist.source import Raw, RawKey
from frontlist.state import captured, mirror
from frontlist.state.database import CHUNK, Database
from frontlist.state.mirror import Stored

SYSTEM = "consonance"
TITLE, OTHER = TitleKey("work:1"), TitleKey("work:2")
KEY = RawKey("work", "1")


async def store(db: Database, began: int, body: object, *, title: TitleKey = TITLE, passed: int = 1) -> object:
    async with db.begin() as c:
        stored = await mirror.store_raws(db, c, SYSTEM, {KEY: (Raw(KEY, body), title)}, began, passed)
        return stored.changed, stored.late


async def test_a_late_read_never_overwrites_a_newer_one(db: Database) -> None:
    assert await store(db, 200, {"title": "B"}) == ({TITLE}, [])
    assert await store(db, 100, {"title": "A"}) == (set(), [KEY])
    async with db.read() as c:
        assert (await mirror.raws_of(c, SYSTEM, [TITLE]))[TITLE][KEY].body == {"title": "B"}


async def test_the_same_object_on_another_day_is_no_change(db: Database) -> None:
    await store(db, 100, {"title": "A", "as_of": "2025-01-01"})
    assert await store(db, 200, {"title": "A", "as_of": "2025-01-02"}) == (set(), [])
    assert await store(db, 300, {"title": "B", "as_of": "2025-01-02"}) == ({TITLE}, [])


async def test_an_object_that_moves_changes_both_titles(db: Database) -> None:
    await store(db, 100, {"title": "A"})
    assert await store(db, 200, {"title": "A"}, title=OTHER) == ({TITLE, OTHER}, [])


async def test_what_a_pass_did_not_show_is_unseen_until_it_is_missing_or_seen(db: Database) -> None:
    await store(db, 100, {"title": "A"}, passed=1)

    async def unseen() -> list[RawKey]:
        async with db.read() as c:
            return await mirror.unseen(c, SYSTEM, ["work"], 2)

    assert await unseen() == [KEY]
    async with db.begin() as c:
        await mirror.mark_missing(db, c, SYSTEM, [KEY], 500)
        await mirror.mark_missing(db, c, SYSTEM, [KEY], 900)
    assert await unseen() == []
    async with db.read() as c:
        assert await mirror.missing_long(c, SYSTEM, 499) == []
        assert await mirror.missing_long(c, SYSTEM, 500) == [KEY]
    await store(db, 600, {"title": "A"}, passed=2)
    async with db.read() as c:
        assert await mirror.missing_long(c, SYSTEM, 10_000) == []


def object_(id_: str) -> RawKey:
    return RawKey("product", id_)


async def shown(db: Database, id_: str, title: str, *isbns: str, body: object = True, watched: object = None) -> Stored:
    """An object of 4ALLPORTAL as it is read."""
    raw = Raw(object_(id_), body, watched=watched)
    async with db.begin() as c:
        began = await captured.read_time(db, c, "fourallportal")
        read = {raw.key: (raw, TitleKey(title))}
        stored = await mirror.store_raws(db, c, "fourallportal", read, began, 1)
        await mirror.save_isbns(db, c, "fourallportal", {raw.key: frozenset(isbns)})
    return stored


async def strangers(db: Database, *isbns: str) -> dict[str, list[RawKey]]:
    async with db.read() as c:
        return await mirror.strangers_stating(c, "fourallportal", isbns)


async def test_what_is_as_it_was_is_only_seen(db: Database) -> None:
    first = await shown(db, "a", "work:1", watched={"isbn": []})
    assert (first.written, first.changed, first.kept) == ([object_("a")], {TITLE}, {object_("a"): None})
    again = await shown(db, "a", "work:1", watched={"isbn": []})
    assert (again.written, again.changed) == ([], set())
    assert again.kept[object_("a")] == Raw(object_("a"), None, watched={"isbn": []})


async def test_a_cell_of_ours_is_kept_without_a_title_becoming_dirty(db: Database) -> None:
    await shown(db, "a", "work:1", watched={"line": "ours"})
    changed = await shown(db, "a", "work:1", watched={"line": "theirs"})
    assert (changed.written, changed.changed) == ([object_("a")], set())
    before = changed.kept[object_("a")]
    assert before is not None
    assert before.watched == {"line": "ours"}


async def test_an_unlinked_object_is_found_by_its_isbn_until_a_title_claims_it_or_it_is_gone(db: Database) -> None:
    for id_ in ("a", "b", "c"):
        await shown(db, id_, f"object:product/{id_}", "978000000001", "978000000002")
    await shown(db, "d", "work:1", "978000000001")
    assert await strangers(db, "978000000001") == {"978000000001": [object_("a"), object_("b"), object_("c")]}
    await shown(db, "a", "work:1", "978000000001")
    await shown(db, "b", "object:product/b", body=None)
    await shown(db, "c", "object:product/c", "978000000002")
    assert await strangers(db, "978000000001") == {}
    assert await strangers(db, "978000000002") == {"978000000002": [object_("c")]}


async def test_the_titles_that_state_an_isbn_are_works_alone(db: Database) -> None:
    await shown(db, "a", "object:product/a", "978000000001")
    await shown(db, "b", "work:1", "978000000001")
    async with db.read() as c:
        assert await mirror.titles_stating(c, ["978000000001"]) == {TITLE}
        assert await mirror.titles_stating(c, ["978000000002"]) == set()


async def test_only_objects_whose_title_is_another_one_are_retitled(db: Database) -> None:
    await shown(db, "a", "object:product/a")
    await shown(db, "b", "work:2")
    async with db.begin() as c:
        wanted = {object_("a"): TITLE, object_("b"): OTHER, object_("unknown"): TITLE}
        assert await mirror.retitle(c, "fourallportal", wanted) == {object_("a"): "object:product/a"}
        assert await mirror.keys_of(c, "fourallportal", [TITLE]) == [object_("a")]


async def test_all_objects_come_page_by_page_each_once(db: Database) -> None:
    count = CHUNK + 3
    read = {object_(str(n)): (Raw(object_(str(n)), True), TITLE) for n in range(count)}
    async with db.begin() as c:
        await mirror.store_raws(db, c, "fourallportal", read, 100, 1)
    async with db.read() as c:
        pages = [page async for page in mirror.pages(c, "fourallportal")]
    assert [len(page) for page in pages] == [CHUNK, 3]
    assert len({raw.key for page in pages for raw in page}) == count
