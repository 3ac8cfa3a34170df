"""Work: due titles are claimed, planned from their latest dossier, and ensured. Second file of the way of a change.

A change, a timer, a retry, a link, a mode: each only marks (consumer, title) as due; this is all that happens then.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import aftermath, decisions, pauses
from frontlist.aftermath import Beside
from frontlist.clock import DAY, SECOND, Clock, microseconds, moment
from frontlist.contract import (
    Absent,
    Capabilities,
    Consumer,
    Context,
    Desired,
    Dossier,
    Ensure,
    Finding,
    Json,
    Mode,
    Plan,
    Resource,
    TitleKey,
)
from frontlist.ensure import Delivery
from frontlist.grouping import Group
from frontlist.jobs import Order, Result, left_to, lets_go
from frontlist.linking import holding
from frontlist.modes import Modes, imprint
from frontlist.observed import UNOBSERVED, Observed
from frontlist.pauses import Pauses
from frontlist.pins import Put
from frontlist.source import RawKey
from frontlist.state import applied, captured, dossier, findings, installation, processes, settled, statistics, work
from frontlist.state.database import Database, gone, plain, reason
from frontlist.step import Step, no_step
from frontlist.tracing import FRESH_US, INVALID_SPAN, Span
from frontlist.waiting import wait
from frontlist_schemas.canonical import fingerprint

log = structlog.get_logger(__name__)
DAM = "fourallportal"
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
EVENTS = "events."
#: What waits for a link is looked at again after so many seconds, though it is marked when the record is linked.
LINK_AGAIN = 3600.0
#: The same where a target could not be asked yet what it can do.
UNKNOWN_AGAIN = 60.0
#: Of these nothing is known: what was found of their resources stays open.
UNSETTLED = frozenset({"retry", "busy", "deferred", "stopped"})
#: An outcome of a title is the one of its resources that needs most attention.
SEVERITY = (
    "unchanged",
    "observed",
    "applied",
    "proposed",
    "deferred",
    "busy",
    "held",
    "refused",
    "dead-lettered",
    "retry",
    "stopped",
)


class WorkSettings(BaseModel):
    """How work is done; times in seconds."""

    model_config = ConfigDict(extra="forbid")

    claim: int = Field(1000, ge=1, description="titles in hand at most, of each priority and the more urgent ones")
    retry_first: float = Field(
        1.0, gt=0, description="longest first pause before a retry; doubled each time, full jitter"
    )
    retry_longest: float = Field(600.0, gt=0, description="longest pause before a retry")
    idle: float = Field(0.5, gt=0, description="longest pause between two looks for due work")


@dataclass(frozen=True)
class Active:
    """What plans are made with: the mapping under its activation number."""

    activation: int
    mapping: object


@dataclass(frozen=True)
class Seen:
    """All that was read for some titles of one consumer, in statements begun after the claim."""

    dossiers: Mapping[TitleKey, Dossier]
    links: Mapping[TitleKey, Mapping[Resource, str]]
    notes: Mapping[TitleKey, Mapping[str, Json]]
    adopted: Mapping[str, Json]
    accepted: Mapping[str, Json]
    held: Mapping[Resource, applied.Applied]
    modes: Modes
    pauses: Pauses
    capabilities: Mapping[str, Capabilities]
    held_back: Mapping[Resource, tuple[str, ...]]
    read_through: frozenset[str]


@dataclass
class Title:
    """One claimed title on its way; `noted`: what its consumer's last plan noted.

    `changed_at`: when the live change was observed that made it due (microseconds since 1970). `stated`: see
    aftermath. `there`: what stood beside the plan.
    """

    claim: work.Claim
    noted: Mapping[str, Json]
    plan: Plan | None = None
    error: str = ""
    results: list[Result] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unsettled: set[str] = field(default_factory=set)
    span: Span = INVALID_SPAN
    changed_at: int | None = None
    stated: int = 0
    there: Beside = field(default_factory=Beside)
    puts: dict[Resource, Put] = field(default_factory=dict)
    brought: list[aftermath.Brought] = field(default_factory=list)


class Worker:
    """Claims and works; any number of processes may run one."""

    def __init__(
        self,
        db: Database,
        consumers: Mapping[str, Consumer],
        delivery: Delivery,
        *,
        tenant: str,
        active: Callable[[], Active],
        capabilities: Callable[[], Mapping[str, Capabilities]],
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
        self.db, self.consumers, self.delivery, self.tenant = db, consumers, delivery, tenant
        self.active, self.capabilities, self.clock, self.decisions = active, capabilities, clock, decisions
        self.woken, self.waiting = woken or asyncio.Event(), waiting
        self.settings, self.step, self.observed = settings or WorkSettings(), step, observed
        self.process = delivery.process
        self._idle, self._trouble = False, ""
        self._in_hand: dict[int, work.Claim] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()
        #: What failed since the last turn, so that the next one waits.
        self._failed = ""
        self._claims, self._tidied, self._highest = 0, 0, 0
        #: Tables of which PostgreSQL may know nothing yet.
        self._unseen: Collection[str] = statistics.TABLES
        self._untidy = True
        self._pace = _Pace(clock)
        # Nobody waits for what is finished, so it gathers for longer than what is on its way.
        self._finish: Group[tuple[Consumer, Title], None] = Group(self._finish_all, linger=FINISH)

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
            async with self.db.begin() as c:
                await processes.beat(self.db, c, self.process, "work")
                alive = await processes.living(c, await self.db.now(c))
            self.delivery.share(len(alive))

    async def once(self) -> int:
        """One claim, worked to its end; answers how many titles were in it."""
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
        active = self.active()
        self._claims += 1
        async with self.db.begin() as c:
            number, behind = await installation.standing(c)
            if number != active.activation:
                if not self._idle:
                    log.warning("work: another mapping is active, so this process does not work")
                self._idle = True
                self._trouble = "another mapping is active, so this process does not work; restart it with that one"
                return active, []
            waiting = self.waiting()
            self._idle, self._trouble = False, min(waiting.values(), default="")
            if behind is not None:
                self._trouble = (
                    "the database is older than what Kafka was told; nothing is claimed before it is read back"
                )
                return active, []
            now = await self.db.now(c)
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
            if any(each.claim <= self._highest for each in claims):
                # Its numbers went back: a backup was restored under us. Intake hears of it, and reads everything back.
                await installation.state(self.db, c, {installation.BEHIND: installation.NOTICED})
                await work.free_all(c)
                self._trouble = "the database is older than it was, so nothing is claimed before intake has read back"
                return active, []
            self._highest = max((each.claim for each in claims), default=self._highest)
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
        await processes.beat(self.db, c, self.process, "work")
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
                task = asyncio.create_task(self._title(consumer, title, orders))
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
                await self._stopped(consumer, claims[0], error)
                return []
            half = len(claims) // 2
            first = await self._halved(consumer, claims[:half], active)
            return first + await self._halved(consumer, claims[half:], active)

    async def _title(self, consumer: Consumer, title: Title, orders: Sequence[Order]) -> None:
        try:
            results = await self.delivery.bring(orders)
            for order, result in zip(orders, results, strict=True):
                title.results.append(result)
                title.brought.append(_brought(order, result))
                title.findings += title.there.heard(order.resource, order.desired, result)
                if result.outcome in UNSETTLED:
                    title.unsettled.add(str(order.resource))
            await self._finish((consumer, title))
        except Exception as error:
            if gone(error):
                raise
            log.error("work: a title stopped", consumer=consumer.name, title=title.claim.title, exc_info=error)
            title.results = [Result("stopped", plain(f"{type(error).__name__}: {error}")[:1000])]
            try:
                await self._finish((consumer, title))  # its due times and what is in doubt stand
            except Exception as broken:
                if gone(broken):
                    raise
                await self._stopped(consumer, title.claim, broken)
        finally:
            title.span.end()
            self._drop([title.claim])
            self._pace.finished(any(each.called for each in title.results) or not title.results)

    def _drop(self, claims: Iterable[work.Claim]) -> None:
        for each in claims:
            self._in_hand.pop(each.claim, None)
        self._freed.set()

    async def _stopped(self, consumer: Consumer, claim: work.Claim, error: Exception) -> None:
        log.error("work: a title stopped", consumer=consumer.name, title=claim.title, exc_info=error)
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
            seen = await self.look(c, consumer.name, names)
            traced = await dossier.traced(c, names, now - FRESH_US) if self.observed.traces.on else {}
            titles = [Title(claim, seen.notes[claim.title]) for claim in claims]
            for title in titles:
                if parents := traced.get(title.claim.title):
                    about = {"frontlist.consumer": consumer.name, "frontlist.title": title.claim.title}
                    title.span = self.observed.traces.child("work", parents, about)
                with self.observed.traces.within("plan", [title.span]):
                    title.plan, title.error = self.plan(consumer, seen.dossiers[title.claim.title], seen, active, now)
                self.observed.planned(consumer.name, failed=title.plan is None)
                title.changed_at = _changed_at(title.claim, seen.dossiers[title.claim.title])
                if title.plan is not None:
                    title.findings += title.plan.findings
            planned = [d.resource for t in titles if t.plan for d in t.plan.desired]
            strangers = [resource for resource in planned if resource not in seen.held]
            there = await aftermath.beside(c, consumer.name, names, planned)
            for title in titles:
                title.there = there
                title.stated = aftermath.stated(seen.dossiers[title.claim.title])
            held = dict(seen.held) | await applied.of_resources(c, consumer.name, strangers)
            orders = [self._orders(title, seen, held, active, now) for title in titles]
            orders = await self._without_reading(c, seen, orders)
        await self.step("planned")
        return list(zip(titles, orders, strict=True))

    async def look(self, c: AsyncConnection, consumer: str, names: Sequence[TitleKey]) -> Seen:
        """Everything that plans of these titles are made from."""
        dossiers = await dossier.dossiers(c, names, await captured.confirmed_at(c, names))
        decided = await settled.about(c, consumer, names, "accepted", "mode", pauses.KIND, "linked")
        notes = decided["note"]
        read_through = await captured.read_through(c, DAM)
        # Before a module was read through nothing is created there anyway.
        unclaimed = await captured.unclaimed(c, decided["linked"]) if read_through else {}
        return Seen(
            dossiers=dossiers,
            links=await settled.links_of(c, names, {title: holding.products_of(dossiers[title]) for title in names}),
            notes={title: notes.get(settled.note_key(consumer, title), {}) for title in names},
            adopted=decided["adopted"],
            accepted=decided["accepted"],
            held=await applied.of_titles(c, consumer, names),
            modes=Modes(decided["mode"]),
            pauses=Pauses(decided[pauses.KIND]),
            capabilities=self._capabilities(unclaimed, read_through),
            held_back=await holding.held_back(c, self.tenant, _modules(read_through), dossiers),
            read_through=read_through,
        )

    def plan(
        self, consumer: Consumer, dossier: Dossier, seen: Seen, active: Active, now: int
    ) -> tuple[Plan | None, str]:
        """The consumer's plan, or why it has none. A consumer that raises stops this row alone."""
        name = dossier.title
        context = Context(
            now=moment(now),
            tenant=self.tenant,
            mapping=active.mapping,
            links=seen.links[name],
            decisions=seen.adopted.get(name) or {},
            capabilities=seen.capabilities,
            notes=seen.notes[name],
        )
        try:
            return consumer.plan(dossier, context), ""
        except Exception as error:
            log.exception("work: a plan failed", consumer=consumer.name, title=name)
            return None, f"{type(error).__name__}: {error}"

    def _capabilities(self, unclaimed: Mapping[str, str], read_through: frozenset[str]) -> Mapping[str, Capabilities]:
        """The tenants' own, and nothing is created in a module before all its objects are known and linked."""
        out = dict(self.capabilities())
        if DAM in out:
            unread = {
                module: f"module {module} has not been read through yet"
                for module in out[DAM].creatable
                if not _read(read_through, module)
            }
            out[DAM] = replace(out[DAM], creatable={**out[DAM].creatable, **unclaimed, **unread})
        return out

    def _orders(
        self, title: Title, seen: Seen, held: Mapping[Resource, applied.Applied], active: Active, now: int
    ) -> list[Order]:
        """What goes to the targets under the modes; what was in doubt and is no longer named is settled too."""
        if title.plan is None:
            return []
        claim, dossier = title.claim, seen.dossiers[title.claim.title]
        vector = {str(key): int(each.revision) for key, each in dossier.documents.items()}
        vector["activation"] = active.activation
        whose = imprint(dossier)
        until = None if title.plan.next_at is None else microseconds(title.plan.next_at)
        orders: list[Order] = []
        for planned in title.plan.desired:
            have = held.get(planned.resource)
            put = title.puts[planned.resource] = title.there.put(planned)
            desired = without_first_erasures(put.desired, have, seen.adopted.get(claim.title))
            order = Order(
                claim,
                desired.resource,
                desired,
                vector,
                have,
                imprint=whose,
                accepted=bool(seen.accepted) and proposal(desired) in seen.accepted,
                until=until if until is not None and until > now else None,
                read_back=claim.title in title.there.sweeps,
                pinned=put.stand,
                run=title.there.run(claim, put),
                erased=claim.title in title.there.erased,
                revision=stated_at(self.consumers[claim.consumer], dossier, desired.resource.target),
                span=title.span,
            )
            mode = seen.modes.of(desired.flow, whose)
            if desired.resource.target not in seen.capabilities:
                _put_off(title, order, self._unknown(desired.resource.target))
            elif mode != Mode.OFF and _may_be_there(desired, have, seen):
                self._wait_for_a_link(title, desired.resource, seen)
            elif order.may(seen.modes) and (why := seen.pauses.why(order.resource.target, claim.priority)):
                _put_off(title, order, Result("deferred", why, after=pauses.AGAIN, called=False))
            elif order.may(seen.modes):
                orders.append(order)
            elif mode != Mode.OFF:
                self._withheld(title, desired, mode, have)
        ordered = {order.resource for order in orders}
        for resource, each in held.items():
            if each.title == claim.title and resource not in ordered and each.in_doubt(now):
                orders.append(Order(claim, resource, None, vector, each, span=title.span))
        return orders

    def _unknown(self, target: str) -> Result:
        """Deferred rather than backed off, so that other targets go on; every title is marked once it is known."""
        if target not in self.delivery.lanes:
            return Result("deferred", f"no target {target} is configured", after=DAY / SECOND, called=False, lost=True)
        return Result("deferred", f"{target} is not introspected yet", after=UNKNOWN_AGAIN, called=False)

    def _wait_for_a_link(self, title: Title, resource: Resource, seen: Seen) -> None:
        """The title is marked when the record is linked or deleted; looked at by itself too, should that be missed."""
        said = holding.finding(resource, seen.held_back[resource])
        title.results.append(Result("deferred", said.message, after=LINK_AGAIN))
        title.findings.append(said)

    async def _without_reading(
        self, c: AsyncConnection, seen: Seen, orders: Sequence[list[Order]]
    ) -> list[list[Order]]:
        """A record that was never written, in a module read through that does not show it, need not be asked for."""
        fresh = {
            order.resource: RawKey(order.resource.kind, order.resource.id)
            for some in orders
            for order in some
            if order.applied is None and order.resource.target == DAM and _read(seen.read_through, order.resource.kind)
        }
        known = await captured.mirrored(c, DAM, list(fresh.values()))
        absent = {resource for resource, key in fresh.items() if key not in known}
        return [
            [replace(order, absent=True) if order.resource in absent else order for order in some] for some in orders
        ]

    def _withheld(self, title: Title, desired: Desired, mode: Mode, have: applied.Applied | None) -> None:
        wanted = dict(getattr(desired, "fields", {}))
        if have is not None and have.fields is not None:
            wanted = {key: value for key, value in wanted.items() if have.fields.get(key) != value}
        removed = isinstance(desired, Absent) and have is not None and not have.present
        elsewhere = left_to(desired, have, title.claim.title) is not None
        if elsewhere or removed or (not wanted and isinstance(desired, Ensure)):
            title.results.append(Result("unchanged"))
        elif mode == Mode.OBSERVE:
            title.results.append(Result("observed", f"flow {desired.flow} would ensure {desired.resource}"))
        else:
            title.results.append(Result("proposed", proposal(desired)))
            title.findings.append(
                Finding(
                    key=f"proposal/{desired.resource}",
                    kind="proposal",
                    message=f"flow {desired.flow} proposes {len(wanted)} fields of {desired.resource}: "
                    + ", ".join(sorted(wanted)[:12])
                    if isinstance(desired, Ensure)
                    else f"flow {desired.flow} proposes to remove {desired.resource}: {desired.reason}",
                    cure=f"look at `frontlist explain {title.claim.title}`; then "
                    f"`frontlist mode accept {proposal(desired)}`, or set the mode to apply",
                    where=str(desired.resource),
                    severity="low",
                )
            )

    # --- finish ----------------------------------------------------------------------------------------------------

    async def _finish_all(self, items: Sequence[tuple[Consumer, Title]]) -> list[None]:
        """Findings, notes, and what is due next, where nothing marked the row again."""
        done: list[tuple[Title, work.Finished]] = []
        async with self.db.begin() as c:
            now = await self.db.now(c)
            mine = await work.still_mine(c, self.process, [title.claim for _, title in items])
            standing = [each for each in items if each[1].claim.claim in mine]
            for name in sorted({consumer.name for consumer, _ in standing}):
                titles = [title for consumer, title in standing if consumer.name == name]
                names = [title.claim.title for title in titles]
                looks = await applied.look_again(c, name, names, now, sorted(self.delivery.lanes))
                said = {title.claim.title: _unique(title.findings) for title in titles if title.plan is not None}
                open_ = {title.claim.title: title.unsettled for title in titles}
                await findings.settle(self.db, c, name, said, now, keep=open_)
                await self._note(c, name, titles)
                for there in {id(title.there): title.there for title in titles}.values():
                    ended = [_ended(title) for title in titles if title.there is there]
                    await aftermath.settle(self.db, c, name, there, ended, self.decisions)
                done += [(title, self._finished(title, looks.get(title.claim.title), now)) for title in titles]
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

    def _finished(self, title: Title, look: int | None, now: int) -> work.Finished:
        claim, plan = title.claim, title.plan
        if plan is None:
            return work.Finished(claim, "stopped", plain(title.error), due_at=now + DAY)
        worst = max(title.results, key=lambda each: SEVERITY.index(each.outcome), default=Result("unchanged"))
        outcome, detail = worst.outcome, plain(worst.detail)
        if plan.waits and outcome in ("unchanged", "applied"):
            outcome, detail = "deferred", "; ".join(f"{each.what}: {each.reason}" for each in plan.waits)
        # A look that is overdue could not be taken now: again in a minute, never in a hot loop.
        dues = [look if look > now else now + 60 * SECOND] if look is not None else []
        timer = None
        if plan.next_at is not None:
            timer = max(microseconds(plan.next_at), now + SECOND // 10)
            dues.append(timer)
        if outcome in ("refused", "dead-lettered", "stopped", "held"):
            dues.append(now + DAY)
        dues += [
            now + round(each.after * SECOND) for each in title.results if each.outcome == "deferred" and each.after
        ]
        retries = [each for each in title.results if each.outcome in ("retry", "busy")]
        if not retries:
            # What stopped may leave something in doubt: it is looked at again, but never in a hot loop.
            rest = 60 * SECOND if outcome == "stopped" else 0
            due = min(dues, default=None)
            # A moment that the plan named is as urgent as what the consumer is about, whatever made it due this time.
            priority = self._natural(claim.consumer) if due is not None and due == timer else None
            return work.Finished(claim, outcome, detail, due_at=due, not_before=now + rest, priority=priority)
        attempts = claim.attempts + any(each.attempt for each in retries)
        pause = max(self._pause(each, attempts) for each in retries)
        return work.Finished(
            claim, outcome, detail, due_at=now, not_before=now + round(pause * SECOND), attempts=attempts
        )

    def _natural(self, consumer: str) -> int:
        """The priority of the most urgent document that a consumer wants."""
        return min(work.PRIORITIES.get(each.aspect, work.Priority.METADATA) for each in self.consumers[consumer].wants)

    def _pause(self, result: Result, attempts: int) -> float:
        """What the target asked for, else full jitter over a doubling pause."""
        if result.after is not None:
            return result.after
        longest = min(self.settings.retry_longest, self.settings.retry_first * 2 ** min(attempts, 20))
        return random.uniform(0.0, longest)  # noqa: S311  jitter, nothing secret


def _brought(order: Order, result: Result) -> aftermath.Brought:
    return aftermath.Brought(
        order.resource,
        order.desired,
        result.outcome,
        result.detail,
        result.called,
        len(result.changed),
        result.held,
        result.drifted,
        result.left,
        result.after,
        result.lost,
    )


def _put_off(title: Title, order: Order, result: Result) -> None:
    """An order that cannot be given yet: nothing is known of its resource, so findings stay open and sweeps wait."""
    title.results.append(result)
    title.brought.append(_brought(order, result))
    title.unsettled.add(str(order.resource))


def _ended(title: Title) -> aftermath.Done:
    planned = None if title.plan is None else frozenset(each.resource for each in title.plan.desired)
    outcomes = [each.outcome for each in title.results]
    return aftermath.Done(title.claim, planned, title.brought, title.puts, outcomes, title.stated)


def _changed_at(claim: work.Claim, dossier: Dossier) -> int | None:
    documents = dossier.documents.items() if claim.live else ()
    return next((int(each.revision) for key, each in documents if str(key) == claim.reason), None)


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


def _read(read_through: frozenset[str], module: str) -> bool:
    return f"{EVENTS}{module}" in read_through


def _modules(read_through: frozenset[str]) -> list[str]:
    return [name.removeprefix(EVENTS) for name in read_through if name.startswith(EVENTS)]


def _may_be_there(desired: Desired, have: applied.Applied | None, seen: Seen) -> bool:
    """Whether it would be made although a record that nobody linked may stand for it."""
    creates = isinstance(desired, Ensure) and desired.create and (have is None or not have.present)
    return creates and desired.resource in seen.held_back


def stated_at(consumer: Consumer, dossier: Dossier, target: str) -> int:
    """The revision of the newest document by which a title claims what is in the target.

    What the target itself states is changed by our own writes, so it counts only where the consumer wants nothing else.
    """
    wanted = {key: int(each.revision) for key, each in dossier.documents.items() if key in consumer.wants}
    others = [revision for key, revision in wanted.items() if key.system != target]
    return max(others or wanted.values(), default=0)


def has_it(desired: Desired, have: applied.Applied | None, title: TitleKey, revision: int) -> str | None:
    """In words, which other title has the resource, so that nothing is written for this one; for previews."""
    if have is None or have.title == title:
        return None
    if lets_go(desired):
        return f"{have.title} has it now, and {title} lets go of it"
    newer = have.title_revision > 0 and have.title_revision >= revision
    return f"{have.title} claims it with a newer statement" if newer else None


def keeps(
    desired: Desired, have: applied.Applied | None, seen: Seen, mode: Mode, priority: int, *, writes: bool
) -> str | None:
    """In words, what `_orders` would make it wait for, for previews; None: nothing."""
    if mode != Mode.OFF and _may_be_there(desired, have, seen):
        return holding.finding(desired.resource, seen.held_back[desired.resource]).message
    return seen.pauses.why(desired.resource.target, priority) if writes else None


def without_first_erasures(desired: Desired, have: applied.Applied | None, adopted: Json) -> Desired:
    """An owner's empty value erases only what we wrote there, for whichever title, and what a person adopted.

    `adopted`: the title's decision, {"all": true} or {"fields": [field keys]}.
    """
    if not isinstance(desired, Ensure):
        return desired
    said = adopted if isinstance(adopted, Mapping) else {}
    named = said.get("fields")
    cleared = named if isinstance(named, list | tuple) else ()
    ours = (have.fields if have else None) or {}
    kept = {
        key: value
        for key, value in desired.fields.items()
        if value is not None or ours.get(key) is not None or said.get("all") is True or key in cleared
    }
    return desired if len(kept) == len(desired.fields) else replace(desired, fields=kept)


def _outcomes(done: Sequence[work.Finished]) -> dict[str, int]:
    counted = Counter(each.outcome.replace("-", "_") for each in done)
    return dict(counted)


def proposal(desired: Desired) -> str:
    """What a person accepts: this resource in exactly this state."""
    return f"{desired.resource}/{fingerprint(dict(getattr(desired, 'fields', {})))[:12]}"


def _unique(said: Sequence[Finding]) -> list[Finding]:
    return list({each.key: each for each in said}.values())
