"""Capture: feeds of one system become documents on its topics. First file of the way of a change.

Read -> mirror and dirty titles (`mirroring`) -> reserve (`drafts`) -> publish -> confirm, all under one lease
(docs/decisions/0002).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, KafkaError, ProducerFenced
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.brakes import Brakes
from frontlist.clock import SECOND, Clock, moment
from frontlist.drafts import Draft, Drafts, published
from frontlist.due import all_due
from frontlist.errors import ConfigurationError, DeliveryError, FrontlistError, Pause, Retry, Stop, said
from frontlist.kafka import MAX_BYTES, KafkaSettings, end, read_to_end, transaction
from frontlist.mirroring import Mirroring
from frontlist.observed import UNOBSERVED, Observed
from frontlist.source import Feed, Page, Raw, RawKey, Source
from frontlist.state import captured, dirty, feeds, installation, mirror, processes, settled, work
from frontlist.state.database import CHUNK, Database, gone, reason, takes_long
from frontlist.step import Step, no_step
from frontlist.tracing import Journeys, header
from frontlist.waiting import ended, meanwhile, wait
from frontlist_schemas.envelope import encode
from frontlist_schemas.topics import decisions, topic

log = structlog.get_logger(__name__)
T = TypeVar("T")
#: A fact, with the system: when our topics were found to know more than the database, and the last number then.
RESTORED = "restored"


def lease_of(system: str) -> str:
    """The lease under which a system is captured."""
    return f"capture/{system}"


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
        self.settings, self.step = settings or CaptureSettings(), step
        self.system, self.observed = source.name, observed
        self._part, self._journeys = f"capture/{source.name}", Journeys(observed.traces, source.name)
        self.topics = {aspect: topic(kafka.prefix, self.system, aspect) for aspect in source.aspects}
        rest = round(self.settings.drift_rest * SECOND) if self.settings.drift else None
        self._mirroring = Mirroring(source, db, rest)
        self._drafts = Drafts(source, db, braking, decisions(kafka.prefix))
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
        name = lease_of(self.system)
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
                await self._read_feed(feed, lease)
        if await self._idle():
            return
        await self._relink(lease)
        await self._ask_again(lease)
        await self._read_again(lease)
        await self._publish_all(producer, lease)

    async def _idle(self) -> bool:
        """Nothing is to be read again or published; asked in one go, since that is so in most turns."""
        async with self.db.read() as c:
            if await dirty.pending(c, self.system) or await settled.to_relink(c, self.system, 1):
                return False
            return await installation.fact(c, f"{RESTORED}/{self.system}") is None

    async def _read_feed(self, feed: Feed, lease: processes.Lease) -> None:
        """One page; the next one in the next turn, so that no feed starves the others."""
        now = self.clock.now_us() / 1e6
        try:
            page = await self._page(feed, lease)
        except (DeliveryError, ConfigurationError) as error:
            self._due[feed.name] = now + (getattr(error, "after", None) or self.settings.retry)
            self.observed.starved(self.system, feed.name)
            log.warning("capture: feed failed", system=self.system, feed=feed.name, error=said(error))
            async with self.db.begin() as c:
                await feeds.fail(self.db, c, self.system, feed.name, str(error))
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
            state = (await feeds.states(c, self.system)).get(feed.name)
        state = state or feeds.FeedState(feed.name, None, 1, None, None)
        try:
            page = await self._remote(feed.page(state.cursor, moment(began)))
        except (FrontlistError, StoppingError):
            raise
        except Exception as error:  # a feed that breaks stops itself alone
            log.exception("capture: a feed broke", system=self.system, feed=feed.name)
            raise Stop(f"{type(error).__name__}: {error}", where=feed.name) from error
        async with self.db.begin() as c:
            await self._held(c, lease)
            if page.exhausted and state.completed_at is None:
                # What waited for this system to be known goes on.
                everyone, now = await installation.registered(c), await self.db.now(c)
                await work.mark(self.db, c, await all_due(self.db, c, everyone, now, "read through"))
            changed = await self._mirroring.store(c, page.raws, began, state.passed)
            passed = await feeds.save(self.db, c, self.system, state, page, await self.db.now(c))
            # Asked for durably: the feed will not state the deletion again.
            await mirror.mark_missing(self.db, c, self.system, page.gone, 0)
            absent = await mirror.unseen(c, self.system, feed.kinds, state.passed) if passed > state.passed else []
        self._journeys.begin(changed, feed.name, began)
        await self.step("captured")
        await self._ask_all(absent, lease, sure=False)
        return page

    async def _remote(self, call: Coroutine[Any, Any, T]) -> T:
        """A call to the system, given up when the process ends; nothing else is ever cancelled for that."""
        async with meanwhile(call) as task:
            if not await ended(task, self._stopping):
                raise StoppingError
            return task.result()

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
            states = await feeds.states(c, self.system)
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
                known = await mirror.titles_of(c, self.system, [raw.key for raw in missing])
                gone = {raw.key: (raw, known[raw.key]) for raw in missing if raw.key in known}
                await self._mirroring.keep(c, gone, began, 0)
            else:
                await mirror.mark_missing(self.db, c, self.system, [raw.key for raw in missing], now)
            for number, some in found.items():
                await self._mirroring.store(c, some, began, number)

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
            keys = await mirror.missing_long(c, self.system, before)
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
            marks = await dirty.marked(c, self.system, self.settings.titles_at_once, read_again=True)
            keys = await mirror.keys_of(c, self.system, [each.title for each in marks])
        if not marks:
            return
        try:
            await self._ask_all(keys, lease, sure=False)
        except DeliveryError as error:
            log.warning("capture: reading again failed", system=self.system, error=said(error))
            return
        async with self.db.begin() as c:
            found = await dirty.marked(c, self.system, len(marks), read_again=True)
            await dirty.read_again_done(c, self.system, [each for each in marks if each in found])

    async def _reads_anew(self, lease: processes.Lease) -> bool:
        """Whether a mirror from an older backup may still lack objects of what was published since."""
        async with self.db.read() as c:
            said = await installation.fact(c, f"{RESTORED}/{self.system}")
            states = await feeds.states(c, self.system)
        if said is None:
            return False
        since, number = map(int, said.split())
        at = [states[feed.name].completed_at if feed.name in states else None for feed in self.source.feeds]
        if any(each is None or each <= since for each in at):
            return True
        async with self.db.begin() as c:
            await self._held(c, lease)
            await takes_long(c)
            await dirty.all_read_again(c, self.system, number)
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
            raws = await mirror.raws(c, self.system, [RawKey(*each) for each in asked])
            await dirty.mark(self.db, c, self.system, await self._mirroring.retitle(c, raws))
            await settled.relinked(c, self.system, asked)

    # --- reserve, publish, confirm ---------------------------------------------------------------------------------

    async def _publish_all(self, producer: AIOKafkaProducer, lease: processes.Lease) -> None:
        async with self.db.read() as c:
            states = await feeds.states(c, self.system)
        if any(feed.name not in states or states[feed.name].completed_at is None for feed in self.source.feeds):
            return  # a feed that has not been read through may still narrow what the others say
        while not self._stopping.is_set() and await self._publish_some(producer, lease):
            pass

    async def _publish_some(self, producer: AIOKafkaProducer, lease: processes.Lease) -> bool:
        async with self.db.read() as c:
            if not await dirty.marked(c, self.system, 1, read_again=False):
                return False
        async with self.db.begin() as c:
            await self._held(c, lease)
            marks = await dirty.marked(c, self.system, self.settings.titles_at_once, read_again=False)
            drafts = await self._drafts.reserve(c, [each.title for each in marks])
            if not drafts:
                await dirty.unmark(c, self.system, marks)
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
        marks: Sequence[dirty.Mark],
        drafts: Sequence[Draft],
        ends: Mapping[tuple[str, int], int],
    ) -> None:
        async with self.db.begin() as c:
            await self._held(c, lease)
            await captured.confirm(c, self.system, [draft.published for draft in drafts])
            await dirty.unmark(c, self.system, marks)
            await captured.save_positions(self.db, c, ends)

    # --- fence and catch up ----------------------------------------------------------------------------------------

    async def _catch_up(self, lease: processes.Lease) -> None:
        """What our own topics hold beyond the last confirmed position is confirmed; what is reserved is read again."""
        async with self.db.read() as c:
            stored = await captured.positions(c)
        async for batch, ends in read_to_end(self.kafka, list(self.topics.values()), stored):
            async with self.db.begin() as c:
                await self._held(c, lease)
                surprises = await captured.learn(self.db, c, self.system, list(published(batch)))
                if surprises:  # our mirror is older than what we published: read first, then assemble
                    await dirty.mark(self.db, c, self.system, surprises, read_again=True)
                    await self._read_anew(c)
                await captured.save_positions(self.db, c, ends)
            self.observed.turned(self._part)
        async with self.db.begin() as c:
            await takes_long(c)
            await self._held(c, lease)
            unsure = await captured.still_reserved(c, self.system)
            await dirty.mark(self.db, c, self.system, unsure, read_again=True)
            await self._assemble_anew(c)

    async def _read_anew(self, c: AsyncConnection) -> None:
        """Our mirror is older than what we published (a restored backup): what is marked waits for all feeds."""
        await takes_long(c)
        [number] = await self.db.draw(c)
        await feeds.read_anew(c, self.system)
        self._due.clear()  # also of what we read a moment ago: that is not in this database
        await installation.state(self.db, c, {f"{RESTORED}/{self.system}": f"{await self.db.now(c)} {number}"})

    async def _assemble_anew(self, c: AsyncConnection) -> None:
        """Another code or mapping may make other documents of the same objects."""
        name = f"assembled/{self.system}"
        if await installation.fact(c, name) == self.source.version:
            return
        async for raws in mirror.pages(c, self.system):
            await self._mirroring.retitle(c, raws)
            await self._mirroring.number(c, raws)
            self.observed.turned(self._part)
        await dirty.mark(self.db, c, self.system, await mirror.titles(c, self.system))
        await installation.state(self.db, c, {name: self.source.version})


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
