"""Due work: which titles the consumers have to do, and how urgently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import DocumentKey
from frontlist.state import dossier, work
from frontlist.state.database import Database, takes_long

#: Who makes all titles due has it alone, who adds titles shares it: none is planned by what is just being changed, and
#: then missed by those that the change makes due.
TITLES = "frontlist/titles"


async def all_due(
    db: Database, c: AsyncConnection, consumers: Mapping[str, frozenset[DocumentKey]], now: int, reason: str
) -> list[work.Due]:
    """Every known title of these consumers, behind what is live. None is added before this transaction ends.

    Asked before a transaction locks work rows: who adds titles locks theirs after it.
    """
    if consumers:
        await takes_long(c)
        await db.lock(c, TITLES)
    out: list[work.Due] = []
    for name, wants in consumers.items():
        found = await dossier.titles(c, sorted(wants))
        out += [work.Due(name, title, now, work.Priority.BACKFILL, reason) for title in found]
    return out


def dues_of(
    newer: Sequence[dossier.Newer], consumers: Mapping[str, frozenset[DocumentKey]], now: int
) -> list[work.Due]:
    """Each consumer that wants a document has its title to do."""
    return [
        work.Due(name, each.title, now, _priority(each), str(each.key))
        for each in newer
        for name, wants in consumers.items()
        if each.key in wants
    ]


def _priority(each: dossier.Newer) -> work.Priority:
    """What is heard of for the first time is backfill; later changes are live."""
    if each.first:
        return work.Priority.BACKFILL
    return work.PRIORITIES.get(each.key.aspect, work.Priority.METADATA)
