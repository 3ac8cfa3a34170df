"""Health from facts: what each part last did, what the database last showed, and what follows from it.

| state | what it means | /livez | /readyz |
|---|---|---|---|
| ok | as it should be | 200 | 200 |
| warning | somebody should look; this process does all that it can | 200 | 200 |
| unready | this process does not do its work now; a restart would not help | 200 | 503 |
| dead | it will not do its work again by itself; a restart helps | 503 | 503 |

That Kafka, the database or a vendor is away is never `dead`: a restart brings none of them back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from frontlist.clock import SECOND, Clock, moment
from frontlist.observed import Consuming
from frontlist.state.census import Census
from frontlist.state.census import Feed as FeedCensus
from frontlist.state.work import Priority

State = Literal["ok", "warning", "unready", "dead"]
STATES: tuple[State, ...] = get_args(State)
#: Until a fetch, a database or a Kafka that does not answer counts (seconds): one answer that is late is nothing.
PATIENCE = 10.0
#: A tick of the event loop that is later than this is worth saying.
SLOW_LOOP = 1.0
BREAKER = {"closed": 0, "half-open": 1, "open": 2}


class HealthSettings(BaseModel):
    """Probes and metrics over HTTP, and when something counts as wrong."""

    model_config = ConfigDict(extra="forbid")

    listen: str = Field(
        "127.0.0.1:9464",
        pattern=r"^(off|\S+:\d{1,5})$",
        description="host:port, or off; 0.0.0.0:9464 in a container, as probes come from outside; port 0: any free one",
    )
    stuck: float = Field(
        300.0, gt=0, description="a part that has not gone round its loop for so long hangs: not live (seconds)"
    )
    loop_stuck: float = Field(60.0, gt=0, description="the same for the event loop (seconds)")
    oldest_due: float = Field(
        900.0, gt=0, description="a live change may be due for so long before it is a warning (seconds)"
    )
    outbox: float = Field(60.0, gt=0, description="a record may wait in the outbox for so long (seconds)")
    kept: float = Field(5.0, ge=0, description="for how long figures of the database are shown again (seconds)")


@dataclass(frozen=True)
class Check:
    """One fact and what follows from it. `since`: ISO 8601, when it became so, as far as it is known."""

    check: str
    state: State
    since: str
    why: str
    cure: str = ""


@dataclass(frozen=True)
class Said:
    """A check before it is known since when; `since`: seconds of the steady clock, where the fact says it."""

    check: str
    state: State
    why: str
    cure: str = ""
    since: float | None = None


@dataclass
class Reach:
    """Whether something outside answers; times of the steady clock. `since`: of the present state."""

    since: float | None = None
    answered_at: float | None = None
    error: str = ""

    def answered(self, now: float) -> None:
        if self.error or self.since is None:
            self.since, self.error = now, ""
        self.answered_at = now

    def failed(self, now: float, why: str) -> None:
        if not self.error:
            self.since = now
        self.error = why

    @property
    def up_since(self) -> float | None:
        """Since when every answer came; None: it is away, or was never asked."""
        return None if self.error else self.since


@dataclass
class Turn:
    """The last turn of a part; `trouble` since `since`: what keeps it from its work."""

    at: float
    since: float
    trouble: str = ""


@dataclass
class Facts:
    """What is known of one process. Written on its event loop, read by the thread that answers probes."""

    parts: Sequence[str] = ()
    tenant: str = ""
    #: The database's id; None until it was read.
    database_id: str | None = None
    began: float = 0.0
    stage: str = "starting"
    started: bool = False
    stopping: bool = False
    ticked_at: float = 0.0
    lag: float = 0.0
    turns: dict[str, Turn] = field(default_factory=dict)
    leading: dict[str, tuple[bool, float]] = field(default_factory=dict)
    consumer: Consuming | None = None
    #: When the consumer was last seen doing what it should.
    consumed_at: float = 0.0
    breakers: dict[str, tuple[str, str, float, float | None]] = field(default_factory=dict)
    database: Reach = field(default_factory=Reach)
    kafka: Reach = field(default_factory=Reach)
    every: Mapping[tuple[str, str], float] = field(default_factory=dict)
    census: Census | None = None
    census_at: float = 0.0
    #: When a system was last counted as captured, by whomever.
    captured: dict[str, float] = field(default_factory=dict)

    def counted(self, census: Census, at: float) -> None:
        self.census, self.census_at = census, at
        self.captured |= dict.fromkeys(census.leases, at)


def checks(facts: Facts, settings: HealthSettings, now: float) -> Iterator[Said]:
    """All checks of a process; pure. `now`: the steady clock."""
    yield _life(facts)
    yield _loop(facts, settings, now)
    if not facts.started:
        return
    yield _reached("database", facts.database, now, "check `database`, its server and the network")
    yield _kafka(facts, now)
    for part in facts.parts:
        if part == "intake":
            yield _intake(facts, settings, now)
        elif part.startswith("capture/"):
            yield _capture(facts, settings, part, now)
        else:
            yield _part(facts, settings, part, now)
    for target, (state, why, since, until) in sorted(dict(facts.breakers).items()):
        yield _breaker(target, state, why, since, until, now)
    if facts.census is not None:
        yield from counted(facts.census, facts.every, settings, now - facts.census_at)


def counted(
    census: Census, every: Mapping[tuple[str, str], float], settings: HealthSettings, age: float = 0.0
) -> Iterator[Said]:
    """Checks of what stands in the database: the installation's, the same for every process."""
    at = census.at + round(age * SECOND)
    for key in sorted(every):
        yield _feed(key, census.feeds.get(key), every[key], at)
    yield _due(census, settings, at)
    yield _outbox(census, settings, at)


