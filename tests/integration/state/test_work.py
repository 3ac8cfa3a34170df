"""Work rows: markings, claims and what finishing may change, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from frontlist.clock import Clock
from frontlist.contract import TitleKey
from frontlist.state import processes, work
from frontlist.state.database import Database
from frontlist.state.work import Claim, Due, Finished

SECOND = 1_000_000
LATE, SOON = 40, 10


def due(title: str, at: int, priority: int = LATE, reason: str = "test") -> Due:
    return Due("metadata", TitleKey(title), at, priority, reason)


async def mark(db: Database, *dues: Due) -> None:
    async with db.begin() as c:
        await work.mark(db, c, dues)


async def claim(db: Database, process: str = "p1", *, now: int | None = None, limit: int = 100) -> list[Claim]:
    async with db.begin() as c:
        await processes.beat(db, c, process, "work")
        return await work.claim(db, c, process, now or await db.now(c), limit, ["metadata"])


async def finish(db: Database, *finished: Finished) -> None:
    async with db.begin() as c:
        await work.finish(db, c, finished, await db.now(c))


async def row(db: Database, title: str) -> dict[str, object]:
    async with db.read() as c:
        found = await c.execute(work.work_table.select().where(work.work_table.c.title == title))
        return dict(found.one()._mapping)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_the_sooner_time_and_the_higher_priority_win(db: Database, order: Sequence[int]) -> None:
    markings = (due("work:1", 500, LATE), due("work:1", 900, SOON))
    for i in order:
        await mark(db, markings[i])
    found = await row(db, "work:1")
    assert (found["due_at"], found["priority"]) == (500, SOON)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_of_two_markings_in_one_call_too_the_higher_priority_wins(db: Database, order: Sequence[int]) -> None:
    markings = (due("work:1", 500, LATE), due("work:1", 500, SOON))
    await mark(db, *(markings[i] for i in order))
    assert (await row(db, "work:1"))["priority"] == SOON


async def test_what_was_done_takes_the_new_time_and_priority_not_the_old(db: Database) -> None:
    await mark(db, due("work:1", 500, SOON))
    [mine] = await claim(db)
    await finish(db, Finished(mine, "applied"))
    await mark(db, due("work:1", 900, LATE))
    found = await row(db, "work:1")
    assert (found["due_at"], found["priority"]) == (900, LATE)


async def test_each_marking_draws_a_larger_number_and_leaves_the_back_off(db: Database) -> None:
    await mark(db, due("work:1", 500))
    [mine] = await claim(db)
    await finish(db, Finished(mine, "retry", due_at=500, not_before=77, attempts=3))
    before = await row(db, "work:1")
    await mark(db, due("work:1", 500))
    after = await row(db, "work:1")
    assert int(str(after["number"])) > int(str(before["number"]))
    assert (after["not_before"], after["attempts"]) == (77, 3)


async def test_the_most_urgent_is_claimed_first_and_only_what_is_due(db: Database) -> None:
    now = 1_000
    await mark(db, due("work:1", 900), due("work:2", 800), due("work:3", 950, SOON), due("work:4", 1_001, SOON))
    assert [each.title for each in await claim(db, now=now, limit=2)] == ["work:3", "work:2"]


async def test_a_claim_waits_for_the_end_of_the_back_off(db: Database) -> None:
    await mark(db, due("work:1", 500))
    [mine] = await claim(db, now=1_000)
    await finish(db, Finished(mine, "retry", due_at=500, not_before=2_000))
    assert await claim(db, now=1_999) == []
    assert [each.title for each in await claim(db, now=2_000)] == ["work:1"]


async def test_a_live_process_keeps_its_rows_and_a_dead_one_loses_them(db: Database, clock: Clock) -> None:
    await mark(db, due("work:1", 500))
    [first] = await claim(db, "p1")
    assert await claim(db, "p2") == []
    clock.offset_us += processes.DEAD_AFTER + SECOND
    [second] = await claim(db, "p2")
    assert (second.title, second.number) == (first.title, first.number)
    assert second.claim > first.claim


async def test_a_row_that_was_marked_again_stays_due_when_it_is_finished(db: Database) -> None:
    await mark(db, due("work:1", 500))
    [mine] = await claim(db)
    await mark(db, due("work:1", 600))
    await finish(db, Finished(mine, "applied"))
    found = await row(db, "work:1")
    assert (found["due_at"], found["claimed_by"], found["outcome"]) == (500, None, "applied")


async def test_a_claim_that_was_taken_over_finishes_nothing(db: Database, clock: Clock) -> None:
    await mark(db, due("work:1", 500))
    [first] = await claim(db, "p1")
    clock.offset_us += processes.DEAD_AFTER + SECOND
    await claim(db, "p2")
    await finish(db, Finished(first, "applied"))
    found = await row(db, "work:1")
    assert (found["due_at"], found["claimed_by"], found["outcome"]) == (500, "p2", None)


async def test_only_the_claims_that_still_stand_are_mine(db: Database, clock: Clock) -> None:
    await mark(db, due("work:1", 500), due("work:2", 500))
    claims = await claim(db, "p1")
    clock.offset_us += processes.DEAD_AFTER + SECOND
    await claim(db, "p2", limit=1)
    async with db.begin() as c:
        mine = await work.still_mine(c, "p1", claims)
    assert len(mine) == 1


async def test_released_rows_are_free_at_once(db: Database) -> None:
    await mark(db, due("work:1", 500))
    await claim(db, "p1")
    async with db.begin() as c:
        await work.release(db, c, "p1")
    assert [each.title for each in await claim(db, "p2")] == ["work:1"]


async def test_next_due_is_the_later_of_time_and_back_off(db: Database) -> None:
    await mark(db, due("work:1", 500), due("work:2", 3_000))
    [mine] = await claim(db, now=1_000)
    await finish(db, Finished(mine, "retry", due_at=500, not_before=2_000))
    async with db.read() as c:
        assert await work.next_due(c, ["metadata"]) == 2_000
        assert await work.next_due(c, ["another"]) is None


async def test_concurrent_claimers_never_share_a_row_and_claims_of_a_row_grow(db: Database) -> None:
    titles = [f"work:{i}" for i in range(40)]
    await mark(db, *(due(title, 500) for title in titles))
    history: dict[str, list[int]] = {title: [] for title in titles}
    in_hand: set[str] = set()

    async def worker(name: str) -> None:
        for n in range(40):
            # By one that has just begun: statements under way do not see its first heartbeat.
            claims = await claim(db, f"{name}.{n}", limit=7)
            for each in claims:
                assert each.title not in in_hand, f"{each.title} was handed out twice"
                in_hand.add(each.title)
                history[each.title].append(each.claim)
            await asyncio.sleep(0.001)
            in_hand.difference_update(each.title for each in claims)
            await finish(db, *(Finished(each, "retry", due_at=500) for each in claims))

    async with asyncio.TaskGroup() as group:
        for i in range(6):
            group.create_task(worker(f"p{i}"))
    assert sum(map(len, history.values())) > len(titles)
    for claims in history.values():
        assert claims == sorted(set(claims))


YEAR = 365 * 86_400 * SECOND


async def test_a_moment_that_a_plan_named_is_as_urgent_as_the_plan_says(db: Database) -> None:
    async with db.begin() as c:
        now = await db.now(c)
    await mark(db, due("work:1", now, 90))
    [claimed] = await claim(db)
    assert not claimed.live
    await finish(db, Finished(claimed, "applied", due_at=now + 1, priority=SOON))
    [again] = await claim(db)
    assert (again.priority, again.live) == (SOON, True)


async def test_a_moment_years_ahead_makes_a_backfill_neither_urgent_nor_live(db: Database) -> None:
    async with db.begin() as c:
        now = await db.now(c)
    await mark(db, due("work:1", now, SOON))
    [claimed] = await claim(db)
    await finish(db, Finished(claimed, "applied", due_at=now + YEAR, priority=SOON))
    await mark(db, due("work:1", now, 90))
    [again] = await claim(db)
    assert (again.priority, again.live) == (90, False)


async def test_a_retry_of_a_live_change_stays_live_whatever_marks_it_again(db: Database) -> None:
    async with db.begin() as c:
        now = await db.now(c)
    await mark(db, due("work:1", now, SOON))
    [claimed] = await claim(db)
    await finish(db, Finished(claimed, "retry", due_at=now, not_before=0, attempts=1))
    await mark(db, due("work:1", now, 90))
    [again] = await claim(db)
    assert (again.priority, again.live) == (SOON, True)


async def test_what_waited_is_hastened_as_live_as_it_was_and_timers_are_left_alone(db: Database) -> None:
    async with db.read() as c:
        now = await db.now(c)
    for title, wait in {"work:live": 3600, "work:timer": 7200}.items():
        await mark(db, due(title, now, SOON))
        [mine] = await claim(db)
        await finish(db, Finished(mine, "deferred", due_at=now + wait * SECOND))
    await mark(db, due("work:in hand", now, SOON))
    [mine] = await claim(db)
    async with db.begin() as c:
        await work.hasten(db, c, now, 3600)
    await finish(db, Finished(mine, "deferred", due_at=now + 3600 * SECOND))
    found = {title: await row(db, title) for title in ("work:live", "work:timer", "work:in hand")}
    seen = {title: (each["due_at"] == now, each["priority"], bool(each["live"])) for title, each in found.items()}
    assert seen == {
        "work:live": (True, SOON, True),
        "work:timer": (False, SOON, True),
        "work:in hand": (True, SOON, True),
    }
