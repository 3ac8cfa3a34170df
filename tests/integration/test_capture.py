"""Capture between a system of our own making and real Kafka: what is published, when, together with what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

import tenants
from frontlist.brakes import Brakes, BrakeSettings
from frontlist.capture import Capture, CaptureSettings
from frontlist.clock import Clock
from frontlist.contract import Resource, TitleKey
from frontlist.errors import ConfigurationError, Retry
from frontlist.kafka import MAX_BYTES, KafkaSettings, Topics, read_to_end
from frontlist.observed import UNOBSERVED, Observed
from frontlist.source import Feed, Page, Raw, RawKey, Statement
from frontlist.state import captured, dirty, feeds, held, schema
from frontlist.state.database import Database
from frontlist.step import Step
from frontlist_schemas import topics
from frontlist_schemas.envelope import Envelope, decode
from frontlist_schemas.topics import topic

SYSTEM = "consonance"
ASPECTS = ("metadata", "formats")
TITLE, OTHER = TitleKey("work:1"), TitleKey("work:2")
Body = dict[str, Any]
Backup = dict[Any, list[Body]]


@dataclass
class Shelf:
    """A system in memory: works with a title and a form, told by two feeds."""

    works: dict[str, Body] = field(default_factory=dict)
    listed: set[str] | None = None
    page_size: int = 100
    contracts_answer: bool = True
    fetched: list[RawKey] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    name = SYSTEM
    version = "1"
    aspects: tuple[str, ...] = ASPECTS
    feeds: Sequence[Feed] = ()

    def __post_init__(self) -> None:
        self.feeds = (Listing(self), Contracts(self))

    async def fetch(self, keys: Sequence[RawKey]) -> Sequence[Raw]:
        self.fetched += keys
        return [Raw(key, self.works.get(key.id) if key.kind == "work" else {}) for key in keys]

    def title(self, raw: Raw, links: Mapping[Resource, TitleKey]) -> TitleKey:
        return TitleKey(f"work:{raw.key.id}")

    def assemble(self, title: TitleKey, raws: Mapping[RawKey, Raw], omit: frozenset[str]) -> Mapping[str, Statement]:
        if title in self.broken:
            raise RuntimeError("this one is beyond us")
        work = raws[RawKey("work", title.removeprefix("work:"))].body
        if work is None:
            return {aspect: Statement("gone", reason="deleted") for aspect in self.aspects}
        others = {aspect: Statement("present", {"f": 1}) for aspect in self.aspects}
        return {**others, "metadata": Statement("present", {"title": work["title"]})}


@dataclass
class Listing:
    """All works, in one page if it is large enough."""

    shelf: Shelf
    name = "works"
    kinds = frozenset({"work"})
    every = 0.05

    async def page(self, cursor: Any, now: datetime) -> Page:
        begins, size = (cursor or {}).get("begins", 0), self.shelf.page_size
        shown = [id_ for id_ in self.shelf.works if self.shelf.listed is None or id_ in self.shelf.listed]
        raws = tuple(Raw(RawKey("work", id_), dict(self.shelf.works[id_])) for id_ in shown[begins : begins + size])
        exhausted = begins + size >= len(shown)
        return Page(raws, {} if exhausted else {"begins": begins + size}, exhausted, sweep=True)


@dataclass
class Contracts:
    """Nothing but a pass that is complete, or that fails."""

    shelf: Shelf
    name = "contracts"
    kinds = frozenset({"contracts"})
    every = 0.05

    async def page(self, cursor: Any, now: datetime) -> Page:
        if not self.shelf.contracts_answer:
            raise Retry("no answer", where="contracts")
        return Page((), {}, exhausted=True, sweep=True)


@dataclass
class Turns(Observed):
    """How many objects had been asked for by id, or how many pages read, each time that capture said that it turns."""

    shelf: Shelf
    asked: list[int] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    pages: int = 0

    def turned(self, part: str, trouble: str = "") -> None:
        self.asked.append(len(self.shelf.fetched))
        self.read.append(self.pages)

    def fed(self, system: str, feed: str, objects: int) -> None:
        self.pages += 1


class CrashError(Exception):
    """Ends a capturer between two actions."""


@dataclass
class Stage:
    """A shelf, a database and topics; any number of capturers may come and go."""

    shelf: Shelf
    db: Database
    kafka: KafkaSettings
    clock: Clock

    def capturer(
        self,
        *,
        stop_at: str | None = None,
        step: Step | None = None,
        observed: Observed = UNOBSERVED,
        braking: Brakes | None = None,
        **settings: Any,
    ) -> Capture:
        async def stops(name: str) -> None:
            if name == stop_at:
                raise CrashError(name)

        chosen = CaptureSettings(**{"lease": 3.0, "retry": 0.1, "absent_after": 0.3, **settings})
        return Capture(
            self.shelf,
            self.db,
            self.kafka,
            tenant="test",
            clock=self.clock,
            settings=chosen,
            braking=braking,
            step=step or stops,
            observed=observed,
        )

    @asynccontextmanager
    async def at(self, clock: Clock, database: str) -> AsyncIterator[Stage]:
        """The same, seen by a process with another clock."""
        db = Database(database, clock)
        yield replace(self, db=db, clock=clock)
        await db.close()

    @asynccontextmanager
    async def capturing(self, capturer: Capture | None = None) -> AsyncIterator[Capture]:
        found, stopping = capturer or self.capturer(), asyncio.Event()
        task = asyncio.create_task(found.run(stopping))
        try:
            yield found
        finally:
            stopping.set()
            await asyncio.wait_for(task, 20)

    async def published(self, aspect: str = "metadata") -> list[Envelope]:
        """All that a reader of committed records sees, the oldest first."""
        names = [topic(self.kafka.prefix, SYSTEM, aspect)]
        found = [
            decode(record.key, record.headers, record.value)
            async for batch, _ in read_to_end(self.kafka, names, {})
            for record in batch
        ]
        return sorted(found, key=lambda each: each.revision)

    async def latest(self, title: str = TITLE, aspect: str = "metadata") -> Envelope | None:
        return next((each for each in reversed(await self.published(aspect)) if each.title == title), None)

    async def settled(self, statements: int) -> bool:
        """Whether so many statements of the title are there at least, and nothing is to be published."""
        async with self.db.read() as c:
            open_ = await captured.still_reserved(c, SYSTEM)
            marks = [await dirty.marked(c, SYSTEM, 9, read_again=again) for again in (True, False)]
        there = [each for each in await self.published() if each.title == TITLE]
        return not open_ and not any(marks) and len(there) >= statements

    async def until(self, true: Callable[[Envelope], bool], title: str = TITLE) -> Envelope:
        async def seen() -> bool:
            last = await self.latest(title)
            return last is not None and true(last)

        await tenants.until(seen, seconds=20, what=f"the statement of {title}")
        last = await self.latest(title)
        assert last is not None
        return last


@pytest.fixture
async def stage(database_url: str, kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Stage]:
    clock = Clock()
    db = Database(database_url, clock)
    await schema.upgrade(db)
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, prefix=topic_prefix, group=topic_prefix, partitions=2)
    await Topics(kafka).apply()
    yield Stage(Shelf({"1": {"title": "A"}, "2": {"title": "Other"}}), db, kafka, clock)
    await db.close()


def says(title: str) -> Callable[[Envelope], bool]:
    return lambda each: each.state == "present" and each.body == {"title": title}


async def test_nothing_is_published_before_every_feed_has_completed_a_pass(stage: Stage) -> None:
    stage.shelf.contracts_answer = False
    async with stage.capturing():
        async with stage.db.read() as c:
            assert (await feeds.states(c, SYSTEM)).get("contracts") is None
        await tenants.until(lambda: _complete(stage, "works"), what="the pass over all works")
        await asyncio.sleep(0.5)
        assert await stage.published() == []
        stage.shelf.contracts_answer = True
        await stage.until(says("A"))


async def _complete(stage: Stage, feed: str) -> bool:
    async with stage.db.read() as c:
        found = (await feeds.states(c, SYSTEM)).get(feed)
    return found is not None and found.completed_at is not None


async def test_the_documents_of_a_title_name_each_other_and_an_unchanged_pass_publishes_nothing(stage: Stage) -> None:
    async with stage.capturing():
        await stage.until(says("A"))
        await stage.until(says("Other"), OTHER)
        await asyncio.sleep(0.5)
    metadata, formats = await stage.latest(), await stage.latest(aspect="formats")
    assert metadata is not None
    assert formats is not None
    assert metadata.siblings == {"formats": formats.revision}
    assert formats.siblings == {"metadata": metadata.revision}
    assert (len(await stage.published()), len(await stage.published("formats"))) == (2, 2)


async def test_only_the_aspect_that_changed_is_published_and_still_names_the_other(stage: Stage) -> None:
    async with stage.capturing():
        await stage.until(says("A"))
        stage.shelf.works["1"]["title"] = "B"
        metadata = await stage.until(says("B"))
    formats = [each for each in await stage.published("formats") if each.title == TITLE]
    assert len(formats) == 1
    assert metadata.siblings == {"formats": formats[0].revision}


@pytest.fixture
def a_topic_that_takes_nothing(kafka_bootstrap: str, topic_prefix: str) -> None:
    """That of formats, made before `topics apply` would: no batch is as small as it demands."""
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap, "log_level": 0})
    formats = topic(topic_prefix, SYSTEM, "formats")
    admin.create_topics([NewTopic(formats, 2, 1, config={"max.message.bytes": "100"})])[formats].result(10)


@pytest.mark.usefixtures("a_topic_that_takes_nothing")
async def test_the_documents_of_a_title_are_in_one_transaction(stage: Stage) -> None:
    """The broker takes one of the two documents: whoever reads committed records sees neither."""
    async with stage.capturing():
        await tenants.until(lambda: _uncommitted(stage), seconds=20, what="half of a transaction")
        assert [await stage.published(aspect) for aspect in ASPECTS] == [[], []]
        await limit(stage, topic(stage.kafka.prefix, SYSTEM, "formats"), 1_000_000)
        await stage.until(says("A"))
        await stage.until(says("Other"), OTHER)
    metadata, other = await stage.published(), await stage.published("formats")
    assert {each.revision for each in other} == {each.siblings["formats"] for each in metadata}


async def _uncommitted(stage: Stage) -> bool:
    """Whether the broker holds metadata, committed or not."""
    reader = AIOKafkaConsumer(**stage.kafka.aiokafka(), isolation_level="read_uncommitted", enable_auto_commit=False)
    await reader.start()
    try:
        places = [TopicPartition(topic(stage.kafka.prefix, SYSTEM, "metadata"), p) for p in range(2)]
        reader.assign(places)
        await reader.seek_to_beginning(*places)
        return any((await reader.getmany(timeout_ms=500)).values())
    finally:
        await reader.stop()


async def limit(stage: Stage, name: str, size: int) -> None:
    """The broker takes no larger batch on this topic from now on."""
    admin = AdminClient(stage.kafka.confluent() | {"log_level": 0})
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[entry])
    [done] = admin.incremental_alter_configs([resource]).values()
    await asyncio.to_thread(done.result, 10)


@dataclass(frozen=True)
class Overtaken:
    """How a capturer ended that hung between reserve and publish while another took its lease."""

    passed: Sequence[str]
    error: BaseException | None
    standing: Envelope
    at_the_end: Envelope | None


async def overtaken(stage: Stage, database_url: str) -> Overtaken:
    passed: list[str] = []
    hanging, go_on, stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def step(name: str) -> None:
        passed.append(name)
        if name == "reserved" and not hanging.is_set():
            hanging.set()
            await go_on.wait()

    first = asyncio.create_task(stage.capturer(step=step, lease=100.0).run(stopping))
    await asyncio.wait_for(hanging.wait(), 20)
    later = Clock()
    later.offset_us = 200_000_000
    async with stage.at(later, database_url) as second, second.capturing():
        stage.shelf.works["1"]["title"] = "B"
        standing = await second.until(says("B"))
        stopping.set()
        go_on.set()
        [error] = await asyncio.wait_for(asyncio.gather(first, return_exceptions=True), 20)
        return Overtaken(passed, error, standing, await second.latest())


async def test_a_capturer_that_was_replaced_cannot_publish_any_more(stage: Stage, database_url: str) -> None:
    found = await overtaken(stage, database_url)
    assert "published" not in found.passed
    assert found.at_the_end == found.standing
    assert [each.body for each in await stage.published() if each.title == TITLE] == [{"title": "B"}]


async def test_a_capturer_that_was_replaced_does_not_take_its_process_with_it(stage: Stage, database_url: str) -> None:
    """Many topics: the broker's refusal comes while documents of the same transaction are still to be handed over."""
    stage.shelf.aspects = topics.ASPECTS
    assert (await overtaken(stage, database_url)).error is None


