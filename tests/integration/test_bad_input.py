"""Bad input on real sandboxes, Kafka and databases: it stops only what depends on it, says so, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiokafka import AIOKafkaProducer
from starlette.types import ASGIApp

import frontlist_metadata.plugin
import tenants
from frontlist import process, runtime
from frontlist.cli.looking import summary
from frontlist.contract import Consumer, Context, Document, DocumentKey, Dossier, Plan, TitleKey, Writes
from frontlist.plugins import Plugins, hookimpl
from frontlist.runtime import Installation
from frontlist.settings import Settings
from frontlist.state import dossier, work
from frontlist_sandbox import serving
from frontlist_sandbox.catalogue.bundled import bundled
from frontlist_sandbox.consonance.server import app as consonance_app
from frontlist_sandbox.fourallportal.server import app as fourallportal_app
from frontlist_schemas.topics import decisions, links

CURE = "Cure: give a valid, unexpired key"
QUICK = {"calls_per_second": 1000.0}
BOTH = ("metadata", "formats")
ENGLISH = {"locale": "en_GB"}


class Host:
    """A sandbox that can go away from its address and come back with what it holds."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.server = serving.start(app)

    def leaves(self) -> None:
        self.server.stop()

    def comes_back(self) -> None:
        self.server = serving.start(self.app, port=self.server.port)


@dataclass
class Hosted(tenants.Pair):
    """By their systems' names."""

    hosts: Mapping[str, Host]


@pytest.fixture
def pair() -> Iterator[Hosted]:
    tenant = bundled(datetime.now(UTC).date())
    apps = {
        "consonance": consonance_app(tenant, key=tenants.KEY, page_size=7),
        "fourallportal": fourallportal_app(tenants.DAM_KEY),
    }
    hosts = {name: Host(app) for name, app in apps.items()}
    left, right = (tenants.Sandbox(host.server.url) for host in hosts.values())
    yield Hosted(left, right, tenant, hosts)
    for host in hosts.values():
        host.server.stop()


def settings(tmp_path: Path, database: str, kafka: str, prefix: str, pair: tenants.Pair) -> Settings:
    return tenants.settings(tmp_path, database, kafka, prefix, pair, consonance=QUICK, fourallportal=QUICK)


@pytest.fixture
def installation(tmp_path: Path, sqlite_url: str, kafka_bootstrap: str, topic_prefix: str, pair: Any) -> Settings:
    return settings(tmp_path, sqlite_url, kafka_bootstrap, topic_prefix, pair)


@pytest.fixture
def on_postgresql(tmp_path: Path, postgresql_url: str, kafka_bootstrap: str, topic_prefix: str, pair: Any) -> Settings:
    return settings(tmp_path, postgresql_url, kafka_bootstrap, topic_prefix, pair)


@asynccontextmanager
async def running(found: Settings, plugins: Plugins | None = None) -> AsyncIterator[Installation]:
    """As `tenants.running`, but does not wait for systems that do not answer."""
    stopping = asyncio.Event()
    async with tenants.prepared(found), runtime.opened(found, plugins) as it:
        task = asyncio.create_task(process.run(it, stopping))
        try:
            yield it
        finally:
            stopping.set()
            await asyncio.wait_for(task, 30)


async def errors(it: Installation) -> str:
    """All that `frontlist status` shows of what is wrong."""
    found = await summary(it)
    return "\n".join([str(feed["error"]) for feed in found["feeds"]] + [each["detail"] for each in found["troubles"]])


async def document(it: Installation, title: str, system: str = "consonance", aspect: str = "metadata") -> Document:
    async with it.db.read() as c:
        return (await dossier.dossiers(c, [TitleKey(title)], {}))[TitleKey(title)].get(system, aspect)


