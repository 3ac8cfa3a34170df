"""Commands that run or prepare: run, db, topics, rebuild, republish."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from frontlist import ending, logs, process, recovering, runtime
from frontlist.cli.terminal import AsJson, Config, Progress, out, say_json, table, wait_for
from frontlist.errors import ConfigurationError
from frontlist.memory import collect_rarely
from frontlist.settings import load
from frontlist.state import schema
from frontlist.state.database import Database

#: What `schema.check` says of a database that only waits for this command.
UPGRADE = "frontlist db upgrade"
Only = Annotated[
    str,
    typer.Option(help="Parts of this process: capture, intake, work, or consumers by name (these imply work)."),
]


def add_to(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(rebuild)
    app.command()(republish)
    database = typer.Typer(help="The database's schema.", no_args_is_help=True)
    database.command("upgrade")(db_upgrade)
    app.add_typer(database, name="db")
    topics = typer.Typer(help="The Kafka topics.", no_args_is_help=True)
    topics.command("apply")(topics_apply)
    topics.command("list")(topics_list)
    app.add_typer(topics, name="topics")


def run(config: Config = None, only: Only = "") -> None:
    """Run until SIGTERM or Ctrl-C: capture, intake and work."""
    collect_rarely()
    settings = load(config)
    logs.configure(settings.log.level, settings.log.json_lines, settings.secrets())

    async def go() -> None:
        stopping = asyncio.Event()
        ending.on_signals(stopping, settings.shutdown.grace)
        async with runtime.opened(settings) as it:
            parts, consumers = chosen(only, set(it.plugins.consumers))
            await process.run(it, stopping, parts=parts, consumers=consumers)

    wait_for(go())


def chosen(only: str, consumers: set[str]) -> tuple[list[str], list[str] | None]:
    """(parts, consumers or None for all) of `--only capture,metadata`."""
    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in names if name not in process.PARTS and name not in consumers]
    if unknown:
        raise ConfigurationError(
            f"nothing is called {', '.join(unknown)}",
            where="--only",
            cure=f"choose of {', '.join([*process.PARTS, *sorted(consumers)])}",
        )
    if not names:
        return list(process.PARTS), None
    picked = [name for name in names if name in consumers]
    parts = [part for part in process.PARTS if part in names or (part == "work" and picked)]
    return parts, picked or None


def rebuild(config: Config = None, as_json: AsJson = False) -> None:
    """Restore an empty database from the topics; creates nothing twice."""
    settings = load(config)
    logs.configure(settings.log.level, settings.log.json_lines, settings.secrets())

    async def go() -> dict[str, int]:
        async with runtime.opened(settings, rebuilding=True) as it:
            return await recovering.rebuild(it, say)

    with Progress(as_json) as say:
        counts = wait_for(go())
    if as_json:
        say_json({"records": counts})
        return
    table(("topic", "records"), [(name, count) for name, count in counts.items() if count])
    out.print("Rebuilt. What targets hold is read back as titles are worked.")


def republish(config: Config = None, as_json: AsJson = False) -> None:
    """After a topic was re-created or cut: publish everything anew."""
    settings = load(config)
    logs.configure(settings.log.level, settings.log.json_lines, settings.secrets())

    async def go() -> recovering.Republished:
        async with runtime.opened(settings) as it:
            return await recovering.republish(it, say)

    with Progress(as_json) as say:
        done = wait_for(go())
    if as_json:
        say_json(vars(done))
        return
    rows = [("topics read from their beginning", done.topics), ("links and decisions", done.records)]
    table(("what", "number"), [*rows, *((f"titles of {system}", n) for system, n in done.titles.items())])
    out.print("Now start `frontlist run`: it reads both systems and publishes every title.")


def db_upgrade(config: Config = None, as_json: AsJson = False) -> None:
    """Bring the database to this version's schema; its own step before an upgrade."""
    settings = load(config)
    from frontlist.clock import Clock

    async def go() -> str:
        db = Database(settings.database, Clock())
        try:
            await upgradable(db)
            await schema.upgrade(db)
            return db.name
        finally:
            await db.close()

    name = wait_for(go())
    if as_json:
        say_json({"database": name, "schema": schema.head()})
        return
    out.print(f"{name} has this version's schema.", markup=False)


async def upgradable(db: Database) -> None:
    """Refuses a database that does not answer, or that a newer version upgraded."""
    try:
        await schema.check(db)
    except ConfigurationError as error:
        if error.cure != UPGRADE:
            raise


def topics_apply(config: Config = None, as_json: AsJson = False) -> None:
    """Make the topics that are missing; refuses one with another number of partitions."""

    async def go() -> list[str]:
        it = runtime.Installation(load(config))
        try:
            return await it.topics.apply()
        finally:
            await it.close()

    made = wait_for(go())
    if as_json:
        say_json({"made": made})
        return
    out.print("\n".join(f"made {name}" for name in made) or "All topics are there.", markup=False)


def topics_list(config: Config = None, as_json: AsJson = False) -> None:
    """The topics as they should be and as they are."""

    async def go() -> list[dict[str, object]]:
        it = runtime.Installation(load(config))
        try:
            there = await it.topics.states()
            return [
                {
                    "topic": name,
                    "there": name in there,
                    "partitions": there[name].partitions if name in there else None,
                    "id": there[name].id if name in there else None,
                }
                for name in it.topics.names
            ]
        finally:
            await it.close()

    rows = wait_for(go())
    if as_json:
        say_json(rows)
        return
    table(
        ("topic", "partitions", "id"),
        [(row["topic"], row["partitions"] or "missing", row["id"] or "") for row in rows],
    )
