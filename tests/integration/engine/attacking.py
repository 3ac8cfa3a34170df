"""A stage for delivery under attack: replicas that stop anywhere, systems whose calls we hold, a clock that we move."""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import Context as Variables
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import ASPECTS, Actual, Capabilities, Done, Ensure, FieldKey, Plan, Refused, Resource, TitleKey
from frontlist.breaker import BreakerSettings
from frontlist.clock import Clock
from frontlist.contract import Context, Desired, DocumentKey, Dossier, Step, StepOutcome
from frontlist.ensure import Delivery, EnsureSettings
from frontlist.errors import DeadLetter, Pause, Refuse, Retry
from frontlist.planning import Active, Planner
from frontlist.state import dossier, installation, processes, schema, settled, work
from frontlist.state.database import Database, metadata, number_table
from frontlist.work import Worker, WorkSettings

KEY = DocumentKey("consonance", ASPECTS[0])
SECOND = 1_000_000
LEASE, LOOK_AGAIN = 45.0, 900.0
#: A request that got lost is carried out within this time or never; the second look relies on it.
LATE_MOST = LOOK_AGAIN - 2 * LEASE
#: Where a replica can be stopped: between two actions of ours, and around a call.
POINTS = ("claimed", "planned", "reading", "intended", "sending", "stepped", "written", "remembered", "finished")


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps when the clock is moved."""

    jumped = 0.0

    def __init__(self) -> None:
        self._timers: list[asyncio.TimerHandle] = []
        super().__init__()

    def time(self) -> float:
        return super().time() + self.jumped

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Variables | None = None
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, context=context)
        self._timers.append(timer)
        return timer

    def near(self) -> bool:
        """Whether something waits for a moment within the next second."""
        now = self.time()
        self._timers = [each for each in self._timers if not each.cancelled() and each.when() > now]
        return any(each.when() < now + 1.0 for each in self._timers)


class Skewed(Clock):
    """The clock of a machine that is set wrong."""

    def __init__(self, skew_us: int) -> None:
        super().__init__()
        self._skew_us = skew_us

    def now_us(self) -> int:
        return super().now_us() + self._skew_us


@dataclass
class Traffic:
    open: int = 0


class Counted(Database):
    """Knows how many transactions are open; its copies count together."""

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(url, clock)
        self.traffic = Traffic()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        self.traffic.open += 1
        try:
            async with super().begin() as c:
                yield c
        finally:
            self.traffic.open -= 1

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        self.traffic.open += 1
        try:
            async with super().read() as c:
                yield c
        finally:
            self.traffic.open -= 1

    def seen_by(self, clock: Clock) -> Counted:
        """The same database, for a process with this clock."""
        other = copy.copy(self)
        other.clock = clock
        return other


# --- the systems ---------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Request:
    """A write on its way. `late`: its sender gave it up, and it is still carried out some time."""

    vault: Vault
    replica: Replica
    steps: Sequence[Step]
    sent_at: float
    deadline: float
    answer: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    late: bool = False
    done: bool = False
    answered: bool = False


@dataclass(eq=False)
class Object:
    marker: str
    fields: dict[str, int] = field(default_factory=dict)


class Vault:
    """What one system holds. `script`: what becomes of its next calls; after that each is answered.

    `newest`: per (title, field) the largest value of which a sender knows that it was written.
    """

    batch = 1
    once: frozenset[str] = frozenset()
    readable = True
    divisible = False

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage, self.name = stage, name
        self.objects: dict[str, Object] = {}
        self.script: deque[str] = deque()
        self.reads: deque[str] = deque()
        self.newest: dict[tuple[str, str], int] = {}
        self.removed: set[str] = set()

    def of(self, marker: str) -> dict[str, Object]:
        return {id_: each for id_, each in self.objects.items() if each.marker == marker}

    def actual(self, marker: str) -> Actual | None:
        found = self.of(marker)
        if not found:
            return None
        first = next(iter(found.values()))
        return Actual({FieldKey(key): value for key, value in first.fields.items()}, extra=list(found))

    def steps(self, desired: Desired, actual: Actual | None, progress: Mapping[str, Any]) -> Sequence[Step]:
        assert isinstance(desired, Ensure)
        differs = _differing(desired, actual)
        return [] if "put" in progress or not differs else [Step(desired.resource, "put", {"fields": differs})]

    def carry_out(self, request: Request, but: Callable[[Step], StepOutcome | None] = lambda _step: None) -> Any:
        """An outcome each. `but`: what is refused of it."""
        request.done = True
        out = []
        for step in request.steps:
            refused = but(step)
            if refused is None:
                self._look(request, step)
                out.append(Done(self._do(step)))
            else:
                out.append(refused)
        return out

    def _do(self, step: Step) -> Any:
        id_ = step.resource.id
        self.objects.setdefault(id_, Object(id_)).fields.update(step.payload["fields"])
        return None

    def _look(self, request: Request, step: Step) -> None:
        """No older value after a newer one, unless the request came after all that bounds it."""
        marker, now = step.resource.id, self.stage.loop.time()
        if marker in self.removed:
            self.stage.errors.append(f"{step.resource}: what a person removed is written again")
        older = {k: v for k, v in step.payload.get("fields", {}).items() if v < self.newest.get((marker, k), v)}
        if older and not (request.late or now > request.deadline):
            self.stage.errors.append(f"{step.resource}: {older} is written after {self.newest}, within the lease")
        if older:
            self.stage.stale.append(request)

    def known(self, request: Request, outcomes: Sequence[StepOutcome]) -> None:
        """The sender has the answer."""
        request.answered = True
        for step, said in zip(request.steps, outcomes, strict=True):
            for key, value in step.payload.get("fields", {}).items() if isinstance(said, Done) else ():
                place = (step.resource.id, key)
                self.newest[place] = max(value, self.newest.get(place, value))


class Shelf(Vault):
    """Records under ids that we choose, in arrays."""

    batch = 3
    divisible = True


class Hook(Vault):
    """Cannot be read."""

    readable = False


class Ledger(Vault):
    """Chooses the ids itself: each create that is carried out makes another object. Carries our marker."""

    once = frozenset({"create"})

    def steps(self, desired: Desired, actual: Actual | None, progress: Mapping[str, Any]) -> Sequence[Step]:
        assert isinstance(desired, Ensure)
        ids = list(actual.extra) if actual else []
        id_ = ids[0] if ids else progress.get("create")
        differs = {} if "fill" in progress else _differing(desired, actual)
        out = [] if id_ or not differs else [Step(desired.resource, "create", {})]
        out += [Step(desired.resource, "fill", {"id": id_, "fields": differs})] if differs else []
        twins = [f"drop {each}" for each in ids[1:]]
        return out + [Step(desired.resource, name, {}) for name in twins if name not in progress]

    def _do(self, step: Step) -> Any:
        if step.name == "create":
            id_ = f"{step.resource.id}/{len(self.stage.made)}"
            self.stage.made.append(id_)
            self.objects[id_] = Object(step.resource.id)
            return id_
        if step.name == "fill":
            if step.payload["id"] not in self.objects:
                return None  # a late request for what is gone
            self.objects[step.payload["id"]].fields.update(step.payload["fields"])
            return None
        self.objects.pop(step.name.removeprefix("drop "), None)
        return None


def _differing(desired: Ensure, actual: Actual | None) -> dict[str, int]:
    have = actual.fields if actual else {}
    return {key: value for key, value in desired.fields.items() if have.get(key) != value}


class Reach:
    """A system as one replica sees it."""

    def __init__(self, vault: Vault, replica: Replica) -> None:
        self._vault, self._replica = vault, replica
        self.name, self.batch, self.once = vault.name, vault.batch, vault.once
        self.readable, self.divisible = vault.readable, vault.divisible

    async def capabilities(self) -> Capabilities:
        return Capabilities()

    def same(self, resource: Resource, key: FieldKey, desired: Any, actual: Any) -> bool:
        return bool(desired == actual)

    def steps(self, desired: Desired, actual: Actual | None, progress: Mapping[str, Any]) -> Sequence[Step]:
        return self._vault.steps(desired, actual, progress)

    async def read(self, desired: Sequence[Desired]) -> Mapping[Resource, Actual | None]:
        await self._replica.at("reading")
        how = self._vault.reads.popleft() if self._vault.reads else "answered"
        found = {each.resource: self._vault.actual(each.resource.id) for each in desired}
        await self._replica.awake.wait()
        if how != "answered":
            raise FAILURES[how]()
        return found

    async def write(self, steps: Sequence[Step], deadline: float) -> Sequence[StepOutcome]:
        """As a target must: the deadline is looked at when the connection is in hand, and bounds the answer."""
        await self._replica.awake.wait()
        now = asyncio.get_running_loop().time()
        if now >= deadline:
            raise Retry("no time is left for the call")
        request = Request(self._vault, self._replica, steps, now, deadline)
        self._replica.sends(request)
        await self._replica.at("sending", request)
        how = self._vault.script.popleft() if self._vault.script else "answered"
        try:
            if how == "hanging":
                how = await self._hung(request)
            out = self._become(how, request)
        finally:
            await self._replica.awake.wait()
        self._vault.known(request, out)
        return out

    async def _hung(self, request: Request) -> str:
        stage = self._vault.stage
        stage.hanging.append(request)
        try:
            async with asyncio.timeout_at(request.deadline):
                return await request.answer
        except TimeoutError:
            return "given up" if request.done or request.late else "late"
        finally:
            if request in stage.hanging:
                stage.hanging.remove(request)

    def _become(self, how: str, request: Request) -> Sequence[StepOutcome]:
        vault = self._vault
        if how in FAILURES:
            raise FAILURES[how]()
        if how == "late":
            request.late = True
            vault.stage.late.append(request)
            raise Retry("a time-out", maybe_done=True)
        if how == "given up":
            raise Retry("a time-out", maybe_done=True)
        refused = {"field refused": _without_extra, "refused": _nothing_of_the_first(request.steps)}.get(how)
        out: Sequence[StepOutcome] = vault.carry_out(request, refused) if refused else vault.carry_out(request)
        if how == "lost":
            raise Retry("the connection was reset", maybe_done=True)
        if how == "500 when done":
            raise Retry("500", status=500, maybe_done=True)
        return out


def _without_extra(step: Step) -> StepOutcome | None:
    return Refused((FieldKey("extra"),), "not this") if "extra" in step.payload.get("fields", {}) else None


def _nothing_of_the_first(steps: Sequence[Step]) -> Callable[[Step], StepOutcome | None]:
    return lambda step: Refused((), "not so") if step is steps[0] else None


#: What did not reach the system, or was not accepted there.
FAILURES: Mapping[str, Callable[[], Exception]] = {
    "failed": lambda: Retry("connection refused"),
    "503": lambda: Retry("503", status=503),
    "429": lambda: Retry("429", status=429, after=2.0),
    "401": lambda: Pause("401"),
    "array refused": lambda: Refuse("no"),
    "dead": lambda: DeadLetter("never"),
    "bug": lambda: KeyError("ours"),
}
WRITES = (
    "answered",
    "lost",
    "late",
    "hanging",
    "500 when done",
    "field refused",
    "refused",
    *sorted(FAILURES),
)
READS = ("answered", "failed", "503", "401", "bug")


# --- the processes -------------------------------------------------------------------------------------------------


class Consumer:
    """Plans one resource in each system: the document's number, and the mapping's."""

    name = "wishes"
    wants = frozenset({KEY})
    flows = frozenset({1})

    def writes(self, mapping: Any) -> Mapping[tuple[str, str], frozenset[str]]:
        return {}

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        n = dossier.get(KEY.system, KEY.aspect).body["n"]
        fields = {FieldKey("n"): n, FieldKey("extra"): n, FieldKey("mapping"): context.mapping}
        return Plan(tuple(Ensure(Resource(name, "record", dossier.title), fields, 1) for name in SYSTEMS))


SYSTEMS: Mapping[str, type[Vault]] = {"shelf": Shelf, "hook": Hook, "ledger": Ledger}


class Replica:
    """A process with one worker, which can be stopped at a point for a while, or for ever."""

    def __init__(self, stage: Stage, skew: float, claim: int, consumer: Consumer | None = None) -> None:
        self.stage = stage
        self.awake = asyncio.Event()
        self.awake.set()
        self.stop_at: str | None = None
        self.stop_with: Callable[[Request], bool] = lambda _request: False
        self.frozen = self.dead = False
        self.activation = stage.activation
        self.task: asyncio.Task[int] | None = None
        self.sent: list[Request] = []
        self.clock = Skewed(round(skew * SECOND))
        self.clock.offset_us = stage.clock.offset_us
        self.db = stage.db.seen_by(self.clock)
        self.delivery = Delivery(
            self.db,
            {name: Reach(vault, self) for name, vault in stage.vaults.items()},
            process=self.clock.new_id(),
            clock=self.clock,
            journal="journal",
            settings=EnsureSettings(lease=LEASE, look_again=LOOK_AGAIN, calls_at_once=4, linger=0.0),
            breaker=BreakerSettings(failures=3),
            step=self.at,
        )
        self.worker = Worker(
            self.db,
            {"wishes": consumer or Consumer()},
            self.delivery,
            Planner(
                "test",
                lambda: Active(self.activation, self.activation),
                lambda: dict.fromkeys(SYSTEMS, Capabilities()),
            ),
            clock=self.clock,
            decisions="decisions",
            settings=WorkSettings(claim=claim, retry_first=0.001, retry_longest=1.0),
            step=self.at,
        )

    @property
    def idle(self) -> bool:
        return not self.dead and not self.frozen and (self.task is None or self.task.done())

    @property
    def busy(self) -> bool:
        return self.task is not None and not self.task.done()

    async def at(self, point: str, request: Request | None = None) -> None:
        if point == self.stop_at or (request is not None and self.stop_with(request)):
            self.stop_at, self.frozen = None, True
            self.stop_with = lambda _request: False
            self.awake.clear()
        await self.awake.wait()

    def begin(self, stop_at: str | None) -> None:
        self.stop_at, self.sent = stop_at, []
        self.task = self.stage.loop.create_task(self.worker.once())

    def sends(self, request: Request) -> None:
        self.sent = [*(each for each in self.sent if not each.done), request]
        self.stage.writes += [step.resource.id for step in request.steps]
        if self.stage.mode != "apply" and self not in self.stage.may_finish:
            self.stage.errors.append(f"{request.steps[0].resource} is written though the mode is {self.stage.mode}")

    def thaw(self) -> None:
        self.frozen = False
        self.awake.set()

    def kill(self) -> None:
        """It never goes on; what it sent may still be carried out."""
        self.dead = self.frozen = True
        self.awake.clear()
        for request in [each for each in self.stage.hanging if each.replica is self]:
            self.stage.hanging.remove(request)
            request.late = True
            if not request.done:
                self.stage.late.append(request)

    async def beat(self) -> None:
        async with self.db.begin() as c:
            await processes.beat(self.db, c, self.delivery.process, "work")


class Stage:
    """The database, the systems and the time; `errors`: what must never be, as it was seen."""

    def __init__(self, loop: Loop, db: Counted) -> None:
        self.loop, self.db, self.clock = loop, db, db.clock
        self.vaults: dict[str, Vault] = {}
        self.replicas: list[Replica] = []
        self.late: list[Request] = []
        self.hanging: list[Request] = []
        self.stale: list[Request] = []
        self.made: list[str] = []
        self.writes: list[str] = []
        self.errors: list[str] = []
        self.activation = 1
        self.mode = "apply"
        self.may_finish: set[Replica] = set()
        self.numbers: dict[str, int] = {}
        self._revision = 0

    async def reset(self) -> None:
        self.vaults = {name: kind(self, name) for name, kind in SYSTEMS.items()}
        async with self.db.begin() as c:
            for table in reversed(metadata.sorted_tables):
                if table is not number_table:
                    await c.execute(sa.delete(table))
            await installation.register(self.db, c, {"wishes": (frozenset({KEY}), "1")})
            row = {"number": self.activation, "fingerprint": "f", "text": "", "at": 0}
            await c.execute(installation.activation_table.insert(), [row])
        await self.decide("apply")

    async def decide(self, mode: str) -> None:
        """A lower mode acts at once; who is in the middle of something may end it."""
        self.may_finish = {each for each in self.replicas if each.busy} | (
            self.may_finish if mode != "apply" else set()
        )
        async with self.db.begin() as c:
            [number] = await self.db.draw(c)
            await settled.save_decisions(self.db, c, [settled.Decision("mode", "*/*", mode, number)])
            await self._mark_all(c)
        self.mode = mode

    async def activate(self) -> None:
        async with self.db.begin() as c:
            self.activation = (await installation.activate(self.db, c, "f", "")).number
            await self._mark_all(c)

    async def _mark_all(self, c: AsyncConnection) -> None:
        now = await self.db.now(c)
        dues = [work.Due("wishes", TitleKey(title), now, work.Priority.BACKFILL, "all") for title in self.numbers]
        await work.mark(self.db, c, dues)

    async def revise(self, title: str, priority: int) -> None:
        self.numbers[title] = self.numbers.get(title, 0) + 1
        async with self.db.begin() as c:
            now = await self.db.now(c)
            self._revision = max(now, self._revision + 1)
            body = {"n": self.numbers[title]}
            stored = dossier.Stored("consonance", "metadata", TitleKey(title), self._revision, "present", body)
            await dossier.store(self.db, c, [stored])
            await work.mark(self.db, c, [work.Due("wishes", TitleKey(title), now, priority, str(KEY))])

    async def move(self, seconds: float) -> None:
        """Time passes for all; requests that were lost are carried out in time or never."""
        then = self.loop.time() + seconds
        for request in [each for each in self.late if then > each.sent_at + LATE_MOST]:
            self.carry_out_late(request)
        for request in self.hanging:
            if then > request.sent_at + LATE_MOST and not request.answer.done() and not request.done:
                request.vault.carry_out(request)
        self.loop.jumped += seconds
        for clock in (self.clock, *(each.clock for each in self.replicas)):
            clock.offset_us += round(seconds * SECOND)
        for each in self.replicas:
            if not each.frozen and not each.dead:
                await each.beat()
        await self.rest()

    def carry_out_late(self, request: Request) -> None:
        self.late.remove(request)
        if not request.done:
            request.vault.carry_out(request)

    async def rest(self) -> None:
        """Until nothing goes on by itself: all has ended, is stopped, or hangs."""
        async with asyncio.timeout(120):
            quiet = 0
            while quiet < 25:
                await asyncio.sleep(0)
                quiet += 1
                if self.db.traffic.open or self.loop.near():
                    quiet = 0
                    await asyncio.sleep(0.0005)
        self.may_finish = {each for each in self.may_finish if each.busy}
        for each in self.replicas:
            if each.task is not None and each.task.done() and each.task.exception() is not None:
                self.errors.append(f"a worker broke: {each.task.exception()!r}")

    async def close(self) -> None:
        mine = asyncio.current_task()
        tasks = [each for each in asyncio.all_tasks() if each is not mine]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def opened(url: str) -> Counted:
    db = Counted(url, Clock())
    await schema.upgrade(db)
    return db