async def test_what_a_list_no_longer_shows_is_asked_for_by_id_twice_before_it_is_gone(stage: Stage) -> None:
    key = RawKey("work", "1")
    async with stage.capturing(stage.capturer(absent_after=4 * 3600.0)):
        await stage.until(says("A"))
        del stage.shelf.works["1"]
        await tenants.until(lambda: key in stage.shelf.fetched, what="the first question")
        await asyncio.sleep(0.5)
        assert stage.shelf.fetched.count(key) == 1
        assert says("A")(await stage.until(lambda _each: True))
        stage.clock.offset_us += 5 * 3_600_000_000
        last = await stage.until(lambda each: each.state == "gone")
    assert stage.shelf.fetched.count(key) >= 2
    assert last.reason == "deleted"


async def test_a_list_that_lost_much_is_asked_about_in_parts_and_says_after_each_that_it_turns(stage: Stage) -> None:
    stage.shelf.works |= {str(n): {"title": "A"} for n in range(3, 7)}
    turns = Turns(stage.shelf)
    async with stage.capturing(stage.capturer(titles_at_once=2, observed=turns)):
        await stage.until(says("A"), TitleKey("work:6"))
        stage.shelf.works = {"1": {"title": "A"}}
        await stage.until(lambda each: each.state == "gone", TitleKey("work:6"))
    assert {0, 2, 4, 5, 7, 9, 10} <= set(turns.asked), "five are asked for twice, two at a time"


