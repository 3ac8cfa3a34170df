"""Probes and metrics of a running connector: real Kafka, real databases, both sandboxes."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.engine import make_url

import tenants
from frontlist import metrics, runtime
from frontlist.cli.looking import summary
from frontlist.clock import Clock
from frontlist.embedded import Kafka
from frontlist.errors import ConfigurationError
from frontlist.process import PARTS
from frontlist.runtime import Installation
from frontlist.settings import Settings
from frontlist.state import installation as installation_facts

LISTEN = {"listen": "127.0.0.1:0", "kept": 0.0}
SAID = {"health": LISTEN}


@pytest.fixture
def on_postgresql(
    tmp_path: Path, postgresql_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> Settings:
    return tenants.settings(tmp_path, postgresql_url, kafka_bootstrap, topic_prefix, pair, health=LISTEN)


@pytest.fixture
def on_sqlite(tmp_path: Path, sqlite_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair) -> Settings:
    return tenants.settings(tmp_path, sqlite_url, kafka_bootstrap, topic_prefix, pair, health=LISTEN)


@dataclass
class Probed:
    """A connector as Kubernetes and Prometheus see it."""

    it: Installation
    http: httpx.AsyncClient

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(f"{self.it.probes}{path}")

    async def status(self, path: str) -> int:
        return (await self.get(path)).status_code

    async def check(self, name: str, path: str = "/readyz") -> dict[str, str]:
        found = {each["check"]: each for each in (await self.get(path)).json()["checks"]}
        nothing = {"check": name, "state": "not there", "since": "", "why": "", "cure": ""}
        return dict(found.get(name, nothing))

    async def until(self, check: str, state: str, path: str = "/readyz", status: int | None = None) -> dict[str, str]:
        """`status`: of the very answer that says so."""

        async def seen() -> bool:
            answer = await self.get(path)
            states = {each["check"]: each["state"] for each in answer.json()["checks"]}
            return states.get(check) == state and status in (None, answer.status_code)

        try:
            await tenants.until(seen, what=f"{check} is {state}")
        except AssertionError as error:
            raise AssertionError(f"{error}: {(await self.get(path)).text}") from None
        return await self.check(check, path)

    async def ready(self) -> None:
        async def seen() -> bool:
            return await self.status("/readyz") == 200

        await tenants.until(seen, what="it is ready")

    async def samples(self) -> Samples:
        return Samples((await self.get("/metrics")).text)


class Samples:
    """One scrape. `value("frontlist_writes_total", target="fourallportal")`: the sum over all other labels."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.all = [sample for family in self.families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        found = [each.value for each in self.all if each.name == name and labels.items() <= each.labels.items()]
        assert found, f"no {name} with {labels}"
        return sum(found)


@asynccontextmanager
async def probed(found: Settings, clock: Clock | None = None, parts: Any = PARTS) -> AsyncIterator[Probed]:
    async with tenants.running(found, clock=clock, parts=parts) as it, httpx.AsyncClient(timeout=20) as http:
        yield Probed(it, http)


async def test_a_connector_that_is_well_says_so_of_everything(installation: Settings) -> None:
    async with tenants.prepared(installation), probed(installation) as it:
        await tenants.settled(it.it)
        await it.ready()
        assert [await it.status(path) for path in ("/livez", "/startupz", "/nothing")] == [200, 200, 404]
        checks = (await it.get("/readyz")).json()["checks"]
        assert {each["state"] for each in checks} == {"ok"}, checks
        assert all(each.keys() == {"check", "state", "since", "why", "cure"} for each in checks)
        assert {each["check"] for each in checks} >= {
            "process",
            "event loop",
            "database",
            "intake",
            "work",
            "outbox",
            "capture/consonance",
            "capture/fourallportal",
            "feed/consonance/contracts",
            "due work",
            "outbox age",
        }
        assert (await it.check("capture/consonance"))["why"] == "captures"


async def test_metrics_are_those_of_the_page_and_count_what_was_done(installation: Settings) -> None:
    async with tenants.prepared(installation), probed(installation) as it:
        await tenants.settled(it.it)
        answer = await it.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        found = Samples(answer.text)
        shown = {f"{each.name}_total" if each.type == "counter" else each.name for each in found.families}
        assert shown == {each.name for each in metrics.MEASURES}
        for each in found.families:
            stated = metrics.BY_NAME.get(each.name) or metrics.BY_NAME[f"{each.name}_total"]
            assert {label for sample in each.samples for label in sample.labels} - {"le"} <= set(stated.labels)
        values = {value for sample in found.all for value in sample.labels.values()}
        assert [value for value in values if "work:" in value or "object:" in value] == []
        counted(found, installation.kafka.prefix)

        async def read() -> bool:
            return (await it.samples()).value("frontlist_lag_records") == 0

        await tenants.until(read, what="no lag")


