"""Brakes at capture: which documents of a title are kept back, and which go on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from frontlist.brakes import Brakes, BrakeSettings
from frontlist.clock import Clock
from frontlist.contract import TitleKey
from frontlist.settling import reject
from frontlist.state import captured, held, schema
from frontlist.state.database import Database, dump
from frontlist.vanishing import Drafted, hold
from frontlist_schemas.canonical import fingerprint

TITLE = TitleKey("work:1")
BEFORE = {"contributions": [{"id": 1}, {"id": 2}]}
LESS = {"contributions": [{"id": 1}]}


@dataclass
class Desk:
    """A database whose brakes let nothing through."""

    db: Database

    async def kept_back(self, *drafts: Drafted, before: Any = BEFORE) -> set[str]:
        """The aspects of the title that are not published."""
        known = {(TITLE, each.aspect): _published(before) for each in drafts}
        braking = Brakes(self.db, BrakeSettings(share=0.0, floor=0, elements_share=0.0, elements_floor=0))
        async with self.db.begin() as c:
            found = await hold(braking, c, "consonance", [TITLE], drafts, known, frozenset(), "decisions")
        return {aspect for _, aspect in found}

    async def reject(self) -> None:
        for group in await self.groups():
            await reject(self.db, "decisions", group.list)

    async def groups(self) -> Sequence[held.Group]:
        async with self.db.read() as c:
            return await held.groups(c)


def _published(body: Any) -> captured.Captured:
    return captured.Captured(1, "old", None, 1, dump(body))


def drafted(aspect: str, body: Any, state: str = "present") -> Drafted:
    return Drafted(TITLE, aspect, state, body, False, fingerprint([state, body]))


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    db = Database(database_url, Clock())
    await schema.upgrade(db)
    yield Desk(db)
    await db.close()


async def test_a_title_that_waits_is_kept_back_as_a_whole(desk: Desk) -> None:
    assert await desk.kept_back(drafted("metadata", LESS), drafted("milestones", BEFORE)) == {"metadata", "milestones"}


async def test_a_rejected_loss_keeps_back_its_own_document_and_no_other(desk: Desk) -> None:
    await desk.kept_back(drafted("metadata", LESS))
    await desk.reject()
    assert await desk.kept_back(drafted("metadata", LESS)) == {"metadata"}
    assert await desk.kept_back(drafted("metadata", LESS), drafted("milestones", BEFORE)) == {"metadata"}


async def test_a_title_that_is_gone_and_was_rejected_is_kept_back_as_a_whole(desk: Desk) -> None:
    gone = [drafted(aspect, None, "gone") for aspect in ("metadata", "milestones")]
    await desk.kept_back(*gone)
    await desk.reject()
    assert await desk.kept_back(*gone) == {"metadata", "milestones"}
    assert await desk.groups() == []