async def test_what_a_list_no_longer_shows_but_is_there_by_id_stays(stage: Stage) -> None:
    async with stage.capturing(stage.capturer(absent_after=0.0)):
        await stage.until(says("A"))
        stage.shelf.listed = {"2"}
        await tenants.until(lambda: stage.shelf.fetched.count(RawKey("work", "1")) > 2, what="some questions")
        stage.shelf.works["2"]["title"] = "Another"
        await stage.until(says("Another"), OTHER)
    assert [each.state for each in await stage.published() if each.title == TITLE] == ["present"]


async def test_a_title_that_cannot_be_assembled_is_unreadable_and_no_other(stage: Stage) -> None:
    async with stage.capturing():
        first = await stage.until(says("A"))
        stage.shelf.broken = {TITLE}
        stage.shelf.works["1"]["title"] = stage.shelf.works["2"]["title"] = "B"
        last = await stage.until(lambda each: each.state == "unreadable")
        await stage.until(says("B"), OTHER)
        assert last.last_readable == (first.revision, {"title": "A"})
        assert "this one is beyond us" in str(last.reason)
        stage.shelf.broken = set()
        stage.shelf.works["1"]["title"] = "C"
        await stage.until(says("C"))


async def test_a_document_that_is_too_large_is_unreadable_with_the_last_readable(stage: Stage) -> None:
    async with stage.capturing():
        first = await stage.until(says("A"))
        stage.shelf.works["1"]["title"] = "x" * (MAX_BYTES + 1)
        stage.shelf.works["2"]["title"] = "B"
        last = await stage.until(lambda each: each.state == "unreadable")
        await stage.until(says("B"), OTHER)
    assert last.last_readable == (first.revision, {"title": "A"})
    assert last.body is None