async def test_a_header_that_is_no_text_loses_no_other_record_of_its_batch(
    installation: Settings, kafka_bootstrap: str, topic_prefix: str
) -> None:
    """All in one transaction, so that readers get them as one batch."""
    names = [f"work:{n}" for n in range(1, 40)]
    async with tenants.prepared(installation), tenants.running(installation, parts=["intake"]) as it:
        producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id=f"{topic_prefix}.strange")
        await producer.start()
        try:
            async with producer.transaction():
                for n, name in enumerate(names):
                    headers = [("strange", b"\xff")] if n % 5 == 0 else []
                    topic = f"{topic_prefix}.consonance.metadata.v1"
                    await producer.send(topic, b"{}", key=name.encode(), headers=headers, partition=0)
        finally:
            await producer.stop()

        async def there() -> bool:
            async with it.db.read() as c:
                found = await dossier.dossiers(c, [TitleKey(name) for name in names], {})
            return all(each.get("consonance", "metadata").state == "unreadable" for each in found.values())

        await tenants.until(there, what="every record of the batch")


def edit(pair: tenants.Pair, work_id: int, **fields: Any) -> None:
    pair.consonance.send("PATCH", f"/sandbox/works/{work_id}", fields)


def lines(pair: tenants.Pair, work_id: int) -> set[Any]:
    """The author lines of a work's products in 4ALLPORTAL."""
    mine = [each for each in pair.records() if tenants.value(each, "consonance_work_id") == work_id]
    return {tenants.value(each, "author_line") for each in mine}


def statuses(pair: tenants.Pair, work_id: int) -> dict[Any, Any]:
    """Publishing status by product."""
    mine = [each for each in pair.records() if tenants.value(each, "consonance_work_id") == work_id]
    return {tenants.value(each, "consonance_product_id"): tenants.value(each, "publishing_status") for each in mine}


def release(pair: tenants.Pair, work_id: int, text: str) -> None:
    [record] = [each for each in pair.records("title") if tenants.value(each, "consonance_work_id") == work_id]
    cells = {"description_long": text, "copy_state": "released"}
    body = {name: [{"value": value, "dimensions": ENGLISH}] for name, value in cells.items()}
    pair.dam.send("POST", "/sandbox/objects/title", {"id": record["id"], **body})


# --- keys and hosts ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """How a system is kept from us and given back; what status has to say, and which system goes on."""

    system: str
    other: str
    begin: Callable[[Hosted], object]
    end: Callable[[Hosted], object]
    cure: Callable[[Hosted], str]


def toggle(sandbox: tenants.Sandbox, **toggles: bool) -> None:
    sandbox.send("PATCH", "/sandbox/toggles", toggles)


def unreachable(sandbox: tenants.Sandbox) -> str:
    return f"check that {sandbox.url} is reachable from here"


TROUBLES = {
    "Consonance's key": Trouble(
        "consonance",
        "fourallportal",
        lambda pair: toggle(pair.consonance, key_expired=True),
        lambda pair: toggle(pair.consonance, key_expired=False),
        lambda pair: CURE,
    ),
    "Consonance's host": Trouble(
        "consonance",
        "fourallportal",
        lambda pair: pair.hosts["consonance"].leaves(),
        lambda pair: pair.hosts["consonance"].comes_back(),
        lambda pair: unreachable(pair.consonance),
    ),
    "4ALLPORTAL's key": Trouble(
        "fourallportal",
        "consonance",
        lambda pair: toggle(pair.dam, key_enabled=False),
        lambda pair: toggle(pair.dam, key_enabled=True),
        lambda pair: CURE,
    ),
    "4ALLPORTAL's host": Trouble(
        "fourallportal",
        "consonance",
        lambda pair: pair.hosts["fourallportal"].leaves(),
        lambda pair: pair.hosts["fourallportal"].comes_back(),
        lambda pair: unreachable(pair.dam),
    ),
}
each_trouble = pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)


async def says(it: Installation, trouble: Trouble, cure: str) -> bool:
    """Whether status names the cure for that system's feeds, and for no other's."""
    feeds = (await summary(it))["feeds"]
    blamed = {feed["feed"].partition("/")[0] for feed in feeds if cure in str(feed["error"])}
    return blamed == {trouble.system}


