"""Storing: what the topics' records say becomes dossiers and due work, in one transaction with their positions."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from aiokafka import ConsumerRecord
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import DocumentKey, TitleKey
from frontlist.due import TITLES, all_due, dues_of
from frontlist.observed import UNOBSERVED, Observed
from frontlist.positions import Positions
from frontlist.records import decision_of, document_of, link_of, newest_first
from frontlist.state import dirty, dossier, installation, mirror, settled, work
from frontlist.state.database import Database, takes_long
from frontlist.step import Step, no_step
from frontlist.unreadable import BROKEN, bisected, unreadable
from frontlist_schemas import topics

T = TypeVar("T")
#: Kinds of decisions that change no plan, or whose titles are marked where they are made.
QUIET = frozenset(
    {"note", "mapping", "installation", "report", "unlinked", "doubtful", "pinned", "confirmed", "rejected", "pause"}
)


class Storing:
    """Takes records in their order: of changes, of links and of decisions."""

    def __init__(
        self,
        db: Database,
        prefix: str,
        positions: Positions | None = None,
        *,
        further: Sequence[tuple[str, str]] = (),
        woken: asyncio.Event | None = None,
        step: Step = no_step,
        observed: Observed = UNOBSERVED,
    ) -> None:
        """`woken` is set when work became due. `further`: (system, aspect) of documents of plugins' systems."""
        self.db, self.prefix, self.step, self.observed = db, prefix, step, observed
        self.positions = positions or Positions()
        self.woken = woken or asyncio.Event()
        self._systems = dict.fromkeys((*topics.SYSTEMS, *(system for system, _ in further)))

    async def take(self, records: Sequence[ConsumerRecord]) -> None:
        """Raises OlderDatabaseError where a backup was restored under us."""
        await bisected(records, self._take, lambda record, why: self._take([record], why))

    async def _take(self, records: Sequence[ConsumerRecord], refused: str | None = None) -> None:
        async with self.db.begin() as c:
            coalesced = await self._store(c, records, refused)
        await self._is_stored(records, coalesced)

    async def _is_stored(self, records: Sequence[ConsumerRecord], coalesced: Mapping[str, int]) -> None:
        """After the transaction, once for each that stands."""
        self.positions.saved(records)
        await self.step("stored")
        self.observed.took(Counter(record.topic for record in records))
        for consumer, changes in coalesced.items():
            self.observed.coalesced(consumer, changes)
        self.woken.set()

    async def _store(
        self, c: AsyncConnection, records: Sequence[ConsumerRecord], refused: str | None
    ) -> Mapping[str, int]:
        """Answers how many changes were coalesced, by consumer."""
        await self.positions.check(c)
        links = await self._read(c, records, topics.links(self.prefix), link_of, refused)
        decisions = await self._read(c, records, topics.decisions(self.prefix), decision_of, refused)
        documents, told = await self._documents(c, records, refused)
        with self._traced(documents):
            newer = await dossier.store(self.db, c, documents)
        if any(each.first for each in newer):
            await self.db.lock(c, TITLES, shared=True)
        consumers, now = await installation.registered(c), await self.db.now(c)
        dues = dues_of(newer, consumers, now)
        coalesced = _coalesced(told, dues)
        if links or decisions:
            dues += await self._settle(c, links, decisions, consumers, now)
        await work.mark(self.db, c, dues)
        await self.positions.save(self.db, c, records)
        return coalesced

    async def _read(
        self,
        c: AsyncConnection,
        records: Sequence[ConsumerRecord],
        topic: str,
        read: Callable[[ConsumerRecord], T],
        refused: str | None,
    ) -> list[T]:
        """What a topic of ours says, but what cannot be read."""
        out: list[T] = []
        for record in records:
            if record.topic != topic:
                continue
            try:
                if refused:
                    raise ValueError(refused)
                out.append(read(record))
            except BROKEN as error:
                await unreadable(self.db, c, record, error)
        return out

    async def _documents(
        self, c: AsyncConnection, records: Sequence[ConsumerRecord], refused: str | None
    ) -> tuple[list[dossier.Stored], Counter[tuple[DocumentKey, TitleKey]]]:
        """Of each document the newest, and how often it was stated: what is coalesced is not even decoded."""
        settling = (topics.links(self.prefix), topics.decisions(self.prefix))
        out: list[dossier.Stored] = []
        told: Counter[tuple[DocumentKey, TitleKey]] = Counter()
        for same in newest_first([each for each in records if each.topic not in settling]):
            mine: list[dossier.Stored] = []
            for record in same:
                try:
                    stored = document_of(record, refused)
                except BROKEN as error:
                    await unreadable(self.db, c, record, error)
                    continue
                mine.insert(0, stored)
                told[DocumentKey(stored.system, stored.aspect), stored.title] = len(same)
                if stored.state != "unreadable" or stored.body is not None:
                    break  # else an older one says what could be read last
            out += mine
        return out, told

    @contextlib.contextmanager
    def _traced(self, documents: Sequence[dossier.Stored]) -> Iterator[None]:
        """A span for each document that is traced."""
        traces = self.observed.traces
        told = [each for each in documents if each.traceparent] if traces.on else []
        spans = [traces.child("intake", [each.traceparent], {"frontlist.title": each.title}) for each in told]
        try:
            yield
        finally:
            for span in spans:
                span.end()

    async def _settle(
        self,
        c: AsyncConnection,
        links: Sequence[settled.Link],
        decisions: Sequence[settled.Decision],
        consumers: Mapping[str, frozenset[DocumentKey]],
        now: int,
    ) -> list[work.Due]:
        linked = await settled.save_links(self.db, c, links)
        # Nearly all are known: an upsert would lock them before the work rows, which finish takes first.
        effective = await settled.save_decisions(self.db, c, await settled.newer(c, decisions))
        out = [work.Due(name, title, now, work.Priority.FORMATS, "link") for title in linked for name in consumers]
        for each in effective:
            if each.kind == "forget":
                await takes_long(c)
                for system in self._systems:
                    await dirty.mark(self.db, c, system, await mirror.titles(c, system))
            elif each.kind == "adopted":
                title = TitleKey(each.key)
                out += [work.Due(name, title, now, work.Priority.METADATA, each.kind) for name in consumers]
            elif each.kind not in QUIET:
                out += await all_due(self.db, c, consumers, now, each.kind)
        return out


def _coalesced(told: Mapping[tuple[DocumentKey, TitleKey], int], dues: Sequence[work.Due]) -> dict[str, int]:
    """Changes in this batch for which the newest one of their title does, by consumer."""
    wanted: Counter[str] = Counter()
    for due in dues:
        wanted[due.consumer] += told.get((DocumentKey(*due.reason.split(".", 1)), due.title), 0)
    titles = Counter(name for name, _ in {(due.consumer, due.title) for due in dues})
    return {name: wanted[name] - number for name, number in titles.items() if wanted[name] > number}
