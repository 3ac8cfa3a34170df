"""Titles from which a person was erased: until they were written anew, nothing that is overwritten there is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import Json, TitleKey
from frontlist.state import settled
from frontlist.state.database import Database, among, metadata

#: The kind of the decision to forget a person; its key names whom.
KIND = "forget"
erased_table = sa.Table(
    "erased",
    metadata,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True)
class Erasures:
    """When somebody was last erased: from titles that the decision names, or from any, where it names none."""

    titles: Mapping[TitleKey, int]
    anywhere: int = 0

    def of(self, title: TitleKey) -> int:
        return max(self.anywhere, self.titles.get(title, 0))


async def decided(connection: AsyncConnection, now: int) -> Erasures:
    """By all decisions; one that does not say when or where counts as of now and for all."""
    titles: dict[TitleKey, int] = {}
    anywhere = 0
    for body in (await settled.decisions(connection, KIND)).values():
        at, named = _said(body, now)
        if named is None:
            anywhere = max(anywhere, at)
        for title in named or ():
            titles[title] = max(at, titles.get(title, 0))
    return Erasures(titles, anywhere)


async def decided_since(connection: AsyncConnection, since: int, now: int) -> list[str]:
    """Whom; a decision that does not say when counts as of now."""
    found = await settled.decisions(connection, KIND)
    return sorted(who for who, body in found.items() if _said(body, now)[0] >= since)


def body(at: int, titles: Iterable[TitleKey], before: Json) -> Json:
    """The decision's; `before`: what it said, where the person was forgotten once more."""
    _, named = _said(before, at) if before is not None else (0, ())
    return {"at": at, "titles": None if named is None else sorted({*named, *titles})}


def _said(body: Json, now: int) -> tuple[int, Sequence[TitleKey] | None]:
    stated = body if isinstance(body, Mapping) else {}
    at, titles = stated.get("at"), stated.get("titles")
    named = [TitleKey(each) for each in titles if isinstance(each, str)] if isinstance(titles, list) else None
    return at if isinstance(at, int) else now, named


async def put(
    db: Database, connection: AsyncConnection, consumers: Iterable[str], titles: Sequence[TitleKey], at: int
) -> None:
    rows = [{"consumer": name, "title": title, "at": at} for name in consumers for title in titles]
    if rows:
        await db.upsert(connection, erased_table, rows)


async def of(connection: AsyncConnection, consumer: str, titles: Sequence[TitleKey]) -> dict[TitleKey, int]:
    """title -> when somebody was erased from it."""
    e = erased_table.c
    query = sa.select(e.title, e.at).where(e.consumer == consumer, among(connection, e.title, titles))
    return {TitleKey(row.title): row.at for row in await connection.execute(query)}


async def written(connection: AsyncConnection, consumer: str, title: TitleKey, at: int) -> None:
    """What stands there now was planned from documents without that person."""
    e = erased_table.c
    await connection.execute(sa.delete(erased_table).where(e.consumer == consumer, e.title == title, e.at <= at))
