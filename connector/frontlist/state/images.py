"""Before-images: what a write overwrites, stored with its intent, so that it can be put back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import FieldKey, Json, Resource, TitleKey
from frontlist.state import numbered
from frontlist.state.database import Database, among, dump, metadata, partial_index
from frontlist.state.statement import Parameters, Statement

#: The "field" of a before-image that says: nothing stood there.
CREATED = FieldKey("")
before_table = sa.Table(
    "before_image",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("consumer", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("claim", sa.BigInteger, nullable=False),
    sa.Column("field", sa.Text, nullable=False),
    sa.Column("was", sa.Text),
    sa.Column("becomes", sa.Text),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Index("before_image_by_resource", "target", "kind", "id"),
    sa.Index("before_image_by_title", "title"),
    partial_index("before_image_by_run", "run", where="run <> ''"),
    # They are added in the order of their time.
    sa.Index("before_image_by_time", "at", postgresql_using="brin"),
)
#: Of those that a run set off; literal, since the partial index is not found by a plan that knows no parameter.
HAS_RUN = before_table.c.run != sa.literal_column("''")


@dataclass(frozen=True)
class Image:
    """One overwritten value. `claim`: of the write; `run`: what set it off, where that has a name."""

    resource: Resource
    consumer: str
    title: TitleKey
    claim: int
    field: FieldKey
    was: Json
    becomes: Json
    at: int
    run: str


async def keep(db: Database, connection: AsyncConnection, images: Iterable[Image]) -> None:
    rows = [
        (
            each.resource.target,
            each.resource.kind,
            each.resource.id,
            each.consumer,
            each.title,
            each.claim,
            each.field,
            dump(each.was),
            dump(each.becomes),
            each.at,
            each.run,
        )
        for each in images
    ]
    await numbered.add(db, connection, _keep, rows)


@Statement
def _keep(p: Parameters) -> sa.Executable:
    names = ("target", "kind", "id", "consumer", "title", "claim", "field", "was", "becomes", "at", "run")
    return numbered.insert(p, before_table, names)


async def runs(connection: AsyncConnection, limit: int) -> Sequence[sa.Row[Any]]:
    """The latest runs that overwrote something: `run`, `titles` and `cells` in number, `first` and `last` time."""
    b, last = before_table.c, sa.func.max(before_table.c.at).label("last")
    titles, cells = sa.func.count(b.title.distinct()).label("titles"), sa.func.count().label("cells")
    query = sa.select(b.run, titles, cells, sa.func.min(b.at).label("first"), last)
    latest = query.where(HAS_RUN).group_by(b.run).order_by(last.desc()).limit(limit)
    return (await connection.execute(latest)).all()


async def forget(connection: AsyncConnection, until: int, titles: Sequence[TitleKey] | None = None) -> None:
    """Before-images of writes up to a time; `titles`: of these alone."""
    b = before_table.c
    chosen = [b.at <= until] if titles is None else [b.at <= until, among(connection, b.title, titles)]
    await connection.execute(sa.delete(before_table).where(*chosen))
