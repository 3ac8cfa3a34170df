"""An installation of real processes between two sandboxes, people who edit both, and somebody who checks the outcome.

Everything that a process talks to stands behind a proxy, so that its network can fail.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tenants
from faults.probes import Probes
from faults.proxy import Proxy, between
from frontlist.embedded import Databases, Kafka, Postgres
from frontlist.settings import load as load_settings
from frontlist_sandbox.catalogue.bundled import bundled
from frontlist_sandbox.consonance.model import Tenant

WORKS = (61001, 61002, 61003)
#: The grace period as configured here, and what a slow machine may add to it and to the release.
GRACE, SLACK = 4.0, 20.0
LOCALE = {"locale": "en_GB"}
SAID = re.compile(r"(line|copy) (\d+) of (\d+)")


@dataclass(frozen=True)
class Place:
    """A broker and a database server of our own, which may be stopped, each behind its proxy."""

    kafka: Kafka
    to_kafka: Proxy
    postgres: Postgres
    to_postgres: Proxy

    def url(self, name: str) -> str:
        """Of a database, by way of the proxy."""
        url = urlsplit(self.postgres.url)
        user = url.netloc.rpartition("@")[0]
        return url._replace(netloc=f"{user}@{self.to_postgres.address}", path=f"/{name}").geturl()


@contextmanager
def place() -> Iterator[Place]:
    with ExitStack() as stack:
        # The broker tells its clients where to come: to the proxy.
        to_kafka = Proxy(0)
        advertised = {"advertised.listeners": f"PLAINTEXT://{to_kafka.address}"}
        kafka = stack.enter_context(Kafka(settings=advertised))
        to_kafka.to = kafka.port
        to_kafka.start()
        stack.callback(to_kafka.stop)
        postgres = stack.enter_context(Postgres())
        yield Place(kafka, to_kafka, postgres, stack.enter_context(between(postgres.port)))


class Replica:
    """A real `frontlist run`, whose probes are asked all the time."""

    def __init__(self, file: Path, log: Path, only: str = "") -> None:
        self.log, self.probes = log, Probes()
        command = [sys.executable, "-c", "from frontlist.cli import main; main()", "run", "--config", str(file)]
        # What the run's own servers are called would win over the file.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FRONTLIST_")}
        environment["FRONTLIST_HEALTH__LISTEN"] = self.probes.address
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, *(["--only", only] if only else [])], env=environment, stdout=out, stderr=out
            )
        self.probes.start(self.process)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stopped in the midst of whatever it does, probes too."""
        with self.probes.asking:
            self.signal(signal.SIGSTOP)
            try:
                yield
            finally:
                self.signal(signal.SIGCONT)
            self.probes.until_turned()

    def kill(self) -> None:
        """As by `kill -9`."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> float:
        """SIGTERM; answers after how many seconds it was gone. It must be gone within its grace period."""
        began = time.monotonic()
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(GRACE + SLACK)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not end within {GRACE + SLACK:.0f} s:\n{self.said()}") from None
        return time.monotonic() - began

    def ended(self, seconds: float = 90.0) -> int:
        """The exit code of one that ends by itself."""
        return self.process.wait(seconds)

    def said(self, lines: int = 60) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Calls:
    """Every call that could change something, from the logs of both sandboxes."""

    def __init__(self, pair: tenants.Pair) -> None:
        self.sandboxes = {"consonance": pair.consonance, "dam": pair.dam}
        self._seen: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in self.sandboxes}

    def look(self) -> None:
        """Often enough that the logs, which keep the latest 10,000 calls, never drop one."""
        for name, sandbox in self.sandboxes.items():
            for call in sandbox.get("/sandbox/calls", writes="true")["calls"]:
                self._seen[name][call["number"]] = call

    def written(self) -> Iterator[tuple[str, str, list[tuple[str, int]], bool]]:
        """(resource, all of its body, [(what, edit)], whether it was answered) of what was carried out, in order."""
        for name, calls in self._seen.items():
            for _, call in sorted(calls.items()):
                carried_out = call["fault"] is None or call["fault"].endswith("after")
                for resource, body in _bodies(name, call["body"]) if carried_out else ():
                    found = [(f"{what} of {work}", int(edit)) for what, edit, work in SAID.findall(body)]
                    if found:
                        yield resource, body, found, call["fault"] is None

    def stale(self) -> list[str]:
        """Older values that were written after newer ones."""
        newest: dict[tuple[str, str], int] = defaultdict(int)
        out = []
        for resource, _, found, _ in self.written():
            for what, edit in found:
                if edit < newest[resource, what]:
                    out.append(f"{resource}: {what}: {edit} after {newest[resource, what]}")
                newest[resource, what] = max(edit, newest[resource, what])
        return out

    def repeated(self) -> list[str]:
        """Writes with just what the resource was told last, where that was answered: who has no answer asks again."""
        last: dict[str, str | None] = {}
        out = []
        for resource, body, found, answered in self.written():
            if last.get(resource) == body:
                out.append(f"{resource}: {found}")
            last[resource] = body if answered else None
        return out


def _bodies(name: str, body: str | None) -> Iterator[tuple[str, str]]:
    parsed = json.loads(body or "null")
    if name == "dam":
        for each in parsed if isinstance(parsed, list) else [parsed]:
            yield str((each or {}).get("id")), json.dumps(each, sort_keys=True)
        return
    text = json.dumps((parsed or {}).get("variables"), sort_keys=True)
    for work in {work for _, _, work in SAID.findall(text)}:
        yield f"marketing text of {work}", text


class Load:
    """People who edit both sides all the time; `last` is what must be there in the end."""

    def __init__(self, pair: tenants.Pair, calls: Calls, numbers: Iterator[int], apart: float) -> None:
        """`numbers` go on from one load of an installation to the next: later is larger."""
        self.pair, self.calls, self.apart, self._numbers = pair, calls, apart, numbers
        self.last: dict[tuple[str, int], int] = {}
        self.count = 0
        self._ended = threading.Event()
        self._failed: Exception | None = None
        self._records: dict[int, str] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(20)
        if self._failed:
            raise self._failed

    def edits(self, more: int) -> None:
        """Wait for so many more edits."""
        goal = self.count + more
        wait_for(lambda: self.count >= goal or self._failed is not None, what=f"{more} more edits")
        if self._failed:
            raise self._failed

    def _run(self) -> None:
        looked = 0.0
        try:
            while not self._ended.wait(self.apart):
                number = next(self._numbers)
                work = WORKS[number % len(WORKS)]
                (self._line if number // len(WORKS) % 2 else self._copy)(work, number)
                self.count += 1
                if time.monotonic() > looked + 1.0:
                    self.calls.look()
                    looked = time.monotonic()
        except Exception as error:
            self._failed = error

    def _line(self, work: int, number: int) -> None:
        words = f"line {number} of {work}"
        self.last["line", work] = number
        self.pair.consonance.send("PATCH", f"/sandbox/works/{work}", {"authorship_description": words})

    def _copy(self, work: int, number: int) -> None:
        if work not in self._records:
            [found] = [each for each in self.pair.records("title") if tenants.value(each, "consonance_work_id") == work]
            self._records[work] = found["id"]
        cells = {
            "description_long": [{"value": f"<p>copy {number} of {work}</p>", "dimensions": LOCALE}],
            "copy_state": [{"value": "released", "dimensions": LOCALE}],
        }
        self.last["copy", work] = number
        self.pair.dam.send("POST", "/sandbox/objects/title", {"id": self._records[work], **cells})


@dataclass
class Scene:
    """One installation with its processes."""

    folder: Path
    pair: tenants.Pair
    place: Place
    to_consonance: Proxy
    to_dam: Proxy
    prefix: str
    sqlite: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    replicas: list[Replica] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.calls = Calls(self.pair)
        self.loads: list[Load] = []
        self._numbers = itertools.count(1)
        self.file = self.folder / "frontlist.yaml"

    # --- processes -------------------------------------------------------------------------------------------------

    @property
    def database(self) -> str:
        return f"sqlite+aiosqlite:///{self.folder / 'frontlist.sqlite'}" if self.sqlite else self.place.url(self.prefix)

    def prepare(self) -> None:
        """Configuration, database and topics."""
        behind = tenants.Pair(
            _moved(self.pair.consonance, self.to_consonance), _moved(self.pair.dam, self.to_dam), self.pair.tenant
        )
        found = tenants.configuration(
            self.folder,
            self.database,
            self.place.to_kafka.address,
            self.prefix,
            behind,
            **{"intake": {"session": 2.0}, "shutdown": {"grace": GRACE}, "health": {"kept": 1.0}, **self.more},
        )
        self.file.write_text(json.dumps(found))
        if not self.sqlite:
            self.place.postgres.create_database(self.prefix)

        async def prepare() -> None:
            async with tenants.prepared(load_settings(self.file)):
                pass

        asyncio.run(prepare())

    def run(self, only: str = "") -> Replica:
        replica = Replica(self.file, self.folder / f"replica-{len(self.replicas) + 1}.log", only)
        self.replicas.append(replica)
        return replica

    def runs(self, only: str = "") -> Replica:
        """One that has brought every title to 4ALLPORTAL, so that all can be edited there."""
        replica = self.run(only)
        self.until(self.filled, what="the first records")
        return replica

    def filled(self) -> bool:
        there = {tenants.value(each, "consonance_work_id") for each in self.pair.records("title")}
        return there >= set(WORKS) and len(self.pair.records()) == len(self.pair.tenant.products)

    @contextmanager
    def load(self, apart: float = 0.05) -> Iterator[Load]:
        with Load(self.pair, self.calls, self._numbers, apart) as load:
            self.loads.append(load)
            yield load

    def stops_without(self, proxy: Proxy, how: str, *, edits: int, repeats: int) -> Replica:
        """SIGTERM while what is behind the proxy is "gone" or "a black hole"; the next process goes on once it is back.

        Answers the one that was stopped, after `edits` without it.
        """
        one = self.runs()
        with self.load() as load:
            load.edits(20)
            (proxy.refuse if how == "gone" else proxy.hold)()
            load.edits(edits)
            one.stop()
            proxy.heal()
            self.run()
            load.edits(20)
        self.ends_right(repeats=repeats)
        return one

    def gives_up_half_open(self, proxy: Proxy, *, edits: int, repeats: int, ready: bool = False) -> None:
        """Connections that the other side forgot are noticed, and the same process goes on; `ready`: throughout."""
        one = self.runs()
        with self.load() as load, one.probes.ready() if ready else nullcontext():
            load.edits(20)
            proxy.forget()
            load.edits(edits)
        self.ends_right(repeats=repeats)
        assert one.alive, one.said()

    def command(self, *words: str) -> str:
        """A `frontlist` command on this installation; answers what it printed."""
        line = [sys.executable, "-c", "from frontlist.cli import main; main()", *words, "--config", str(self.file)]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FRONTLIST_")}
        done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def until(self, true: Callable[[], bool], *, seconds: float = 120.0, what: str) -> None:
        try:
            wait_for(true, seconds=seconds, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from None

    def told(self) -> str:
        """What one wants to know where a row fails."""
        logs = "\n\n".join(
            f"--- {each.log.name} ({'runs' if each.alive else each.process.returncode})\n{each.said()}\n"
            f"probes: {each.probes.readiness[-1:]}"
            for each in self.replicas
        )
        try:
            rows = self.sql(
                "SELECT title || ' ' || coalesce(outcome, '') || ' ' || coalesce(detail, '') || ' due ' ||"
                " coalesce(cast(due_at AS TEXT), '-') || ' not before ' || cast(not_before AS TEXT)"
                " || ' claimed by ' || coalesce(claimed_by, '-') FROM work"
            )
        except Exception as error:
            rows = [f"the database does not answer: {error}"]
        return "\n".join([*rows, f"missing: {self.missing()}", logs])

    # --- checking --------------------------------------------------------------------------------------------------

    def sql(self, query: str) -> list[str]:
        """Rows of one column, read around every proxy and by none of our code."""
        if self.sqlite:
            with sqlite3.connect(self.folder / "frontlist.sqlite", timeout=30) as connection:
                return [str(row[0]) for row in connection.execute(query)]
        url = urlsplit(self.place.postgres.url)._replace(path=f"/{self.prefix}").geturl()
        return Databases(url).execute(query).splitlines()

    def missing(self) -> list[str]:
        """Last edits that are not on the other side."""
        last = {key: number for load in self.loads for key, number in load.last.items()}
        records = {tenants.value(each, "consonance_work_id"): each for each in self.pair.records("title")}
        out = []
        for (what, work), number in last.items():
            wanted = f"{what} {number} of {work}"
            if what == "line":
                has = [str(tenants.value(records[work], "author_line"))]
                ours = [each for each in self.pair.records() if tenants.value(each, "title_ref") == records[work]["id"]]
                has += [str(tenants.value(each, "author_line")) for each in ours]
            else:
                texts = self.pair.tenant.works[work].marketing_texts
                has = [
                    each.external_text_markdown for each in texts if "frontlist" in (each.internal_text_markdown or "")
                ]
            if not has or any(each != wanted for each in has):
                out.append(f"{wanted}, there is {has}")
        return out

    def busy(self) -> int:
        """What is still on its way."""
        soon = time.time_ns() // 1000 + 500_000
        queries = (
            "SELECT count(*) FROM dirty",
            "SELECT count(*) FROM outbox",
            "SELECT count(*) FROM captured WHERE reserved_revision IS NOT NULL",
            f"SELECT count(*) FROM work WHERE due_at <= {soon}",
        )
        [total] = self.sql("SELECT " + " + ".join(f"({query})" for query in queries))
        return int(total)

    def figures_agree(self, replica: Replica) -> bool:
        """Metrics with the database, in which nothing is due any more."""
        [titles] = self.sql("SELECT count(*) FROM work")
        shown = replica.probes.figures()
        wanted = {"frontlist_work_due": 0, "frontlist_outbox_records": 0, "frontlist_titles": int(titles)}
        return all(shown.get(name) == value for name, value in wanted.items())

    def ends_right(self, *, repeats: int = 0, stale: int = 0) -> None:
        """Nothing lost, nothing stale, nothing twice, and then it is quiet; probes were truthful throughout.

        `repeats`: how many writes may be done twice. `stale`: 1 where a zombie was on its way.
        """
        self.until(lambda: not self.missing(), what="every last edit on the other side")
        calm = 0
        deadline = time.monotonic() + 120
        while calm < 5:
            assert time.monotonic() < deadline, f"work due never came back to 0: {self.busy()}\n{self.told()}"
            calm = calm + 1 if self.busy() == 0 else 0
            time.sleep(0.2)
        self.calls.look()
        assert not self.missing(), self.told()
        found = self.calls.stale()
        assert len(found) <= stale, f"stale writes: {found}\n{self.told()}"
        again = self.calls.repeated()
        assert len(again) <= repeats, f"written twice: {again}\n{self.told()}"
        for module, source in (("product", "consonance_product_id"), ("title", "consonance_work_id")):
            ids = [tenants.value(each, source) for each in self.pair.records(module)]
            assert len(ids) == len(set(ids)), f"made twice in {module}: {sorted(ids)}"
        for each in self.replicas:
            if each.alive:
                each.probes.until_ready()
                self.until(lambda: self.figures_agree(each), what="metrics of which nothing is due")  # noqa: B023  called here
            assert not each.probes.lies, f"untrue: {each.probes.lies}\n{self.told()}"

    def close(self) -> None:
        for each in self.replicas:
            if each.alive:
                each.signal(signal.SIGCONT)
                each.kill()
            each.probes.stop()


@contextmanager
def scene(place: Place, folder: Path, prefix: str, *, sqlite: bool = False, **more: Any) -> Iterator[Scene]:
    """Prepared, with no process yet; `more` goes into the configuration."""
    with (
        tenants.pair(some_works()) as pair,
        between(_port(pair.consonance.url)) as to_consonance,
        between(_port(pair.dam.url)) as to_dam,
    ):
        made = Scene(folder, pair, place, to_consonance, to_dam, prefix, sqlite, more)
        try:
            made.prepare()
            yield made
        finally:
            made.close()
            for proxy in (place.to_kafka, place.to_postgres):
                proxy.heal()
            if not sqlite and place.postgres.running:
                place.postgres.databases.drop(prefix)


def some_works() -> Tenant:
    tenant = bundled(datetime.now(UTC).date())
    for work in set(tenant.works) - set(WORKS):
        del tenant.works[work]
    tenant.products = {id_: each for id_, each in tenant.products.items() if each.work_id in WORKS}
    tenant.contracts = {id_: each for id_, each in tenant.contracts.items() if each.work_id in WORKS}
    return tenant


def wait_for(true: Callable[[], bool], *, seconds: float = 120.0, what: str) -> None:
    """Until it is true; fails with its name."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.1)


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def _moved(sandbox: tenants.Sandbox, proxy: Proxy) -> tenants.Sandbox:
    return tenants.Sandbox(f"http://{proxy.address}")
