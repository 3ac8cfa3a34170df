"""The demo's own installation: its configuration with short waits, an empty database, topics, and mode apply."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from ruamel.yaml import YAML
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import runtime
from frontlist.cli.deciding import decide
from frontlist.clock import Clock
from frontlist.contract import Mode
from frontlist.errors import ConfigurationError
from frontlist.mapping import default_text
from frontlist.settings import Settings, load
from frontlist.state import applied, feeds, findings, installation, schema
from frontlist.state.database import Database, metadata

TENANT = "demo"
#: A released text has to stand unchanged for so long (seconds).
QUIET = 2.0
#: Until a passed-away process's reading of a system is taken over (seconds).
LEASE = 3.0
#: Calls a second to either system.
PACE = 50.0
#: What is shortened: (what, as shipped, here).
WAITS = (
    ("a released text stands unchanged for", "10 min", f"{QUIET:g} s"),
    ("Consonance is asked what changed every", "60 s", "0.5 s"),
    ("Consonance is read through every", "24 h", "2 s"),
    ("4ALLPORTAL is asked what changed every", "15 s", "0.5 s"),
    ("a doubtful write is looked at once more after", "15 min", "1 s"),
    ("a system that refused our key is tried again after", "30 s", "1 s"),
    ("a write that was cut off is taken up again after", "45 s", "5 s"),
    ("another process takes over capture after", "15 s", f"{LEASE:g} s"),
    ("calls a second to Consonance, to 4ALLPORTAL", "2, 4", f"{PACE:g}, {PACE:g}"),
)
_EDITS = (
    ("quiet: 10m", f"quiet: {QUIET:g}s"),
    ("public_from: []", "public_from:\n  - field: tenant_public_from"),
)


@dataclass(frozen=True)
class Addresses:
    """What the configuration points at."""

    kafka: str
    prefix: str
    database: str
    consonance: tuple[str, str]
    fourallportal: tuple[str, str]


def write(folder: Path, at: Addresses) -> Settings:
    """`frontlist.yaml` and `mapping.yaml` in the folder, and the settings that they say."""
    (folder / "mapping.yaml").write_text(mapping_text(), encoding="utf-8")
    with (folder / "frontlist.yaml").open("w", encoding="utf-8") as file:
        file.write("# Written by `frontlist demo` at each start.\n")
        YAML().dump(configuration(at), file)
    return load(folder / "frontlist.yaml")


def mapping_text() -> str:
    """The default mapping with a short quiet time, and with records confidential until somebody says from when not."""
    text = default_text()
    for shipped, here in _EDITS:
        assert shipped in text, f"the default mapping no longer says {shipped!r}"
        text = text.replace(shipped, here)
    return text


def configuration(at: Addresses) -> dict[str, Any]:
    return {
        "tenant": TENANT,
        "test": True,
        "database": at.database,
        "mapping": "mapping.yaml",
        "kafka": {"bootstrap": at.kafka, "prefix": at.prefix, "group": at.prefix, "partitions": 2},
        "consonance": {
            "url": at.consonance[0],
            "key": at.consonance[1],
            "zone": "Europe/London",
            "poll_interval": 0.5,
            "calls_per_second": PACE,
            "full_sweep_interval": 2.0,
            "contract_sweep_interval": 2.0,
        },
        "fourallportal": {
            "url": at.fourallportal[0],
            "key": at.fourallportal[1],
            "locales": ["en_GB", "de_DE"],
            "poll_seconds": 0.5,
            "calls_per_second": PACE,
            "rebuild_pause": 0.2,
            "rebuild_seconds": 0.0,
        },
        "capture": {"lease": LEASE, "retry": 0.5},
        "work": {"idle": 0.2, "retry_first": 0.3},
        "ensure": {"lease": 5.0, "look_again": 1.0},
        "breaker": {"refused_key": 1.0},
        "health": {"listen": "127.0.0.1:0"},
    }


async def prepare(settings: Settings) -> None:
    """What `frontlist db upgrade`, `topics apply` and `mode set apply` do."""
    await emptied(settings.database)
    it = runtime.Installation(settings)
    try:
        await schema.upgrade(it.db)
        await it.topics.apply()
        await decide(it, "mode", "*/*", Mode.APPLY.value)
    finally:
        await it.close()


async def emptied(url: str) -> None:
    """Takes away what an earlier demo left; raises ConfigurationError where the database holds anything else."""
    db = Database(url, Clock())
    try:
        async with db.begin() as c:
            tables = set(await c.run_sync(lambda sync: sa.inspect(sync).get_table_names()))
            if not tables:
                return
            if not await _is_a_demo(c, tables):
                raise ConfigurationError(
                    "the database is not empty, and what it holds is not an earlier demo's",
                    where=db.name,
                    cure="give the demo an empty database, or leave FRONTLIST_DATABASE out",
                )
            await c.run_sync(metadata.drop_all)
            await c.execute(sa.text("DROP TABLE IF EXISTS alembic_version"))
    except (OSError, sa.exc.SQLAlchemyError) as error:
        message = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise ConfigurationError(
            f"the database does not answer: {message}", where=db.name, cure="check FRONTLIST_DATABASE"
        ) from error
    finally:
        await db.close()


async def _is_a_demo(c: AsyncConnection, tables: set[str]) -> bool:
    ours = {table.name for table in metadata.sorted_tables} | {"alembic_version"}
    return tables <= ours and "fact" in tables and await installation.fact(c, "tenant") in (TENANT, None)


class Topics:
    """The topics that demos make on somebody else's Kafka: noted before they are made, removed after."""

    def __init__(self, folder: Path) -> None:
        self._note = folder / "topics.json"

    def note(self, bootstrap: str, prefix: str) -> None:
        self._note.write_text(json.dumps({"bootstrap": bootstrap, "prefix": prefix}), encoding="utf-8")

    def remove(self) -> int:
        """Those of the last demo that noted any, also of one that was killed; answers how many."""
        try:
            noted = json.loads(self._note.read_text(encoding="utf-8"))
            gone = _deleted(str(noted["bootstrap"]), str(noted["prefix"]))
        except (OSError, ValueError, KeyError, KafkaException):
            return 0  # nothing noted, or that Kafka is no more
        self._note.unlink(missing_ok=True)
        return gone