def worst(found: Sequence[Check]) -> State:
    return max((each.state for each in found), key=STATES.index, default="ok")


def _life(facts: Facts) -> Said:
    if facts.stopping:
        return Said("process", "unready", "it is stopping: calls in flight are finished, nothing new is begun")
    if not facts.started:
        return Said("process", "unready", f"it starts: {facts.stage}", since=facts.began)
    return Said("process", "ok", f"runs {', '.join(facts.parts) or 'nothing'}", since=facts.began)


def _loop(facts: Facts, settings: HealthSettings, now: float) -> Said:
    silent = now - facts.ticked_at
    if silent > settings.loop_stuck:
        why = f"the event loop has not turned for {_seconds(silent)}"
        return Said("event loop", "dead", why, "restart; then look what blocked it", facts.ticked_at)
    if silent > PATIENCE:
        why = f"the event loop has not turned for {_seconds(silent)}"
        return Said("event loop", "unready", why, "wait; it is restarted if it goes on", facts.ticked_at)
    if max(silent, facts.lag) > SLOW_LOOP:
        why = f"a tick came {max(silent, facts.lag):.1f} s late"
        return Said("event loop", "warning", why, "give it more CPU, or a smaller intake.batch")
    return Said("event loop", "ok", "turns")


def _reached(name: str, reach: Reach, now: float, cure: str, patience: float = 0.0) -> Said:
    if reach.error:
        counts = reach.since is None or now - reach.since >= patience
        return Said(name, "unready" if counts else "ok", f"it does not answer: {reach.error}", cure, reach.since)
    if reach.answered_at is None:
        return Said(name, "unready", "it was not asked yet")
    return Said(name, "ok", f"answered {_seconds(now - reach.answered_at)} ago", since=reach.since)


def _kafka(facts: Facts, now: float) -> Said:
    """Asked, as a part with nothing to send notices nothing; but not where a fetch was answered lately."""
    fetched = facts.consumer.fetched_at if facts.consumer is not None else None
    if fetched is not None and now - fetched < PATIENCE:
        return Said("kafka", "ok", f"answered {_seconds(now - fetched)} ago")
    return _reached("kafka", facts.kafka, now, "check kafka.bootstrap, the brokers and the network", PATIENCE)


