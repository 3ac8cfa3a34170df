"""Intake and records that nobody should have written: what they spoil is named, and everything else arrives."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from frontlist import ASPECTS
from frontlist.clock import Clock
from frontlist.contract import Document, DocumentKey, TitleKey
from frontlist.intake import Intake
from frontlist.kafka import KafkaSettings
from frontlist.observed import Observed
from frontlist.positions import OlderDatabaseError
from frontlist.state import dossier, findings, installation, schema, settled, work
from frontlist.state.database import Database
from frontlist.storing import Storing
from frontlist_schemas.canonical import canonical
from frontlist_schemas.envelope import Envelope, encode

METADATA = DocumentKey("consonance", "metadata")
CHANGES, LINKS, DECISIONS = "t.consonance.metadata.v1", "t.links.v1", "t.decisions.v1"
DEEP = b"[" * 100_000
NOW = 1_790_000_000_000_000


class Installed:
    """A database with one registered consumer, and what stores in it."""

    def __init__(self, db: Database) -> None:
        self.db, self.storing = db, Storing(db, "t")

    async def document(self, title: str) -> Document:
        async with self.db.read() as c:
            return (await dossier.dossiers(c, [TitleKey(title)], {}))[TitleKey(title)].get("consonance", "metadata")

    async def states(self, *titles: str) -> list[str]:
        return [(await self.document(title)).state for title in titles]

    async def due(self) -> set[str]:
        async with self.db.begin() as c:
            now = await self.db.now(c) + 1
            return {each.title for each in await work.claim(self.db, c, "p", now, 100, ["reader"])}

    async def findings(self) -> list[Any]:
        async with self.db.read() as c:
            return [row for row in await findings.open_ones(c) if row.kind == "unreadable"]

    async def offset(self, topic: str = CHANGES) -> int:
        async with self.db.read() as c:
            return (await dossier.offsets(c))[topic, 0][0]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Installed]:
    db = Database(url, Clock())
    await schema.upgrade(db)
    async with db.begin() as c:
        await installation.register(db, c, {"reader": (frozenset({METADATA}), "1")})
    yield Installed(db)
    await db.close()


@pytest.fixture
async def installed(database_url: str) -> AsyncIterator[Installed]:
    async with opened(database_url) as found:
        yield found


@pytest.fixture
async def on_sqlite(sqlite_url: str) -> AsyncIterator[Installed]:
    """For long tables of one case each; PostgreSQL takes each table as one batch."""
    async with opened(sqlite_url) as found:
        yield found


@pytest.fixture
async def on_postgresql(postgresql_url: str) -> AsyncIterator[Installed]:
    async with opened(postgresql_url) as found:
        yield found


def record(
    key: bytes | None, value: bytes | None, headers: Any = (), *, topic: str = CHANGES, offset: int = 0
) -> ConsumerRecord[Any, Any]:
    size = len(value or b"")
    return ConsumerRecord(topic, 0, offset, NOW // 1000, 0, key, value, None, 0, size, tuple(headers))


def good(title: str, offset: int = 0, revision: int = NOW, **more: Any) -> ConsumerRecord[Any, Any]:
    stated = {"state": "present", "body": {"title": title}} | more
    headers, value = encode(Envelope("consonance", "metadata", title, revision, **stated), "test")
    return record(title.encode(), value, headers, offset=offset)


def changed(value: bytes | None = None, **headers: bytes | None) -> ConsumerRecord[Any, Any]:
    """A good record about work:bad with another value, or other headers (None: without)."""
    base = good("work:bad")
    merged = {**dict(base.headers), **headers}
    kept = [(name, each) for name, each in merged.items() if each is not None]
    return record(base.key, base.value if value is None else value, kept)


def placed(*records: ConsumerRecord[Any, Any]) -> list[ConsumerRecord[Any, Any]]:
    return [replace(each, offset=offset) for offset, each in enumerate(records)]


NO_DOCUMENT = [
    (changed(b"\x00\xffgarbage"), "no CloudEvent with a JSON value"),
    (changed(DEEP), "no CloudEvent with a JSON value"),
    (changed(b""), "no CloudEvent"),
    (changed(b"[]"), "no statement of a document"),
    (changed(b'{"state":"present"}'), "no statement of a document"),
    (changed(b'{"state":"present","document":[1]}'), "a document is an object, this is list"),
    (changed(b'{"state":"maybe","document":{}}'), "the state 'maybe' is not known; a newer version"),
    (changed(b'{"state":"present","document":{"price":12.5}}'), "12.5 is a float"),
    (changed(b'{"state":"present","document":{"price":NaN}}'), "NaN is a float"),
    (changed(ce_id=None), "ce_id is missing"),
    (changed(ce_type=b"com.example.other"), "ce_type is 'com.example.other'"),
    (changed(ce_type=None), "type"),
    (changed(ce_subject=b"work:other"), "the key says work:bad, the header ce_subject work:other"),
    (changed(ce_sequence=b"latest"), "ce_sequence is 'latest'"),
    (changed(ce_schemaversion=b"2.0"), "this reader knows 1.x"),
    (changed(ce_siblings=b"rights=soon"), "ce_siblings"),
    (changed(ce_id=b"\xff\xfe"), ""),
    (record(b"work:bad", b"{}"), "no CloudEvent"),
]


@pytest.mark.parametrize(("bad", "reason"), NO_DOCUMENT)
async def test_a_record_that_is_no_document_is_unreadable_and_those_around_it_arrive(
    on_sqlite: Installed, bad: ConsumerRecord[Any, Any], reason: str
) -> None:
    await on_sqlite.storing.take(placed(good("work:1"), bad, good("work:2")))
    assert await on_sqlite.states("work:1", "work:bad", "work:2") == ["present", "unreadable", "present"]
    assert reason in str((await on_sqlite.document("work:bad")).reason)
    assert await on_sqlite.due() == {"work:1", "work:bad", "work:2"}
    assert await on_sqlite.offset() == 3


async def test_all_of_these_in_one_batch_spoil_nothing_on_postgresql(on_postgresql: Installed) -> None:
    bad = [each for each, _ in NO_DOCUMENT]
    await on_postgresql.storing.take(placed(good("work:1"), *bad, good("work:2")))
    assert await on_postgresql.states("work:1", "work:bad", "work:2") == ["present", "unreadable", "present"]
    assert await on_postgresql.offset() == len(bad) + 2


@pytest.mark.parametrize("key", [None, b"", b"\xff\xfe", b"work:\x00"])
async def test_a_record_that_names_no_title_becomes_a_finding_that_says_where(
    installed: Installed, key: bytes | None
) -> None:
    bad = record(key, b"{}")
    await installed.storing.take(placed(good("work:1"), bad, good("work:2")))
    assert await installed.states("work:1", "work:2") == ["present", "present"]
    [finding] = await installed.findings()
    assert finding.where_ == f"{CHANGES}[0]@1"
    assert (finding.severity, bool(finding.cure)) == ("high", True)
    assert await installed.offset() == 3


async def test_a_newer_minor_with_a_field_that_we_do_not_know_is_read(installed: Installed) -> None:
    body = {"title": "T", "brand_new": {"deep": [1]}}
    await installed.storing.take(placed(good("work:1", body=body, schema_version="1.7")))
    found = await installed.document("work:1")
    assert (found.state, found.body) == ("present", body)


async def test_the_last_readable_statement_stands_behind_garbage(installed: Installed) -> None:
    await installed.storing.take([good("work:bad", 0)])
    await installed.storing.take([replace(changed(b"garbage", ce_sequence=b"%020d" % (NOW + 1)), offset=1)])
    found = await installed.document("work:bad")
    assert (found.state, found.body, found.last_readable) == ("unreadable", {"title": "work:bad"}, NOW)


async def test_the_last_readable_statement_stands_where_garbage_follows_in_the_same_batch(installed: Installed) -> None:
    later = changed(b"garbage", ce_sequence=b"%020d" % (NOW + 1))
    await installed.storing.take(placed(good("work:bad"), later))
    found = await installed.document("work:bad")
    assert (found.state, found.body) == ("unreadable", {"title": "work:bad"})


async def test_a_readable_revision_replaces_the_unreadable_one(installed: Installed) -> None:
    await installed.storing.take([changed(b"garbage")])
    await installed.storing.take([good("work:bad", 1, NOW + 1_000_000)])
    assert await installed.states("work:bad") == ["present"]


async def test_u0000_in_a_text_and_in_a_reason_is_kept_or_named_and_the_others_arrive(installed: Installed) -> None:
    text = good("work:nul", body={"title": "a\x00b"})
    reason = good("work:bad", state="unreadable", body=None, reason="it said \x00")
    merged = good("work:merged", state="gone", body=None, reason="r", merged_into="work:\x00")
    await installed.storing.take(placed(good("work:1"), text, reason, merged, good("work:2")))
    assert await installed.states("work:1", "work:nul", "work:2") == ["present"] * 3
    assert (await installed.document("work:nul")).body == {"title": "a\x00b"}
    assert (await installed.states("work:bad"))[0] == "unreadable"
    assert await installed.offset() == 5


@pytest.mark.parametrize("sequence", [b"9" * 20, b"9" * 5000])
async def test_a_revision_larger_than_any_time_spoils_its_own_document_alone(
    installed: Installed, sequence: bytes
) -> None:
    await installed.storing.take(placed(good("work:1"), changed(ce_sequence=sequence), good("work:2")))
    assert await installed.states("work:1", "work:2") == ["present", "present"]
    await installed.storing.take([good("work:bad", 3, NOW + 1_000_000)])
    assert await installed.states("work:bad") == ["present"]


class Counted(Observed):
    """What intake said of its records."""

    def __init__(self) -> None:
        self.stored, self.spared = Counter[str](), Counter[str]()

    def took(self, topics: Mapping[str, int]) -> None:
        self.stored.update(topics)

    def coalesced(self, consumer: str, changes: int = 1) -> None:
        self.spared[consumer] += changes


async def test_a_batch_that_is_bisected_is_counted_once(on_postgresql: Installed) -> None:
    on_postgresql.storing.observed = counted = Counted()
    refused = good("work:bad", state="gone", body=None, reason="r", merged_into="work:\x00")
    batch = [good("work:1"), good("work:1", revision=NOW + 1), refused, good("work:2")]
    await on_postgresql.storing.take(placed(*batch))
    assert await on_postgresql.states("work:1", "work:bad", "work:2") == ["present", "unreadable", "present"]
    assert (counted.stored, counted.spared) == ({CHANGES: 4}, {"reader": 1})


async def test_of_many_statements_of_a_document_in_one_batch_the_newest_counts_and_the_last_readable_one_behind_it(
    on_sqlite: Installed,
) -> None:
    chance = random.Random(7)
    for case in range(60):
        titles = [f"work:{case}-{number}" for number in range(3)]
        stated = [
            (chance.choice(titles), NOW + chance.randrange(6), chance.random() < 0.6)
            for _ in range(chance.randrange(1, 14))
        ]
        batch = [
            good(title, revision=revision, body={"title": f"{position}"})
            if readable
            else replace(changed(b"garbage", ce_sequence=b"%020d" % revision), key=title.encode())
            for position, (title, revision, readable) in enumerate(stated)
        ]
        on_sqlite.storing.observed = counted = Counted()
        await on_sqlite.storing.take(placed(*batch))
        for title in titles:
            mine = sorted(
                (revision, position, ok) for position, (name, revision, ok) in enumerate(stated) if name == title
            )
            last = max(((r, p) for r, p, ok in mine if ok), default=None)
            found = await on_sqlite.document(title)
            expected = (
                ("present" if mine[-1][2] else "unreadable") if mine else "unseen",
                mine[-1][0] if mine else 0,
                None if last is None else {"title": f"{last[1]}"},
            )
            assert (found.state, int(found.revision), found.body) == expected, (stated, title)
        spared = len(batch) - len({title for title, _, _ in stated})
        assert counted.spared["reader"] == spared


def link(key: bytes = b"fourallportal/product/9", **body: Any) -> ConsumerRecord[Any, Any]:
    stated = {"id": "abc", "title": "work:9", "role": "product", "number": 5} | body
    return record(key, canonical({k: v for k, v in stated.items() if v is not ...}), topic=LINKS)


def _name(bad: ConsumerRecord[Any, Any]) -> str:
    return f"{str(bad.key)[:30]} {str(bad.value)[:60]}"


NO_LINK = [
    record(b"fourallportal/product/9", None, topic=LINKS),
    record(b"fourallportal/product/9", b"garbage", topic=LINKS),
    record(b"fourallportal/product/9", DEEP, topic=LINKS),
    record(b"fourallportal/product/9", b"[]", topic=LINKS),
    record(b"fourallportal/product/9", b'{"id":"a","title":"work:9","role":"product","number":1.5}', topic=LINKS),
    record(None, b"{}", topic=LINKS),
    link(b"nonsense"),
    link(b"four\x00/product/9"),
    link(number="soon"),
    link(number=...),
    link(number=10**30),
    link(id={"an": "object"}),
    link(id="a\x00b"),
    link(title=7),
    link(role=...),
    link(role=7),
    link(title="work:\x00"),
]


@pytest.mark.parametrize("bad", NO_LINK, ids=_name)
async def test_a_link_that_is_none_becomes_a_finding_and_the_next_one_counts(
    on_sqlite: Installed, bad: ConsumerRecord[Any, Any]
) -> None:
    await on_sqlite.storing.take(placed(bad, link(b"fourallportal/product/1", title="work:1")))
    async with on_sqlite.db.read() as c:
        found = await settled.titles_by_object(c, "fourallportal")
    assert list(found.values()) == ["work:1"]
    assert [row.where_ for row in await on_sqlite.findings()] == [f"{LINKS}[0]@0"]
    assert await on_sqlite.offset(LINKS) == 2


def decision(key: str = "mode/1/Acme", **body: Any) -> ConsumerRecord[Any, Any]:
    stated = {"body": "apply", "number": 5} | body
    return record(key.encode(), canonical({k: v for k, v in stated.items() if v is not ...}), topic=DECISIONS)


NO_DECISION = [
    record(b"mode/*/*", None, topic=DECISIONS),
    record(b"mode/*/*", b"garbage", topic=DECISIONS),
    record(b"mode/*/*", DEEP, topic=DECISIONS),
    record(b"mode/*/*", b'"apply"', topic=DECISIONS),
    record(b"mode/*/*", b'{"body":0.5,"number":1}', topic=DECISIONS),
    record(b"\xff", b'{"body":1,"number":1}', topic=DECISIONS),
    record(None, b'{"body":1,"number":1}', topic=DECISIONS),
    decision("mode/\x00"),
    decision(number="soon"),
    decision(number=None),
    decision(number=10**30),
    decision(body=...),
]


@pytest.mark.parametrize("bad", NO_DECISION, ids=_name)
async def test_a_decision_that_is_none_becomes_a_finding_and_the_next_one_counts(
    on_sqlite: Installed, bad: ConsumerRecord[Any, Any]
) -> None:
    await on_sqlite.storing.take(placed(bad, decision("mode/6/*")))
    async with on_sqlite.db.read() as c:
        assert await settled.decisions(c, "mode") == {"6/*": "apply"}
    assert [row.where_ for row in await on_sqlite.findings()] == [f"{DECISIONS}[0]@0"]
    assert await on_sqlite.offset(DECISIONS) == 2


async def test_all_of_these_too_in_one_batch_on_postgresql(on_postgresql: Installed) -> None:
    links = placed(*NO_LINK, link(b"fourallportal/product/1", title="work:1"))
    decisions = placed(*NO_DECISION, decision("mode/6/*"))
    await on_postgresql.storing.take([*links, *decisions])
    async with on_postgresql.db.read() as c:
        assert list((await settled.titles_by_object(c, "fourallportal")).values()) == ["work:1"]
        assert await settled.decisions(c, "mode") == {"6/*": "apply"}
    assert len(await on_postgresql.findings()) == len(NO_LINK) + len(NO_DECISION)


async def test_the_same_record_read_again_after_a_crash_changes_nothing(installed: Installed) -> None:
    batch = placed(good("work:1"), record(None, b"{}"), changed(b"garbage"))
    await installed.storing.take(batch)
    before = json.dumps([await installed.states("work:1", "work:bad"), await installed.offset()])
    await installed.storing.take(batch)
    assert json.dumps([await installed.states("work:1", "work:bad"), await installed.offset()]) == before
    assert len(await installed.findings()) == 1


async def test_rights_go_before_milestones_formats_metadata_and_assets_and_live_before_backfill(
    installed: Installed,
) -> None:
    wants = frozenset(DocumentKey("consonance", aspect) for aspect in ASPECTS)
    async with installed.db.begin() as c:
        await installation.register(installed.db, c, {"reader": (wants, "1")})
    for turn in range(2):
        stated = [("new", "rights")] if turn else []
        stated += [(f"work:{aspect}", aspect) for aspect in sorted(ASPECTS)]
        records = []
        for title, aspect in stated:
            headers, value = encode(Envelope("consonance", aspect, title, NOW + turn, "present", {}), "test")
            records.append(record(title.encode(), value, headers, topic=f"t.consonance.{aspect}.v1", offset=turn))
        await installed.storing.take(records)
    async with installed.db.begin() as c:
        claims = await work.claim(installed.db, c, "p", await installed.db.now(c) + 1, 100, ["reader"])
    expected = ["work:rights", "work:milestones", "work:formats", "work:metadata", "work:assets", "new"]
    assert [each.title for each in claims] == expected


async def test_a_backup_that_is_restored_while_partitions_move_is_noticed(on_sqlite: Installed) -> None:
    """Whoever reads the partition now: nobody's position goes back."""
    intake = Intake(on_sqlite.db, KafkaSettings(prefix="t"), clock=Clock())
    await intake.storing.take([good("work:1", offset=4)])
    async with on_sqlite.db.begin() as c:
        await c.execute(dossier.offset_table.update().values(offset=2))
    await intake.on_partitions_revoked([TopicPartition(CHANGES, 0)])
    with pytest.raises(OlderDatabaseError):
        await intake.storing.take([good("work:2", offset=2)])
    assert await on_sqlite.offset() == 2
