"""Intents, outcomes and doubts, on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from frontlist.clock import Clock
from frontlist.contract import FieldKey, Resource, TitleKey
from frontlist.state import applied, recovered
from frontlist.state.applied import Applied, Intent, Outcome
from frontlist.state.database import Database
from frontlist.state.images import before_table

RECORD = Resource("fourallportal", "product", "a")
OTHER = Resource("fourallportal", "product", "b")
TITLE, RIVAL = TitleKey("work:1"), TitleKey("work:2")
SECOND = 1_000_000


def intent(claim: int, *, title: TitleKey = TITLE, revision: int = 1, value: str = "new", **more: Any) -> Intent:
    fields = {FieldKey("title"): value}
    vector = {"consonance.metadata": revision, "activation": 10**18}
    resource, was = more.pop("resource", RECORD), more.pop("was", {})
    return Intent(resource, "metadata", title, claim, vector, fields, was, revision=revision, **more)


def outcome(claim: int, *, resource: Resource = RECORD, **more: Any) -> Outcome:
    return Outcome(resource, "metadata", claim, {FieldKey("title"): "new"}, True, **more)


async def intend(db: Database, *intents: Intent) -> tuple[set[Resource], set[Resource]]:
    async with db.begin() as c:
        there = await applied.locked(c, [each.resource for each in intents])
        return await applied.intend(db, c, intents, there)


async def remember(db: Database, *outcomes: Outcome) -> set[Resource]:
    async with db.begin() as c:
        return {resource for resource, _ in await applied.remember(db, c, outcomes)}


async def held(db: Database, resource: Resource = RECORD) -> Applied:
    async with db.read() as c:
        return (await applied.of_resources(c, "metadata", [resource]))[resource]


async def now(db: Database) -> int:
    async with db.read() as c:
        return await db.now(c)


async def test_an_intent_is_in_doubt_until_it_is_remembered(db: Database) -> None:
    assert await intend(db, intent(5)) == ({RECORD}, set())
    assert (await held(db)).in_doubt(0)
    assert await remember(db, outcome(5)) == set()
    found = await held(db)
    assert not found.in_doubt(0)
    assert (found.fields, found.present, found.applied_claim) == ({"title": "new"}, True, 5)


@pytest.mark.parametrize("late", [4, 5])
async def test_an_older_or_equal_claim_is_refused_and_changes_nothing(db: Database, late: int) -> None:
    await intend(db, intent(5))
    before = await held(db)
    assert await intend(db, intent(late, value="stale")) == (set(), set())
    assert await held(db) == before


async def test_a_refused_intent_leaves_no_before_image(db: Database) -> None:
    await intend(db, intent(5, was={FieldKey("title"): "old"}))
    await intend(db, intent(4, was={FieldKey("title"): "older"}))
    async with db.read() as c:
        images = (await c.execute(sa.select(before_table))).all()
    assert [(row.claim, row.was, row.becomes) for row in images] == [(5, '"old"', '"new"')]


async def test_an_intent_over_an_unremembered_one_keeps_its_doubt_although_it_is_remembered_itself(
    db: Database,
) -> None:
    read_at = await now(db)
    await intend(db, intent(5))
    await intend(db, intent(6))
    assert await remember(db, outcome(6, read_at=read_at)) == set()
    found = await held(db)
    assert found.doubt_since is not None
    assert found.in_doubt(0)


async def test_an_intent_over_a_remembered_one_has_no_doubt(db: Database) -> None:
    await intend(db, intent(5))
    await remember(db, outcome(5))
    await intend(db, intent(6))
    await remember(db, outcome(6))
    assert (await held(db)).doubt_since is None


async def test_an_old_doubt_outlives_a_new_intent(db: Database) -> None:
    await intend(db, intent(5))
    await remember(db, outcome(5))
    async with db.begin() as c:
        await applied.doubt(c, [(RECORD, "metadata")], 77, None)
    await intend(db, intent(6))
    assert (await held(db)).doubt_since == 77


@pytest.mark.parametrize(("read_at", "left"), [(76, 77), (77, None), (78, None)])
async def test_remembering_settles_only_doubts_older_than_its_read(
    db: Database, read_at: int, left: int | None
) -> None:
    await intend(db, intent(5))
    async with db.begin() as c:
        await applied.doubt(c, [(RECORD, "metadata")], 77, None)
    await remember(db, outcome(5, read_at=read_at))
    assert (await held(db)).doubt_since == left


async def test_a_refused_remember_is_answered_and_puts_the_newer_intent_in_doubt(db: Database) -> None:
    await intend(db, intent(5))
    await intend(db, intent(6))
    await remember(db, outcome(6, read_at=await now(db)))
    assert not (await held(db)).in_doubt(0)
    assert await remember(db, outcome(5)) == {RECORD}
    found = await held(db)
    assert (found.applied_claim, found.doubt_since is not None) == (6, True)


async def test_another_title_wins_by_a_newer_revision_and_loses_by_an_older(db: Database) -> None:
    await intend(db, intent(5, revision=10))
    assert await intend(db, intent(6, title=RIVAL, revision=9)) == (set(), {RECORD})
    assert (await held(db)).title == TITLE
    assert await intend(db, intent(7, title=RIVAL, revision=11)) == ({RECORD}, set())
    assert (await held(db)).title == RIVAL
    assert await intend(db, intent(8, revision=10)) == (set(), {RECORD})


async def test_of_two_equal_revisions_the_first_stands(db: Database) -> None:
    await intend(db, intent(5, revision=10))
    assert await intend(db, intent(6, title=RIVAL, revision=10)) == (set(), {RECORD})


async def test_what_a_title_lets_go_of_any_other_may_claim(db: Database) -> None:
    await intend(db, intent(5, revision=10))
    assert await intend(db, intent(6, revision=11, releases=True)) == ({RECORD}, set())
    assert await intend(db, intent(7, title=RIVAL, revision=3)) == ({RECORD}, set())


@pytest.mark.parametrize("gone_too", [False, True])
async def test_no_title_lets_go_of_what_another_has_whatever_its_revision(db: Database, gone_too: bool) -> None:
    await intend(db, intent(5, revision=10, releases=gone_too))
    assert await intend(db, intent(6, title=RIVAL, revision=99, releases=True)) == (set(), {RECORD})
    assert (await held(db)).title == TITLE


async def test_a_title_is_never_held_up_by_its_own_newer_revision(db: Database) -> None:
    await intend(db, intent(5, revision=10))
    assert await intend(db, intent(6, revision=9)) == ({RECORD}, set())


async def test_one_refused_resource_leaves_the_others_their_intent(db: Database) -> None:
    await intend(db, intent(9))
    got, taken = await intend(db, intent(5), intent(5, resource=OTHER))
    assert (got, taken) == ({OTHER}, set())


async def test_progress_is_kept_only_for_the_intent_that_stands(db: Database) -> None:
    await intend(db, intent(5))
    progress: Mapping[str, Any] = {"steps": {"create": {"id": 1}}}
    async with db.begin() as c:
        for claim, kept in ((4, {"steps": {}}), (5, progress), (6, {"steps": {}})):
            await applied.keep_progress(c, [(RECORD, "metadata", claim, kept)])
    assert (await held(db)).progress == progress


async def test_the_second_look_is_named_with_its_time(db: Database, clock: Clock) -> None:
    await intend(db, intent(5), intent(5, resource=OTHER))
    await remember(db, outcome(5, look_again_at=900), outcome(5, resource=OTHER, look_again_at=800))
    async with db.read() as c:
        assert await applied.look_again(c, "metadata", [TITLE], 700, ["fourallportal"]) == {TITLE: 800}
    assert [(await held(db)).in_doubt(at) for at in (899, 900)] == [False, True]


async def test_what_is_in_doubt_without_a_time_of_its_own_is_looked_at_in_a_minute(db: Database) -> None:
    await intend(db, intent(5))
    async with db.read() as c:
        assert await applied.look_again(c, "metadata", [TITLE], 700, ["fourallportal"]) == {TITLE: 700 + 60 * SECOND}


async def test_after_a_restored_backup_everything_is_in_doubt(db: Database) -> None:
    await intend(db, intent(5), intent(5, resource=OTHER))
    await remember(db, outcome(5), outcome(5, resource=OTHER))
    async with db.begin() as c:
        await recovered.doubt_all(c)
    assert [(await held(db, each)).in_doubt(0) for each in (RECORD, OTHER)] == [True, True]