@pytest.mark.parametrize(
    ("crash", "told"),
    [("captured", ["A"]), ("reserved", ["A", "A"]), ("published", ["A", "B", "A"]), ("confirmed", ["A", "B", "A"])],
)
async def test_a_to_b_to_a_over_a_crash_ends_at_a(stage: Stage, crash: str, told: list[str]) -> None:
    async with stage.capturing():
        await stage.until(says("A"))
        await stage.until(says("Other"), OTHER)
    stage.shelf.works["1"]["title"] = "B"
    with pytest.raises(CrashError):
        await asyncio.wait_for(stage.capturer(stop_at=crash).run(asyncio.Event()), 20)
    stage.shelf.works["1"]["title"] = "A"
    async with stage.capturing():
        await tenants.until(lambda: stage.settled(len(told)), seconds=20, what="nothing is reserved or dirty")
    assert [(each.body or {})["title"] for each in await stage.published() if each.title == TITLE] == told
    revisions = [each.revision for each in await stage.published() if each.title == TITLE]
    assert revisions == sorted(set(revisions))


async def test_what_another_capturer_published_and_this_database_does_not_know_is_taken_over(stage: Stage) -> None:
    """A database from an older backup: its revisions go on above what the topics hold."""
    async with stage.capturing():
        await stage.until(says("A"))
    async with stage.db.begin() as c:
        for table in (captured.captured_table, captured.last_revision_table, captured.published_table):
            await c.execute(table.delete())
    before = await stage.published()
    stage.shelf.works["1"]["title"] = "B"
    turns = Turns(stage.shelf)
    async with stage.capturing(stage.capturer(observed=turns)):
        last = await stage.until(says("B"))
        await tenants.until(lambda: stage.settled(1), what="nothing is reserved or dirty")
    assert turns.read.count(0) > 0, "it says that it turns while it catches up, before it reads"
    assert last.revision > max(each.revision for each in before)
    assert len(await stage.published()) == len(before) + 1


