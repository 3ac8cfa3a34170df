"""Capture: feeds of one system become documents on its topics. First file of the way of a change.

Read -> mirror and dirty titles -> reserve -> publish -> confirm, all under one lease (docs/decisions/0002).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalOperation, KafkaError, ProducerFenced
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import drift
from frontlist.brakes import Brakes
from frontlist.clock import SECOND, Clock, moment
from frontlist.contract import TitleKey
from frontlist.errors import ConfigurationError, DeliveryError, FrontlistError, Pause, Retry, Stop, said
from frontlist.intake import all_due
from frontlist.kafka import MAX_BYTES, KafkaSettings, begins_at, end, reading, transaction
from frontlist.linking import holding
from frontlist.observed import UNOBSERVED, Observed
from frontlist.source import Feed, Numbered, Page, Raw, RawKey, Source, Statement
from frontlist.state import captured, installation, processes, settled, work
from frontlist.state.database import CHUNK, Database, dump, gone, load, reason, takes_long
from frontlist.step import Step, no_step
from frontlist.tracing import Journeys, header
from frontlist.vanishing import Drafted, hold, without
from frontlist.waiting import wait
from frontlist_schemas.canonical import fingerprint
from frontlist_schemas.envelope import Envelope, decode, encode, fitted
from frontlist_schemas.topics import decisions, topic

log = structlog.get_logger(__name__)
T = TypeVar("T")
#: A fact, with the system: when our topics were found to know more than the database, and the last number then.
RESTORED = "restored"


class CaptureSettings(BaseModel):
    """How capture works; times in seconds."""

    model_config = ConfigDict(extra="forbid")

    lease: float = Field(15.0, gt=0, description="how long a capturer that stopped keeps its system (seconds)")
    titles_at_once: int = Field(50, ge=1, description="titles a Kafka transaction")
    absent_after: float = Field(
        4 * 3600.0, ge=0, description="between the two questions for what a list no longer shows"
    )
    retry: float = Field(10.0, gt=0, description="until a feed that failed is asked again")
    drift: bool = Field(
        True, description="whether a cell of ours that others edit is looked at as soon as the feed shows it"
    )
    drift_rest: float = Field(
        600.0, ge=0, description="between two readings of a resource in which somebody else changes cells of ours"
    )


class StoppingError(Exception):
    """The process ends: what was under way is begun again by the next one."""


class LeaseLostError(Exception):
    """Another process captures this system now."""


@dataclass(frozen=True)
class Draft:
    """A document about to be published, and the fingerprint by which it is compared."""

    envelope: Envelope
    fingerprint: str

    @property
    def title(self) -> TitleKey:
        return TitleKey(self.envelope.title)

    @property
    def published(self) -> captured.Published:
        """As it is remembered once it is on the topic."""
        said, last = self.envelope, self.envelope.last_readable
        if said.state == "present":
            readable: tuple[int, str] | None = (said.revision, dump(said.body))
        else:
            readable = None if last is None else (last[0], dump(last[1]))
        return captured.Published(
            said.aspect, self.title, said.revision, self.fingerprint, readable, gone=said.state == "gone"
        )


class Capture:
    """The capturer of one system; any number may run, the one with the lease works."""

    def __init__(
        self,
        source: Source,
        db: Database,
        kafka: KafkaSettings,
        *,
        tenant: str,
        clock: Clock,
        settings: CaptureSettings | None = None,
        braking: Brakes | None = None,
        step: Step = no_step,
        observed: Observed = UNOBSERVED,
    ) -> None:
        """`braking`: the brakes on titles and list elements that vanish; None: none."""
        self.source, self.db, self.kafka, self.tenant, self.clock = source, db, kafka, tenant, clock
        self.settings, self.braking, self.step = settings or CaptureSettings(), braking, step
        self.system, self.observed = source.name, observed
        self._part, self._journeys = f"capture/{source.name}", Journeys(observed.traces, source.name)
        self.topics = {aspect: topic(kafka.prefix, self.system, aspect) for aspect in source.aspects}
        self._me = clock.new_id()
        self._due: dict[str, float] = {}
        self._stopping = asyncio.Event()

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`; whatever fails is logged, paused and begun again at the fence."""
        self._stopping = stopping
        while not stopping.is_set():
            try:
                async with self._lease() as lease:
                    self.observed.leading(self.system, lease is not None)
                    if lease is not None:
                        await self._work(lease, stopping)
                    else:
                        self.observed.turned(self._part)
            except (LeaseLostError, ProducerFenced, IllegalOperation):  # the last: fenced between two sends
                self.observed.leading(self.system, False)
                log.warning("capture: another process took over", system=self.system)
            except ConfigurationError:
                raise
            except (FrontlistError, KafkaError, OSError) as error:
                self.observed.turned(self._part, f"it begins again: {said(error)}")
                log.warning("capture: begins again", system=self.system, error=said(error))
            except Exception as error:
                if not gone(error):
                    raise
                self.observed.turned(self._part, f"paused by the database: {reason(error)}")
                log.warning("capture: the database is gone, paused", system=self.system, error=said(error))
            await wait(stopping, min(1.0, self.settings.retry))

    # --- lease -----------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _lease(self) -> AsyncIterator[processes.Lease | None]:
        name = f"capture/{self.system}"
        async with self.db.begin() as c:
            got = await processes.acquire(self.db, c, [(name, self._me)], self.settings.lease)
        if name not in got:
            yield None
            return
        try:
            yield got[name]
        finally:
            with contextlib.suppress(Exception):
                async with self.db.begin() as c:
                    await processes.give_back(c, [got[name]])

    async def _keep(self, lease: processes.Lease) -> None:
        while True:
            await asyncio.sleep(self.settings.lease / 3)
            async with self.db.begin() as c:
                if not await processes.extend(self.db, c, [lease], self.settings.lease):
                    raise LeaseLostError

    async def _held(self, c: AsyncConnection, lease: processes.Lease) -> None:
        if not await processes.held(c, [lease]):
            raise LeaseLostError

    # --- the loop --------------------------------------------------------------------------------------------------

    async def _work(self, lease: processes.Lease, stopping: asyncio.Event) -> None:
        producer = AIOKafkaProducer(
            **self.kafka.aiokafka(),
            transactional_id=f"{self.kafka.prefix}.capture.{self.system}",
            max_request_size=MAX_BYTES,
            compression_type="zstd",
        )
        try:
            await producer.start()  # fences the capturer before us
            with contextlib.suppress(StoppingError):
                await _first_of(self._keep(lease), self._cycles(producer, lease, stopping))
        finally:
            await end(producer)

    async def _cycles(self, producer: AIOKafkaProducer, lease: processes.Lease, stopping: asyncio.Event) -> None:
        await self._catch_up(lease)
        while not stopping.is_set():
            await self.once(producer, lease)
            self.observed.turned(self._part)
            now = self.clock.now_us() / 1e6
            pause = max(0.0, min(self._due.values(), default=now + 1.0) - now)
            await wait(stopping, min(pause, 1.0))

    async def once(self, producer: AIOKafkaProducer, lease: processes.Lease) -> None:
        """One turn: what feeds are due, what has to be read again, and all that is dirty."""
        for feed in self.source.feeds:
            if self._due.get(feed.name, 0.0) <= self.clock.now_us() / 1e6:
                await self._read_feed(feed, producer, lease)
        if await self._idle():
            return
        await self._relink(lease)
        await self._ask_again(lease)
        await self._read_again(lease)
        await self._publish_all(producer, lease)

    async def _idle(self) -> bool:
        """Nothing is to be read again or published; asked in one go, since that is so in most turns."""
        async with self.db.read() as c:
            if await captured.pending(c, self.system) or await settled.to_relink(c, self.system, 1):
                return False
            return await installation.fact(c, f"{RESTORED}/{self.system}") is None

    async def _read_feed(self, feed: Feed, producer: AIOKafkaProducer, lease: processes.Lease) -> None:
        """One page; the next one in the next turn, so that no feed starves the others."""
        now = self.clock.now_us() / 1e6
        try:
            page = await self._page(feed, lease)
        except (DeliveryError, ConfigurationError) as error:
            self._due[feed.name] = now + (getattr(error, "after", None) or self.settings.retry)
            self.observed.starved(self.system, feed.name)
            log.warning("capture: feed failed", system=self.system, feed=feed.name, error=said(error))
            async with self.db.begin() as c:
                await captured.fail_feed(self.db, c, self.system, feed.name, str(error))
            return
        self.observed.fed(self.system, feed.name, len(page.raws))
        if page.raws or page.gone:
            log.debug("capture: read", system=self.system, feed=feed.name, objects=len(page.raws))
        pause = page.again_in if page.again_in is not None else feed.every if page.exhausted else 0.0
        self._due[feed.name] = self.clock.now_us() / 1e6 + pause

    # --- read ------------------------------------------------------------------------------------------------------

    async def _page(self, feed: Feed, lease: processes.Lease) -> Page:
        async with self.db.begin() as c:
            began = await captured.read_time(self.db, c, self.system)
            state = (await captured.feeds(c, self.system)).get(feed.name)
        state = state or captured.FeedState(feed.name, None, 1, None, None)
        try:
            page = await self._remote(feed.page(state.cursor, moment(began)))
        except (FrontlistError, StoppingError):
            raise
        except Exception as error:  # a feed that breaks stops itself alone
            log.exception("capture: a feed broke", system=self.system, feed=feed.name)
            raise Stop(f"{type(error).__name__}: {error}", where=feed.name) from error
        async with self.db.begin() as c:
            await self._held(c, lease)
            changed = await self._store(c, page.raws, began, state.passed)
            passed = await captured.save_feed(self.db, c, self.system, state, page, await self.db.now(c))
            if page.exhausted and state.completed_at is None:
                # What waited for this system to be known goes on.
                everyone = await installation.registered(c)
                await work.mark(self.db, c, await all_due(c, everyone, await self.db.now(c), "read through"))
            # Asked for durably: the feed will not state the deletion again.
            await captured.mark_missing(self.db, c, self.system, page.gone, 0)
            absent = await captured.unseen(c, self.system, feed.kinds, state.passed) if passed > state.passed else []
        self._journeys.begin(changed, feed.name, began)
        await self.step("captured")
        await self._ask_all(absent, lease, sure=False)
        return page

    async def _remote(self, call: Coroutine[Any, Any, T]) -> T:
        """A call to the system, given up when the process ends; nothing else is ever cancelled for that."""
        task, end = asyncio.ensure_future(call), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({task, end}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise StoppingError
            return task.result()
        finally:
            task.cancel()
            end.cancel()
            await asyncio.gather(task, end, return_exceptions=True)

    async def _store(self, c: AsyncConnection, raws: Sequence[Raw], began: int, passed: int) -> set[TitleKey]:
        """Answers the titles that changed."""
        links = await settled.titles_of_objects(c, self.system, [(raw.key.kind, raw.key.id) for raw in raws])
        omit = frozenset(await settled.decisions(c, "forget"))
        kept = [self.source.omitted(raw, omit) if omit else raw for raw in raws]
        titled = {raw.key: (raw, self.source.title(raw, links)) for raw in kept}
        return await self._keep_raws(c, titled, began, passed)

    async def _keep_raws(
        self, c: AsyncConnection, titled: Mapping[RawKey, tuple[Raw, TitleKey]], began: int, passed: int
    ) -> set[TitleKey]:
        stored = await captured.store_raws(self.db, c, self.system, titled, began, passed)
        await captured.mark(self.db, c, self.system, stored.changed)
        await captured.mark(self.db, c, self.system, [titled[key][1] for key in stored.late], read_again=True)
        before = await self._number(c, [titled[key][0] for key in stored.written])
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
        if self.settings.drift:
            rest = round(self.settings.drift_rest * SECOND)
            await drift.notice(self.db, c, self.source, titled, stored, began, rest)
        return stored.changed

    async def _number(self, c: AsyncConnection, raws: Sequence[Raw]) -> Mapping[RawKey, frozenset[str]]:
        """By which ISBNs the objects are found from now on; answers those by which each of them was before."""
        return await captured.save_isbns(self.db, c, self.system, {raw.key: self._isbns(raw) for raw in raws})

    def _isbns(self, raw: Raw) -> frozenset[str]:
        return self.source.isbns(raw) if isinstance(self.source, Numbered) else frozenset()

    async def _ask_all(self, keys: Sequence[RawKey], lease: processes.Lease, *, sure: bool) -> None:
        """In parts: where a list suddenly lacks most of itself, this takes long and must not look as if it hung."""
        for start in range(0, len(keys), self.settings.titles_at_once):
            await self._ask(keys[start : start + self.settings.titles_at_once], lease, sure=sure)
            self.observed.turned(self._part)

    async def _ask(self, keys: Sequence[RawKey], lease: processes.Lease, *, sure: bool) -> None:
        """By id, for what a list no longer shows (`sure`: an event said that it is gone; else asked twice)."""
        if not keys:
            return
        async with self.db.begin() as c:
            began = await captured.read_time(self.db, c, self.system)
            states = await captured.feeds(c, self.system)
        raws = await self._fetch(keys)
        missing = [raw for raw in raws if raw.body is None and raw.unreadable is None]
        found: dict[int, list[Raw]] = {}
        passed = {
            kind: states[feed.name].passed for feed in self.source.feeds for kind in feed.kinds if feed.name in states
        }
        for raw in raws:
            if raw.body is not None or raw.unreadable is not None:
                found.setdefault(passed.get(raw.key.kind, 1), []).append(raw)
        async with self.db.begin() as c:
            await self._held(c, lease)
            now = await self.db.now(c)
            if sure:
                known = await captured.titles_of(c, self.system, [raw.key for raw in missing])
                gone = {raw.key: (raw, known[raw.key]) for raw in missing if raw.key in known}
                await self._keep_raws(c, gone, began, 0)
            else:
                await captured.mark_missing(self.db, c, self.system, [raw.key for raw in missing], now)
            for number, some in found.items():
                await self._store(c, some, began, number)

    async def _fetch(self, keys: Sequence[RawKey]) -> list[Raw]:
        """By id; one that cannot be read, for whatever reason that does not pass, is unreadable and stops no other."""
        try:
            return list(await self._remote(self.source.fetch(keys)))
        except (Retry, Pause, StoppingError):
            raise
        except Exception as error:
            if len(keys) > 1:
                half = len(keys) // 2
                return [*await self._fetch(keys[:half]), *await self._fetch(keys[half:])]
            log.exception("capture: an object cannot be read", system=self.system, key=str(keys[0]))
            reason = error.what if isinstance(error, FrontlistError) else f"{type(error).__name__}: {error}"
            return [Raw(keys[0], None, unreadable=reason)]

    async def _ask_again(self, lease: processes.Lease) -> None:
        async with self.db.read() as c:
            before = await self.db.now(c) - round(self.settings.absent_after * 1_000_000)
            keys = await captured.missing_long(c, self.system, before)
        try:
            await self._ask_all(keys, lease, sure=True)
        except DeliveryError as error:
            log.warning("capture: what is missing could not be asked for", system=self.system, error=said(error))

    async def _read_again(self, lease: processes.Lease) -> None:
        """Titles that were reserved when a capturer died: their raw objects first, then published whatever the hash.

        Where an object of theirs is not there, what the topic says stands until it was asked for twice.
        """
        if await self._reads_anew(lease):
            return
        async with self.db.read() as c:
            marks = await captured.marked(c, self.system, self.settings.titles_at_once, read_again=True)
            keys = await captured.keys_of(c, self.system, [each.title for each in marks])
        if not marks:
            return
        try:
            await self._ask_all(keys, lease, sure=False)
        except DeliveryError as error:
            log.warning("capture: reading again failed", system=self.system, error=said(error))
            return
        async with self.db.begin() as c:
            found = await captured.marked(c, self.system, len(marks), read_again=True)
            await captured.read_again_done(c, self.system, [each for each in marks if each in found])

    async def _reads_anew(self, lease: processes.Lease) -> bool:
        """Whether a mirror from an older backup may still lack objects of what was published since."""
        async with self.db.read() as c:
            said = await installation.fact(c, f"{RESTORED}/{self.system}")
            states = await captured.feeds(c, self.system)
        if said is None:
            return False
        since, number = map(int, said.split())
        at = [states[feed.name].completed_at if feed.name in states else None for feed in self.source.feeds]
        if any(each is None or each <= since for each in at):
            return True
        async with self.db.begin() as c:
            await self._held(c, lease)
            await takes_long(c)
            await captured.all_read_again(c, self.system, number)
            await installation.forget(c, f"{RESTORED}/{self.system}")
        return False

    async def _relink(self, lease: processes.Lease) -> None:
        """Objects that were linked since, or whose link was taken back: their content moves."""
        async with self.db.read() as c:
            if not await settled.to_relink(c, self.system, 1):
                return
        async with self.db.begin() as c:
            await self._held(c, lease)
            asked = await settled.to_relink(c, self.system, CHUNK)
            raws = await captured.raws(c, self.system, [RawKey(*each) for each in asked])
            await captured.mark(self.db, c, self.system, await self._retitle(c, raws))
            await settled.relinked(c, self.system, asked)

    async def _retitle(self, c: AsyncConnection, raws: Sequence[Raw]) -> set[TitleKey]:
        """Answers the titles that gained an object or lost one."""
        links = await settled.titles_of_objects(c, self.system, [(raw.key.kind, raw.key.id) for raw in raws])
        titles = {raw.key: self.source.title(raw, links) for raw in raws}
        moved = await captured.retitle(c, self.system, titles)
        claimed = [key for key, had in moved.items() if had.startswith("object:")]
        stated = await captured.isbns_of(c, self.system, claimed)
        await holding.wake(self.db, c, self.system, claimed, {isbn for isbns in stated.values() for isbn in isbns})
        return {*moved.values(), *(titles[key] for key in moved)}

    # --- reserve, publish, confirm ---------------------------------------------------------------------------------

    async def _publish_all(self, producer: AIOKafkaProducer, lease: processes.Lease) -> None:
        async with self.db.read() as c:
            states = await captured.feeds(c, self.system)
        if any(feed.name not in states or states[feed.name].completed_at is None for feed in self.source.feeds):
            return  # a feed that has not been read through may still narrow what the others say
        while not self._stopping.is_set() and await self._publish_some(producer, lease):
            pass

    async def _publish_some(self, producer: AIOKafkaProducer, lease: processes.Lease) -> bool:
        async with self.db.read() as c:
            if not await captured.marked(c, self.system, 1, read_again=False):
                return False
        async with self.db.begin() as c:
            await self._held(c, lease)
            marks = await captured.marked(c, self.system, self.settings.titles_at_once, read_again=False)
            drafts = await self._reserve(c, [each.title for each in marks])
            if not drafts:
                await captured.unmark(c, self.system, marks)
        titles = [each.title for each in marks]
        publishing = self._journeys.publish(draft.title for draft in drafts)
        if drafts:
            await self.step("reserved")
            drafts = [
                replace(each, envelope=replace(each.envelope, traceparent=header(publishing[each.title])))
                if each.title in publishing
                else each
                for each in drafts
            ]
            ends = await self._send(producer, drafts)
            await self.step("published")
            await self._confirm(lease, marks, drafts, ends)
            await self.step("confirmed")
            self.observed.published(self.system, Counter(each.envelope.aspect for each in drafts))
            log.info("capture: published", system=self.system, titles=len(marks), documents=len(drafts))
        self._journeys.end(titles, publishing)
        return len(marks) == self.settings.titles_at_once

    async def _reserve(self, c: AsyncConnection, titles: Sequence[TitleKey]) -> list[Draft]:
        raws = await captured.raws_of(c, self.system, titles)
        known = await captured.captured(c, self.system, titles)
        omit = frozenset(await settled.decisions(c, "forget"))
        new: dict[tuple[TitleKey, str], Draft] = {}
        for title in titles:
            merged = await captured.moved_to(c, self.system, title) if not raws[title] else None
            for aspect, statement in self._statements(title, raws[title], omit).items():
                old = known.get((title, aspect))
                draft = self._draft(title, aspect, statement, merged, old)
                fresh = old is None or (old.revision == 0 and old.reserved is None)
                if fresh and statement.state == "gone":
                    continue  # never published, so nobody has to be told
                if old is None or fresh or old.reserved is not None or old.fingerprint != draft.fingerprint:
                    new[title, aspect] = draft
        for place in await self._held_back(c, titles, new, known, omit):
            del new[place]
            old = known.get(place)
            if old is not None and old.fingerprint is None and old.readable_body is not None:
                # Nothing of it counts as published (another topic, a person erased): as it last was.
                last = Statement("present", without(load(old.readable_body), omit))
                new[place] = self._draft(*place, last, None, None)
        revisions = await captured.reserve(
            self.db, c, self.system, [(t, a, d.fingerprint) for (t, a), d in new.items()]
        )
        return [self._revised(draft, revisions, known) for draft in new.values()]

    async def _held_back(
        self,
        c: AsyncConnection,
        titles: Sequence[TitleKey],
        new: Mapping[tuple[TitleKey, str], Draft],
        known: Mapping[tuple[TitleKey, str], captured.Captured],
        omit: frozenset[str],
    ) -> set[tuple[TitleKey, str]]:
        """What a brake holds."""
        if self.braking is None:
            return set()
        drafts = [
            Drafted(title, aspect, said.state, said.body, said.merged_into is not None, draft.fingerprint)
            for (title, aspect), draft in new.items()
            for said in [draft.envelope]
        ]
        return await hold(self.braking, c, self.system, titles, drafts, known, omit, decisions(self.kafka.prefix))

    def _draft(
        self,
        title: TitleKey,
        aspect: str,
        statement: Statement,
        merged: TitleKey | None,
        old: captured.Captured | None,
    ) -> Draft:
        last = None
        if old is not None and old.readable_revision is not None:
            last = (old.readable_revision, load(old.readable_body))
        envelope = fitted(
            Envelope(
                system=self.system,
                aspect=aspect,
                title=title,
                revision=0,
                state=statement.state,
                body=statement.body,
                reason=statement.reason,
                last_readable=last,
                merged_into=merged,
            )
        )
        if envelope.state != "unreadable":
            envelope = replace(envelope, last_readable=None)
        return Draft(envelope, _print(envelope))

    def _revised(
        self,
        draft: Draft,
        revisions: Mapping[tuple[TitleKey, str], int],
        known: Mapping[tuple[TitleKey, str], captured.Captured],
    ) -> Draft:
        siblings = {a: each.revision for (t, a), each in known.items() if t == draft.title and each.revision}
        siblings |= {a: revision for (t, a), revision in revisions.items() if t == draft.title}
        revision = siblings.pop(draft.envelope.aspect)
        return replace(draft, envelope=replace(draft.envelope, revision=revision, siblings=siblings))

    def _statements(self, title: TitleKey, raws: Mapping[RawKey, Raw], omit: frozenset[str]) -> Mapping[str, Statement]:
        if not raws:
            return {aspect: Statement("gone", reason="no object makes this title any more") for aspect in self.topics}
        try:
            return self.source.assemble(title, raws, omit)
        except Exception as error:  # one title that we cannot read never stops the others
            log.exception("capture: a title cannot be assembled", system=self.system, title=title)
            reason = f"cannot be assembled: {type(error).__name__}: {error}"
            return {aspect: Statement("unreadable", reason=reason) for aspect in self.topics}

    async def _send(self, producer: AIOKafkaProducer, drafts: Sequence[Draft]) -> dict[tuple[str, int], int]:
        """All documents of these titles in one Kafka transaction; answers the offsets behind them."""
        ends: dict[tuple[str, int], int] = {}
        async with transaction(producer):
            sent = []
            for draft in drafts:
                headers, value = encode(draft.envelope, self.tenant)
                name = self.topics[draft.envelope.aspect]
                sent.append(await producer.send(name, value, key=draft.title.encode(), headers=headers))
            for each in await asyncio.gather(*sent):
                at = (each.topic, each.partition)
                ends[at] = max(ends.get(at, 0), each.offset + 1)
        return ends

    async def _confirm(
        self,
        lease: processes.Lease,
        marks: Sequence[captured.Mark],
        drafts: Sequence[Draft],
        ends: Mapping[tuple[str, int], int],
    ) -> None:
        async with self.db.begin() as c:
            await self._held(c, lease)
            await captured.confirm(c, self.system, [draft.published for draft in drafts])
            await captured.unmark(c, self.system, marks)
            await captured.save_positions(self.db, c, ends)

    # --- fence and catch up ----------------------------------------------------------------------------------------

    async def _catch_up(self, lease: processes.Lease) -> None:
        """What our own topics hold beyond the last confirmed position is confirmed; what is reserved is read again."""
        async with self.db.read() as c:
            stored = await captured.positions(c)
        async for batch, ends in read_to_end(self.kafka, list(self.topics.values()), stored):
            async with self.db.begin() as c:
                await self._held(c, lease)
                surprises = await captured.learn(self.db, c, self.system, list(_published(batch)))
                if surprises:  # our mirror is older than what we published: read first, then assemble
                    await captured.mark(self.db, c, self.system, surprises, read_again=True)
                    await self._read_anew(c)
                await captured.save_positions(self.db, c, ends)
            self.observed.turned(self._part)
        async with self.db.begin() as c:
            await takes_long(c)
            await self._held(c, lease)
            unsure = await captured.still_reserved(c, self.system)
            await captured.mark(self.db, c, self.system, unsure, read_again=True)
            await self._assemble_anew(c)

    async def _read_anew(self, c: AsyncConnection) -> None:
        """Our mirror is older than what we published (a restored backup): what is marked waits for all feeds."""
        await takes_long(c)
        [number] = await self.db.draw(c)
        await captured.read_anew(c, self.system)
        self._due.clear()  # also of what we read a moment ago: that is not in this database
        await installation.state(self.db, c, {f"{RESTORED}/{self.system}": f"{await self.db.now(c)} {number}"})

    async def _assemble_anew(self, c: AsyncConnection) -> None:
        """Another code or mapping may make other documents of the same objects."""
        name = f"assembled/{self.system}"
        if await installation.fact(c, name) == self.source.version:
            return
        async for raws in captured.pages(c, self.system):
            await self._retitle(c, raws)
            await self._number(c, raws)
            self.observed.turned(self._part)
        await captured.mark(self.db, c, self.system, await captured.titles(c, self.system))
        await installation.state(self.db, c, {name: self.source.version})


def _published(batch: Iterable[ConsumerRecord]) -> Iterator[captured.Published]:
    """What records of our own topics say."""
    for record in batch:
        try:
            got = decode(record.key, record.headers, record.value)
        except ValueError as error:
            log.warning("capture: a record on our own topic cannot be read", error=said(error))
            continue
        yield Draft(got, _print(got)).published


def _print(envelope: Envelope) -> str:
    return fingerprint([envelope.state, envelope.body, envelope.reason, envelope.merged_into])


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Run until one ends or fails; the others are cancelled."""
    tasks = [asyncio.ensure_future(each) for each in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for each in ended:
        if isinstance(each, Exception):
            raise each


async def read_to_end(
    kafka: KafkaSettings, topics: Sequence[str], stored: Mapping[tuple[str, int], int], since: int = 0
) -> AsyncIterator[tuple[list[ConsumerRecord], dict[tuple[str, int], int]]]:
    """Committed records of whole topics, from the stored offsets to their present ends, in batches with positions.

    `since`: records of before it are passed over (microseconds since 1970, by their own times).
    Raises ConfigurationError where a topic ends before a stored offset: it was re-created or cut.
    """
    async with reading(kafka) as consumer:
        partitions = [TopicPartition(name, p) for name in topics for p in range(kafka.partitions_of(name))]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        begins = await begins_at(consumer, partitions, since)
        for at in partitions:
            start = stored.get((at.topic, at.partition), 0)
            if start > ends[at]:
                raise ConfigurationError(
                    f"{at.topic}[{at.partition}] ends at {ends[at]}, but we stood at {start}: it was re-created or cut",
                    where=kafka.bootstrap,
                    cure="frontlist republish",
                )
            consumer.seek(at, max(start, begins[at]))
        while any([await consumer.position(at) < ends[at] for at in partitions]):
            got = await consumer.getmany(timeout_ms=200, max_records=500)
            batch = [record for records in got.values() for record in records]
            yield batch, {(at.topic, at.partition): await consumer.position(at) for at in partitions}
