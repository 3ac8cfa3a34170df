"""Drift noticed by capture: somebody else changed a cell that we wrote, or deleted the record that it stood in.

The engine then reads the resource again, heals what was changed and reports. Only the mirror is compared, so what we
wrote ourselves and comes back costs no call.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import FieldKey, Resource, TitleKey
from frontlist.source import Raw, RawKey, Source, Watching
from frontlist.state import drift
from frontlist.state.database import Database
from frontlist.state.mirror import Stored

log = structlog.get_logger(__name__)


async def notice(
    db: Database,
    c: AsyncConnection,
    source: Source,
    read: Mapping[RawKey, tuple[Raw, TitleKey]],
    stored: Stored,
    began: int,
    rest: int,
) -> None:
    """Mark what contradicts what was applied, and what is gone though it was to be there.

    `began`: when the objects began to be read, `rest`: between two looks.
    """
    if not isinstance(source, Watching):
        return
    shown = {
        Resource(source.name, key.kind, key.id): (read[key][0], before)
        for key, before in stored.kept.items()
        if read[key][0].body is not None
    }
    gone = {Resource(source.name, key.kind, key.id) for key in stored.written if _is_gone(read[key][0])}
    if not shown and not gone:
        return
    found = []
    for hold in await drift.held(c, {*shown, *gone}):
        if hold.resource in gone:
            # Whether it is to be gone, the plan says when it was read: what we are taking away ourselves is no finding.
            log.info("drift: what we wrote is gone", resource=str(hold.resource))
            found.append(hold)
            continue
        now, before = shown[hold.resource]
        if keys := _contradicted(source, hold, now, before, began):
            log.info("drift: somebody changed what we wrote", resource=str(hold.resource), fields=sorted(keys))
            found.append(hold)
    if found:
        await drift.mark(db, c, found, await db.now(c), rest)


def _is_gone(raw: Raw) -> bool:
    return raw.body is None and raw.unreadable is None


def _contradicted(source: Watching, hold: drift.Hold, now: Raw, before: Raw | None, began: int) -> frozenset[FieldKey]:
    keys = source.contradicts(now, hold.fields)
    if keys and hold.intended is not None:
        # A write is under way, or in doubt: the object may show either.
        intended = {key: hold.intended[key] for key in keys if key in hold.intended}
        keys -= intended.keys() - source.contradicts(now, intended)
    if not keys or began > hold.applied_at:
        return keys
    # Read before we remembered our last write, so it may show what we wrote before that: then the mirror showed it too.
    return keys - source.contradicts(before, hold.fields) if before is not None else frozenset()
