"""Everything that the demo needs, started in order and gone again at the end, however that comes about."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from frontlist.cli import sandboxing
from frontlist.demo import installation
from frontlist.demo.checks import Book
from frontlist.demo.connector import Connector
from frontlist.demo.events import Listener
from frontlist.demo.installation import Addresses, Looking
from frontlist.demo.scene import Scene
from frontlist.demo.screen import Terminal
from frontlist.demo.tenants import Consonance, Portal
from frontlist.demo.titles import BUNDLED
from frontlist.embedded.choice import DATABASE_VARIABLE, KAFKA_VARIABLE, bootstrap_servers
from frontlist.embedded.postgres import Postgres
from frontlist.errors import ConfigurationError
from frontlist_schemas.topics import PREFIX

#: Programs that watch the demo wait for it.
ADDRESSES = "addresses.json"
FILES = (("configuration", "frontlist.yaml"), ("connector's log", "connector.log"))


@dataclass(frozen=True)
class Plan:
    """`folder`: where configuration and logs go. `environment`: where other servers may be named.

    `interrupted` raises KeyboardInterrupt once that was asked for.
    """

    folder: Path
    catalogue: tuple[Path, ...]
    patience: float
    environment: dict[str, str]
    interrupted: Callable[[], None]
    fail_fast: bool = False


@contextmanager
def stage(plan: Plan, screen: Terminal) -> Iterator[Scene]:
    """The scene with the connector running; raises ConfigurationError and ServerError."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as running:
        running.enter_context(alone(plan.folder))
        _forget(plan.folder)
        sandboxes = sandboxing.parts()
        kafka, prefix = _kafka(running, plan, screen)
        database = _database(running, plan, screen)
        with sandboxing.explained(sandboxes):
            wanted = sandboxes.Wanted(catalogue=plan.catalogue, beside=True)
            up = running.enter_context(sandboxes.up(wanted))
        there = (up["consonance"], up["fourallportal"])
        at = Addresses(kafka, prefix, database, *[(each.url, each.key) for each in there])
        settings = installation.write(plan.folder, at)
        _say(screen, up, at, plan)
        asyncio.run(installation.prepare(settings))
        consonance = running.enter_context(closing(Consonance(there[0].url)))
        portal = running.enter_context(closing(Portal(there[1].url)))
        connector = Connector(plan.folder, plan.environment)

        def alive() -> None:
            plan.interrupted()
            connector.check()

        book = Book(screen, patience=plan.patience, alive=alive, fail_fast=plan.fail_fast)
        by_hand = {id_: consonance.texts(id_) for id_ in BUNDLED if id_ in up.tenant.works}
        looking = running.enter_context(closing(Looking(settings)))
        events = running.enter_context(Listener(kafka, prefix))
        _write(plan.folder / ADDRESSES, sandboxing.as_plain(up) | {"kafka": kafka, "prefix": prefix})
        running.enter_context(connector)
        yield Scene(book, consonance, portal, connector, events, looking, up.tenant, by_hand)


def addresses(folder: Path) -> dict[str, Any]:
    """Where everything of the running demo is."""
    return dict(json.loads((folder / ADDRESSES).read_text(encoding="utf-8")))


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One demo a folder: the lock is freed by the system however the process ends."""
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                "another demo is running there", where=str(folder), cure="end it, or give this one another --folder"
            ) from None
        yield


def _forget(folder: Path) -> None:
    """What an earlier demo left."""
    installation.Topics(folder).remove()
    for name in (ADDRESSES, "connector.log", "frontlist.yaml", "mapping.yaml"):
        (folder / name).unlink(missing_ok=True)


def _kafka(running: ExitStack, plan: Plan, screen: Terminal) -> tuple[str, str]:
    """(address, prefix): on somebody else's Kafka under a prefix of our own, which is taken away at the end."""
    named = plan.environment.get(KAFKA_VARIABLE)
    with _timed(screen, f"Kafka, {KAFKA_VARIABLE}" if named else "Kafka, embedded"):
        address = running.enter_context(bootstrap_servers(screen.say, environment=plan.environment))
    if not named:
        return address, PREFIX
    topics, prefix = installation.Topics(plan.folder), f"demo-{secrets.token_hex(4)}"
    topics.note(address, prefix)
    running.callback(topics.remove)
    return address, prefix


def _database(running: ExitStack, plan: Plan, screen: Terminal) -> str:
    """Embedded PostgreSQL, as in production: it is up within a second or two."""
    if named := plan.environment.get(DATABASE_VARIABLE):
        return absolute(named)
    with _timed(screen, "PostgreSQL, embedded"):
        return running.enter_context(Postgres()).create_database("frontlist")


@contextmanager
def _timed(screen: Terminal, what: str) -> Iterator[None]:
    began = time.monotonic()
    with screen.waiting(f"{what} is starting"):
        yield
    screen.say(f"{what}: {time.monotonic() - began:.1f} s")


def _say(screen: Terminal, up: Any, at: Addresses, plan: Plan) -> None:
    screen.say("addresses")
    rows = [(f"{each.name} (sandbox)", f"{each.url}   key {each.key}") for each in up.served]
    rows += [("Kafka", f"{at.kafka}   topics {at.prefix}.*"), ("database", without_password(at.database))]
    rows += [(name, str(plan.folder / file)) for name, file in FILES]
    screen.facts(rows)
    tenant = up.tenant
    screen.say(f"catalogue: {len(tenant.works)} works, {len(tenant.products)} products, {len(up.rejected)} rejected")
    screen.say("waits are shortened")
    screen.facts([(what, f"{shipped} -> {here}") for what, shipped, here in installation.WAITS])


def absolute(url: str) -> str:
    """The connector runs in another folder than we do."""
    parsed = make_url(url)
    if not parsed.drivername.startswith("sqlite") or not parsed.database:
        return url
    return parsed.set(database=str(Path(parsed.database).absolute())).render_as_string(hide_password=False)


def without_password(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


def _write(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all: programs wait for it."""
    whole = path.with_suffix(".part")
    whole.write_text(json.dumps(content, ensure_ascii=False, indent=2, default=str), encoding="utf-8")
    os.replace(whole, path)
