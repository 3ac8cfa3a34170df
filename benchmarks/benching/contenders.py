"""Who is measured: Frontlist as shipped, and the peers, each reading the same topic and writing to the same target."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from confluent_kafka.admin import AdminClient

from benching import loads
from benching.processes import Program, Usage
from benching.programs import Programs
from frontlist.demo.installation import prepare
from frontlist.embedded.postgres import Databases
from frontlist.mapping import default_text
from frontlist.settings import load
from frontlist_sandbox.up import Up
from frontlist_schemas.topics import topic

MAIN = "from frontlist.cli import main; main()"
#: Requests in flight, of everybody.
IN_FLIGHT = 256


@dataclass(frozen=True)
class Place:
    """What all share: the broker, a database server, the target's address, the tenants, a folder for files."""

    kafka: str
    postgres: str
    target: str
    tenants: Up
    folder: Path
    programs: Programs


class Contender(Protocol):
    """One who reads the log and writes to the target. `start` may be called again after a kill."""

    name: str

    def start(self) -> Program: ...


class Frontlist:
    """`frontlist run` in a process of its own. Budgets are uncapped; everything else is as shipped.

    `said`: sections of frontlist.yaml that differ from what is shipped. `counting`: of the plugin's system.
    """

    name = "Frontlist"

    def __init__(
        self,
        place: Place,
        prefix: str,
        *,
        only: str = "intake,work",
        counting: Mapping[str, Any] | None = None,
        said: Mapping[str, Any] | None = None,
    ) -> None:
        self._place, self._only = place, only
        self._databases, self._database = Databases(place.postgres), f"bench_{secrets.token_hex(4)}"
        url = self._databases.create(self._database)
        self.database = url
        self.file = place.folder / f"{self._database}" / "frontlist.yaml"
        self.file.parent.mkdir()
        (self.file.parent / "mapping.yaml").write_text(default_text(), encoding="utf-8")
        self.file.write_text(json.dumps(self._configuration(prefix, url, counting or {}, said or {})), encoding="utf-8")
        asyncio.run(prepare(load(self.file)))

    def _configuration(
        self, prefix: str, url: str, counting: Mapping[str, Any], said: Mapping[str, Any]
    ) -> dict[str, Any]:
        systems: dict[str, dict[str, Any]] = {
            "consonance": {"zone": "Europe/London"},
            "fourallportal": {"locales": ["en_GB"]},
        }
        for each in self._place.tenants.served:
            systems[each.name] |= {"url": each.url, "key": each.key}
        base: dict[str, Any] = {
            "tenant": loads.TENANT,
            "test": True,
            "database": url,
            "mapping": "mapping.yaml",
            "kafka": {"bootstrap": self._place.kafka, "prefix": prefix, "group": prefix},
            "log": {"level": "warning"},
            "health": {"listen": "127.0.0.1:0"},  # more than one of us runs at times
            "ensure": {"calls_at_once": IN_FLIGHT},
            "systems": {"counting": {"url": self._place.target, "connections": IN_FLIGHT, **counting}},
            **systems,
        }
        return base | {name: {**base.get(name, {}), **section} for name, section in said.items()}

    def start(self) -> Program:
        line = [sys.executable, "-c", MAIN, "run", "--only", self._only, "--config", str(self.file)]
        return Program(line, self.file.with_suffix(".log"), environment(self._place.programs.site))

    def close(self) -> None:
        self._databases.drop(self._database)


class Parallel:
    """Confluent Parallel Consumer 0.5.3.3: KEY order, 256 in flight, one POST a record by the JDK's client."""

    name = "Parallel Consumer"

    def __init__(self, place: Place, prefix: str) -> None:
        assert place.programs.parallel is not None
        group = f"{prefix}-parallel"
        self._line = [*place.programs.parallel, place.kafka, _topic(prefix), group, f"{place.target}/titles"]
        self._log = place.folder / f"{group}.log"

    def start(self) -> Program:
        return Program([*self._line, str(IN_FLIGHT)], self._log)


class Redpanda:
    """Redpanda Connect v4.85.0, ordered as its input `redpanda` is, one POST a record."""

    name = "Redpanda Connect"

    def __init__(self, place: Place, prefix: str) -> None:
        assert place.programs.redpanda is not None
        group = f"{prefix}-redpanda"
        self._file = place.folder / f"{group}.yaml"
        self._log = place.folder / f"{group}.log"
        self._program = place.programs.redpanda
        said = {
            "http": {"enabled": False},
            "logger": {"level": "WARN"},
            "input": {
                "redpanda": {
                    "seed_brokers": [place.kafka],
                    "topics": [_topic(prefix)],
                    "consumer_group": group,
                    "start_offset": "earliest",
                }
            },
            "output": {
                "http_client": {
                    "url": f"{place.target}/titles",
                    "verb": "POST",
                    "headers": {
                        "Content-Type": "application/json",
                        "X-Key": "${! @kafka_key }",
                        "X-Sequence": "${! @ce_sequence }",
                    },
                    "max_in_flight": IN_FLIGHT,
                }
            },
        }
        self._file.write_text(json.dumps(said), encoding="utf-8")

    def start(self) -> Program:
        return Program([str(self._program), "run", str(self._file)], self._log)


def _topic(prefix: str) -> str:
    return topic(prefix, "consonance", "assets")


def environment(site: Path) -> dict[str, str]:
    """Ours without what would win over the configuration, and with the benchmark's plugin on the path."""
    kept = {name: each for name, each in os.environ.items() if not name.startswith("FRONTLIST_")}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))}


@contextmanager
def prefixed(kafka: str) -> Iterator[str]:
    """A prefix of topics for one figure; they are deleted after it."""
    prefix = f"bench-{secrets.token_hex(4)}"
    try:
        yield prefix
    finally:
        admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
        found = [name for name in admin.list_topics(timeout=10).topics if name.startswith(f"{prefix}.")]
        for future in (admin.delete_topics(found, operation_timeout=30) if found else {}).values():
            future.result(30)


def alive(programs: Sequence[Program]) -> Callable[[], None]:
    """Raises where one of them ended by itself, with the last of what it said."""

    def look() -> None:
        for each in programs:
            if each.ended:
                raise SystemExit(f"a contender ended by itself; it said:\n{each.tail()}")

    return look


def total(usages: Sequence[Usage]) -> Usage:
    return Usage(sum(each.cpu_seconds for each in usages), max((each.peak_mib for each in usages), default=0.0))
