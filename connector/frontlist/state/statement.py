"""Statements that are built once and executed many times: what changes is handed over as values.

To build one anew for each execution costs several times what it takes to execute it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncConnection

#: Rows that are handed over at once: to PostgreSQL, and to SQLite, which takes them as one text.
MOST = (5000, 500)
#: Name -> type of the columns of rows that are handed over.
Columns = Mapping[str, "sa.types.TypeEngine[Any]"]
Values = dict[str, Any]
#: (the table's columns, those of the rows that are handed over) -> SQL
Of = Callable[[Any, Any], Any]


def typed(table: sa.Table, names: Iterable[str]) -> Columns:
    """Columns of handed-over rows with the types that they have in a table."""
    return {name: table.c[name].type for name in names}


class Parameters:
    """What a statement names while it is built, and is given when it is executed; scalars are `sa.bindparam`.

    Lists and rows are one parameter, or one a column: the statement's text never depends on their number.
    """

    def __init__(self, sqlite: bool) -> None:
        self.sqlite = sqlite
        self._given: dict[str, Callable[[Any], Values]] = {}

    def among(self, column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
        """`column` is one of a list."""
        if self.sqlite:
            self._given[name] = lambda values: {name: as_json(listed := list(values), listed)}
            return column.in_(sa.select(json_each(name, sa.bindparam(name, type_=sa.Text)).c.value))
        self._given[name] = lambda values: {name: list(values)}
        return column == sa.any_(sa.bindparam(name, type_=_array(column.type)))

    def rows(self, name: str, columns: Columns) -> sa.FromClause:
        """A table with these columns; given: sequences in their order."""
        if self.sqlite:
            self._given[name] = lambda rows: {name: as_json(listed := list(rows), (v for row in listed for v in row))}
            each = json_each(f"{name}_json", sa.bindparam(name, type_=sa.Text))
            picked = [
                sa.type_coerce(sa.func.json_extract(each.c.value, f"$[{i}]"), kind).label(column)
                for i, (column, kind) in enumerate(columns.items())
            ]
            # Read once: the text would be parsed anew for each row that is joined to it.
            return sa.select(*picked).cte(name).prefix_with("MATERIALIZED")
        keys = [f"{name}_{column}" for column in columns]
        self._given[name] = lambda rows: {key: [row[i] for row in rows] for i, key in enumerate(keys)}
        arrays = [
            sa.cast(sa.bindparam(key, type_=_array(kind)), _array(kind))
            for key, kind in zip(keys, columns.values(), strict=True)
        ]
        named = [sa.column(column, kind) for column, kind in columns.items()]
        return sa.func.unnest(*arrays).table_valued(*named, name=name).render_derived()

    def upsert(
        self,
        table: sa.Table,
        names: Sequence[str],
        rows: sa.Select[Any] | None = None,
        *,
        where: Of | None = None,
        keep: Collection[str] = (),
        also: Of | None = None,
        returning: Sequence[sa.ColumnElement[Any]] = (),
    ) -> sa.Executable:
        """Insert `rows`, or those `given`, or overwrite by primary key; see `Database.upsert`.

        They are given in the order of their keys, so that two writers never deadlock.
        """
        keys = [column.name for column in table.primary_key]
        if rows is None:
            # SQLite takes ON CONFLICT for a join condition where the SELECT has no WHERE.
            rows = sa.select(*self.rows("given", typed(table, names)).c).where(sa.text("1 = 1"))
        insert: Any = sqlite.insert(table) if self.sqlite else postgresql.insert(table)
        insert = insert.from_select(names, rows, include_defaults=False)
        new = {name: insert.excluded[name] for name in names if name not in keys and name not in keep}
        new |= also(table.c, insert.excluded) if also is not None else {}
        if new:
            condition = where(table.c, insert.excluded) if where is not None else None
            insert = insert.on_conflict_do_update(index_elements=keys, set_=new, where=condition)
        else:
            insert = insert.on_conflict_do_nothing(index_elements=keys)
        return insert.returning(*returning) if returning else insert  # type: ignore[no-any-return]

    def bound(self, values: Values) -> Values:
        """As the driver takes them."""
        out: Values = {}
        for name, value in values.items():
            given = self._given.get(name)
            out |= {name: value} if given is None else given(value)
        return out


def locking(given: sa.FromClause, table: sa.Table, *here: sa.ColumnElement[bool]) -> sa.CTE:
    """Those given that are there, locked in the order of their keys: an UPDATE alone takes rows as it meets them."""
    query = sa.select(*given.c).join(table, sa.and_(*here)).order_by(*table.primary_key.columns)
    return query.with_for_update(of=table).cte("locking")


class Statement:
    """A decorator: the function builds the statement, once for each kind of database."""

    def __init__(self, build: Callable[[Parameters], sa.Executable]) -> None:
        self._build = build
        self._built: dict[bool, tuple[sa.Executable, Parameters]] = {}

    async def __call__(self, connection: AsyncConnection, /, **values: Any) -> sa.CursorResult[*tuple[Any, ...]]:
        statement, parameters = self._of(connection.dialect.name == "sqlite")
        return await connection.execute(statement, parameters.bound(values))

    async def rows(self, connection: AsyncConnection, given: Sequence[Sequence[Any]], /, **values: Any) -> list[Any]:
        """With any number of rows `given`, in parts; what it returns."""
        out: list[Any] = []
        most = MOST[connection.dialect.name == "sqlite"]
        for start in range(0, len(given), most):
            result = await self(connection, given=given[start : start + most], **values)
            if result.returns_rows:
                out += result.all()
        return out

    def _of(self, sqlite: bool) -> tuple[sa.Executable, Parameters]:
        found = self._built.get(sqlite)
        if found is None:
            parameters = Parameters(sqlite)
            found = self._built[sqlite] = self._build(parameters), parameters
        return found


def json_each(name: str, body: sa.ColumnElement[str]) -> sa.TableValuedAlias:
    """The elements of a list as rows, for SQLite."""
    return sa.func.json_each(body).table_valued("value", name=name)


def as_json(value: list[Any], texts: Iterable[Any]) -> str:
    """For SQLite's JSON functions, which would cut a text at U+0000 in silence; PostgreSQL refuses it too."""
    if any(isinstance(text, str) and "\x00" in text for text in texts):
        raise DataError("a list", None, ValueError("a text holds U+0000"))
    return json.dumps(value, ensure_ascii=False)


def _array(kind: sa.types.TypeEngine[Any]) -> postgresql.ARRAY[Any]:
    # One dimension, said aloud: each value would be looked at for more.
    return postgresql.ARRAY(kind, dimensions=1)