def _hangs(at: float, settings: HealthSettings, now: float, *reaches: Reach) -> bool:
    """Silent for too long, although all that it could wait for is known to have answered for as long."""
    since, known = [at], [now]
    for each in reaches:
        if each.up_since is None or each.answered_at is None:
            return False
        since.append(each.up_since)
        known.append(each.answered_at)
    return min(known) - max(since) > settings.stuck


def _part(facts: Facts, settings: HealthSettings, part: str, now: float) -> Said:
    turn = facts.turns.get(part)
    at = turn.at if turn else facts.began
    reaches = [facts.database] if part == "work" else [facts.database, facts.kafka]
    if _hangs(at, settings, now, *reaches):
        why = f"its loop has not turned for {_seconds(now - at)}, though {_names(reaches)} it needs answers"
        return Said(part, "dead", why, "restart; then report what the log says last", at)
    if turn is None:
        return Said(part, "unready", "it has not begun yet", since=facts.began)
    if turn.trouble:
        return Said(part, "unready", turn.trouble, since=turn.since)
    if now - at > settings.stuck:
        return Said(part, "unready", f"its loop has not turned for {_seconds(now - at)}: something is away", since=at)
    return Said(part, "ok", f"turned {_seconds(now - at)} ago", since=turn.since)


def _capture(facts: Facts, settings: HealthSettings, part: str, now: float) -> Said:
    said = _part(facts, settings, part, now)
    system = part.removeprefix("capture/")
    held, since = facts.leading.get(system, (False, facts.began))
    if said.state != "ok":
        return said
    if held:
        return Said(part, "ok", "captures", since=since)
    free = max(since, facts.captured.get(system, since))  # whoever let go of it a moment ago is replaced soon
    if facts.census is not None and system not in facts.census.leases and facts.census_at > free + PATIENCE:
        why = "nobody captures this system, this process neither"
        return Said(part, "unready", why, "see the log: what keeps it from the lease", since)
    return Said(part, "ok", "stands by, another process captures", since=since)


def _intake(facts: Facts, settings: HealthSettings, now: float) -> Said:
    turn, seen = facts.turns.get("intake"), facts.consumer
    if turn is not None and turn.trouble:
        return Said("intake", "unready", turn.trouble, since=turn.since)
    away = facts.kafka.error
    if seen is not None and not seen.alive and now - facts.consumed_at > PATIENCE:
        why = "the consumer has ended and does not begin again"
        return Said("intake", "dead", why, "restart; then report what the log says last", facts.consumed_at)
    if _hangs(facts.consumed_at, settings, now, facts.database, facts.kafka):
        why = f"the consumer has done nothing for {_seconds(now - facts.consumed_at)}, though Kafka answers others"
        return Said("intake", "dead", why, "restart; then report what the log says last", facts.consumed_at)
    if seen is not None and seen.in_hand_since is not None and now - seen.in_hand_since > PATIENCE:
        why = f"a batch has been in hand for {_seconds(now - seen.in_hand_since)}"
        return Said("intake", "unready", why, "see the check database, and what intake logs", seen.in_hand_since)
    if now - facts.consumed_at > PATIENCE:
        why = f"nothing was fetched for {_seconds(now - facts.consumed_at)}" + (f": {away}" if away else "")
        return Said("intake", "unready", why, "check kafka.bootstrap, the brokers and the network", facts.consumed_at)
    if seen is None or not seen.joined:
        # A rebalance takes nobody out of service; who has never read is not ready.
        return Said("intake", "unready" if facts.consumed_at <= facts.began else "ok", "joins the group")
    if not seen.assigned:
        return Said("intake", "ok", "no partition is assigned: there are more replicas than partitions; it stands by")
    if seen.paused:
        return Said("intake", "ok", f"{seen.paused} of {seen.assigned} partitions are paused: work is behind")
    return Said("intake", "ok", f"reads {seen.assigned} partitions, {sum(seen.lag.values())} records behind")


