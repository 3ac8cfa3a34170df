"""The figures of the table, each a function of its own that begins with an empty log, database and target."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import sqlalchemy as sa

from benching import loads
from benching.contenders import IN_FLIGHT, Contender, Frontlist, Parallel, Place, Redpanda, alive, prefixed, total
from benching.processes import Program, Usage
from benching.report import Figure, say
from benching.target import Counted, CountingServer


@dataclass(frozen=True)
class Scale:
    """How much is measured. `patience`: seconds that one contender gets for one load."""

    records: int = 20_000
    titles: int = 1_000
    rounds: int = 1
    zombies: int = 10
    due: int = 100_000
    changes: int = 100
    intake: int = 50_000
    behind: int = 1_000_000
    patience: float = 240.0


@dataclass(frozen=True)
class Bench:
    """What a figure needs."""

    place: Place
    target: CountingServer
    scale: Scale


@dataclass(frozen=True)
class Run:
    """One contender over one load."""

    contender: str
    complete: bool
    seconds: float
    rate: float
    counted: Counted
    usage: Usage
    started_at: float

    def row(self, **more: Any) -> dict[str, Any]:
        return {**asdict(self), **more}


def _run(bench: Bench, contender: Contender, expected: Mapping[str, int]) -> Run:
    """Until the target holds the latest of every key."""
    program = contender.start()
    try:
        found, complete = bench.target.until(
            lambda now: now.right >= len(expected), bench.scale.patience, still=alive([program])
        )
    finally:
        usage = program.stop()
    seconds = (found.right_at if complete else time.time()) - program.started_at
    # Some large arrays are no rate.
    rate = found.titles / found.seconds if found.requests > IN_FLIGHT and found.seconds > 0 else 0.0
    return _said(Run(contender.name, complete, round(seconds, 2), round(rate, 1), found, usage, program.started_at))


def _said(run: Run) -> Run:
    what = "" if run.complete else f"NOT COMPLETE ({run.counted.right} right), "
    say(
        f"  {run.contender}: {what}{run.rate:,.0f} titles/s, {run.seconds:.1f} s from its start, "
        f"{run.counted.requests:,} requests, at most {run.counted.in_flight_max} in flight, {run.counted.stale} stale, "
        f"CPU {run.usage.cpu_seconds:.1f} s, peak {run.usage.peak_mib:.0f} MiB"
    )
    return run


@contextmanager
def _frontlist(bench: Bench, prefix: str, **options: Any) -> Iterator[Frontlist]:
    found = Frontlist(bench.place, prefix, **options)
    try:
        yield found
    finally:
        found.close()


@contextmanager
def _load(bench: Bench, changes: Sequence[loads.Change], **options: Any) -> Iterator[tuple[Frontlist, str]]:
    """Frontlist with its topics, and the load on them."""
    with prefixed(bench.place.kafka) as prefix, _frontlist(bench, prefix, **options) as ours:
        loads.publish(bench.place.kafka, prefix, changes)
        yield ours, prefix


def _peers(bench: Bench, prefix: str, kinds: Sequence[type[Parallel] | type[Redpanda]]) -> list[Contender]:
    there = {Parallel: bench.place.programs.parallel, Redpanda: bench.place.programs.redpanda}
    return [kind(bench.place, prefix) for kind in kinds if there[kind] is not None]


def _ratio(ours: Sequence[Run], theirs: Sequence[Run], by: Callable[[Run], float]) -> float | None:
    """Ours to theirs; None where there is nothing to compare, or somebody did not get through."""
    if not theirs or not all(run.complete for run in (*ours, *theirs)):
        return None
    return median(map(by, ours)) / median(map(by, theirs))


# --- rates -----------------------------------------------------------------------------------------------------------


def distinct(bench: Bench) -> Figure:
    """20,000 titles, one record each, one request a title, 20 ms."""
    changes = loads.distinct(bench.scale.records)
    runs: list[Run] = []
    for _ in range(bench.scale.rounds):
        with _load(bench, changes) as (ours, prefix):
            for contender in (ours, *_peers(bench, prefix, [Parallel])):
                bench.target.begin(loads.latest(changes), 20)
                runs.append(_run(bench, contender, loads.latest(changes)))
    mine, theirs = _split(runs)
    ratio = _ratio(mine, theirs, lambda run: run.rate)
    return Figure(
        "distinct",
        "at least Parallel Consumer's rate; aim 1.2x",
        f"{median(run.rate for run in mine):,.0f}/s, {_times(ratio)} Parallel Consumer",
        None if ratio is None and all(run.complete for run in mine) else ratio is not None and ratio >= 1.0,
        [run.row() for run in runs],
    )


def repeated20(bench: Bench) -> Figure:
    """20,000 records over 1,000 titles, arrays allowed, 20 ms: from a process's start until all hold the latest."""
    return _repeated(bench, 20)


