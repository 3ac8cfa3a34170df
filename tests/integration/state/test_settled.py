"""Links and decisions: the higher number wins, on both databases."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frontlist.contract import Resource, TitleKey
from frontlist.state import installation, settled
from frontlist.state.applied import applied_table
from frontlist.state.database import Database
from frontlist.state.settled import Decision, Link

TITLE, OTHER = TitleKey("work:1"), TitleKey("work:2")
PRODUCT = Resource("fourallportal", "product", "91")


def link(number: int, id_: str | None = "a", title: TitleKey = TITLE) -> Link:
    return Link("fourallportal", "product", "91", id_, title, "product", number)


async def save(db: Database, *links: Link) -> list[TitleKey]:
    async with db.begin() as c:
        return await settled.save_links(db, c, links)


async def decide(db: Database, *decisions: Decision) -> list[Decision]:
    async with db.begin() as c:
        return await settled.save_decisions(db, c, decisions)


@given(batches=st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_higher_number_wins_in_whatever_order_they_come(db: Database, batches: list[list[int]]) -> None:
    async with db.begin() as c:
        await c.execute(sa.delete(settled.decision_table))
    highest = 0
    for batch in batches:
        took = await decide(db, *(Decision("mode", "*/*", f"m{number}", number) for number in batch))
        assert [each.number for each in took] == ([max(batch)] if max(batch) > highest else [])
        highest = max(highest, *batch)
        async with db.read() as c:
            assert await settled.decision(c, "mode", "*/*") == f"m{highest}"


async def test_a_link_that_changed_names_its_title_and_an_older_one_does_not(db: Database) -> None:
    assert await save(db, link(5)) == [TITLE]
    assert await save(db, link(4, "b")) == []
    async with db.read() as c:
        assert await settled.links_of(c, [TITLE]) == {TITLE: {PRODUCT: "a"}}


async def test_the_link_of_a_product_counts_for_the_title_that_has_it_today(db: Database) -> None:
    await save(db, link(5))
    async with db.read() as c:
        found = await settled.links_of(c, [TITLE, OTHER], {TITLE: [], OTHER: [PRODUCT.id, "99"]})
    assert found == {TITLE: {PRODUCT: "a"}, OTHER: {PRODUCT: "a"}}


@pytest.mark.parametrize(("claim", "title"), [(4, TITLE), (6, OTHER)])
async def test_an_object_is_of_the_title_that_claimed_it_after_it_was_linked(
    db: Database, claim: int, title: TitleKey
) -> None:
    await save(db, link(5))
    row = {"target": "fourallportal", "kind": "product", "id": "a", "consumer": "metadata", "title": OTHER}
    stored = {**row, "intent_claim": claim, "intent_vector": "{}", "intent_at": 0, "title_revision": 1}
    async with db.begin() as c:
        await c.execute(applied_table.insert(), [stored])
        found = await settled.titles_of_objects(c, "fourallportal", [("product", "a"), ("product", "b")])
    assert found == {Resource("fourallportal", "product", "a"): title}


async def test_the_link_of_a_work_is_not_that_of_a_product_with_its_number(db: Database) -> None:
    await save(db, Link("fourallportal", "title", "1", "t", TITLE, "title", 7))
    async with db.read() as c:
        assert await settled.links_of(c, [OTHER], {OTHER: ["1"]}) == {OTHER: {}}


async def test_a_product_with_the_number_of_its_former_work_keeps_its_link(db: Database) -> None:
    """Beside the link of that work itself."""
    of_work = Link("fourallportal", "title", "1", "t", TITLE, "title", 7)
    await save(db, of_work, Link("fourallportal", "product", "1", "p", TITLE, "product", 8))
    async with db.read() as c:
        found = await settled.links_of(c, [OTHER], {OTHER: ["1"]})
    assert found == {OTHER: {Resource("fourallportal", "product", "1"): "p"}}


async def test_a_link_that_was_taken_back_is_not_there(db: Database) -> None:
    await save(db, link(5))
    await save(db, link(6, None))
    async with db.read() as c:
        assert await settled.links_of(c, [TITLE]) == {TITLE: {}}
        assert await settled.titles_by_object(c, "fourallportal") == {}


async def test_objects_that_gain_or_lose_a_link_are_looked_at_again_once(db: Database) -> None:
    async def asked() -> dict[tuple[str, str], int]:
        async with db.read() as c:
            return await settled.to_relink(c, "fourallportal", 9)

    await save(db, link(5))
    assert await asked() == {("product", "a"): 5}
    await save(db, link(7, "b"))
    assert await asked() == {("product", "a"): 7, ("product", "b"): 7}
    await save(db, link(6, "c"))
    async with db.begin() as c:
        await settled.relinked(c, "fourallportal", {("product", "a"): 5, ("product", "b"): 7})
    assert await asked() == {("product", "a"): 7}, "a newer link asked for it meanwhile"
    await save(db, link(8, None))
    assert await asked() == {("product", "a"): 7, ("product", "b"): 8}


async def test_a_decision_that_was_taken_back_is_not_there(db: Database) -> None:
    await decide(db, Decision("waiver", "x", {"by": "me"}, 1))
    await decide(db, Decision("waiver", "x", None, 2))
    async with db.read() as c:
        assert await settled.decisions(c, "waiver") == {}


async def test_notes_are_of_one_consumer_and_one_title(db: Database) -> None:
    await decide(db, Decision("note", settled.note_key("metadata", TITLE), {"held": "2025"}, 1))
    async with db.read() as c:
        found = await settled.about(c, "metadata", [TITLE, OTHER])
        assert found["note"] == {settled.note_key("metadata", TITLE): {"held": "2025"}}
        assert (await settled.about(c, "rights", [TITLE]))["note"] == {}
        assert (await settled.about(c, "metadata", [OTHER]))["note"] == {}


async def test_one_question_answers_whole_kinds_and_what_was_adopted_of_a_title(db: Database) -> None:
    await decide(
        db,
        Decision("mode", "*/*", "apply", 1),
        Decision("mode", "1/*", None, 2),
        Decision("adopted", TITLE, {"a": 1}, 3),
        Decision("adopted", OTHER, {"b": 1}, 4),
        Decision("waiver", "x", 1, 5),
    )
    async with db.begin() as c:
        found = await settled.about(c, "metadata", [TITLE], "mode", "accepted")
        assert found == {"mode": {"*/*": "apply"}, "accepted": {}, "adopted": {TITLE: {"a": 1}}, "note": {}}
        assert await settled.in_force(c, "mode", "pause") == (None, {"mode": {"*/*": "apply"}, "pause": {}})
        active = await installation.activate(db, c, "f", "text")
        assert await settled.in_force(c, "waiver") == (active.number, {"waiver": {"x": 1}})
