"""Work: due titles are claimed, planned from their latest dossier, and ensured. Second file of the way of a change.

A change, a timer, a retry, a link, a mode: each only marks (consumer, title) as due; this is all that happens then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import structlog
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import aftermath, decisions, ordering
from frontlist.clock import DAY, SECOND, Clock
from frontlist.contract import Consumer, Finding
from frontlist.ensure import Delivery
from frontlist.finishing import Backoff, finished
from frontlist.grouping import Group
from frontlist.observed import UNOBSERVED, Observed
from frontlist.orders import Order, Result
from frontlist.planning import Active, Planner
from frontlist.state import applied, dossier, findings, installation, processes, settled, statistics, work
from frontlist.state.database import Database, gone, plain, reason
from frontlist.step import Step, no_step
from frontlist.titles import Title, changed_at
from frontlist.tracing import FRESH_US
from frontlist.waiting import wait

log = structlog.get_logger(__name__)
#: Each so manieth claim takes what has been due for longest, whatever its priority.
FAIR = 10
#: Titles that may wait for a target at least.
FEWEST = 32
#: Dossiers held in memory at once; each may have some MiB.
PLANNED_AT_ONCE = 100
#: How long titles that are done wait for others, to be finished in one transaction (seconds).
FINISH = 0.05
#: How long the last word to the database may take at the end (seconds).
RELEASE = 3.0


class WorkSettings(BaseModel):
    """How work is done; times in seconds."""

    model_config = ConfigDict(extra="forbid")

    claim: int = Field(1000, ge=1, description="titles in hand at most, of each priority and the more urgent ones")
    retry_first: float = Field(
        1.0, gt=0, description="longest first pause before a retry; doubled each time, full jitter"
    )
    retry_longest: float = Field(600.0, gt=0, description="longest pause before a retry")
    idle: float = Field(0.5, gt=0, description="longest pause between two looks for due work")


class Worker:
    """Claims and works; any number of processes may run one."""

    def __init__(
        self,
        db: Database,
        consumers: Mapping[str, Consumer],
        delivery: Delivery,
        planner: Planner,
        *,
        clock: Clock,
        decisions: str,
        woken: asyncio.Event | None = None,
        waiting: Callable[[], Mapping[str, str]] = dict,
        settings: WorkSettings | None = None,
        step: Step = no_step,
        observed: Observed = UNOBSERVED,
    ) -> None:
        """`decisions`: the topic of decisions. The process id is the delivery's.

        `waiting`: consumer -> why its titles are not claimed yet.
        """
        self.db, self.consumers, self.delivery, self.planner = db, consumers, delivery, planner
        self.decisions, self.woken, self.waiting = decisions, woken or asyncio.Event(), waiting
        self.settings, self.step, self.observed = settings or WorkSettings(), step, observed
        self.process = delivery.process
        self._idle, self._trouble = False, ""
        self._in_hand: dict[int, work.Claim] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()
        #: What failed since the last turn, so that the next one waits.
        self._failed = ""
        self._claims, self._tidied, self._highest = 0, 0, 0
        #: The last heartbeat that the database confirmed.
        self._beaten = 0
        #: Tables of which PostgreSQL may know nothing yet.
        self._unseen: Collection[str] = statistics.TABLES
        self._untidy = True
        self._pace = _Pace(clock)
        # Nobody waits for what is finished, so it gathers for longer than what is on its way.
        self._finish: Group[Title, None] = Group(self._finish_all, linger=FINISH)
        self._backoff = Backoff(self.settings.retry_first, self.settings.retry_longest)

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`; then what waits is released, and calls under way have their grace."""
        # First: who joins begins with its part of the calls.
        await self._look_round()
        heart = asyncio.create_task(self._beat())
        try:
            while not stopping.is_set():
                self.woken.clear()
                self._freed.clear()
                try:
                    begun = await self._begin()
                except Exception as error:
                    if not gone(error):
                        raise
                    begun, self._untidy = 0, True
                    self._failed = f"paused by the database: {reason(error)}"
                self.observed.turned("work", self._failed or self._trouble)
                if self._failed:
                    log.warning("work: paused", error=self._failed)
                    self._failed = ""
                    await wait(stopping, 1.0)
                elif not begun:
                    await wait(stopping, self.settings.idle, self.woken, self._freed)
        finally:
            await self._close(heart)

    async def _close(self, heart: asyncio.Task[None]) -> None:
        """What waits comes back; calls under way end, or are cancelled with us (frontlist.ending)."""
        self.delivery.send_back()
        try:
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            self.delivery.cancel()
            for task in (*self._tasks, heart):
                task.cancel()
            # Awaited: what they are rolling back is over before the last word.
            await asyncio.gather(*self._tasks, heart, return_exceptions=True)
            with contextlib.suppress(Exception):
                async with asyncio.timeout(RELEASE), self.db.begin() as c:
                    await work.release(self.db, c, self.process)
                    await processes.leave(c, self.process)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(processes.DEAD_AFTER / SECOND / 4)
            await self._look_round()

    async def _look_round(self) -> None:
        """Says that we live, and learns how many others do."""
        with contextlib.suppress(Exception):
            confirmed = self._beaten
            async with self.db.begin() as c:
                stands = await installation.standing(c, self.process)
                if stands.lost(confirmed, await self.db.now(c)):
                    return  # the next claim says so
                beaten = await processes.beat(self.db, c, self.process, "work")
                alive = await processes.living(c, beaten)
            self._beaten = beaten
            self.delivery.share(len(alive))

    async def _noticed(self, c: AsyncConnection) -> None:
        """A backup was restored under us. Intake hears of it, and reads everything back."""
        await installation.notice(self.db, c)
        await work.free_all(c)
        self._trouble = "the database is older than it was, so nothing is claimed before intake has read back"

    async def once(self) -> int:
        """One claim, worked to its end; answers how many titles were in it."""
        await self._look_round()
        active, claims = await self._claim(self.settings.claim, None)
        await asyncio.gather(*(self._guarded(self.consumers[name], mine, active) for name, mine in _split(claims)))
        return len(claims)

    async def _begin(self) -> int:
        """Claim what there is room for, and set it on its way."""
        room, least_urgent = self._room()
        if not room:
            return 0
        active, claims = await self._claim(room, least_urgent)
        for name, mine in _split(claims):
            task = asyncio.create_task(self._watched(self.consumers[name], mine, active))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(claims)

    def _room(self) -> tuple[int, int]:
        """How many titles may be claimed, and up to which priority: who is less urgent takes no room from others."""
        in_hand = Counter(each.priority for each in self._in_hand.values())
        for least in sorted(work.Priority, reverse=True):
            here = sum(count for priority, count in in_hand.items() if priority <= least)
            room = min(self.settings.claim - here, self._pace.titles - self.delivery.waiting(least))
            # Many at once: each claim is a transaction, and passes by all that is in hand already.
            if room >= max(1, min(self.settings.claim, self._pace.titles) // 2):
                return room, int(least)
        return 0, 0

    async def _claim(self, room: int, least_urgent: int | None) -> tuple[Active, list[work.Claim]]:
        active, confirmed = self.planner.active(), self._beaten
        self._claims += 1
        async with self.db.begin() as c:
            now, stands = await self.db.now(c), await installation.standing(c, self.process)
            if stands.behind is None and stands.lost(confirmed, now):
                await self._noticed(c)
                return active, []
            if stands.activation != active.activation:
                if not self._idle:
                    log.warning("work: another mapping is active, so this process does not work")
                self._idle = True
                self._trouble = "another mapping is active, so this process does not work; restart it with that one"
                return active, []
            waiting = self.waiting()
            self._idle, self._trouble = False, min(waiting.values(), default="")
            if stands.behind is not None:
                self._beaten = 0
                self._trouble = (
                    "the database is older than what Kafka was told; nothing is claimed before it is read back"
                )
                return active, []
            if (stands.heartbeat or 0) <= now - SECOND:
                # Where the heart was held up, what we have in hand stays ours.
                confirmed = await processes.beat(self.db, c, self.process, "work")
            overtaken = await self._tidy(c, now)
            claims = await work.claim(
                self.db,
                c,
                self.process,
                now,
                room,
                sorted(self.consumers.keys() - waiting.keys()),
                least_urgent=least_urgent,
                oldest=self._claims % FAIR == 0,
            )
            if claims and not stands.as_before(await installation.standing(c, self.process)):
                # What another mapping made due before it was claimed, only a later statement sees.
                await work.release(self.db, c, self.process, self._in_hand.values())
                return active, []
            if any(each.claim <= self._highest for each in claims):
                # The backup is younger than a heartbeat.
                await self._noticed(c)
                return active, []
            self._highest = max((each.claim for each in claims), default=self._highest)
        self._beaten = max(self._beaten, confirmed)
        self._in_hand |= {each.claim: each for each in claims}
        self.delivery.withdraw(overtaken)
        if claims:
            for (name, priority), number in Counter((each.consumer, each.priority) for each in claims).items():
                self.observed.claimed(name, priority, number)
            await self.step("claimed")
        return active, claims

    async def _tidy(self, c: AsyncConnection, now: int) -> set[int]:
        """Once a second: the claims whose titles became more urgent since."""
        if now < self._tidied + SECOND:
            return set()
        self._tidied = now
        if self._untidy:
            # What this process claimed and has not in hand any more (the database was away) is free again.
            await work.release(self.db, c, self.process, self._in_hand.values())
            self._untidy = False
        if self._unseen:
            self._unseen = await statistics.first(self.db, c, self._unseen)
        return await work.overtaken(c, self._in_hand.values())

    async def _watched(self, consumer: Consumer, claims: Sequence[work.Claim], active: Active) -> None:
        try:
            await self._guarded(consumer, claims, active)
        except Exception as error:
            if gone(error):
                self._failed = f"paused by the database: {reason(error)}"
            else:
                log.exception("work: titles were given up", consumer=consumer.name)
                self._failed = f"titles of {consumer.name} were given up: {reason(error)}"
            self._untidy = True

    async def _guarded(self, consumer: Consumer, claims: Sequence[work.Claim], active: Active) -> None:
        """From the plan on each title goes alone."""
        begun: list[asyncio.Task[None]] = []
        for start in range(0, len(claims), PLANNED_AT_ONCE):
            some = claims[start : start + PLANNED_AT_ONCE]
            try:
                planned = await self._halved(consumer, some, active)
            except Exception:
                self._drop(claims[start:])
                raise
            for title, orders in planned:
                task = asyncio.create_task(self._title(title, orders))
                begun.append(task)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        await asyncio.gather(*begun)

    async def _halved(
        self, consumer: Consumer, claims: Sequence[work.Claim], active: Active
    ) -> list[tuple[Title, list[Order]]]:
        """What breaks stops its own row, whatever it is: found by halves."""
        try:
            return await self._planned(consumer, claims, active)
        except Exception as error:
            if gone(error):
                raise
            if len(claims) == 1:
                await self._stopped(claims[0], error)
                return []
            half = len(claims) // 2
            first = await self._halved(consumer, claims[:half], active)
            return first + await self._halved(consumer, claims[half:], active)

    async def _title(self, title: Title, orders: Sequence[Order]) -> None:
        try:
            results = await self.delivery.bring(orders)
            for order, result in zip(orders, results, strict=True):
                title.came_back(order, result)
            await self._finish(title)
        except Exception as error:
            if gone(error):
                raise
            log.error("work: a title stopped", consumer=title.consumer.name, title=title.claim.title, exc_info=error)
            title.results = [Result("stopped", plain(f"{type(error).__name__}: {error}")[:1000])]
            try:
                await self._finish(title)  # its due times and what is in doubt stand
            except Exception as broken:
                if gone(broken):
                    raise
                await self._stopped(title.claim, broken)
        finally:
            title.span.end()
            self._drop([title.claim])
            self._pace.finished(any(each.called for each in title.results) or not title.results)

    def _drop(self, claims: Iterable[work.Claim]) -> None:
        for each in claims:
            self._in_hand.pop(each.claim, None)
        self._freed.set()

    async def _stopped(self, claim: work.Claim, error: Exception) -> None:
        log.error("work: a title stopped", consumer=claim.consumer, title=claim.title, exc_info=error)
        async with self.db.begin() as c:
            now = await self.db.now(c)
            said = plain(f"{type(error).__name__}: {error}")[:1000]
            await work.finish(self.db, c, [work.Finished(claim, "stopped", said, now + DAY, now)], now)
        self._drop([claim])

    # --- plan ------------------------------------------------------------------------------------------------------

    async def _planned(
        self, consumer: Consumer, claims: Sequence[work.Claim], active: Active
    ) -> list[tuple[Title, list[Order]]]:
        """Everything is read by statements begun after the claim."""
        names = [claim.title for claim in claims]
        async with self.db.read() as c:
            now = await self.db.now(c)
            seen = await self.planner.look(c, consumer.name, names)
            traced = await dossier.traced(c, names, now - FRESH_US) if self.observed.traces.on else {}
            titles = [Title(consumer, claim, seen.notes[claim.title]) for claim in claims]
            for title in titles:
                documents = seen.dossiers[title.claim.title]
                if parents := traced.get(title.claim.title):
                    about = {"frontlist.consumer": consumer.name, "frontlist.title": title.claim.title}
                    title.span = self.observed.traces.child("work", parents, about)
                with self.observed.traces.within("plan", [title.span]):
                    title.plan, title.error = self.planner.plan(consumer, documents, seen, active, now)
                self.observed.planned(consumer.name, failed=title.plan is None)
                title.changed_at = changed_at(title.claim, documents)
                if title.plan is not None:
                    title.findings += title.plan.findings
            planned = [d.resource for t in titles if t.plan for d in t.plan.desired]
            strangers = [resource for resource in planned if resource not in seen.held]
            there = await aftermath.beside(c, consumer.name, names, planned)
            for title in titles:
                title.there = there
                title.stated = aftermath.stated(seen.dossiers[title.claim.title])
            held = dict(seen.held) | await applied.of_resources(c, consumer.name, strangers)
            targets = self.delivery.lanes
            orders = [ordering.orders(title, seen, held, active, now, targets) for title in titles]
            orders = await ordering.without_reading(c, seen, orders)
        await self.step("planned")
        return list(zip(titles, orders, strict=True))

    # --- finish ----------------------------------------------------------------------------------------------------

    async def _finish_all(self, items: Sequence[Title]) -> list[None]:
        """Findings, notes, and what is due next, where nothing marked the row again."""
        done: list[tuple[Title, work.Finished]] = []
        async with self.db.begin() as c:
            now = await self.db.now(c)
            mine = await work.still_mine(c, self.process, [title.claim for title in items])
            standing = [title for title in items if title.claim.claim in mine]
            for name in sorted({title.consumer.name for title in standing}):
                titles = [title for title in standing if title.consumer.name == name]
                names = [title.claim.title for title in titles]
                looks = await applied.look_again(c, name, names, now, sorted(self.delivery.lanes))
                said = {title.claim.title: _unique(title.findings) for title in titles if title.plan is not None}
                open_ = {title.claim.title: title.unsettled for title in titles}
                await findings.settle(self.db, c, name, said, now, keep=open_)
                await self._note(c, name, titles)
                for there in {id(title.there): title.there for title in titles}.values():
                    ended = [title.done() for title in titles if title.there is there]
                    await aftermath.settle(self.db, c, name, there, ended, self.decisions)
                done += [(title, finished(title, looks.get(title.claim.title), now, self._backoff)) for title in titles]
            await work.finish(self.db, c, [each for _, each in done], now)
        for title, each in done:
            behind = None if title.changed_at is None else (now - title.changed_at) / SECOND
            self.observed.outcome(each.claim.consumer, each.outcome, behind)
        for one in [brought for title, _ in done for brought in title.brought]:
            for key in one.drifted:
                self.observed.drifted(one.resource.target, f"{one.resource.kind}/{key}", key in one.left)
        for name in sorted({each.claim.consumer for _, each in done}):
            log.info("work: done", consumer=name, **_outcomes([e for _, e in done if e.claim.consumer == name]))
        await self.step("finished")
        return [None] * len(items)

    async def _note(self, c: AsyncConnection, consumer: str, titles: Sequence[Title]) -> None:
        """Notes stand at once under the claim's number; the topic has them for a rebuild."""
        fresh = []
        for title in titles:
            if title.plan is None or title.plan.notes is None or title.plan.notes == title.noted:
                continue
            key = settled.note_key(consumer, title.claim.title)
            fresh.append(settled.Decision("note", key, dict(title.plan.notes), title.claim.claim))
        await decisions.keep(self.db, c, self.decisions, fresh)


class _Pace:
    """How many titles end in a second: so many may wait for a target."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second, self._count, self.titles = 0, 0, FEWEST

    def finished(self, worked: bool) -> None:
        """One ended; what came back without its turn does not count."""
        second = self._clock.now_us() // SECOND
        if second != self._second:
            self.titles = max(FEWEST, self._count)
            self._second, self._count = second, 0
        self._count += worked
        self.titles = max(self.titles, self._count)


def _split(claims: Sequence[work.Claim]) -> list[tuple[str, list[work.Claim]]]:
    """By consumer, the most urgent first."""
    names = dict.fromkeys(claim.consumer for claim in claims)
    return [(name, [claim for claim in claims if claim.consumer == name]) for name in names]


def _outcomes(done: Sequence[work.Finished]) -> dict[str, int]:
    counted = Counter(each.outcome.replace("-", "_") for each in done)
    return dict(counted)


def _unique(said: Sequence[Finding]) -> list[Finding]:
    return list({each.key: each for each in said}.values())
