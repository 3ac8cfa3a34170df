"""The engine alone: from due titles to finished ones, on PostgreSQL, with a target of 20 ms in the same process.

`python benchmarks/engine.py` does it with Python's garbage collector as shipped and then as `frontlist run` sets it, by
turns in one run, and says the processor time a title: Python's, and that of PostgreSQL's processes. No Kafka, no HTTP:
what is left is planning and bookkeeping.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benching.report import say

from frontlist import logs
from frontlist.clock import Clock
from frontlist.contract import (
    Actual,
    Capabilities,
    Context,
    Desired,
    DocumentKey,
    Done,
    Dossier,
    Ensure,
    FieldKey,
    Json,
    Plan,
    Resource,
    Step,
    StepOutcome,
    TitleKey,
)
from frontlist.embedded import Postgres
from frontlist.ensure import Delivery, EnsureSettings
from frontlist.memory import collect_rarely
from frontlist.planning import Active, Planner
from frontlist.state import dossier, installation, schema, settled, work
from frontlist.state.database import Database
from frontlist.work import Worker, WorkSettings

DOCUMENT = DocumentKey("consonance", "metadata")
BODY = {"title": "x" * 100}


class Target:
    """Takes one title a call, after 20 ms; cannot be read."""

    name, batch, once, readable = "channel", 1, frozenset[str](), False

    def __init__(self, titles: int) -> None:
        self.left, self.done = titles, asyncio.Event()

    async def capabilities(self) -> Capabilities:
        return Capabilities()

    def same(self, _resource: Resource, _key: FieldKey, left: Json, right: Json) -> bool:
        return bool(left == right)

    def steps(self, desired: Desired, _actual: Actual | None, progress: Json) -> Sequence[Step]:
        return [] if "put" in progress else [Step(desired.resource, "put", dict(getattr(desired, "fields", {})))]

    async def write(self, steps: Sequence[Step], _deadline: float) -> Sequence[StepOutcome]:
        await asyncio.sleep(0.02)
        self.left -= len(steps)
        if not self.left:
            self.done.set()
        return [Done() for _ in steps]


class Consumer:
    """Writes each title's metadata as they are."""

    name, wants, flows = "channel", frozenset({DOCUMENT}), frozenset({1})

    def plan(self, found: Dossier, _context: Context) -> Plan:
        return Plan((Ensure(Resource("channel", "record", found.title), {FieldKey("title"): BODY["title"]}, 1),))


@dataclass(frozen=True)
class Used:
    """Microseconds of processor time a title."""

    python: float
    server: float

    def __str__(self) -> str:
        return f"{self.python:.0f} us of Python and {self.server:.0f} us of PostgreSQL a title"


def server_seconds(postmaster: int) -> float:
    """What PostgreSQL's processes have used, those that ended too; 0 where this system does not tell."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            said = file.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(file.parent.name) == postmaster:
            ticks += sum(map(int, said[11:15]))
        elif int(said[1]) == postmaster:
            ticks += int(said[11]) + int(said[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def once(url: str, titles: int, postmaster: int) -> Used:
    """From due titles to finished ones."""
    clock = Clock()
    db = Database(url, clock)
    await schema.upgrade(db)
    names = [TitleKey(f"work:{number}") for number in range(titles)]
    async with db.begin() as c:
        now = await db.now(c)
        await installation.register(db, c, {Consumer.name: (Consumer.wants, "1")})
        active = await installation.activate(db, c, "benchmark", "")
        await settled.save_decisions(db, c, [settled.Decision("mode", "*/*", "apply", 1)])
        stored = [dossier.Stored(DOCUMENT.system, DOCUMENT.aspect, name, now, "present", BODY) for name in names]
        await dossier.store(db, c, stored)
        await work.mark(
            db, c, [work.Due(Consumer.name, name, now, work.Priority.METADATA, "benchmark") for name in names]
        )
    target = Target(titles)
    delivery = Delivery(
        db,
        {"channel": target},
        process="benchmark",
        clock=clock,
        journal="j",
        settings=EnsureSettings(calls_at_once=256),
    )
    worker = Worker(
        db,
        {Consumer.name: Consumer()},
        delivery,
        Planner("benchmark", lambda: Active(active.number, None), lambda: {"channel": Capabilities()}),
        clock=clock,
        decisions="d",
        settings=WorkSettings(claim=2000),
    )
    stopping, before, server = asyncio.Event(), time.process_time(), server_seconds(postmaster)
    running = asyncio.create_task(worker.run(stopping))
    await target.done.wait()
    stopping.set()
    await running
    used, server = time.process_time() - before, server_seconds(postmaster) - server
    await db.close()
    return Used(used / titles * 1e6, server / titles * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--titles", type=int, default=4000)
    parser.add_argument("--turns", type=int, default=3)
    chosen = parser.parse_args()
    logs.configure("error")
    shipped = gc.get_threshold()
    found: dict[str, list[Used]] = {"as shipped": [], "as frontlist run sets it": []}
    with Postgres() as postgres:
        for turn in range(2 * chosen.turns):
            gc.unfreeze()
            gc.set_threshold(*shipped)
            how = list(found)[turn % 2]
            if turn % 2:
                collect_rarely()
            database = postgres.create_database(f"benchmark{secrets.token_hex(4)}")
            found[how].append(asyncio.run(once(database, chosen.titles, postgres.pid)))
            say(f"garbage collector {how}: {found[how][-1]}")
    left, right = (min(each.python for each in some) for some in found.values())
    server = min(each.server for some in found.values() for each in some)
    say(f"at best {left:.0f} and {right:.0f} us of Python ({right / left:.2f}), {server:.0f} us of PostgreSQL")


if __name__ == "__main__":
    main()