def counted(found: Samples, prefix: str) -> None:
    """The first filling of a tenant, as its counters tell it."""
    assert found.value("frontlist_documents_published_total", system="consonance", aspect="metadata") >= 10
    assert found.value("frontlist_records_stored_total", topic=f"{prefix}.consonance.metadata.v1") >= 10
    assert found.value("frontlist_writes_total", consumer="metadata", target="fourallportal") > 27
    assert found.value("frontlist_claims_total", consumer="metadata", priority="backfill") > 0
    assert found.value("frontlist_plans_total", consumer="metadata", result="ok") > 0
    assert found.value("frontlist_outcomes_total", consumer="metadata", outcome="applied") > 0
    assert found.value("frontlist_titles", consumer="metadata") >= 10
    assert found.value("frontlist_changes_coalesced_total", consumer="metadata") > 0
    assert found.value("frontlist_api_calls_total", system="fourallportal", answer="2xx") > 0
    assert found.value("frontlist_api_call_seconds_count", system="consonance") > 0
    assert found.value("frontlist_outbox_sent_total", topic=f"{prefix}.journal.v1") > 27
    assert found.value("frontlist_feed_pages_total", system="consonance", feed="contracts", result="ok") > 0
    assert found.value("frontlist_capture_lease", system="consonance") == 1
    assert found.value("frontlist_database_up") == 1
    assert found.value("frontlist_table_bytes") > 0
    assert 0 <= found.value("frontlist_feed_age_seconds", system="consonance", feed="contracts") < 60
    assert not [each for each in found.all if each.name == "frontlist_stale_writes_total"]


async def test_a_consumer_whose_task_has_ended_is_not_live(on_sqlite: Settings) -> None:
    clock = Clock()
    async with tenants.prepared(on_sqlite, clock=clock), probed(on_sqlite, clock) as it:
        await it.until("intake", "ok")
        [task] = [each for each in asyncio.all_tasks() if "_run_consume_loop" in repr(each.get_coro())]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        clock.offset_us += 15_000_000
        found = await it.until("intake", "dead", "/livez")
        assert "has ended" in found["why"]
        assert "restart" in found["cure"]
        assert [await it.status(path) for path in ("/livez", "/readyz")] == [503, 503]


class Proxy:
    """Between a connector and its database: `cut` refuses everybody, `hang` lets nothing through and closes nothing."""

    def __init__(self, host: str, port: int) -> None:
        self._to, self._way = (host, port), asyncio.Event()
        self._way.set()
        self._open: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[int]:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        try:
            yield self.port
        finally:
            self._way.set()
            await self.cut()

    async def cut(self) -> None:
        self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def hang(self) -> None:
        self._way.clear()

    async def heal(self) -> None:
        self._way.set()
        if not self._server.is_serving():
            self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._to)
        both = {writer, back}
        self._open |= both
        try:
            await asyncio.gather(self._copy(reader, back), self._copy(there, writer))
        finally:
            self._open -= both

    async def _copy(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._way.wait()
                to.write(data)
                await to.drain()
        except OSError:
            pass
        finally:
            to.close()


@pytest.mark.parametrize(("fault", "why"), [("cut", "Connect call failed"), ("hang", "no answer within 5 s")])
async def test_without_its_database_it_is_live_and_not_ready_says_why_and_recovers(
    on_postgresql: Settings, fault: str, why: str
) -> None:
    url, clock = make_url(on_postgresql.database), Clock()
    proxy = Proxy(str(url.host), int(url.port or 5432))
    async with proxy.serving() as port, tenants.prepared(on_postgresql, clock=clock):
        through = url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        found = on_postgresql.model_copy(update={"database": through})
        async with probed(found, clock) as it:
            await it.ready()
            await getattr(proxy, fault)()
            assert why in (await it.until("database", "unready"))["why"]
            assert await it.status("/readyz") == 503
            assert (await it.samples()).value("frontlist_database_up") == 0
            clock.offset_us += 400_000_000  # longer than any part may be silent
            await it.until("event loop", "ok", "/livez")
            assert await it.status("/livez") == 200
            await proxy.heal()
            await it.until("database", "ok")
            await it.ready()


async def test_without_kafka_it_is_live_and_not_ready_and_recovers(
    tmp_path: Path, sqlite_url: str, topic_prefix: str, pair: tenants.Pair
) -> None:
    clock = Clock()
    with Kafka(tmp_path / "kafka") as kafka:
        found = tenants.settings(tmp_path, sqlite_url, kafka.bootstrap_servers, topic_prefix, pair, health=LISTEN)
        async with tenants.prepared(found, clock=clock), probed(found, clock) as it:
            await it.ready()
            await asyncio.to_thread(kafka.stop)
            clock.offset_us += 15_000_000
            await it.until("intake", "unready", status=503)
            for _ in range(20):  # its consumer is silent, and so is every other client
                clock.offset_us += 30_000_000
                await it.until("event loop", "ok", "/livez")
                assert await it.status("/livez") == 200
            await asyncio.to_thread(kafka.start)
            await it.until("intake", "ok")
            await it.ready()


async def test_a_replica_without_a_partition_is_ready_and_says_why_it_reads_nothing(on_postgresql: Settings) -> None:
    async with tenants.prepared(on_postgresql), AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(probed(on_postgresql, parts=["intake"])) for _ in range(3)]

        async def shared() -> bool:
            whys = [(await each.check("intake"))["why"] for each in replicas]
            return (
                sorted("no partition is assigned" in why for why in whys) == [False, False, True]
                and sum(why.startswith("reads") for why in whys) == 2
            )

        await tenants.until(shared, what="two replicas read, one stands by")
        assert [await each.status("/readyz") for each in replicas] == [200] * 3


