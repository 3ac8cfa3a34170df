"""Both sandboxes over real HTTP and the settings of an installation between them, for tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from frontlist import process, runtime
from frontlist.cli.deciding import decide
from frontlist.clock import Clock
from frontlist.embedded import Databases
from frontlist.mapping import default_text
from frontlist.plugins import Plugins
from frontlist.settings import Settings
from frontlist.state import findings, schema, work
from frontlist.state.database import Database
from frontlist.step import Step, no_step
from frontlist_sandbox import serving
from frontlist_sandbox.catalogue.bundled import bundled
from frontlist_sandbox.consonance.model import Tenant
from frontlist_sandbox.consonance.server import app as consonance_app
from frontlist_sandbox.fourallportal.server import KEY as DAM_KEY
from frontlist_sandbox.fourallportal.server import app as fourallportal_app

KEY = "0123456789abcdef0123456789abcdef"


class Sandbox:
    """One served sandbox with its controls."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=10)

    def get(self, path: str, **params: str) -> Any:
        return self.http.get(path, params=params).raise_for_status().json()

    def send(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, path, json=body).raise_for_status()
        return answer.json() if answer.content else None

    def writes(self) -> int:
        """Calls since the last `forget_calls` that could change something."""
        return int(self.get("/sandbox/calls", writes="true")["writes"])

    def forget_calls(self) -> None:
        self.send("DELETE", "/sandbox/calls")

    def fault(self, **rule: Any) -> None:
        self.send("POST", "/sandbox/faults", rule)

    def heal(self) -> None:
        self.send("DELETE", "/sandbox/faults")


@dataclass
class Pair:
    """A Consonance and a 4ALLPORTAL tenant."""

    consonance: Sandbox
    dam: Sandbox
    tenant: Tenant

    def records(self, module: str = "product") -> list[dict[str, Any]]:
        """The raw objects of a module that are not deleted."""
        found = self.dam.get(f"/sandbox/objects/{module}")
        return list(found)


@contextmanager
def pair(tenant: Tenant | None = None, *, page_size: int = 7) -> Iterator[Pair]:
    """`page_size`: titles a page of Consonance; small, so that small catalogues have several pages."""
    tenant = tenant or bundled(datetime.now(UTC).date())
    with (
        serving.serve(consonance_app(tenant, key=KEY, page_size=page_size)) as left,
        serving.serve(fourallportal_app(DAM_KEY)) as right,
    ):
        yield Pair(Sandbox(left.url), Sandbox(right.url), tenant)


def value(record: dict[str, Any], field: str, **dimensions: str) -> Any:
    """The value of one cell of a raw object."""
    for cell in record["fields"].get(field) or []:
        if (cell.get("dimensions") or {}) == dimensions:
            return cell["value"]
    return None


def settings(
    folder: Path, database: str, kafka: str, prefix: str, tenants: Pair, mapping: str | None = None, **more: Any
) -> Settings:
    """Quick waits, so that tests need not wait; everything else as shipped."""
    return Settings(**configuration(folder, database, kafka, prefix, tenants, mapping, **more))


def configuration(
    folder: Path, database: str, kafka: str, prefix: str, tenants: Pair, mapping: str | None = None, **more: Any
) -> dict[str, Any]:
    """The same as it would stand in frontlist.yaml."""
    file = folder / "mapping.yaml"
    file.write_text(mapping or default_text().replace("quiet: 10m", "quiet: 0s"))
    base: dict[str, Any] = {
        "tenant": "test",
        "test": True,
        "database": database,
        "mapping": str(file),
        "kafka": {"bootstrap": kafka, "prefix": prefix, "group": prefix, "partitions": 2},
        "consonance": {
            "url": tenants.consonance.url,
            "key": KEY,
            "zone": "Europe/London",
            "poll_interval": 0.5,
            "calls_per_second": 1000,
        },
        "fourallportal": {
            "url": tenants.dam.url,
            "key": DAM_KEY,
            "locales": ["en_GB", "de_DE"],
            "poll_seconds": 0.5,
            "calls_per_second": 1000,
            "rebuild_pause": 0.1,
            "rebuild_seconds": 0.0,
        },
        "capture": {"lease": 3.0, "retry": 0.3, "absent_after": 0.5},
        "intake": {"session": 6.0},
        "work": {"idle": 0.2, "retry_first": 0.1},
        "ensure": {"look_again": 1.0, "lease": 5.0},
        "breaker": {"first": 0.5, "longest": 1.0, "refused_key": 1.0},
        "health": {"listen": "off"},
        "shutdown": {"grace": 5.0},
        "backfill": {"begins": "00:00", "ends": "00:00", "titles": 1000},
    }
    return {
        key: {**base[key], **each} if isinstance(base.get(key), dict) else each
        for key, each in {**base, **more}.items()
    }


