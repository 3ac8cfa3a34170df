"""Further systems through the whole runtime: the example's shop is written, a system of the test is read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import tenants
from frontlist import (
    Consumer,
    Context,
    Document,
    DocumentKey,
    Dossier,
    Json,
    Opened,
    Page,
    Plan,
    Raw,
    RawKey,
    Resource,
    Statement,
    TitleKey,
    Writes,
    hookimpl,
    process,
    runtime,
)
from frontlist.plugins import Plugins
from frontlist.settings import Settings
from frontlist.state import dossier, work

CHANNEL = Path(__file__).parents[2] / "examples" / "channel"
KEY = "the-shop's-own-key"
COVERS = DocumentKey("warehouse", "assets")


class Shop:
    """Takes any request, keeps it, answers what `status` says."""

    def __init__(self) -> None:
        self.status, self.url = "204 No Content", ""
        self.heard: list[tuple[str, str, Any]] = []
        self.keys: set[str] = set()

    def titles(self) -> dict[str, Any]:
        return {path: body for _, path, body in self.heard}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.keys.add(headers["authorization"])
                self.heard.append((method, path, json.loads(body) if body else None))
                writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        writer.close()


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    found = Shop()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield found
    server.close()


@pytest.fixture
def example() -> Iterator[Plugins]:
    """The plugin in `examples/channel/`, as an entry point would bring it."""
    sys.path.insert(0, str(CHANNEL))
    from acme_shop import plugin  # type: ignore[import-not-found]  # no package of ours

    yield Plugins({"shop": plugin})
    sys.path.remove(str(CHANNEL))
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_shop"]:
        del sys.modules[name]


@pytest.fixture
def installation(tmp_path: Path, sqlite_url, kafka_bootstrap, topic_prefix, pair, shop: Shop) -> Settings:
    systems = {"shop": {"url": shop.url, "key": KEY, "calls_per_second": 1000}}
    return tenants.settings(tmp_path, sqlite_url, kafka_bootstrap, topic_prefix, pair, systems=systems)


async def test_the_example_channel_gets_every_title_under_its_own_key_and_each_change(
    installation: Settings, example: Plugins, pair, shop: Shop
) -> None:
    assert KEY in installation.secrets()
    async with tenants.prepared(installation, example), tenants.running(installation, example) as it:
        await tenants.settled(it)
        works = {f"/titles/work:{each}" for each in pair.tenant.works}
        assert (set(shop.titles()), shop.keys) == (works, {f"Bearer {KEY}"})
        before = len(shop.heard)
        pair.consonance.send("PATCH", "/sandbox/works/61001", {"title": "Another Title"})
        changed = "/titles/work:61001"
        await tenants.until(lambda: shop.titles()[changed]["title"] == "Another Title", what="the change")
        await tenants.settled(it)
        assert {path for _, path, _ in shop.heard[before:]} == {changed}


@pytest.mark.parametrize("path", ["^/api/modules/", "^/api/system/value-options"])
async def test_a_channel_gets_every_title_while_4allportal_does_not_say_what_it_can_do(
    installation: Settings, example: Plugins, pair, shop: Shop, path: str
) -> None:
    pair.dam.fault(kind="hang", path=path)
    stopping, started = asyncio.Event(), asyncio.Event()
    async with tenants.prepared(installation, example), runtime.opened(installation, example) as it:
        running = asyncio.create_task(process.run(it, stopping, ready=started))
        await tenants.until(lambda: running.done() or len(shop.titles()) == len(pair.tenant.works), what="every title")
        assert (running.done(), started.is_set()) == (False, False), "it has not started until the mapping was compared"
        stopping.set()
        await asyncio.wait_for(running, installation.shutdown.grace)  # nobody waits for the system that hangs


async def test_a_channel_that_fails_is_tried_again_and_gets_everything_in_the_end(
    installation: Settings, example: Plugins, pair, shop: Shop
) -> None:
    shop.status = "503 Busy"
    async with tenants.prepared(installation, example), tenants.running(installation, example) as it:
        await tenants.until(lambda: bool(shop.heard), what="a call")
        shop.status = "204 No Content"
        await tenants.settled(it)
        assert len(shop.titles()) == len(pair.tenant.works)


async def test_without_its_section_a_systems_titles_wait(installation: Settings, example: Plugins, shop: Shop) -> None:
    closed = installation.model_copy(update={"systems": {}})
    async with tenants.prepared(closed, example), tenants.running(closed, example) as it:

        async def outcomes() -> set[str]:
            async with it.db.read() as c:
                return {row.outcome for row in await work.counts(c, await it.db.now(c)) if row.outcome}

        async def there() -> bool:
            return bool(await outcomes())

        await tenants.until(there, what="an outcome")
        assert await outcomes() <= {"retry", "deferred"}
        assert shop.heard == []


# --- a system that is read -------------------------------------------------------------------------------------------


class Stock:
    """A feed of one page."""

    name, kinds, every = "covers", frozenset({"cover"}), 0.3

    async def page(self, cursor: Json | None, now: datetime) -> Page:
        return Page((Raw(RawKey("cover", "7"), {"file": "7.jpg"}),), cursor=1, exhausted=True, sweep=True)


class Warehouse:
    """A source as `Opened.source` takes it."""

    name, version, aspects = "warehouse", "1", ("assets",)
    feeds = (Stock(),)

    async def fetch(self, keys: Sequence[RawKey]) -> Sequence[Raw]:
        return [Raw(key, None) for key in keys]

    def title(self, raw: Raw, links: Mapping[Resource, TitleKey]) -> TitleKey:
        return TitleKey(f"work:{raw.key.id}")

    def names(self, raw: Raw, who: str) -> bool:
        return False

    def omitted(self, raw: Raw, omit: frozenset[str]) -> Raw:
        return raw

    def assemble(self, title: TitleKey, raws: Mapping[RawKey, Raw], omit: frozenset[str]) -> Mapping[str, Statement]:
        files = sorted(each.body["file"] for each in raws.values() if each.body)
        return {"assets": Statement("present", {"files": files})}


class Nothing(BaseModel):
    """The warehouse needs no settings."""


class Covers(Consumer):
    name, wants, flows = "covers", frozenset({COVERS}), frozenset({120})

    def writes(self, mapping: Any) -> Writes:
        return {}

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        return Plan()


class WarehousePlugin:
    """Brings a system that is only read, and a consumer of what it says."""

    closed = 0
    name, settings = "warehouse", Nothing

    def open(self, settings: Any, tenant: str) -> Opened:
        return Opened(source=Warehouse(), close=self.close)

    async def close(self) -> None:
        WarehousePlugin.closed += 1

    @hookimpl
    def frontlist_systems(self) -> Any:
        return [self]

    @hookimpl
    def frontlist_consumers(self) -> Any:
        return [Covers()]


async def test_what_a_plugins_system_states_arrives_on_a_topic_of_its_own_and_makes_work(
    installation: Settings,
) -> None:
    plugins, closed = Plugins({"warehouse": WarehousePlugin()}), WarehousePlugin.closed
    found = installation.model_copy(update={"systems": {"warehouse": {}}})
    title = TitleKey("work:7")
    async with tenants.prepared(found, plugins), tenants.running(found, plugins) as it:
        assert f"{found.kafka.prefix}.warehouse.assets.v1" in it.topics.names

        async def document() -> Document:
            async with it.db.read() as c:
                return (await dossier.dossiers(c, [title], {}))[title].get("warehouse", "assets")

        async def arrived() -> bool:
            return (await document()).present

        await tenants.until(arrived, what="the document")
        assert (await document()).body == {"files": ["7.jpg"]}

        async def planned() -> bool:
            async with it.db.read() as c:
                return any(row.consumer == "covers" for row in await work.counts(c, await it.db.now(c)))

        await tenants.until(planned, what="work")
    assert WarehousePlugin.closed == closed + 2  # once for `prepared`, once for the run