@each_trouble
async def test_a_wrong_key_or_an_absent_host_at_the_start_stops_its_own_system_alone(
    installation: Settings, pair: Hosted, trouble: Trouble
) -> None:
    trouble.begin(pair)
    cure = trouble.cure(pair)

    async def read_through() -> bool:
        feeds = (await summary(it))["feeds"]
        theirs = [feed for feed in feeds if feed["feed"].startswith(trouble.other)]
        return bool(theirs) and all(feed["completed"] for feed in theirs)

    with structlog.testing.capture_logs() as logged:
        async with running(installation) as it:
            await tenants.until(read_through, what=f"{trouble.other} is read")
            await tenants.until(lambda: says(it, trouble, cure), what="status says the cure")
            trouble.end(pair)
            await tenants.until(lambda: len(pair.records()) == 27, seconds=120, what="all titles, once it is cured")
            await tenants.settled(it, seconds=120)
            assert cure not in await errors(it)
            count = len(pair.tenant.works[61002].marketing_texts)
            release(pair, 61002, "<p>Released after it.</p>")
            await tenants.until(lambda: len(pair.tenant.works[61002].marketing_texts) > count, what="the way back too")
    assert any(cure in str(line.get("error")) for line in logged)


@each_trouble
async def test_a_key_that_expires_or_a_host_that_goes_away_stops_its_own_direction_and_loses_nothing(
    installation: Settings, pair: Hosted, trouble: Trouble
) -> None:
    async with running(installation) as it:
        await tenants.until(lambda: len(pair.records()) == 27, seconds=120, what="the first sync")
        await tenants.settled(it, seconds=120)
        count = len(pair.tenant.works[61002].marketing_texts)
        trouble.begin(pair)
        cure = trouble.cure(pair)
        await tenants.until(lambda: says(it, trouble, cure), what="status says the cure")

        # What is edited in the other system meanwhile is seen, and waits with its reason.
        if trouble.other == "consonance":
            edit(pair, 61001, authorship_description="Edited meanwhile")
        else:
            release(pair, 61002, "<p>Edited meanwhile.</p>")

        async def seen() -> bool:
            title = "work:61001" if trouble.other == "consonance" else "work:61002"
            return "Edited meanwhile" in str((await document(it, title, trouble.other)).body)

        async def held() -> bool:
            return any(cure in each["detail"] for each in (await summary(it))["troubles"] if each["outcome"] == "retry")

        await tenants.until(seen, what=f"{trouble.other} goes on")
        await tenants.until(held, what="the write waits and status says why")
        trouble.end(pair)
        if trouble.other == "consonance":
            await tenants.until(lambda: lines(pair, 61001) == {"Edited meanwhile"}, what="the change arrives")
            release(pair, 61002, "<p>Edited after it.</p>")
        else:
            await tenants.until(lambda: len(pair.tenant.works[61002].marketing_texts) > count, what="the text arrives")
            edit(pair, 61001, authorship_description="Edited after it")
            await tenants.until(lambda: lines(pair, 61001) == {"Edited after it"}, what="a change after it")
        await tenants.until(lambda: len(pair.tenant.works[61002].marketing_texts) > count, what="the text arrives")
        await tenants.settled(it, seconds=120)
        assert len(pair.tenant.works[61002].marketing_texts) == count + 1
        ids = [tenants.value(each, "consonance_product_id") for each in pair.records()]
        assert (len(ids), len(set(ids)), cure in await errors(it)) == (27, 27, False)


async def test_answers_that_are_lost_after_the_write_make_nothing_twice(installation: Settings, pair: Hosted) -> None:
    pair.dam.fault(kind="reset", path="^/api", method="PATCH", count=2, after=True)
    async with running(installation) as it:
        await tenants.until(lambda: len(pair.records()) == 27, seconds=120, what="the first sync")
        await tenants.settled(it, seconds=120)
        ids = [tenants.value(each, "consonance_product_id") for each in pair.records()]
        assert (len(ids), len(set(ids))) == (27, 27)


