"""Capture and intake over a real broker under any order of edits, deaths, zombies and restored databases.

Somebody else reads the topics as a third party would, and compares them with the history of the source.
`CAPTURE_EXAMPLES=50 pytest tests/integration/test_capture_machine.py` plays so many new stories;
without it, the same few each time.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pytest
import sqlalchemy as sa
from aiokafka import AIOKafkaConsumer, TopicPartition
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

import tenants
from frontlist.capture import Capture, CaptureSettings
from frontlist.clock import Clock
from frontlist.contract import DocumentKey, Resource, TitleKey
from frontlist.embedded import Databases
from frontlist.intake import Intake, IntakeSettings
from frontlist.kafka import KafkaSettings, Topics
from frontlist.source import Feed, Page, Raw, RawKey, Statement
from frontlist.state import captured, dirty, dossier, feeds, installation, mirror, schema
from frontlist.state.database import Database
from frontlist.step import Step
from frontlist_schemas.topics import topic

EXAMPLES = int(os.environ.get("CAPTURE_EXAMPLES", "0"))
SYSTEM, ASPECTS = "consonance", ("metadata", "formats")
IDS = ("1", "2", "3")
#: Few, so that A -> B -> A comes often.
WORDS = st.sampled_from(("A", "B"))
STEPS = ("captured", "reserved", "published", "confirmed")
#: Longer than any lease here (microseconds).
LATER = 200_000_000
#: (aspect, title)
Place = tuple[str, str]


# --- the source ------------------------------------------------------------------------------------------------------


@dataclass
class Library:
    """Works with a title and a form; every state that a document of them ever had is written down.

    `hidden`: what the list does not show, though it is there by id.
    """

    works: dict[str, dict[str, str]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    history: dict[Place, list[Any]] = field(default_factory=dict)
    passes: int = 0

    name = SYSTEM
    version = "1"
    aspects = ASPECTS

    def __post_init__(self) -> None:
        self.feeds: Sequence[Feed] = (Listing(self),)

    def put(self, id_: str, **fields: str) -> None:
        if id_ not in self.works:
            self.hidden.discard(id_)
        self.works[id_] = {"metadata": "A", "formats": "A", **self.works.get(id_, {}), **fields}
        self._write_down(id_)

    def take_away(self, id_: str) -> None:
        self.works.pop(id_, None)
        self._write_down(id_)

    def states(self, id_: str, aspect: str) -> Any:
        """What a document of it states, None: that there is nothing."""
        work = self.works.get(id_)
        return None if work is None else {"said": work[aspect]}

    def _write_down(self, id_: str) -> None:
        for aspect in ASPECTS:
            told = self.history.setdefault((aspect, f"work:{id_}"), [])
            if not told or told[-1] != self.states(id_, aspect):
                told.append(self.states(id_, aspect))

    async def fetch(self, keys: Sequence[RawKey]) -> Sequence[Raw]:
        return [Raw(key, self._body(key.id)) for key in keys]

    def _body(self, id_: str) -> dict[str, str] | None:
        return dict(self.works[id_]) if id_ in self.works else None

    def names(self, raw: Raw, who: str) -> bool:
        return False

    def omitted(self, raw: Raw, omit: frozenset[str]) -> Raw:
        return raw

    def title(self, raw: Raw, links: Mapping[Resource, TitleKey]) -> TitleKey:
        return TitleKey(f"work:{raw.key.id}")

    def assemble(self, title: TitleKey, raws: Mapping[RawKey, Raw], omit: frozenset[str]) -> Mapping[str, Statement]:
        [raw] = raws.values()
        if raw.body is None:
            return {aspect: Statement("gone", reason="deleted") for aspect in ASPECTS}
        return {aspect: Statement("present", {"said": raw.body[aspect]}) for aspect in ASPECTS}


@dataclass
class Listing:
    """All works, one a page."""

    library: Library
    name = "works"
    kinds = frozenset({"work"})
    every = 0.05

    async def page(self, cursor: Any, now: datetime) -> Page:
        after = (cursor or {}).get("after", "")
        ids = sorted(id_ for id_ in self.library.works if id_ > after and id_ not in self.library.hidden)
        raws = tuple(Raw(RawKey("work", id_), dict(self.library.works[id_])) for id_ in ids[:1])
        exhausted = len(ids) <= 1
        self.library.passes += exhausted
        return Page(raws, {} if exhausted else {"after": ids[0]}, exhausted, sweep=True)


# --- who reads the topics --------------------------------------------------------------------------------------------


class ThirdParty:
    """Reads committed records and nothing else of ours."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.records: dict[Place, list[tuple[int, Any]]] = {}
        self.count = 0
        self.ends: dict[tuple[str, int], int] = {}
        self._kafka = kafka
        self._places = [
            TopicPartition(topic(kafka.prefix, SYSTEM, aspect), p)
            for aspect in ASPECTS
            for p in range(kafka.partitions or 1)
        ]

    async def __aenter__(self) -> ThirdParty:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._kafka.bootstrap, isolation_level="read_committed", enable_auto_commit=False
        )
        await self._consumer.start()
        self._consumer.assign(self._places)
        await self._consumer.seek_to_beginning(*self._places)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def read(self) -> None:
        """To the ends of now; raises where a revision does not rise."""
        ends = await self._consumer.end_offsets(self._places)
        async with asyncio.timeout(60):
            while any([await self._consumer.position(at) < ends[at] for at in self._places]):
                for at, records in (await self._consumer.getmany(timeout_ms=100)).items():
                    self.ends[at.topic, at.partition] = records[-1].offset + 1
                    for record in records:
                        self._take(record)

    def _take(self, record: Any) -> None:
        place = (record.topic.split(".")[-2], record.key.decode())
        sequence, said = int(dict(record.headers)["ce_sequence"]), json.loads(record.value)
        before = self.records.setdefault(place, [])
        assert not before or sequence > before[-1][0], f"{place}: {sequence} after {before[-1][0]}"
        before.append((sequence, said.get("document") if said["state"] == "present" else None))
        self.count += 1


