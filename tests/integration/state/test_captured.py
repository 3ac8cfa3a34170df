"""Capture's rows: revisions, confirmations, marks and the mirror, on both databases."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frontlist.clock import Clock
from frontlist.contract import TitleKey
from frontlist.source import Page, Raw, RawKey
from frontlist.state import captured
from frontlist.state.captured import Captured, Mark, Published, Stored
from frontlist.state.database import CHUNK, Database

SYSTEM = "consonance"
TITLE, OTHER = TitleKey("work:1"), TitleKey("work:2")
HOUR = 3_600_000_000
KEY = RawKey("work", "1")


async def reserve(db: Database, *titles: TitleKey, print_: str = "A") -> list[int]:
    async with db.begin() as c:
        prints = [(title, "metadata", print_) for title in titles]
        return list((await captured.reserve(db, c, SYSTEM, prints)).values())


async def confirm(db: Database, revision: int, print_: str = "A", title: TitleKey = TITLE) -> None:
    async with db.begin() as c:
        await captured.confirm(c, SYSTEM, [Published("metadata", title, revision, print_, (revision, f'"{print_}"'))])


async def learn(db: Database, revision: int, print_: str = "A") -> bool:
    async with db.begin() as c:
        return bool(await captured.learn(db, c, SYSTEM, [Published("metadata", TITLE, revision, print_)]))


async def known(db: Database, title: TitleKey = TITLE) -> Captured:
    async with db.read() as c:
        return (await captured.captured(c, SYSTEM, [title]))[title, "metadata"]


async def mark(db: Database, *titles: TitleKey, read_again: bool = False) -> None:
    async with db.begin() as c:
        await captured.mark(db, c, SYSTEM, titles, read_again=read_again)


async def marks(db: Database, *, read_again: bool = False) -> list[Mark]:
    async with db.read() as c:
        return await captured.marked(c, SYSTEM, 100, read_again=read_again)


async def store(db: Database, began: int, body: object, *, title: TitleKey = TITLE, passed: int = 1) -> object:
    async with db.begin() as c:
        stored = await captured.store_raws(db, c, SYSTEM, {KEY: (Raw(KEY, body), title)}, began, passed)
        return stored.changed, stored.late


@given(steps=st.lists(st.tuples(st.integers(-2, 2), st.integers(1, 3)), min_size=2, max_size=6))
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_revision_is_larger_than_any_before_however_the_clock_moves(
    db: Database, clock: Clock, steps: list[tuple[int, int]]
) -> None:
    drawn: list[int] = []
    for hours, count in steps:
        clock.offset_us += hours * HOUR
        drawn += await reserve(db, *(TitleKey(f"work:{i}") for i in range(count)))
    assert drawn == sorted(set(drawn))


async def test_a_revision_is_the_time_where_nothing_stands_against_it(db: Database) -> None:
    async with db.read() as c:
        before = await db.now(c)
    [revision] = await reserve(db, TITLE)
    assert before <= revision <= before + 60_000_000


async def test_two_that_reserve_at_once_never_get_the_same_revision(db: Database) -> None:
    got = await asyncio.gather(*(reserve(db, TITLE, OTHER) for _ in range(8)))
    drawn = [revision for part in got for revision in part]
    assert len(set(drawn)) == len(drawn) == 16


async def test_a_later_read_has_a_later_time_also_after_the_clock_was_set_back(db: Database, clock: Clock) -> None:
    times = []
    for offset in (0, 0, -HOUR, -2 * HOUR, HOUR):
        clock.offset_us = offset
        async with db.begin() as c:
            times.append(await captured.read_time(db, c, SYSTEM))
    assert times == sorted(set(times))


async def test_a_confirmation_settles_what_was_reserved(db: Database) -> None:
    [revision] = await reserve(db, TITLE)
    assert (await known(db)).reserved == revision
    await confirm(db, revision)
    assert await known(db) == Captured(revision, "A", None, revision, '"A"')


async def test_a_confirmation_never_goes_back(db: Database) -> None:
    [first] = await reserve(db, TITLE)
    [second] = await reserve(db, TITLE, print_="B")
    await confirm(db, second, "B")
    await confirm(db, first, "A")
    assert await known(db) == Captured(second, "B", None, second, '"B"')


async def test_an_older_confirmation_leaves_a_newer_reservation_open(db: Database) -> None:
    [first] = await reserve(db, TITLE)
    [second] = await reserve(db, TITLE, print_="B")
    await confirm(db, first)
    found = await known(db)
    assert (found.revision, found.reserved) == (first, second)
    async with db.read() as c:
        assert await captured.still_reserved(c, SYSTEM) == [TITLE]


async def test_a_to_b_to_a_with_b_unconfirmed_stays_open_until_it_is_settled(db: Database) -> None:
    """Only the fingerprint would say that nothing changed: the reservation says that B may be on the topic."""
    [first] = await reserve(db, TITLE, print_="A")
    await confirm(db, first, "A")
    await reserve(db, TITLE, print_="B")
    found = await known(db)
    assert (found.fingerprint, found.reserved is not None) == ("A", True)
    [again] = await reserve(db, TITLE, print_="A")
    await confirm(db, again, "A")
    assert await known(db) == Captured(again, "A", None, again, '"A"')


async def test_an_unreadable_confirmation_keeps_the_last_readable(db: Database) -> None:
    [first] = await reserve(db, TITLE)
    await confirm(db, first)
    [second] = await reserve(db, TITLE, print_="broken")
    async with db.begin() as c:
        await captured.confirm(c, SYSTEM, [Published("metadata", TITLE, second, "broken")])
    assert await known(db) == Captured(second, "broken", None, first, '"A"')


def documents() -> st.SearchStrategy[Published]:
    """Of two titles, in one or two aspects: readable, gone, or neither."""

    def made(aspect: str, title: str, revision: int, state: str) -> Published:
        readable = (revision, f'"{revision}"') if state == "readable" else None
        return Published(aspect, TitleKey(title), revision, f"{state}/{revision}", readable, state == "gone")

    states = st.sampled_from(["readable", "gone", "unreadable"])
    return st.builds(
        made, st.sampled_from(["metadata", "formats"]), st.sampled_from([TITLE, OTHER]), st.integers(1, 5), states
    )


@given(batch=st.lists(documents(), max_size=8), reserved=st.integers(0, 5))
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_many_documents_at_once_are_as_one_after_the_other(
    db: Database, batch: list[Published], reserved: int
) -> None:
    batch = list({(each.aspect, each.title, each.revision): each for each in batch}.values())
    batch.sort(key=lambda each: each.revision)  # as a topic holds them

    async def outcome(parts: list[list[Published]]) -> tuple[object, set[TitleKey]]:
        async with db.begin() as c:
            await c.execute(sa.delete(captured.captured_table))
            row = {"system": SYSTEM, "aspect": "metadata", "title": TITLE, "reserved_revision": reserved}
            await db.upsert(c, captured.captured_table, [row])
            surprises = [await captured.learn(db, c, SYSTEM, part) for part in parts]
            return await captured.captured(c, SYSTEM, [TITLE, OTHER]), set().union(*surprises)

    assert await outcome([batch]) == await outcome([[each] for each in batch])


async def test_what_the_topic_holds_is_no_surprise_where_it_was_reserved_or_is_known(db: Database) -> None:
    [revision] = await reserve(db, TITLE)
    assert not await learn(db, revision)
    assert (await known(db)).reserved is None
    assert not await learn(db, revision)
    assert not await learn(db, revision - 1)
    assert (await known(db)).revision == revision


async def test_what_the_topic_holds_and_nobody_reserved_is_a_surprise(db: Database) -> None:
    assert await learn(db, 77)
    [revision] = await reserve(db, TITLE)
    await confirm(db, revision)
    assert await learn(db, revision + 5, "C")
    assert (await known(db)).fingerprint == "C"


async def test_the_next_revision_is_larger_than_one_learnt_from_the_topic(db: Database) -> None:
    async with db.read() as c:
        future = await db.now(c) + 24 * HOUR
    await learn(db, future)
    assert (await reserve(db, TITLE))[0] > future


async def test_a_mark_is_cleared_only_by_its_number(db: Database) -> None:
    await mark(db, TITLE)
    before = await marks(db)
    await mark(db, TITLE)
    async with db.begin() as c:
        await captured.unmark(c, SYSTEM, before)
    [left] = await marks(db)
    assert left.number > before[0].number
    async with db.begin() as c:
        await captured.unmark(c, SYSTEM, [left])
    assert await marks(db) == []


async def test_a_mark_to_read_again_outlives_a_plain_one_and_is_done_only_by_its_number(db: Database) -> None:
    await mark(db, TITLE, read_again=True)
    before = await marks(db, read_again=True)
    await mark(db, TITLE)
    async with db.begin() as c:
        await captured.read_again_done(c, SYSTEM, before)
    [left] = await marks(db, read_again=True)
    async with db.begin() as c:
        await captured.read_again_done(c, SYSTEM, [left])
    assert [each.title for each in await marks(db)] == [TITLE]


async def test_a_late_read_never_overwrites_a_newer_one(db: Database) -> None:
    assert await store(db, 200, {"title": "B"}) == ({TITLE}, [])
    assert await store(db, 100, {"title": "A"}) == (set(), [KEY])
    async with db.read() as c:
        assert (await captured.raws_of(c, SYSTEM, [TITLE]))[TITLE][KEY].body == {"title": "B"}


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
            return await captured.unseen(c, SYSTEM, ["work"], 2)

    assert await unseen() == [KEY]
    async with db.begin() as c:
        await captured.mark_missing(db, c, SYSTEM, [KEY], 500)
        await captured.mark_missing(db, c, SYSTEM, [KEY], 900)
    assert await unseen() == []
    async with db.read() as c:
        assert await captured.missing_long(c, SYSTEM, 499) == []
        assert await captured.missing_long(c, SYSTEM, 500) == [KEY]
    await store(db, 600, {"title": "A"}, passed=2)
    async with db.read() as c:
        assert await captured.missing_long(c, SYSTEM, 10_000) == []


async def test_a_feed_is_complete_only_after_its_last_page_and_a_sweep_begins_the_next_pass(db: Database) -> None:
    async def turn(page: Page) -> captured.FeedState:
        async with db.begin() as c:
            state = (await captured.feeds(c, SYSTEM)).get("works") or captured.FeedState("works", None, 1, None, None)
            await captured.save_feed(db, c, SYSTEM, state, page, 5)
            return (await captured.feeds(c, SYSTEM))["works"]

    first = await turn(Page((), {"after": 3}, exhausted=False, sweep=True))
    assert (first.cursor, first.completed_at, first.passed) == ({"after": 3}, None, 1)
    last = await turn(Page((), {"after": 9}, exhausted=True, sweep=True))
    assert (last.completed_at, last.passed) == (5, 2)
    delta = await turn(Page((), {"after": 9}, exhausted=True))
    assert delta.passed == 2


async def test_positions_on_our_own_topics_move_forwards_only(db: Database) -> None:
    async with db.begin() as c:
        await captured.save_positions(db, c, {("t", 0): 9, ("t", 1): 4})
        await captured.save_positions(db, c, {("t", 0): 7, ("t", 1): 5})
        assert await captured.positions(c) == {("t", 0): 9, ("t", 1): 5}


def object_(id_: str) -> RawKey:
    return RawKey("product", id_)


async def shown(db: Database, id_: str, title: str, *isbns: str, body: object = True, watched: object = None) -> Stored:
    """An object of 4ALLPORTAL as it is read."""
    raw = Raw(object_(id_), body, watched=watched)
    async with db.begin() as c:
        began = await captured.read_time(db, c, "fourallportal")
        read = {raw.key: (raw, TitleKey(title))}
        stored = await captured.store_raws(db, c, "fourallportal", read, began, 1)
        await captured.save_isbns(db, c, "fourallportal", {raw.key: frozenset(isbns)})
    return stored


async def strangers(db: Database, *isbns: str) -> dict[str, list[RawKey]]:
    async with db.read() as c:
        return await captured.strangers_stating(c, "fourallportal", isbns)


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
        assert await captured.titles_stating(c, ["978000000001"]) == {TITLE}
        assert await captured.titles_stating(c, ["978000000002"]) == set()


async def test_only_objects_whose_title_is_another_one_are_retitled(db: Database) -> None:
    await shown(db, "a", "object:product/a")
    await shown(db, "b", "work:2")
    async with db.begin() as c:
        wanted = {object_("a"): TITLE, object_("b"): OTHER, object_("unknown"): TITLE}
        assert await captured.retitle(c, "fourallportal", wanted) == {object_("a"): "object:product/a"}
        assert await captured.keys_of(c, "fourallportal", [TITLE]) == [object_("a")]


async def test_all_objects_come_page_by_page_each_once(db: Database) -> None:
    count = CHUNK + 3
    read = {object_(str(n)): (Raw(object_(str(n)), True), TITLE) for n in range(count)}
    async with db.begin() as c:
        await captured.store_raws(db, c, "fourallportal", read, 100, 1)
    async with db.read() as c:
        pages = [page async for page in captured.pages(c, "fourallportal")]
    assert [len(page) for page in pages] == [CHUNK, 3]
    assert len({raw.key for page in pages for raw in page}) == count