# --- what the systems say ------------------------------------------------------------------------------------------


async def test_odd_answers_and_html_rubbish_spoil_one_document_each_and_what_could_be_read_stands(
    on_postgresql: Settings, pair: tenants.Pair
) -> None:
    async with running(on_postgresql) as it:
        await tenants.until(lambda: len(pair.records()) == 27, what="the first sync")
        await tenants.settled(it)
        stood, shown = lines(pair, 61001), statuses(pair, 61005)
        spoil(pair)
        edit(pair, 61007, authorship_description="Still flows")
        await tenants.until(lambda: lines(pair, 61007) == {"Still flows"}, what="other titles flow")
        await tenants.settled(it)
        broken = await document(it, "work:61001")
        assert (broken.state, "imprint is broken" in str(broken.reason)) == ("unreadable", True)
        assert str(sorted(stood)[0]) in str(broken.body)
        assert (await document(it, "work:61001", aspect="formats")).state == "present"
        assert "where a list was" in str((await document(it, "work:61002", aspect="formats")).reason)
        assert "more than the 7,340,032 that fit a record" in str((await document(it, "work:61006")).reason)
        assert lines(pair, 61001) == stood
        # A code that the tenant does not know leaves its own cell alone; the rest of the title arrives.
        assert (statuses(pair, 61005), lines(pair, 61005)) == (shown, {"Not readable yet"})
        assert len(pair.records()) == 27
        said = "\n".join(await tenants.open_findings(it))
        for part in (
            "work:61001 unreadable",
            "work:61002 unreadable",
            "work:61006 unreadable",
            "check digit",
            "no ISBN",
            "work:61005 value option: publishing_status: product.publishing_status has no value option '99'",
        ):
            assert part in said
        mend(pair)
        await tenants.until(lambda: lines(pair, 61001) == {"Readable again"}, what="it is read again")
        await tenants.settled(it)
        states = [(await document(it, f"work:{n}", aspect=a)).state for n in (61001, 61002, 61006) for a in BOTH]
        assert set(states) == {"present"}
        assert "'99'" not in "\n".join(await tenants.open_findings(it))
        await cleaned(it, pair)


def products(pair: tenants.Pair, work_id: int) -> list[Any]:
    return [each for each in pair.tenant.products.values() if each.work_id == work_id]


def spoil(pair: tenants.Pair) -> None:
    odd = products(pair, 61005)[0].id
    wrong, none = products(pair, 61003)[0], products(pair, 61009)[0]
    pair.consonance.send(
        "PATCH",
        "/sandbox/toggles",
        {
            "html_rubbish": True,
            "fail": {"Work#61001.imprint": "imprint is broken"},
            "override": {"Work#61002.products": None, f"Product#{odd}.onixPublishingStatusCode": "99"},
        },
    )
    pair.consonance.send("PATCH", f"/sandbox/products/{wrong.id}", {"isbn13": "9780000000001"})
    pair.consonance.send("PATCH", f"/sandbox/products/{none.id}", {"isbn13": None})
    edit(pair, 61006, authorship_description="x" * 8_000_000)
    for work_id in (61001, 61002, 61005):
        edit(pair, work_id, authorship_description="Not readable yet")


def mend(pair: tenants.Pair) -> None:
    pair.consonance.send("DELETE", "/sandbox/toggles")
    edit(pair, 61006, authorship_description="Short again")
    edit(pair, 61001, authorship_description="Readable again")
    edit(pair, 61002, authorship_description="Readable again")
    edit(pair, 61005, authorship_description="Readable again")


RUBBISH = """<!--[if gte mso 9]><xml><o:Pixels/></xml><![endif]--><p class=MsoNormal style='mso-bidi'>Good\u0000 news:
<b>bold<script>alert(1)</script></b><o:p></o:p> &amp; <a href="javascript:alert(2)" onclick="x()">here</a><p>unclosed"""


