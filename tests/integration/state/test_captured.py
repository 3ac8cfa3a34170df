"""Revisions on both databases: reserved, confirmed and learnt from our own topics."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frontlist.clock import Clock
from frontlist.contract import TitleKey
from frontlist.state import captured
from frontlist.state.captured import Captured, Published
from frontlist.state.database import Database

SYSTEM = "consonance"
TITLE, OTHER = TitleKey("work:1"), TitleKey("work:2")
HOUR = 3_600_000_000


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


@given(batch=st.lists(documents(), max_size=8), confirmed=st.integers(0, 4), reserved=st.integers(0, 5))
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_many_documents_at_once_are_as_one_after_the_other(
    db: Database, batch: list[Published], confirmed: int, reserved: int
) -> None:
    batch = list({(each.aspect, each.title, each.revision): each for each in batch}.values())
    batch.sort(key=lambda each: each.revision)  # as a topic holds them

    async def outcome(parts: list[list[Published]]) -> tuple[object, set[TitleKey]]:
        async with db.begin() as c:
            await c.execute(sa.delete(captured.captured_table))
            row = {"system": SYSTEM, "aspect": "metadata", "title": TITLE, "revision": confirmed}
            row |= {"reserved_revision": reserved, "readable_revision": confirmed, "readable_body": "before"}
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


async def test_positions_on_our_own_topics_move_forwards_only(db: Database) -> None:
    async with db.begin() as c:
        await captured.save_positions(db, c, {("t", 0): 9, ("t", 1): 4})
        await captured.save_positions(db, c, {("t", 0): 7, ("t", 1): 5})
        assert await captured.positions(c) == {("t", 0): 9, ("t", 1): 5}
