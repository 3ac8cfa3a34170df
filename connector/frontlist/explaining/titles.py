"""Which title a person means: a key, a bare work id or an ISBN; and which are near where there is none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import Json, TitleKey
from frontlist.errors import FrontlistError
from frontlist.linking import isbn
from frontlist.state.database import load
from frontlist.state.dossier import document_table

NEARBY = 5
#: Registrants have long runs of the same first digits, so these still find the publisher's own.
SAME_DIGITS = 9


class UnknownTitleError(FrontlistError):
    """Nothing is known of such a title; `nearby` are those that are."""

    def __init__(self, text: str, nearby: Iterable[str]) -> None:
        self.nearby = tuple(nearby)
        said = f"nearby there are {', '.join(self.nearby)}" if self.nearby else "no title has been captured yet"
        cure = "name a title by its key (work:61417), its work id or an ISBN; `frontlist status` shows the feeds"
        super().__init__(f"no title is known as {text!r}; {said}", where="TITLE", cure=cure)


async def find(c: AsyncConnection, text: str) -> TitleKey:
    """Raises UnknownTitleError."""
    text = text.strip()
    for key in (text, f"work:{text}"):
        if await _known(c, key):
            return TitleKey(key)
    stated = isbn.read(text)
    found = await _by_isbn(c, stated.key) if stated else {}
    right = [title for title, numbers in found.items() if any(_key(each) == stated.key for each in numbers if stated)]
    if right:
        return min(right)
    near = [f"{title} ({number})" for title, numbers in found.items() for number in numbers]
    raise UnknownTitleError(text, near[:NEARBY] or await _nearby(c, text))


async def _known(c: AsyncConnection, key: str) -> bool:
    query = sa.select(document_table.c.title).where(document_table.c.title == key).limit(1)
    return (await c.execute(query)).first() is not None


def _key(number: str) -> str | None:
    read = isbn.read(number)
    return read.key if read else None


async def _by_isbn(c: AsyncConnection, key: str) -> Mapping[TitleKey, list[str]]:
    """Titles with an ISBN of about these digits -> those ISBNs."""
    d = document_table.c
    query = sa.select(d.title, d.body).where(
        d.system == "consonance", d.aspect == "formats", d.body.contains(key[:SAME_DIGITS], autoescape=True)
    )
    rows = (await c.execute(query.order_by(d.title).limit(1000))).all()
    return {TitleKey(row.title): _numbers(load(row.body), key[:SAME_DIGITS]) for row in rows}


def _numbers(body: Json, digits: str) -> list[str]:
    products = body.get("products") or () if isinstance(body, Mapping) else ()
    stated = [str(each.get("isbn13") or "") for each in products]
    return [each for each in stated if each.startswith(digits)]


async def _nearby(c: AsyncConnection, text: str) -> list[str]:
    """The next work ids, or keys that are spelled alike."""
    titles = list((await c.execute(sa.select(document_table.c.title).distinct())).scalars())
    number = text.removeprefix("work:")
    if not number.isdecimal():
        return difflib.get_close_matches(text, titles, NEARBY, 0.4) or sorted(titles)[:NEARBY]
    works = [int(each.removeprefix("work:")) for each in titles if each.removeprefix("work:").isdecimal()]
    nearest = sorted(works, key=lambda each: (abs(each - int(number)), each))[:NEARBY]
    return [f"work:{each}" for each in sorted(nearest)]
