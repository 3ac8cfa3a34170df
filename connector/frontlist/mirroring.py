"""Mirroring: objects that were read are kept under their titles, and what that changes is marked.

Titles that changed are dirty, products that waited for a record are due, drifted cells are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import drift
from frontlist.contract import TitleKey
from frontlist.linking import holding
from frontlist.source import Numbered, Raw, RawKey, Source
from frontlist.state import dirty, mirror, settled
from frontlist.state.database import Database


class Mirroring:
    """Of one system. `rest`: between two looks at a drifted resource (microseconds); None: drift is not noticed."""

    def __init__(self, source: Source, db: Database, rest: int | None) -> None:
        self.source, self.db, self.rest = source, db, rest
        self.system = source.name

    async def store(self, c: AsyncConnection, raws: Sequence[Raw], began: int, passed: int) -> set[TitleKey]:
        """Answers the titles that changed."""
        links = await settled.titles_of_objects(c, self.system, [(raw.key.kind, raw.key.id) for raw in raws])
        omit = frozenset(await settled.decisions(c, "forget"))
        kept = [self.source.omitted(raw, omit) if omit else raw for raw in raws]
        titled = {raw.key: (raw, self.source.title(raw, links)) for raw in kept}
        return await self.keep(c, titled, began, passed)

    async def keep(
        self, c: AsyncConnection, titled: Mapping[RawKey, tuple[Raw, TitleKey]], began: int, passed: int
    ) -> set[TitleKey]:
        """The same, under these titles."""
        stored = await mirror.store_raws(self.db, c, self.system, titled, began, passed)
        await dirty.mark(self.db, c, self.system, stored.changed)
        await dirty.mark(self.db, c, self.system, [titled[key][1] for key in stored.late], read_again=True)
        before = await self.number(c, [titled[key][0] for key in stored.written])
        claimed = {key for key, had in stored.left.items() if had.startswith("object:")}
        strangers = claimed | {key for key in stored.written if titled[key][1].startswith("object:")}
        freed = {key: isbns if key in claimed else isbns - self._isbns(titled[key][0]) for key, isbns in before.items()}
        await holding.wake(
            self.db,
            c,
            self.system,
            [key for key in strangers if key in claimed or titled[key][0].body is None],
            {isbn for key, isbns in freed.items() if key in strangers for isbn in isbns},
        )
        if self.rest is not None:
            await drift.notice(self.db, c, self.source, titled, stored, began, self.rest)
        return stored.changed

    async def number(self, c: AsyncConnection, raws: Sequence[Raw]) -> Mapping[RawKey, frozenset[str]]:
        """By which ISBNs the objects are found from now on; answers those by which each of them was before."""
        return await mirror.save_isbns(self.db, c, self.system, {raw.key: self._isbns(raw) for raw in raws})

    def _isbns(self, raw: Raw) -> frozenset[str]:
        return self.source.isbns(raw) if isinstance(self.source, Numbered) else frozenset()

    async def retitle(self, c: AsyncConnection, raws: Sequence[Raw]) -> set[TitleKey]:
        """Answers the titles that gained an object or lost one."""
        links = await settled.titles_of_objects(c, self.system, [(raw.key.kind, raw.key.id) for raw in raws])
        titles = {raw.key: self.source.title(raw, links) for raw in raws}
        moved = await mirror.retitle(c, self.system, titles)
        claimed = [key for key, had in moved.items() if had.startswith("object:")]
        stated = await mirror.isbns_of(c, self.system, claimed)
        await holding.wake(self.db, c, self.system, claimed, {isbn for isbns in stated.values() for isbn in isbns})
        return {*moved.values(), *(titles[key] for key in moved)}
