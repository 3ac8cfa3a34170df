"""What follows from which facts: a table, and what must never follow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from frontlist.clock import Clock
from frontlist.health import Facts, HealthSettings, Reach, Report, Said, Turn, checks, counted
from frontlist.instruments import Instruments
from frontlist.observed import Consuming
from frontlist.state.census import Census, Feed
from frontlist.state.work import Priority

NOW = 10_000.0
AT = 1_790_000_000_000_000
SETTINGS = HealthSettings()
LONG = NOW - SETTINGS.stuck - 1
UP = Reach(since=0.0, answered_at=NOW)
READS = Consuming(alive=True, joined=True, assigned=3, fetched_at=NOW)
PARTS = ("capture/consonance", "intake", "work", "outbox")


def facts(**other: object) -> Facts:
    """A process that is well, but for what is said."""
    well = Facts(
        parts=PARTS,
        started=True,
        ticked_at=NOW,
        turns={part: Turn(NOW, 0.0) for part in PARTS},
        leading={"consonance": (True, 0.0)},
        consumer=READS,
        consumed_at=NOW,
        database=UP,
        kafka=Reach(since=0.0, answered_at=NOW),
        census=Census(AT, leases={"consonance": AT + 1}),
        census_at=NOW,
    )
    return replace(well, **other)  # type: ignore[arg-type]  # a table holds everything


def away(since: float = LONG) -> Reach:
    return Reach(since=since, error="connection refused")


def turns(**at: float) -> dict[str, Turn]:
    return {part: Turn(at.get(part.partition("/")[0], NOW), 0.0) for part in PARTS}


def said(found: Facts, check: str) -> Said:
    [one] = [each for each in checks(found, SETTINGS, NOW) if each.check == check]
    return one


TABLE = [
    (facts(), "process", "ok", "runs capture/consonance, intake, work, outbox"),
    (facts(started=False, stage="the topics are looked at"), "process", "unready", "the topics are looked at"),
    (facts(stopping=True), "process", "unready", "it is stopping"),
    (facts(lag=2.0), "event loop", "warning", "2.0 s late"),
    (facts(ticked_at=NOW - 20), "event loop", "unready", "has not turned for 20 s"),
    (facts(ticked_at=NOW - 61), "event loop", "dead", "has not turned for 61 s"),
    (facts(database=away()), "database", "unready", "connection refused"),
    (facts(kafka=away(), consumer=None), "kafka", "unready", "connection refused"),
    (facts(kafka=away(), consumer=replace(READS, fetched_at=NOW - 11)), "kafka", "unready", "connection refused"),
    (facts(kafka=away(), consumer=replace(READS, fetched_at=NOW - 9)), "kafka", "ok", "answered 9 s ago"),
    (facts(kafka=away(NOW - 9), consumer=None), "kafka", "ok", "does not answer"),
    (facts(consumer=replace(READS, lag={"t": 5})), "intake", "ok", "reads 3 partitions, 5 records behind"),
    (facts(consumer=replace(READS, assigned=0)), "intake", "ok", "more replicas than partitions"),
    (facts(consumer=replace(READS, paused=3)), "intake", "ok", "3 of 3 partitions are paused"),
    (facts(consumer=replace(READS, joined=False)), "intake", "ok", "joins the group"),
    (facts(consumer=replace(READS, joined=False), began=NOW), "intake", "unready", "joins the group"),
    (facts(consumer=replace(READS, alive=False), consumed_at=NOW - 11), "intake", "dead", "has ended"),
    (facts(consumed_at=NOW - 11), "intake", "unready", "nothing was fetched for 11 s"),
    (facts(consumed_at=LONG), "intake", "dead", "though Kafka answers others"),
    (facts(consumed_at=LONG, kafka=away()), "intake", "unready", "connection refused"),
    (facts(consumed_at=LONG, kafka=replace(UP, answered_at=LONG)), "intake", "unready", "nothing was fetched"),
    (facts(consumed_at=LONG, kafka=Reach()), "intake", "unready", "nothing was fetched"),
    (facts(consumed_at=LONG, kafka=replace(UP, since=NOW - 5)), "intake", "unready", "nothing was fetched"),
    (facts(consumed_at=LONG, database=away()), "intake", "unready", "nothing was fetched"),
    (facts(consumer=replace(READS, in_hand_since=NOW - 15)), "intake", "unready", "in hand for 15 s"),
    (facts(turns={"intake": Turn(LONG, LONG, "it is read back")}, consumed_at=LONG), "intake", "unready", "read back"),
    (facts(turns=turns(work=LONG)), "work", "dead", "though the database that it needs answers"),
    (facts(turns=turns(work=LONG), kafka=away()), "work", "dead", "has not turned"),
    (facts(turns=turns(work=LONG), database=away()), "work", "unready", "something is away"),
    (facts(turns=turns(work=LONG), database=replace(UP, since=NOW - 5)), "work", "unready", "something is away"),
    (facts(turns={}), "work", "dead", "has not turned"),
    (facts(turns={}, began=NOW - 5), "work", "unready", "has not begun yet"),
    (facts(turns=turns(outbox=LONG)), "outbox", "dead", "the database and Kafka that it needs"),
    (facts(turns=turns(outbox=LONG), kafka=away()), "outbox", "unready", "something is away"),
    (facts(turns=turns(capture=LONG), kafka=away()), "capture/consonance", "unready", "something is away"),
    (facts(), "capture/consonance", "ok", "captures"),
    (facts(leading={"consonance": (False, 0.0)}), "capture/consonance", "ok", "another process captures"),
    (facts(leading={"consonance": (False, 0.0)}, census=Census(AT)), "capture/consonance", "unready", "nobody"),
    (
        facts(breakers={"fourallportal": ("open", "503", 0.0, NOW + 9)}),
        "target/fourallportal",
        "warning",
        "in 9 s: 503",
    ),
    (facts(breakers={"fourallportal": ("closed", "", 0.0, None)}), "target/fourallportal", "ok", "is written"),
]


@pytest.mark.parametrize(("found", "check", "state", "why"), TABLE)
def test_what_follows_from_a_fact(found: Facts, check: str, state: str, why: str) -> None:
    one = said(found, check)
    assert one.state == state, one
    assert why in one.why


def test_a_process_that_is_well_says_nothing_else() -> None:
    assert {each.state for each in checks(facts(), SETTINGS, NOW)} == {"ok"}


@pytest.mark.parametrize("trouble", ["database", "kafka"])
def test_whatever_has_stopped_while_something_is_away_is_never_dead(trouble: str) -> None:
    silent = facts(turns=turns(work=LONG, outbox=LONG, capture=LONG, intake=LONG), consumed_at=LONG)
    found = list(checks(replace(silent, **{trouble: away()}), SETTINGS, NOW))
    dead = {each.check for each in found if each.state == "dead"}
    assert dead == ({"work"} if trouble == "kafka" else set())  # work needs no Kafka


def test_what_keeps_a_part_from_its_work_is_said_until_a_turn_without() -> None:
    kept = {**turns(), "work": Turn(NOW, 9_000.0, "another mapping is active")}
    one = said(facts(turns=kept), "work")
    assert (one.state, one.why, one.since) == ("unready", "another mapping is active", 9_000.0)


@pytest.mark.parametrize(("ago", "state"), [(5, "ok"), (20, "unready")])
def test_a_replica_that_lets_go_of_a_system_may_be_replaced_before_that_is_said(ago: float, state: str) -> None:
    found = facts(leading={"consonance": (False, 0.0)})
    found.counted(Census(AT, leases={"consonance": AT + 1}), NOW - ago)
    found.counted(Census(AT), NOW)
    assert said(found, "capture/consonance").state == state


@pytest.mark.parametrize(
    ("seen", "state"),
    [(READS, "unready"), (replace(READS, paused=3), "ok"), (replace(READS, joined=False), "unready")],
)
def test_a_fetch_counts_from_when_it_was_answered_however_often_we_look(seen: Consuming, state: str) -> None:
    clock = Clock()
    instruments = Instruments(clock)
    instruments.facts.parts, instruments.facts.started = ("intake",), True
    seen = replace(seen, fetched_at=clock.steady())
    for _ in range(3):
        instruments.consuming(seen)
        clock.offset_us += 4_000_000
    [intake] = [each for each in instruments.checks() if each.check == "intake"]
    assert intake.state == state, intake


def feed(age: float | None, error: str | None = None) -> Said:
    at = None if age is None else AT - round(age * 1_000_000)
    census = Census(AT, feeds={("consonance", "works"): Feed(at, at, error)})
    return next(counted(census, {("consonance", "works"): 30.0}, SETTINGS))


@pytest.mark.parametrize(
    ("found", "state", "why"),
    [
        (feed(119), "ok", "last answered 119 s ago"),
        (feed(121), "warning", "every 30 s is due"),
        (feed(1, "401: no key"), "warning", "401: no key"),
        (feed(None), "warning", "it never answered"),
        (next(counted(Census(AT), {("consonance", "works"): 30.0}, SETTINGS)), "warning", "never asked"),
    ],
)
def test_a_feed_is_measured_by_its_own_interval(found: Said, state: str, why: str) -> None:
    assert found.state == state
    assert why in found.why


def due(priority: int, age: float) -> Said:
    census = Census(AT, due={("metadata", priority): (7, AT - round(age * 1_000_000))})
    [one] = [each for each in counted(census, {}, SETTINGS) if each.check == "due work"]
    return one


def test_a_live_change_that_is_due_for_long_is_said_and_a_backfill_may_take_its_time() -> None:
    assert (due(Priority.RIGHTS, 899).state, due(Priority.RIGHTS, 901).state) == ("ok", "warning")
    assert due(Priority.BACKFILL, 1e6).state == "ok"
    assert "7 of a backfill" in due(Priority.BACKFILL, 1e6).why


def test_since_stands_while_the_state_does_and_begins_anew_with_another() -> None:
    clock = Clock()
    report = Report(clock)
    ok, bad = Said("a", "ok", "well"), Said("a", "unready", "ill")
    [first] = report.of([ok])
    clock.offset_us += 60_000_000
    [second], [third] = report.of([ok]), report.of([bad])
    assert first.since == second.since < third.since
