"""Marks of dirty titles on both databases: cleared by their number alone."""

from __future__ import annotations

from frontlist.contract import TitleKey
from frontlist.state import dirty
from frontlist.state.database import Database
from frontlist.state.dirty import Mark

SYSTEM, TITLE = "consonance", TitleKey("work:1")


async def mark(db: Database, *titles: TitleKey, read_again: bool = False) -> None:
    async with db.begin() as c:
        await dirty.mark(db, c, SYSTEM, titles, read_again=read_again)


async def marks(db: Database, *, read_again: bool = False) -> list[Mark]:
    async with db.read() as c:
        return await dirty.marked(c, SYSTEM, 100, read_again=read_again)


async def test_a_mark_is_cleared_only_by_its_number(db: Database) -> None:
    await mark(db, TITLE)
    before = await marks(db)
    await mark(db, TITLE)
    async with db.begin() as c:
        await dirty.unmark(c, SYSTEM, before)
    [left] = await marks(db)
    assert left.number > before[0].number
    async with db.begin() as c:
        await dirty.unmark(c, SYSTEM, [left])
    assert await marks(db) == []


async def test_a_mark_to_read_again_outlives_a_plain_one_and_is_done_only_by_its_number(db: Database) -> None:
    await mark(db, TITLE, read_again=True)
    before = await marks(db, read_again=True)
    await mark(db, TITLE)
    async with db.begin() as c:
        await dirty.read_again_done(c, SYSTEM, before)
    [left] = await marks(db, read_again=True)
    async with db.begin() as c:
        await dirty.read_again_done(c, SYSTEM, [left])
    assert [each.title for each in await marks(db)] == [TITLE]