@asynccontextmanager
async def prepared(
    found: Settings, plugins: Plugins | None = None, *, mode: str | None = "apply", clock: Clock | None = None
) -> AsyncIterator[None]:
    """Database and topics are there, and what the mode is."""
    db = Database(found.database, clock or Clock())
    await schema.upgrade(db)
    await db.close()
    it = runtime.Installation(found, plugins, clock=clock)
    try:
        await it.topics.apply()
        if mode:
            await decide(it, "mode", "*/*", mode)
    finally:
        await it.close()
    yield


@asynccontextmanager
async def running(
    found: Settings,
    plugins: Plugins | None = None,
    *,
    clock: Clock | None = None,
    step: Step = no_step,
    parts: Sequence[str] = process.PARTS,
) -> AsyncIterator[runtime.Installation]:
    """A running installation; what it raises is raised here."""
    stopping, ready = asyncio.Event(), asyncio.Event()
    async with runtime.opened(found, plugins, clock=clock, step=step) as it:
        task = asyncio.create_task(process.run(it, stopping, parts=parts, ready=ready))
        started = asyncio.create_task(ready.wait())
        await asyncio.wait({task, started}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
        started.cancel()
        if task.done():
            task.result()
        try:
            yield it
        finally:
            stopping.set()
            await asyncio.wait_for(task, 30)


async def until(true: Callable[[], bool | Awaitable[bool]], *, seconds: float = 60.0, what: str = "") -> None:
    """Wait for something; fails with its name."""
    async with asyncio.timeout(seconds):
        try:
            while True:
                answer = true()
                if answer if isinstance(answer, bool) else await answer:
                    return
                await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            raise AssertionError(f"never happened: {what or true}") from None


def copied(server: Databases, name: str, copy: str) -> None:
    """A PostgreSQL database under another name too; the server process of a connection that was cut ends on its own."""
    there = f"FROM pg_stat_activity WHERE datname = '{name}'"
    until = time.monotonic() + 60
    while server.execute(f"SELECT 1 {there} LIMIT 1") and time.monotonic() < until:
        time.sleep(0.1)
    sessions = server.execute(f"SELECT application_name, state, wait_event, query {there}")
    assert not sessions, f"somebody works with {name}: {sessions}"
    server.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{name}"')


async def settled(it: runtime.Installation, *, seconds: float = 60.0) -> None:
    """Wait until nothing is due any more, twice in a row, after both systems were read through."""

    async def quiet() -> bool:
        async with it.db.read() as c:
            now = await it.db.now(c)
            due = await work.next_due(c, list(it.plugins.consumers))
            feeds = [await c.exec_driver_sql("SELECT count(*) FROM feed WHERE completed_at IS NULL")]
            dirty = (await c.exec_driver_sql("SELECT count(*) FROM dirty")).scalar_one()
            rows = (await c.exec_driver_sql("SELECT count(*) FROM work")).scalar_one()
            claimed = (await c.exec_driver_sql("SELECT count(*) FROM work WHERE claimed_by IS NOT NULL")).scalar_one()
        return (
            rows > 0
            and not dirty
            and not claimed
            and feeds[0].scalar_one() == 0
            and (due is None or due > now + 500_000)
        )

    calm = 0
    async with asyncio.timeout(seconds):
        while calm < 8:
            calm = calm + 1 if await quiet() else 0
            await asyncio.sleep(0.1)


async def open_findings(it: runtime.Installation) -> list[str]:
    async with it.db.read() as c:
        return [f"{row.title} {row.kind}: {row.message}" for row in await findings.open_ones(c)]
