"""The schema's version: migrations by Alembic, `frontlist db upgrade`, and the check at every start.

Alembic is loaded by an upgrade alone: the check asks for one row, and a start waits for it.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from frontlist.errors import ConfigurationError
from frontlist.state import (  # noqa: F401  their tables fill the metadata, with which migrations are compared
    applied,
    captured,
    dead,
    dirty,
    dossier,
    drift,
    erased,
    feeds,
    findings,
    held,
    images,
    installation,
    mirror,
    outbox,
    processes,
    settled,
    slots,
    sweeps,
    work,
)
from frontlist.state.database import Database, reason, takes_long

MIGRATIONS = Path(__file__).parent / "migrations"
#: The schemas that this program knows, the newest last: one for each file of migrations/versions/.
REVISIONS = ("0001",)
#: Where Alembic notes the schema of a database.
_version = sa.table("alembic_version", sa.column("version_num", sa.Text))


async def upgrade(db: Database) -> None:
    """To the newest schema; nothing is removed before every process knows the new one (expand, then contract)."""
    async with db.begin() as connection:
        await takes_long(connection)
        await connection.run_sync(_migrate)
        await db.raise_numbers(connection)


def _migrate(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def head() -> str:
    """The schema that this program knows."""
    return REVISIONS[-1]


async def check(db: Database) -> None:
    """Raises ConfigurationError where the database has another schema than this program knows."""
    try:
        async with db.engine.connect() as connection:
            at = await connection.run_sync(_revision)
    except (OSError, sa.exc.SQLAlchemyError, TimeoutError) as error:
        raise ConfigurationError(
            f"the database does not answer: {reason(error)}",
            where=db.name,
            cure="check `database` (FRONTLIST_DATABASE), its password and the network",
        ) from error
    if at == head():
        return
    if at is None:
        raise ConfigurationError("the database is empty", where=db.name, cure="frontlist db upgrade")
    if at in REVISIONS:
        raise ConfigurationError(f"the database has the older schema {at}", where=db.name, cure="frontlist db upgrade")
    raise ConfigurationError(
        f"the database has the schema {at}, which this version of Frontlist does not know",
        where=db.name,
        cure="run the version of Frontlist that upgraded it, or a newer one",
    )


def _revision(connection: sa.Connection) -> str | None:
    """None in a database that was never upgraded."""
    if not sa.inspect(connection).has_table(_version.name):
        return None
    return connection.scalar(sa.select(_version.c.version_num))