def repeated0(bench: Bench) -> Figure:
    """The same without delay, and beside Redpanda Connect."""
    return _repeated(bench, 0)


def _repeated(bench: Bench, delay_ms: int) -> Figure:
    changes = loads.repeated(bench.scale.records, bench.scale.titles)
    runs: list[Run] = []
    for _ in range(bench.scale.rounds):
        with _load(bench, changes, counting={"batch": 100}) as (ours, prefix):
            kinds: list[type[Parallel] | type[Redpanda]] = [Parallel, Redpanda] if delay_ms == 0 else [Parallel]
            for contender in (ours, *_peers(bench, prefix, kinds)):
                bench.target.begin(loads.latest(changes), delay_ms)
                runs.append(_run(bench, contender, loads.latest(changes)))
    mine, theirs = _split(runs)
    quicker = _ratio(mine, theirs, lambda run: run.seconds)
    redpanda = _ratio(mine, [run for run in runs if run.contender == Redpanda.name], lambda run: run.seconds)
    beside = f", {_times(redpanda)} Redpanda Connect" if delay_ms == 0 else ""
    reached = quicker is not None and quicker <= 0.25 and (delay_ms != 0 or redpanda is None or redpanda <= 1.0)
    return Figure(
        f"repeated, {delay_ms} ms",
        "at most 1/4 of Parallel Consumer's time, aim 1/8" + ("; no longer than Redpanda" if delay_ms == 0 else ""),
        f"{median(run.seconds for run in mine):.2f} s, {_times(quicker)} Parallel Consumer{beside}",
        reached if theirs or not all(run.complete for run in mine) else None,
        [run.row() for run in runs],
    )


