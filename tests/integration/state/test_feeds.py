"""Feeds' rows on both databases: when a pass is complete."""

from __future__ import annotations

from frontlist.source import Page
from frontlist.state import feeds
from frontlist.state.database import Database

SYSTEM = "consonance"


async def test_a_feed_is_complete_only_after_its_last_page_and_a_sweep_begins_the_next_pass(db: Database) -> None:
    async def turn(page: Page) -> feeds.FeedState:
        async with db.begin() as c:
            state = (await feeds.states(c, SYSTEM)).get("works") or feeds.FeedState("works", None, 1, None, None)
            await feeds.save(db, c, SYSTEM, state, page, 5)
            return (await feeds.states(c, SYSTEM))["works"]

    first = await turn(Page((), {"after": 3}, exhausted=False, sweep=True))
    assert (first.cursor, first.completed_at, first.passed) == ({"after": 3}, None, 1)
    last = await turn(Page((), {"after": 9}, exhausted=True, sweep=True))
    assert (last.completed_at, last.passed) == (5, 2)
    delta = await turn(Page((), {"after": 9}, exhausted=True))
    assert delta.passed == 2