def follows(told: Sequence[Any], history: Sequence[Any]) -> bool:
    """Whether the statements could be made by somebody who looks at the source now and then, and never backwards."""
    at = 0
    for each in told:
        while at < len(history) and history[at] != each:
            at += 1
        if at == len(history):
            return False
    return True


def test_what_goes_back_in_time_does_not_follow() -> None:
    assert follows(["A", "A", "B", "A"], ["A", "B", "A"])
    assert follows(["B"], ["A", "B", "C"])
    assert not follows(["B", "A"], ["A", "B"])
    assert not follows(["A", "C"], ["A", "B"])


# --- the databases ---------------------------------------------------------------------------------------------------


class Disk(Protocol):
    """A database that can be copied and put back, while nobody has it open."""

    url: str

    def copy(self) -> None: ...

    def put_back(self) -> None: ...

    def remove(self) -> None: ...


class SqliteFile:
    def __init__(self, path: Path) -> None:
        self._path, self.url = path, f"sqlite+aiosqlite:///{path}"

    def copy(self) -> None:
        with sqlite3.connect(self._path) as c:
            c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        c.close()
        shutil.copy(self._path, f"{self._path}.copy")

    def put_back(self) -> None:
        for suffix in ("-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        shutil.copy(f"{self._path}.copy", self._path)

    def remove(self) -> None:
        """The folder is the test's."""


class PostgresDatabase:
    def __init__(self, server: Databases, name: str) -> None:
        self._server, self._name = server, name
        self.url = server.create(name).replace("postgresql://", "postgresql+asyncpg://", 1)

    def copy(self) -> None:
        self._clone(self._name, f"{self._name}_copy")

    def put_back(self) -> None:
        self._clone(f"{self._name}_copy", self._name)

    def remove(self) -> None:
        for name in (self._name, f"{self._name}_copy"):
            self._server.drop(name)

    def _clone(self, old: str, new: str) -> None:
        self._server.drop(new)
        tenants.copied(self._server, old, new)


# --- the machine -----------------------------------------------------------------------------------------------------


class CrashError(Exception):
    """Ends a capturer or an intake between two actions."""


@dataclass
class Zombie:
    """A capturer that hangs between two actions."""

    task: asyncio.Task[None]
    go_on: asyncio.Event
    stopping: asyncio.Event


class Capturing(RuleBasedStateMachine):
    """One system under any hands; `opened` is set by the test."""

    opened: Callable[[], tuple[KafkaSettings, Disk]]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.library, self.clock = Library(), Clock()
        self.zombies: list[Zombie] = []
        self.copied = self.quiet = False
        self.told = 0

    def do(self, work: Awaitable[None]) -> None:
        async def limited() -> None:
            async with asyncio.timeout(90):
                await work

        self.runner.run(limited())

    @initialize()
    def start(self) -> None:
        self.kafka, self.disk = type(self).opened()
        for id_ in IDS[:2]:
            self.library.put(id_)
        self.do(self._start())

    async def _start(self) -> None:
        await Topics(self.kafka).apply()
        self.db = Database(self.disk.url, self.clock)
        await schema.upgrade(self.db)
        async with self.db.begin() as c:
            wants = frozenset(DocumentKey(SYSTEM, aspect) for aspect in ASPECTS)
            await installation.register(self.db, c, {"reader": (wants, "1")})
        self.reader = await ThirdParty(self.kafka).__aenter__()

    def teardown(self) -> None:
        with self.runner, suppress(AttributeError):
            try:
                self.do(self._rest())
                self.do(self._in_step())
            finally:
                self.do(self._bury())
                self.do(self._close())
                self.disk.remove()

    async def _close(self) -> None:
        await self.reader.__aexit__()
        await self.db.close()

    # --- the source changes ----------------------------------------------------------------------------------------

    @rule(id_=st.sampled_from(IDS), aspect=st.sampled_from(ASPECTS), word=WORDS)
    def edit(self, id_: str, aspect: str, word: str) -> None:
        """One that went away comes back."""
        self.library.put(id_, **{aspect: word})
        self.quiet = False

    @rule(id_=st.sampled_from(IDS))
    def delete(self, id_: str) -> None:
        self.library.take_away(id_)
        self.quiet = False

    @precondition(lambda self: self.quiet)
    @rule(id_=st.sampled_from(IDS))
    def hide_or_show(self, id_: str) -> None:
        """The list no longer shows what it once showed, though it is there."""
        self.library.hidden ^= {id_}

    # --- capturers -------------------------------------------------------------------------------------------------

    def _capturer(self, step: Step) -> Capture:
        quick = CaptureSettings(lease=100.0, retry=0.05, absent_after=0.0, titles_at_once=2)
        return Capture(self.library, self.db, self.kafka, tenant="t", clock=self.clock, settings=quick, step=step)

    @rule()
    def capture(self) -> None:
        """A capturer works until there is nothing to do."""
        unchanged = self.quiet
        self.do(self._rest())
        assert not unchanged or self.reader.count == self.told, "a pass in which nothing changed published something"
        self.told, self.quiet = self.reader.count, True

    async def _rest(self) -> None:
        stopping, passed = asyncio.Event(), self.library.passes
        self.clock.offset_us += LATER
        task = asyncio.create_task(self._capturer(_on).run(stopping))

        async def rested() -> bool:
            if task.done():
                task.result()
            return self.library.passes > passed + 2 and not await self._busy()

        try:
            await tenants.until(rested, what="a capturer with nothing to do")
        finally:
            stopping.set()
            await asyncio.wait_for(task, 30)
        await self._look()
        for (aspect, title), told in self.library.history.items():
            said = self.reader.records.get((aspect, title))
            if said is None:
                assert told[-1] is None, f"{aspect} of {title} was never published"
            else:
                assert said[-1][1] == told[-1], f"{aspect} of {title} ends at {said[-1][1]}, not at {told[-1]}"

    async def _busy(self) -> bool:
        r = mirror.raw_table.c
        missing = sa.select(sa.func.count()).where(r.missing_since.is_not(None), r.body.is_not(None))
        async with self.db.read() as c:
            marks = [await dirty.marked(c, SYSTEM, 9, read_again=again) for again in (True, False)]
            return bool(
                any(marks)
                or await captured.still_reserved(c, SYSTEM)
                or (await c.execute(missing)).scalar_one()
                or None in [each.completed_at for each in (await feeds.states(c, SYSTEM)).values()]
            )

    @rule(name=st.sampled_from(STEPS))
    def crash(self, name: str) -> None:
        """It ends at this step, or has nothing to do that would lead it there."""
        self.do(self._stopped_at(name, dies=True))
        self.quiet = False

    @rule(name=st.sampled_from(STEPS))
    def hang(self, name: str) -> None:
        """It stands still at this step for longer than its lease; others may come before it goes on."""
        self.do(self._stopped_at(name, dies=False))
        self.quiet = False

    async def _stopped_at(self, name: str, *, dies: bool) -> None:
        there, go_on, stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()
        passed = self.library.passes

        async def step(at: str) -> None:
            if at != name or there.is_set():
                return
            there.set()
            if dies:
                raise CrashError(name)
            await go_on.wait()

        self.clock.offset_us += LATER
        task = asyncio.create_task(self._capturer(step).run(stopping))

        async def stopped() -> bool:
            return there.is_set() or task.done() or (self.library.passes > passed + 3 and not await self._busy())

        await tenants.until(stopped, what=f"a capturer at {name}")
        if there.is_set() and not dies:
            self.zombies.append(Zombie(task, go_on, stopping))
            self.clock.offset_us += LATER
        else:
            stopping.set()
            with suppress(CrashError):
                await asyncio.wait_for(task, 30)
        await self._look()

    @precondition(lambda self: self.zombies)
    @rule()
    def wake(self) -> None:
        """The oldest that hangs goes on, and ends after what it was doing."""
        self.do(self._wake())
        self.quiet = False

    async def _wake(self) -> None:
        zombie = self.zombies.pop(0)
        zombie.stopping.set()
        zombie.go_on.set()
        await asyncio.wait_for(zombie.task, 30)
        await self._look()

    async def _bury(self) -> None:
        for each in self.zombies:
            each.task.cancel()
        await asyncio.gather(*(each.task for each in self.zombies), return_exceptions=True)
        self.zombies.clear()

    # --- the database ----------------------------------------------------------------------------------------------

    @rule()
    def back_up(self) -> None:
        self.do(self._aside(self.disk.copy))
        self.copied = True

    @precondition(lambda self: self.copied)
    @rule()
    def restore(self) -> None:
        """An older database; numbers go on above the clock, as at each start.

        The list shows everything again: what it never showed cannot be found.
        """
        self.library.hidden.clear()
        self.do(self._aside(self.disk.put_back))
        self.do(self._raise())
        self.quiet = False

    @rule(changes=st.lists(st.tuples(st.sampled_from(IDS), WORDS | st.none()), min_size=1, max_size=3))
    def lose_a_day(self, changes: list[tuple[str, str | None]]) -> None:
        """What is captured after the backup, the restored database does not know; then the source may change again."""
        self.back_up()
        for id_, word in changes[:-1] or changes:
            self._change(id_, word)
        self.capture()
        self._change(*changes[-1])
        self.restore()

    def _change(self, id_: str, word: str | None) -> None:
        if word is None:
            self.delete(id_)
        else:
            self.edit(id_, "metadata", word)

    async def _aside(self, act: Callable[[], None]) -> None:
        await self._bury()
        await self.db.close()
        await asyncio.to_thread(act)
        self.db = Database(self.disk.url, self.clock)

    async def _raise(self) -> None:
        async with self.db.begin() as c:
            await self.db.raise_numbers(c)

    # --- intake ----------------------------------------------------------------------------------------------------

    @rule(dies=st.booleans())
    def take(self, dies: bool) -> None:
        """All that is on the topics becomes dossiers; `dies`: it ends once between database and Kafka."""
        if dies:
            self.do(self._taken(dies=True))
        self.do(self._in_step())

    @rule()
    def read_again(self) -> None:
        """From the beginning, as if nothing had been read."""
        self.do(self._forget_positions())
        self.do(self._in_step())

    async def _forget_positions(self) -> None:
        async with self.db.begin() as c:
            await c.execute(sa.delete(dossier.offset_table))

    async def _in_step(self) -> None:
        await self._taken(dies=False)
        async with self.db.read() as c:
            rows = list(await c.execute(sa.select(dossier.document_table)))
        held = {(row.aspect, row.title): (row.revision, json.loads(row.body) if row.body else None) for row in rows}
        assert held == {place: records[-1] for place, records in self.reader.records.items()}

    async def _taken(self, *, dies: bool) -> None:
        await self._look()
        stopping = asyncio.Event()

        async def step(_: str) -> None:
            if dies:
                raise CrashError

        intake = Intake(self.db, self.kafka, clock=self.clock, step=step, settings=IntakeSettings(batch_wait_ms=1))
        task = asyncio.create_task(intake.run(stopping))

        async def over() -> bool:
            async with self.db.read() as c:
                stored = await dossier.offsets(c)
            return task.done() or all(stored.get(at, (0, ""))[0] >= end for at, end in self.reader.ends.items())

        try:
            await tenants.until(over, what="intake at the end of the topics")
        finally:
            stopping.set()
            with suppress(CrashError):
                await asyncio.wait_for(task, 60)

    # --- what must be true at any time -----------------------------------------------------------------------------

    async def _look(self) -> None:
        """Revisions rise (the reader itself sees to it), and no document goes back in time."""
        await self.reader.read()
        for place, records in self.reader.records.items():
            told = [said for _, said in records]
            assert follows(told, self.library.history[place]), f"{place}: {told} of {self.library.history[place]}"


async def _on(_: str) -> None:
    """Goes on."""


def play(machine: type[Capturing], stories: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES or stories,
            stateful_step_count=12,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            # A story takes seconds: the first one that fails is told as it was played.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def installations(kafka: str, prefix: str, disk: Callable[[str], Disk]) -> Callable[[], tuple[KafkaSettings, Disk]]:
    numbers = itertools.count(1)

    def opened() -> tuple[KafkaSettings, Disk]:
        name = f"{prefix}n{next(numbers)}"
        note(f"installation {name}")
        return KafkaSettings(bootstrap=kafka, prefix=name, group=name, partitions=1), disk(name)

    return opened


@pytest.mark.timeout(0 if EXAMPLES else 300)
def test_topics_follow_the_source_and_dossiers_the_topics(
    tmp_path: Path, topic_prefix: str, kafka_bootstrap: str
) -> None:
    class OnSqlite(Capturing):
        opened = staticmethod(
            installations(kafka_bootstrap, topic_prefix, lambda name: SqliteFile(tmp_path / f"{name}.sqlite"))
        )

    play(OnSqlite, stories=5)


@pytest.mark.timeout(0 if EXAMPLES else 300)
def test_the_same_on_postgresql(topic_prefix: str, kafka_bootstrap: str, postgres_server: Databases) -> None:
    class OnPostgresql(Capturing):
        opened = staticmethod(
            installations(kafka_bootstrap, topic_prefix, lambda name: PostgresDatabase(postgres_server, name))
        )

    play(OnPostgresql, stories=3)