def consumed(seen: Consuming | None, now: float) -> float | None:
    """When the consumer last did what it should: fetched, or stored, or had nothing to read; None: not that we know."""
    if seen is None or not seen.alive or not seen.joined:
        return None
    if not seen.assigned or seen.paused == seen.assigned:
        return now
    if seen.in_hand_since is not None:
        return min(now, seen.in_hand_since + PATIENCE)
    return seen.fetched_at


def _breaker(target: str, state: str, why: str, since: float, until: float | None, now: float) -> Said:
    name = f"target/{target}"
    if state == "closed":
        return Said(name, "ok", "is written", since=since)
    when = f", tried again in {_seconds(max(0.0, until - now))}" if until is not None else ""
    return Said(name, "warning", f"its breaker is {state}{when}: {why or 'no reason given'}", since=since)


def _feed(key: tuple[str, str], found: FeedCensus | None, every: float, at: int) -> Said:
    name = f"feed/{key[0]}/{key[1]}"
    if found is None:
        return Said(name, "warning", "it was never asked", "see the check capture/" + key[0])
    # An interval that is missed twice is late; quick ones get a minute, since calls wait for their turn.
    age = None if found.read_at is None else (at - found.read_at) / SECOND
    if found.error:
        known = "it never answered" if age is None else f"it last answered {_seconds(age)} ago"
        return Said(name, "warning", f"{known}: {found.error}")
    if age is None:
        return Said(name, "warning", "it never answered")
    if age > 2 * every + 60.0:
        return Said(
            name, "warning", f"it last answered {_seconds(age)} ago, every {_seconds(every)} is due", "see capture"
        )
    return Said(name, "ok", f"it last answered {_seconds(age)} ago")


def _due(census: Census, settings: HealthSettings, at: int) -> Said:
    live = {key: found for key, found in census.due.items() if key[1] < Priority.BACKFILL}
    titles = sum(number for number, _ in live.values())
    backfill = sum(number for number, _ in census.due.values()) - titles
    also = f"; {backfill} of a backfill are due too" if backfill else ""
    if not live:
        return Said("due work", "ok", f"no live change is due{also}")
    (consumer, _), (_, oldest) = min(live.items(), key=lambda each: each[1][1])
    age = (at - oldest) / SECOND
    why = f"{titles} live changes are due, the oldest for {_seconds(age)} ({consumer}){also}"
    if age > settings.oldest_due:
        return Said("due work", "warning", why, "see the breakers and the budget of the target, and frontlist status")
    return Said("due work", "ok", why)


def _outbox(census: Census, settings: HealthSettings, at: int) -> Said:
    if census.outbox_oldest is None:
        return Said("outbox age", "ok", "nothing waits")
    age = (at - census.outbox_oldest) / SECOND
    why = f"{census.outbox} records wait, the oldest for {_seconds(age)}"
    if age > settings.outbox:
        return Said("outbox age", "warning", why, "see the check outbox; Kafka may refuse them")
    return Said("outbox age", "ok", why)


def _seconds(seconds: float) -> str:
    if seconds < 120:
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _names(reaches: Sequence[Reach]) -> str:
    return "the database and Kafka that" if len(reaches) > 1 else "the database that"


class Report:
    """The checks of a process with their beginnings; asked from any thread."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._seen: dict[str, tuple[State, float]] = {}
        self._lock = Lock()

    def of(self, said: Sequence[Said]) -> list[Check]:
        now, wall = self.clock.steady(), self.clock.now_us()
        with self._lock:
            since = {each.check: self._since(each, now) for each in said}
            self._seen = {each.check: (each.state, since[each.check]) for each in said}
        return [
            Check(each.check, each.state, _iso(wall, now - since[each.check]), _one_line(each.why), each.cure)
            for each in said
        ]

    def _since(self, each: Said, now: float) -> float:
        if each.since is not None:
            return each.since
        state, at = self._seen.get(each.check, (None, now))
        return at if state == each.state else now


def _iso(wall_us: int, seconds_ago: float) -> str:
    return moment(wall_us - round(seconds_ago * SECOND)).isoformat(timespec="seconds")


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)[:500]
