"""The engine alone: from due titles to finished ones, on PostgreSQL, with a target of 20 ms in the same process.

`python benchmarks/engine.py` does it with Python's garbage collector as shipped and then as `frontlist run` sets it, by
turns in one run, and says the processor time a title. No Kafka, no HTTP: what is left is planning and bookkeeping.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import secrets
import time
from collections.abc import Sequence

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
from frontlist.embedded import Databases, database_url
from frontlist.ensure import Delivery, EnsureSettings
from frontlist.memory import collect_rarely
from frontlist.state import dossier, installation, schema, settled, work
from frontlist.state.database import Database
from frontlist.work import Active, Worker, WorkSettings

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


async def once(url: str, titles: int) -> float:
    """Microseconds of processor time a title."""
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
        tenant="benchmark",
        active=lambda: Active(active.number, None),
        capabilities=lambda: {"channel": Capabilities()},
        clock=clock,
        decisions="d",
        settings=WorkSettings(claim=2000),
    )
    stopping, before = asyncio.Event(), time.process_time()
    running = asyncio.create_task(worker.run(stopping))
    await target.done.wait()
    used = time.process_time() - before
    stopping.set()
    await running
    await db.close()
    return used / titles * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--titles", type=int, default=4000)
    parser.add_argument("--turns", type=int, default=3)
    chosen = parser.parse_args()
    logs.configure("error")
    shipped = gc.get_threshold()
    found: dict[str, list[float]] = {"as shipped": [], "as frontlist run sets it": []}
    with database_url(environment={}) as url:
        for turn in range(2 * chosen.turns):
            gc.unfreeze()
            gc.set_threshold(*shipped)
            how = list(found)[turn % 2]
            if turn % 2:
                collect_rarely()
            database = Databases(url).create(f"benchmark{secrets.token_hex(4)}")
            found[how].append(asyncio.run(once(database, chosen.titles)))
            say(f"garbage collector {how}: {found[how][-1]:.0f} us a title")
    left, right = (min(each) for each in found.values())
    say(f"at best {left:.0f} and {right:.0f} us a title: {right / left:.2f}")


if __name__ == "__main__":
    main()