async def test_of_two_replicas_one_captures_and_the_other_is_ready_and_stands_by(on_postgresql: Settings) -> None:
    async with (
        tenants.prepared(on_postgresql),
        probed(on_postgresql, parts=["capture"]) as first,
        probed(on_postgresql, parts=["capture"]) as second,
    ):

        async def shared() -> bool:
            whys = [(await each.check("capture/consonance"))["why"] for each in (first, second)]
            return whys == ["captures", "stands by, another process captures"]

        await tenants.until(shared, what="one captures, one stands by")
        assert [await each.status("/readyz") for each in (first, second)] == [200, 200]


async def test_a_feed_that_fails_is_said_and_takes_nobody_out_of_service(
    installation: Settings, pair: tenants.Pair
) -> None:
    async with tenants.prepared(installation), probed(installation) as it:
        await tenants.settled(it.it)
        pair.dam.fault(kind="status", status=503)
        feed = next(key[1] for key in it.it.observed.facts.every if key[0] == "fourallportal")  # type: ignore[attr-defined]
        found = await it.until(f"feed/fourallportal/{feed}", "warning")
        assert "503" in found["why"]
        assert [await it.status(path) for path in ("/livez", "/readyz")] == [200, 200]
        assert (await it.samples()).value("frontlist_feed_pages_total", feed=feed, result="failed") >= 1
        pair.dam.heal()
        await it.until(f"feed/fourallportal/{feed}", "ok")


async def test_an_event_loop_that_hangs_is_not_live_though_it_still_answers(on_sqlite: Settings) -> None:
    clock, answers = Clock(), list[httpx.Response]()
    async with tenants.prepared(on_sqlite, clock=clock), probed(on_sqlite, clock) as it:
        await it.ready()

        def ask() -> None:
            clock.offset_us += 61_000_000
            answers.append(httpx.get(f"{it.it.probes}/livez", timeout=20))
            answers.append(httpx.get(f"{it.it.probes}/metrics", timeout=20))

        asker = threading.Thread(target=ask)
        asker.start()
        asker.join(40)  # on the event loop itself, which hangs for as long
        live, shown = answers
        assert live.status_code == 503
        [check] = [each for each in live.json()["checks"] if each["check"] == "event loop"]
        assert check["state"] == "dead"
        assert "has not turned for 6" in check["why"]
        assert shown.status_code == 200
        assert 'frontlist_check_state{check="event loop"} 3.0' in shown.text
        await it.until("event loop", "ok", "/livez")
        assert await it.status("/livez") == 200


async def test_a_replica_with_another_mapping_than_the_active_one_is_not_ready(
    on_postgresql: Settings, tmp_path: Path
) -> None:
    async with tenants.prepared(on_postgresql), probed(on_postgresql, parts=["work"]) as old:
        await old.ready()
        other = on_postgresql.model_copy(update={"mapping": tmp_path / "other.yaml"})
        other.mapping.write_text(on_postgresql.mapping.read_text() + "\n# changed\n")
        async with probed(other, parts=["work"]) as new:
            await new.ready()
            found = await old.until("work", "unready")
        assert "another mapping is active" in found["why"]
        assert await old.status("/livez") == 200


