"""What PostgreSQL knows of the tables that fill within seconds in a first sync, before its autovacuum looks at them."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.state.applied import applied_table
from frontlist.state.database import Database
from frontlist.state.dossier import document_table
from frontlist.state.statement import Parameters, Statement
from frontlist.state.work import work_table

TABLES = (work_table.name, applied_table.name, document_table.name)
#: A table with fewer rows is as good as unknown, one with fewer bytes is quickly read.
FEW, SMALL = 100, 128 * 1024


async def first(db: Database, connection: AsyncConnection, names: Collection[str] = TABLES) -> list[str]:
    """Analyses those that have grown unseen; answers which are to be asked for again.

    A plan that was made while a table was empty would read all of it, again and again, for a minute and longer.
    """
    if db.sqlite:
        return []
    unseen = (await _unseen(connection, names=names)).all()
    for name in sorted(name for name, size in unseen if size >= SMALL):
        await connection.execute(sa.text(f'ANALYZE "{name}"'))
    return [name for name, size in unseen if size < SMALL]


@Statement
def _unseen(p: Parameters) -> sa.Executable:
    c = sa.table("pg_class", *(sa.column(name) for name in ("oid", "relname", "reltuples"))).c
    name: sa.ColumnElement[str] = sa.type_coerce(c.relname, sa.Text)
    found = sa.select(name, sa.func.pg_relation_size(c.oid)).where(p.among(name, "names"), c.reltuples < FEW)
    return found.where(sa.func.pg_table_is_visible(c.oid))