def _split(runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    return [run for run in runs if run.contender == Frontlist.name], [
        run for run in runs if run.contender == Parallel.name
    ]


def _times(ratio: float | None) -> str:
    return "no ratio to" if ratio is None else f"{ratio:.2f}x"


# --- faults ----------------------------------------------------------------------------------------------------------


def killed(bench: Bench) -> Figure:
    """kill -9 when half is written, and started again at once."""
    changes = loads.repeated(bench.scale.records, bench.scale.titles * 5)
    rows: list[dict[str, Any]] = []
    with _load(bench, changes) as (ours, prefix):
        for contender in (ours, *_peers(bench, prefix, [Parallel])):
            bench.target.begin(loads.latest(changes), 20)
            rows.append(_kill(bench, contender, loads.latest(changes)))
    mine = rows[0]
    return Figure(
        "kill -9 half way",
        "0 stale; re-sent at most what was in flight; goes on within 3 s",
        f"{mine['stale']} stale, {mine['repeated']} re-sent of {mine['in_flight']} in flight, on in {mine['dead']} s",
        bool(mine["complete"] and not mine["stale"] and mine["repeated"] <= mine["in_flight"] and mine["dead"] <= 3.0),
        rows,
    )


def _kill(bench: Bench, contender: Contender, expected: Mapping[str, int]) -> dict[str, Any]:
    half = len(expected) // 2
    first = contender.start()
    try:
        bench.target.until(lambda now: now.keys >= half, bench.scale.patience, still=alive([first]), every=0.01)
        before = bench.target.counted()
    finally:
        usages = [first.kill()]
    at = time.time()
    second = contender.start()
    try:
        # What was on its way still arrives; what comes after that is the second process's.
        arrived = bench.target.until(lambda now: now.in_flight == 0, 10, still=lambda: None, every=0.01)[0]
        resumed = bench.target.until(
            lambda now: now.requests > arrived.requests, bench.scale.patience, still=alive([second]), every=0.01
        )
        dead = round(time.time() - at, 2)
        found, complete = bench.target.until(
            lambda now: now.right >= len(expected), bench.scale.patience, still=alive([second])
        )
    finally:
        usages.append(second.stop())
    row = {
        "contender": contender.name,
        "complete": complete,
        "stale": found.stale,
        "repeated": found.repeated,
        "in_flight": before.in_flight,
        "dead": dead if resumed[1] else bench.scale.patience,
        "seconds_after": round(found.right_at - at, 1),
        "usage": asdict(total(usages)),
    }
    say(f"  {contender.name}: {row}")
    return row


#: Seconds; as shipped it is 45, which ten runs would wait for.
LEASE = 5.0


def zombie(bench: Bench) -> Figure:
    """A worker is stopped past its lease in mid-write, a successor writes newer documents, the worker goes on."""
    rows = [_zombie(bench) for _ in range(bench.scale.zombies)]
    stale = sum(row["stale"] for row in rows)
    healed = max(row["healed_max_ms"] for row in rows)
    left = sum(row["stale_held"] for row in rows) + sum(not row["complete"] for row in rows)
    return Figure(
        "SIGSTOP past the lease",
        "at most 1 stale in ten runs, each healed within 1 s",
        f"{stale} stale in {len(rows)} runs, healed in {healed:.0f} ms at most, {left} left (lease {LEASE:g} s)",
        stale <= 1 and healed <= 1000 and not left,
        rows,
    )


def _zombie(bench: Bench) -> dict[str, Any]:
    titles = bench.scale.titles * 2
    first = loads.distinct(titles)
    with _load(bench, first, said={"ensure": {"lease": LEASE}}) as (ours, prefix):
        bench.target.begin(loads.latest(first), 20)
        old = ours.start()
        programs = [old]
        try:
            bench.target.until(
                lambda now: now.keys >= titles // 4, bench.scale.patience, still=alive([old]), every=0.01
            )
            old.freeze()
            newer = loads.distinct(titles)
            bench.target.expect(loads.latest(newer))
            loads.publish(bench.place.kafka, prefix, newer)
            programs.append(ours.start())
            time.sleep(LEASE * 2)
            old.thaw()
            found, complete = bench.target.until(
                lambda now: now.right >= titles, bench.scale.patience, still=alive(programs)
            )
            time.sleep(2)
            found = bench.target.counted()
        finally:
            for each in programs:
                each.kill()
    row = {"complete": complete and found.right >= titles, **asdict(found)}
    say(f"  {row['stale']} stale, healed in {row['healed_max_ms']} ms, {row['stale_held']} left, complete: {complete}")
    return row


def poisoned(bench: Bench) -> Figure:
    """One key always answers 500: the rate of the others, to the rate without it."""
    bad = f"work:{bench.scale.records // 2}"
    return _disturbed(bench, "one key always 500", lambda key: key == bad, fail_keys=[bad])


def slow(bench: Bench) -> Figure:
    """One key in a hundred takes 2 s: the rate of the others, to the rate without them."""
    return _disturbed(bench, "1 % of keys take 2 s", lambda key: _fnv(key) % 100 < 1, slow_percent=1, slow_ms=2000)


def _disturbed(bench: Bench, name: str, apart: Callable[[str], bool], **behaviour: Any) -> Figure:
    changes = loads.distinct(bench.scale.records)
    others = {key: each for key, each in loads.latest(changes).items() if not apart(key)}
    rows: list[dict[str, Any]] = []
    kinds = ["ours", "theirs"] if bench.place.programs.parallel is not None else ["ours"]
    rates: dict[tuple[str, bool], float] = {}
    for kind in kinds:
        for disturbed in (False, True):
            with _load(bench, changes) as (ours, prefix):
                contender: Contender = ours if kind == "ours" else Parallel(bench.place, prefix)
                bench.target.begin(others, 20, **(behaviour if disturbed else {}))
                run = _run(bench, contender, others)
                seconds = run.counted.right_at - run.counted.first
                rates[kind, disturbed] = len(others) / seconds if run.complete else 0.0
                rows.append(run.row(disturbed=disturbed, others_a_second=round(rates[kind, disturbed], 1)))
    shares = {kind: rates[kind, True] / rates[kind, False] if rates[kind, False] else 0.0 for kind in kinds}
    beside = f" (Parallel Consumer {shares['theirs']:.0%})" if "theirs" in shares else ""
    said = f"{shares['ours']:.0%} of the clean rate{beside}"
    return Figure(name, "the others keep 95 % of the clean rate", said, shares["ours"] >= 0.95, rows)


def _fnv(text: str) -> int:
    """FNV-1a of 32 bits, as the target tells slow keys."""
    found = 2166136261
    for byte in text.encode():
        found = (found ^ byte) * 16777619 % 2**32
    return found


LIMITED, RETRY_AFTER = 8.0, 5


def limited(bench: Bench) -> Figure:
    """429 to everything for 8 s, with Retry-After 5: how many calls are made in that time."""
    changes = loads.distinct(bench.scale.records)
    expected = loads.latest(changes)
    rows: list[dict[str, Any]] = []
    with _load(bench, changes) as (ours, prefix):
        for contender in (ours, *_peers(bench, prefix, [Parallel])):
            bench.target.begin(expected, 20)
            program = contender.start()
            try:
                bench.target.until(
                    lambda now: now.keys >= len(expected) // 4, bench.scale.patience, still=alive([program]), every=0.01
                )
                bench.target.limit(LIMITED, RETRY_AFTER)
                at = time.time()
                found, complete = bench.target.until(
                    lambda now: now.right >= len(expected), bench.scale.patience, still=alive([program])
                )
            finally:
                program.stop()
            windows = -(-LIMITED // RETRY_AFTER)
            row = {
                "contender": contender.name,
                "complete": complete,
                "calls": found.limited,
                "allowed": found.in_flight_max + int(windows),
                "seconds_after": round(found.right_at - at, 1),
            }
            say(f"  {row}")
            rows.append(row)
    mine = rows[0]
    return Figure(
        "429 for 8 s, Retry-After 5",
        "calls at most those in flight and one probe a window",
        f"{mine['calls']} calls, {mine['allowed']} allowed; all done {mine['seconds_after']} s after it began",
        bool(mine["complete"] and mine["calls"] <= mine["allowed"]),
        rows,
    )


# --- first things first, intake, memory ------------------------------------------------------------------------------


CALLS = 50.0


def rights(bench: Bench) -> Figure:
    """A rights change behind 100,000 due titles at 50 calls a second: from published to applied."""
    titles = loads.distinct(bench.scale.changes, aspect="rights")
    with _load(bench, titles, counting={"calls_per_second": CALLS}) as (ours, prefix):
        bench.target.begin({f"rights/{key}": each for key, each in loads.latest(titles).items()}, 20)
        program = ours.start()
        try:
            known = bench.target.until(
                lambda now: now.right >= len(titles), bench.scale.patience, still=alive([program])
            )
            connected = loads.producer(bench.place.kafka)
            loads.publish(bench.place.kafka, prefix, loads.distinct(bench.scale.due, first=1_000_000), connected)
            due = _until(ours, bench.scale.patience, program, "SELECT count(*) FROM work", bench.scale.due)
            bench.target.behave(20, measure="rights/")
            for each in titles:
                change = loads.distinct(1, first=int(each.title[5:]), aspect="rights")
                loads.publish(bench.place.kafka, prefix, change, connected)
                time.sleep(0.2)
            found, all_of_them = bench.target.until(lambda now: now.measured >= len(titles), 60, still=alive([program]))
        finally:
            usage = program.stop()
    complete = known[1] and due and all_of_them
    return Figure(
        "rights behind 100,000",
        "p99 under 1 s",
        f"p50 {found.p50_ms:.0f} ms, p99 {found.p99_ms:.0f} ms, worst {found.worst_ms:.0f} ms"
        + ("" if complete else f", NOT COMPLETE: {found.measured} of {len(titles)}"),
        complete and found.p99_ms < 1000,
        [{"complete": complete, **asdict(found), "usage": asdict(usage)}],
    )


def intake(bench: Bench) -> Figure:
    """Intake alone, documents of 4 kB, PostgreSQL: from the first stored to the last."""
    count = bench.scale.intake
    with _load(bench, loads.distinct(count, size=4096), only="intake") as (ours, _):
        program = ours.start()
        try:
            rate, each, complete = _stored(ours, count, bench.scale.patience, program)
        finally:
            usage = program.stop()
    say(f"  {rate:,.0f} documents/s, {each:.0f} us CPU each, peak {usage.peak_mib:.0f} MiB, complete: {complete}")
    return Figure(
        "intake alone, 4 kB",
        "at least 5,000/s; aim 10,000",
        f"{rate:,.0f}/s, {each:.0f} us CPU each",
        complete and rate >= 5000,
        [{"rate": rate, "cpu_us_each": each, "complete": complete, "usage": asdict(usage)}],
    )


OFFSETS = "SELECT coalesce(sum(\"offset\"), 0) FROM intake_offset WHERE topic LIKE '%assets%'"


def _stored(ours: Frontlist, count: int, patience: float, program: Program) -> tuple[float, float, bool]:
    """Records a second, and CPU microseconds each, from the first look that found some to the one that found all."""
    began: tuple[float, int, float] | None = None
    with _asked(ours) as ask:
        until, still = time.monotonic() + patience, alive([program])
        while time.monotonic() < until:
            found, now = ask(OFFSETS), time.monotonic()
            if began is None and found:
                began = now, found, program.cpu_seconds()
            if began is not None and found >= count:
                break
            still()
            time.sleep(0.02)
        if began is None:
            return 0.0, 0.0, False
        stored = max(found - began[1], 1)
        used = (program.cpu_seconds() - began[2]) / stored * 1e6
        return stored / max(time.monotonic() - began[0], 1e-9), used, found >= count


def _until(ours: Frontlist, patience: float, program: Program, question: str, wanted: int) -> bool:
    until, still = time.monotonic() + patience, alive([program])
    with _asked(ours) as ask:
        while ask(question) < wanted:
            if time.monotonic() > until:
                return False
            still()
            time.sleep(0.25)
    return True


@contextmanager
def _asked(ours: Frontlist) -> Iterator[Callable[[str], int]]:
    """One number at a time from its database."""
    import asyncio

    import asyncpg  # type: ignore[import-untyped]  # ships no types

    with asyncio.Runner() as runner:
        url = sa.make_url(ours.database).set(drivername="postgresql")
        connection = runner.run(asyncpg.connect(url.render_as_string(hide_password=False)))
        try:
            yield lambda question: int(runner.run(connection.fetchval(question)))
        finally:
            runner.run(connection.close())


LARGEST = 300.0


def memory(bench: Bench) -> Figure:
    """1,000,000 records behind: what is resident while they are worked off, for as long as the patience lasts."""
    count = bench.scale.behind
    with _load(bench, loads.distinct(count)) as (ours, _):
        bench.target.begin({}, 0)
        program, seen = ours.start(), list[float]()
        try:
            until, still = time.monotonic() + bench.scale.patience, alive([program])
            while time.monotonic() < until and bench.target.counted().keys < count:
                seen.append(program.resident_mib() or 0.0)
                still()
                time.sleep(1)
            found = bench.target.counted()
        finally:
            usage = program.stop()
    half = seen[len(seen) // 3 :] or [0.0]
    grown = median(half[-max(1, len(half) // 5) :]) - median(half[: max(1, len(half) // 5)])
    say(f"  peak {usage.peak_mib:.0f} MiB, {grown:+.0f} MiB over the last two thirds, {found.keys:,} titles written")
    return Figure(
        "memory, 1,000,000 behind",
        f"flat, under {LARGEST:.0f} MiB",
        f"peak {usage.peak_mib:.0f} MiB, {grown:+.0f} MiB over {len(half)} s, {found.keys:,} written in that time",
        usage.peak_mib < LARGEST and grown < 20,
        [{"resident_mib": [round(each, 1) for each in seen], "usage": asdict(usage), **asdict(found)}],
    )


FIGURES: Mapping[str, Callable[[Bench], Figure]] = {
    "distinct": distinct,
    "repeated20": repeated20,
    "repeated0": repeated0,
    "kill": killed,
    "zombie": zombie,
    "poison": poisoned,
    "slow": slow,
    "limit": limited,
    "rights": rights,
    "intake": intake,
    "memory": memory,
}
