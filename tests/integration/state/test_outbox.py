"""The outbox's table, on both databases."""

from __future__ import annotations

from frontlist.state import outbox
from frontlist.state.database import Database


async def test_the_outbox_gives_back_in_order_what_was_not_sent(db: Database) -> None:
    async with db.begin() as c:
        await outbox.post(db, c, [("t", "1", {"a": 1}), ("t", "2", None), ("t", "3", "x")])
        first = (await outbox.posted(c, 1))[0]
        await outbox.sent(c, [first.number])
    async with db.read() as c:
        assert [(row.key, row.value) for row in await outbox.posted(c, 10)] == [("2", "null"), ("3", '"x"')]