def _deleted(bootstrap: str, prefix: str) -> int:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    found = [name for name in admin.list_topics(timeout=3).topics if name.startswith(f"{prefix}.")]
    for future in (admin.delete_topics(found, operation_timeout=5) if found else {}).values():
        future.result(10)
    return len(found)


class Looking:
    """Looks at the running installation as `frontlist status` and `frontlist findings` do."""

    def __init__(self, settings: Settings) -> None:
        self._runner = asyncio.Runner()
        self._db = Database(settings.database, Clock())

    def close(self) -> None:
        self._runner.run(self._db.close())
        self._runner.close()

    def errors(self, system: str) -> list[str]:
        """What the feeds of a system say is wrong."""
        return [each.error for each in self._feeds(system).values() if each.error]

    def read_through_since(self, moment: datetime) -> bool:
        """Whether Consonance was read from end to end by a pass that began after this."""
        cursor = getattr(self._feeds("consonance").get("works"), "cursor", None)
        if not isinstance(cursor, Mapping) or "full_began" not in cursor:
            return False
        over = cursor["done"] or not cursor["full"]
        return bool(over and datetime.fromisoformat(cursor["full_began"]) > moment)

    def in_doubt(self, titles: Sequence[str]) -> list[str]:
        """Writes to these titles that may have happened and that nobody has settled yet."""

        async def go() -> list[str]:
            row = applied.applied_table.c
            doubtful = sa.or_(row.doubt_since.is_not(None), row.intent_claim > row.applied_claim)
            columns = (row.title, row.target, row.kind, row.id, row.intent_at, row.doubt_since)
            async with self._db.read() as c:
                found = (await c.execute(sa.select(*columns).where(doubtful, row.title.in_(titles)))).all()
                now = await self._db.now(c)
            return [
                f"{each.title}: {each.target} {each.kind}/{each.id}, "
                f"{(now - (each.doubt_since or each.intent_at)) / 1_000_000:.0f} s ago"
                for each in found
            ]

        return self._runner.run(go())

    def findings(self, title: str) -> Sequence[str]:
        """What a person must settle."""

        async def go() -> list[str]:
            async with self._db.read() as c:
                return [row.message for row in await findings.open_ones(c, title)]

        return self._runner.run(go())

    def _feeds(self, system: str) -> dict[str, feeds.FeedState]:
        async def go() -> dict[str, feeds.FeedState]:
            async with self._db.read() as c:
                return await feeds.states(c, system)

        return self._runner.run(go())