async def cleaned(it: Installation, pair: tenants.Pair) -> None:
    count = len(pair.tenant.works[61007].marketing_texts)
    release(pair, 61007, RUBBISH)
    await tenants.until(lambda: len(pair.tenant.works[61007].marketing_texts) > count, what="the text arrives")
    await tenants.settled(it)
    text = pair.tenant.works[61007].marketing_texts[-1].external_text_markdown
    assert "Good" in text
    assert "**bold**" in text
    assert not any(bad in text for bad in ("\x00", "script", "alert", "mso", "onclick", "<"))
    assert len(pair.tenant.works[61007].marketing_texts) == count + 1


# --- what stands on the topics, and what plugins do ----------------------------------------------------------------


class Odd(Consumer):
    """Raises for one title until it is told better."""

    name = "odd"
    wants = frozenset({DocumentKey("consonance", "metadata")})
    flows = frozenset({99})
    raises = True

    @hookimpl
    def frontlist_consumers(self) -> list[Consumer]:
        return [self]

    def writes(self, mapping: Any) -> Writes:
        return {}

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        if self.raises and dossier.title == "work:61001":
            raise ZeroDivisionError("this title is too much")
        return Plan()


async def litter(found: Settings) -> None:
    """Records of strangers on our topics; without a key a broker takes none into a compacted topic."""
    prefix = found.kafka.prefix
    changes = f"{prefix}.consonance.metadata.v1"
    producer = AIOKafkaProducer(bootstrap_servers=found.kafka.bootstrap)
    await producer.start()
    for topic, key, value in (
        (changes, b"work:61003", b"\xff\x00garbage"),
        (changes, b"work:99999", b'{"state":"present","document":{"price":1.5}}'),
        (f"{prefix}.fourallportal.metadata.v1", b"\xff", b"{}"),
        (links(prefix), b"nonsense", b"{}"),
        (decisions(prefix), b"mode/1/Nobody", b'{"body":"aply","number":7}'),
        (decisions(prefix), b"nonsense", b"[]"),
    ):
        await producer.send_and_wait(topic, value, key=key, headers=[("ce_type", b"other")])
    await producer.stop()


async def test_litter_on_the_topics_and_a_consumer_that_raises_leave_the_rest_alone(
    installation: Settings, pair: tenants.Pair
) -> None:
    odd = Odd()
    plugins = Plugins({"metadata": frontlist_metadata.plugin, "odd": odd})
    async with tenants.prepared(installation):
        await litter(installation)
    async with running(installation, plugins) as it:
        await tenants.until(lambda: len(pair.records()) == 27, what="all titles arrive between the litter")
        await litter(installation)
        edit(pair, 61003, authorship_description="Behind the litter")
        await tenants.until(lambda: lines(pair, 61003) == {"Behind the litter"}, what="and so do changes")
        await tenants.settled(it)
        found = [each for each in await tenants.open_findings(it) if each.startswith("topic:")]
        assert len(found) == 6
        assert (await document(it, "work:99999")).state == "unreadable"
        [trouble] = [each for each in (await summary(it))["troubles"] if each["consumer"] == "odd"]
        assert (trouble["outcome"], trouble["titles"]) == ("stopped", 1)
        assert trouble["detail"] == "ZeroDivisionError: this title is too much"
        await tried_again(it, odd)


async def tried_again(it: Installation, odd: Odd) -> None:
    """The row stays due (a day later), and is done once the consumer can."""
    async with it.db.begin() as c:
        c_ = work.work_table.c
        query = work.work_table.select().where(c_.consumer == "odd", c_.title == "work:61001")
        row = (await c.execute(query)).one()
        now = await it.db.now(c)
        assert 80_000 < (row.due_at - now) / 1e6 < 90_000
        odd.raises = False
        await work.mark(it.db, c, [work.Due("odd", TitleKey("work:61001"), now, work.Priority.METADATA, "test")])

    async def done() -> bool:
        return all(each["consumer"] != "odd" for each in (await summary(it))["troubles"])

    await tenants.until(done, seconds=10, what="the row is done")
