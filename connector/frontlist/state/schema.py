"""The schema's version: migrations by Alembic, `frontlist db upgrade`, and the check at every start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from frontlist.errors import ConfigurationError
from frontlist.state import (  # noqa: F401  their tables fill the metadata, with which migrations are compared
    applied,
    captured,
    dead,
    dossier,
    drift,
    erased,
    findings,
    held,
    installation,
    processes,
    settled,
    slots,
    sweeps,
    work,
)
from frontlist.state.database import Database, takes_long


def configuration(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


async def upgrade(db: Database) -> None:
    """To the newest schema; nothing is removed before every process knows the new one (expand, then contract)."""
    async with db.begin() as connection:
        await takes_long(connection)
        await connection.run_sync(lambda sync: command.upgrade(configuration(sync), "head"))
        await db.raise_numbers(connection)


def head() -> str:
    """The schema that this program knows."""
    return str(ScriptDirectory.from_config(configuration()).get_current_head())


async def check(db: Database) -> None:
    """Raises ConfigurationError where the database has another schema than this program knows."""
    try:
        async with db.engine.connect() as connection:
            at = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
    except (OSError, sa.exc.SQLAlchemyError, TimeoutError) as error:
        raise ConfigurationError(
            f"the database does not answer: {_first_line(error)}",
            where=db.name,
            cure="check `database` (FRONTLIST_DATABASE), its password and the network",
        ) from error
    known = ScriptDirectory.from_config(configuration())
    if at == known.get_current_head():
        return
    if at is None:
        raise ConfigurationError("the database is empty", where=db.name, cure="frontlist db upgrade")
    if at in {script.revision for script in known.walk_revisions()}:
        raise ConfigurationError(f"the database has the older schema {at}", where=db.name, cure="frontlist db upgrade")
    raise ConfigurationError(
        f"the database has the schema {at}, which this version of Frontlist does not know",
        where=db.name,
        cure="run the version of Frontlist that upgraded it, or a newer one",
    )


def _first_line(error: Any) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
