"""Rows that stand under a number, each in the order in which it was added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.state.database import NUMBERS, Database
from frontlist.state.statement import Parameters, Statement, typed


async def add(db: Database, connection: AsyncConnection, statement: Statement, rows: Sequence[tuple[Any, ...]]) -> None:
    """Each under a new number, in this order."""
    if db.sqlite:
        numbers = await db.draw(connection, len(rows))
        rows = [(number, *row) for number, row in zip(numbers, rows, strict=True)]
    await statement.rows(connection, rows)


def insert(p: Parameters, table: sa.Table, names: Sequence[str]) -> sa.Executable:
    """PostgreSQL draws the numbers itself."""
    given = p.rows("given", typed(table, ("number", *names) if p.sqlite else names))
    rows = sa.select(*given.c) if p.sqlite else sa.select(NUMBERS.next_value(), *given.c)
    return sa.insert(table).from_select(["number", *names], rows, include_defaults=False)