async def test_a_port_that_is_taken_refuses_with_the_cure(on_sqlite: Settings, on_postgresql: Settings) -> None:
    async with tenants.prepared(on_postgresql), probed(on_postgresql, parts=["outbox"]) as first:
        address = str(first.it.probes).removeprefix("http://")
        taken = on_postgresql.model_copy(update={"health": on_postgresql.health.model_copy(update={"listen": address})})
        with pytest.raises(ConfigurationError) as error:
            async with probed(taken):
                pass
        assert address in str(error.value)
        assert "off" in error.value.cure


async def test_status_shows_the_checks_of_the_process_and_of_the_database(on_sqlite: Settings) -> None:
    async with tenants.prepared(on_sqlite), probed(on_sqlite) as it:
        await tenants.settled(it.it)
        listening = on_sqlite.health.model_copy(update={"listen": str(it.it.probes).removeprefix("http://")})
        it.it.settings = on_sqlite.model_copy(update={"health": listening})
        found: Mapping[str, Any] = await summary(it.it)
        assert {"intake", "event loop", "due work"} <= {each["check"] for each in found["checks"]}
        it.it.settings = on_sqlite.model_copy(update={"health": listening.model_copy(update={"listen": "off"})})
        alone = await summary(it.it)
        assert "intake" not in {each["check"] for each in alone["checks"]}
        assert {"due work", "outbox age", "feed/consonance/contracts"} <= {each["check"] for each in alone["checks"]}
        json.dumps(found)


async def test_status_does_not_believe_another_connector_or_anything_else_that_listens_there(
    on_sqlite: Settings,
) -> None:
    async def stranger(_: web.Request) -> web.Response:
        return web.json_response(
            {"checks": [{"check": "everything", "state": "ok", "since": "", "why": "", "cure": ""}]}
        )

    async with tenants.prepared(on_sqlite), probed(on_sqlite) as it, strangers(stranger) as elsewhere:
        await it.ready()
        ours = str(it.it.probes).removeprefix("http://")
        assert "process" in await seen(it.it, on_sqlite, ours)
        assert "process" not in await seen(it.it, on_sqlite.model_copy(update={"tenant": "another"}), ours)
        async with it.it.db.begin() as c:
            await installation_facts.state(it.it.db, c, {"database": "restored elsewhere"})
        assert "process" not in await seen(it.it, on_sqlite, ours)
        assert await seen(it.it, on_sqlite, elsewhere) >= {"due work"}
        assert "everything" not in await seen(it.it, on_sqlite, elsewhere)


async def test_status_says_which_figures_a_busy_database_did_not_give(on_postgresql: Settings) -> None:
    async with tenants.prepared(on_postgresql), runtime.opened(on_postgresql) as it, it.db.begin() as c:
        await c.exec_driver_sql("LOCK TABLE lease IN ACCESS EXCLUSIVE MODE")
        found = await summary(it)
    assert [(each["check"], each["state"]) for each in found["checks"]] == [("figures", "warning")]
    assert "work" in found["sizes"]


async def seen(it: Installation, settings: Settings, address: str) -> set[str]:
    """The checks that `status` shows with these settings of who is asked."""
    listening = settings.health.model_copy(update={"listen": address})
    it.settings = settings.model_copy(update={"health": listening})
    return {each["check"] for each in (await summary(it))["checks"]}


@asynccontextmanager
async def strangers(handler: Any) -> AsyncIterator[str]:
    """Somebody else's web server; answers host:port."""
    app = web.Application()
    app.router.add_get("/readyz", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()


async def test_a_vendor_that_stays_away_takes_work_out_of_service_at_the_start_alone(
    tmp_path: Path, postgresql_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> None:
    where = (tmp_path, postgresql_url, kafka_bootstrap, topic_prefix, pair)
    settings = tenants.settings(*where, health=LISTEN, consonance={"timeout": 10.0})
    pair.consonance.fault(kind="hang")
    async with tenants.prepared(settings), probed(settings, parts=["work"]) as it:

        async def waits() -> bool:
            return (await it.check("work"))["why"] == "consonance was not asked yet what it can do"

        await tenants.until(waits, what="work waits for Consonance")
        assert await it.status("/readyz") == 503
        await it.until("work", "ok", status=200)