async def restored(stage: Stage, before: Backup) -> None:
    """The database is what it was then."""
    async with stage.db.begin() as c:
        for table, rows in before.items():
            await c.execute(table.delete())
            if rows:
                await c.execute(table.insert(), rows)


async def backup(stage: Stage) -> Backup:
    """All that capture keeps."""
    names = ("feed", "raw", "dirty", "captured", "last_revision", "published")
    async with stage.db.read() as c:
        tables = [captured.metadata.tables[name] for name in names]
        return {table: [dict(row._mapping) for row in await c.execute(table.select())] for table in tables}


@pytest.mark.parametrize("in_mid_pass", [False, True])
async def test_a_title_that_went_away_since_the_backup_never_comes_back(stage: Stage, in_mid_pass: bool) -> None:
    """The restored mirror still shows it, and absence is no deletion: what the topic says stands until it was asked."""
    stage.shelf.page_size = 1
    async with stage.capturing():
        await stage.until(says("A"))
        await stage.until(says("Other"), OTHER)
    if in_mid_pass:
        with pytest.raises(CrashError):
            await asyncio.wait_for(stage.capturer(stop_at="captured").run(asyncio.Event()), 20)
    before = await backup(stage)
    del stage.shelf.works["1"]
    async with stage.capturing():
        await stage.until(lambda each: each.state == "gone")
    await restored(stage, before)
    stage.shelf.works["2"]["title"] = "B"
    async with stage.capturing():
        await stage.until(says("B"), OTHER)
        await tenants.until(lambda: stage.settled(1), seconds=20, what="nothing is reserved or dirty")
    assert [each.state for each in await stage.published() if each.title == TITLE] == ["present", "gone"]


async def test_a_title_that_came_since_the_backup_is_never_said_to_be_gone(stage: Stage) -> None:
    """The restored mirror does not know it; the feed shows it at its next page."""
    stage.shelf.page_size = 1
    async with stage.capturing():
        await stage.until(says("Other"), OTHER)
    before = await backup(stage)
    stage.shelf.works["3"] = {"title": "New"}
    async with stage.capturing():
        await stage.until(says("New"), "work:3")
    await restored(stage, before)
    stage.shelf.works["2"]["title"] = "B"
    async with stage.capturing():
        await stage.until(says("B"), OTHER)
        await tenants.until(lambda: stage.settled(1), seconds=20, what="nothing is reserved or dirty")
    assert [each.state for each in await stage.published() if each.title == "work:3"] == ["present"]


async def test_a_title_that_waits_for_a_person_is_published_anew_as_it_last_was(stage: Stage) -> None:
    """After a topic was re-created: nothing counts as published, and the title must not be missing there."""
    braking = Brakes(stage.db, BrakeSettings(share=0.0, floor=0))

    async def waits() -> bool:
        async with stage.db.read() as c:
            return [each.titles for each in await held.groups(c)] == [1]

    async with stage.capturing(stage.capturer(braking=braking, absent_after=0.0)):
        await stage.until(says("A"))
        del stage.shelf.works["1"]
        await tenants.until(waits, what="the title that waits")
    async with stage.db.begin() as c:
        await captured.forget_published(stage.db, c, SYSTEM)
    async with stage.capturing(stage.capturer(braking=braking)):
        await tenants.until(lambda: stage.settled(2), what="the title published anew")
    assert [each.body for each in await stage.published() if each.title == TITLE] == [{"title": "A"}] * 2
    assert await waits()


async def test_a_topic_that_ends_before_our_position_refuses_with_the_cure(stage: Stage) -> None:
    async with stage.capturing():
        await stage.until(says("A"))
    ours = Topics(stage.kafka)
    name = topic(stage.kafka.prefix, SYSTEM, "metadata")
    admin = AdminClient(stage.kafka.confluent() | {"log_level": 0})
    await asyncio.to_thread(admin.delete_topics([name])[name].result, 10)
    await tenants.until(lambda: _is_missing(ours, name), what="the deletion")
    assert await ours.apply() == [name]
    with pytest.raises(ConfigurationError, match="re-created or cut") as refused:
        await asyncio.wait_for(stage.capturer().run(asyncio.Event()), 20)
    assert "frontlist republish" in str(refused.value)


async def _is_missing(ours: Topics, name: str) -> bool:
    return name in await ours.missing()
