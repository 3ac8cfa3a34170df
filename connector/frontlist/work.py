"""Work: due titles are claimed, planned from their latest dossier, and ensured. Second file of the way of a change.

A change, a timer, a retry, a link, a mode: each only marks (consumer, title) as due; this is all that happens then.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.clock import Clock, microseconds, moment
from frontlist.contract import (
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
from frontlist.ensure import SECOND, Delivery, Order, Result
from frontlist.modes import Modes, imprint
from frontlist.source import RawKey
from frontlist.state import applied, captured, dossier, findings, installation, processes, settled, work
from frontlist.state.database import Database, gone, plain
from frontlist.step import Step, no_step
from frontlist.waiting import wait
from frontlist_schemas.canonical import fingerprint

log = structlog.get_logger(__name__)
DAY = 86_400 * SECOND
DAM = "fourallportal"
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
    "refused",
    "dead-lettered",
    "retry",
    "stopped",
)


class WorkSettings(BaseModel):
    """How work is done; times in seconds."""

    model_config = ConfigDict(extra="forbid")

    claim: int = Field(100, ge=1, description="titles claimed at once")
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
    unclaimed: Mapping[str, str]
    read_through: frozenset[str]
    rebuilt: bool


@dataclass
class Title:
    """One claimed title on its way."""

    claim: work.Claim
    dossier: Dossier
    plan: Plan | None = None
    error: str = ""
    results: list[Result] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unsettled: set[str] = field(default_factory=set)


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
        settings: WorkSettings | None = None,
        step: Step = no_step,
    ) -> None:
        """`decisions`: the topic of decisions. The process id is the delivery's."""
        self.db, self.consumers, self.delivery, self.tenant = db, consumers, delivery, tenant
        self.active, self.capabilities, self.clock, self.decisions = active, capabilities, clock, decisions
        self.woken = woken or asyncio.Event()
        self.settings, self.step = settings or WorkSettings(), step
        self.process = delivery.process
        self._idle = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`; the claims in hand are finished, then released."""
        self.delivery.stopping = stopping
        heart = asyncio.create_task(self._beat())
        try:
            while not stopping.is_set():
                self.woken.clear()
                try:
                    worked = await self.once()
                except Exception as error:
                    if not gone(error):
                        raise
                    log.warning("work: the database is gone, paused", error=str(error))
                    worked = 0
                    await wait(stopping, 1.0)
                if not worked:
                    await wait(stopping, self.settings.idle, self.woken)
        finally:
            heart.cancel()
            # Awaited: a task that is cancelled twice inside a database call leaves its connection hanging.
            await asyncio.gather(heart, return_exceptions=True)
            with contextlib.suppress(Exception):
                async with self.db.begin() as c:
                    await work.release(c, self.process)
                    await processes.leave(c, self.process)

    async def _beat(self) -> None:
        while True:
            with contextlib.suppress(Exception):
                async with self.db.begin() as c:
                    await processes.beat(self.db, c, self.process, "work")
            await asyncio.sleep(processes.DEAD_AFTER / SECOND / 4)

    async def once(self) -> int:
        """One claim; answers how many titles were in it."""
        active = self.active()
        async with self.db.begin() as c:
            current = await installation.active(c)
            if current is None or current.number != active.activation:
                if not self._idle:
                    log.warning("work: another mapping is active, so this process does not work")
                self._idle = True
                return 0
            self._idle = False
            if await installation.fact(c, installation.BEHIND) is not None:
                return 0
            # Nothing is in hand here: what the last turn could not finish is free again.
            await work.release(c, self.process)
            await processes.beat(self.db, c, self.process, "work")
            now = await self.db.now(c)
            claims = await work.claim(self.db, c, self.process, now, self.settings.claim, sorted(self.consumers))
        if claims:
            await self.step("claimed")
        for name in dict.fromkeys(claim.consumer for claim in claims):  # the most urgent first
            mine = [claim for claim in claims if claim.consumer == name]
            await self._guarded(self.consumers[name], mine, active)
        return len(claims)

    async def _guarded(self, consumer: Consumer, claims: Sequence[work.Claim], active: Active) -> None:
        """What breaks stops its own row, whatever it is: found by halves."""
        try:
            await self._work(consumer, claims, active)
        except Exception as error:
            if gone(error):
                raise
            if len(claims) > 1:
                half = len(claims) // 2
                await self._guarded(consumer, claims[:half], active)
                await self._guarded(consumer, claims[half:], active)
                return
            log.exception("work: a title stopped", consumer=consumer.name, title=claims[0].title)
            async with self.db.begin() as c:
                now = await self.db.now(c)
                said = plain(f"{type(error).__name__}: {error}")[:1000]
                await work.finish(c, [work.Finished(claims[0], "stopped", said, now + DAY, now)], now)

    # --- plan ------------------------------------------------------------------------------------------------------

    async def _work(self, consumer: Consumer, claims: Sequence[work.Claim], active: Active) -> None:
        names = [claim.title for claim in claims]
        async with self.db.read() as c:
            now = await self.db.now(c)
            seen = await self.look(c, consumer.name, names)
        titles = [Title(claim, seen.dossiers[claim.title]) for claim in claims]
        for title in titles:
            title.plan, title.error = self.plan(consumer, title.dossier, seen, active, now)
            if title.plan is not None:
                title.findings += title.plan.findings
        await self.step("planned")
        async with self.db.read() as c:
            strangers = [d.resource for t in titles if t.plan for d in t.plan.desired if d.resource not in seen.held]
            held = dict(seen.held) | await applied.of_resources(c, consumer.name, strangers)
            orders = [(title, order) for title in titles for order in self._orders(title, seen, held, active, now)]
            brought = await self._without_reading(c, seen, [order for _, order in orders])
        results = await self.delivery.bring(brought)
        for i, (title, order) in enumerate(orders):
            title.results.append(results[i])
            title.findings += results[i].findings
            if results[i].outcome in UNSETTLED:
                title.unsettled.add(str(order.resource))
        await self._finish(consumer, titles, seen)

    async def look(self, c: AsyncConnection, consumer: str, names: Sequence[TitleKey]) -> Seen:
        """Everything that plans of these titles are made from."""
        return Seen(
            dossiers=await dossier.dossiers(c, names, await captured.confirmed_at(c, names)),
            links=await settled.links_of(c, names),
            notes=await settled.notes_of(c, consumer, names),
            adopted=await settled.decisions(c, "adopted", list(names)),
            accepted=await settled.decisions(c, "accepted"),
            held=await applied.of_titles(c, consumer, names),
            modes=Modes(await settled.decisions(c, "mode")),
            unclaimed=await captured.unclaimed(c, await settled.decisions(c, "linked")),
            read_through=await captured.read_through(c, DAM),
            rebuilt=await installation.fact(c, "rebuilt_at") is not None,
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
            capabilities=self._capabilities(seen),
            notes=seen.notes[name],
        )
        try:
            return consumer.plan(dossier, context), ""
        except Exception as error:
            log.exception("work: a plan failed", consumer=consumer.name, title=name)
            return None, f"{type(error).__name__}: {error}"

    def _capabilities(self, seen: Seen) -> Mapping[str, Capabilities]:
        """The tenants' own, and nothing is created in a module before all its objects are known and linked."""
        out = dict(self.capabilities())
        if DAM in out:
            unread = {
                module: f"module {module} has not been read through yet"
                for module in out[DAM].creatable
                if not _read(seen, module)
            }
            out[DAM] = replace(out[DAM], creatable={**out[DAM].creatable, **seen.unclaimed, **unread})
        return out

    def _orders(
        self, title: Title, seen: Seen, held: Mapping[Resource, applied.Applied], active: Active, now: int
    ) -> list[Order]:
        """What goes to the targets under the modes; what was in doubt and is no longer named is settled too."""
        if title.plan is None:
            return []
        claim = title.claim
        vector = {str(key): int(each.revision) for key, each in title.dossier.documents.items()}
        vector["activation"] = active.activation
        orders: list[Order] = []
        for planned in title.plan.desired:
            have = held.get(planned.resource)
            kept = seen.rebuilt or seen.adopted.get(claim.title)
            desired = planned if kept else without_first_erasures(planned, have)
            mode = seen.modes.of(desired.flow, imprint(title.dossier))
            if desired.resource.target not in self.capabilities():
                title.results.append(Result("retry", f"{desired.resource.target} is not introspected yet", after=2.0))
            elif mode == Mode.APPLY or (mode == Mode.PROPOSE and proposal(desired) in seen.accepted):
                orders.append(Order(claim, desired.resource, desired, vector, have))
            elif mode != Mode.OFF:
                self._withheld(title, desired, mode, have)
        ordered = {order.resource for order in orders}
        for resource, each in held.items():
            if each.title == claim.title and resource not in ordered and each.in_doubt(now):
                orders.append(Order(claim, resource, None, vector, each))
        return orders

    async def _without_reading(self, c: AsyncConnection, seen: Seen, orders: Sequence[Order]) -> list[Order]:
        """A record that was never written, in a module read through that does not show it, need not be asked for."""
        fresh = {
            order.resource: RawKey(order.resource.kind, order.resource.id)
            for order in orders
            if order.applied is None and order.resource.target == DAM and _read(seen, order.resource.kind)
        }
        known = await captured.mirrored(c, DAM, list(fresh.values()))
        absent = {resource for resource, key in fresh.items() if key not in known}
        return [replace(order, absent=True) if order.resource in absent else order for order in orders]

    def _withheld(self, title: Title, desired: Desired, mode: Mode, have: applied.Applied | None) -> None:
        wanted = dict(getattr(desired, "fields", {}))
        if have is not None and have.fields is not None:
            wanted = {key: value for key, value in wanted.items() if have.fields.get(key) != value}
        if not wanted:
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
                    + ", ".join(sorted(wanted)[:12]),
                    cure=f"look at `frontlist explain {title.claim.title}`; then "
                    f"`frontlist mode accept {proposal(desired)}`, or set the mode to apply",
                    where=str(desired.resource),
                    severity="low",
                )
            )

    # --- finish ----------------------------------------------------------------------------------------------------

    async def _finish(self, consumer: Consumer, titles: Sequence[Title], seen: Seen) -> None:
        """Findings, notes, and what is due next, where nothing marked the row again."""
        await self._wake_others(consumer, titles)
        async with self.db.begin() as c:
            now = await self.db.now(c)
            claims = [title.claim for title in titles]
            mine = await work.still_mine(self.db, c, self.process, claims)
            standing = [title for title in titles if (title.claim.consumer, title.claim.title) in mine]
            looks = await applied.look_again(c, consumer.name, [title.claim.title for title in standing], now)
            said = {title.claim.title: _unique(title.findings) for title in standing if title.plan is not None}
            open_ = {title.claim.title: title.unsettled for title in standing}
            await findings.settle(self.db, c, consumer.name, said, now, keep=open_)
            await self._note(c, consumer, standing, seen)
            done = [self._finished(title, looks.get(title.claim.title), now) for title in standing]
            await work.finish(c, done, now)
        log.info("work: done", consumer=consumer.name, **_outcomes(done))
        await self.step("finished")

    async def _note(self, c: AsyncConnection, consumer: Consumer, titles: Sequence[Title], seen: Seen) -> None:
        """Notes stand at once under the claim's number; the topic has them for a rebuild."""
        fresh = []
        for title in titles:
            if title.plan is None or title.plan.notes is None or title.plan.notes == seen.notes[title.claim.title]:
                continue
            key = settled.note_key(consumer.name, title.claim.title)
            fresh.append(settled.Decision("note", key, dict(title.plan.notes), title.claim.claim))
        kept = await settled.save_decisions(self.db, c, fresh)
        records = [(self.decisions, f"note/{each.key}", {"body": each.body, "number": each.number}) for each in kept]
        await applied.post(self.db, c, records)

    async def _wake_others(self, consumer: Consumer, titles: Sequence[Title]) -> None:
        """A record that came into being is what other consumers of the title may have waited for."""
        claims = [title.claim for title in titles if any(result.created for result in title.results)]
        if not claims:
            return
        async with self.db.begin() as c:
            now = await self.db.now(c)
            others = [name for name in await installation.registered(c) if name != consumer.name]
            dues = [work.Due(name, each.title, now, each.priority, "created") for each in claims for name in others]
            await work.mark(self.db, c, dues)

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
        if plan.next_at is not None:
            dues.append(max(microseconds(plan.next_at), now + SECOND // 10))
        if outcome in ("refused", "dead-lettered", "stopped"):
            dues.append(now + DAY)
        dues += [
            now + round(each.after * SECOND) for each in title.results if each.outcome == "deferred" and each.after
        ]
        retries = [each for each in title.results if each.outcome in ("retry", "busy")]
        if not retries:
            # What stopped may leave something in doubt: it is looked at again, but never in a hot loop.
            rest = 60 * SECOND if outcome == "stopped" else 0
            return work.Finished(claim, outcome, detail, due_at=min(dues, default=None), not_before=now + rest)
        attempts = claim.attempts + any(each.attempt for each in retries)
        pause = max(self._pause(each, attempts) for each in retries)
        return work.Finished(
            claim, outcome, detail, due_at=now, not_before=now + round(pause * SECOND), attempts=attempts
        )

    def _pause(self, result: Result, attempts: int) -> float:
        """What the target asked for, else full jitter over a doubling pause."""
        if result.after is not None:
            return result.after
        longest = min(self.settings.retry_longest, self.settings.retry_first * 2 ** min(attempts, 20))
        return random.uniform(0.0, longest)  # noqa: S311  jitter, nothing secret


def _read(seen: Seen, module: str) -> bool:
    return f"events.{module}" in seen.read_through


def without_first_erasures(desired: Desired, have: applied.Applied | None) -> Desired:
    """An owner's empty value erases only what we wrote there."""
    if not isinstance(desired, Ensure):
        return desired
    ours = (have.fields if have else None) or {}
    kept = {key: value for key, value in desired.fields.items() if value is not None or ours.get(key) is not None}
    return desired if len(kept) == len(desired.fields) else replace(desired, fields=kept)


def _outcomes(done: Sequence[work.Finished]) -> dict[str, int]:
    counted = Counter(each.outcome.replace("-", "_") for each in done)
    return dict(counted)


def proposal(desired: Desired) -> str:
    """What a person accepts: this resource in exactly this state."""
    return f"{desired.resource}/{fingerprint(dict(getattr(desired, 'fields', {})))[:12]}"


def _unique(said: Sequence[Finding]) -> list[Finding]:
    return list({each.key: each for each in said}.values())
