"""Unreadable records: what nobody should have written is found, kept as a finding, and passed over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog
from aiokafka import ConsumerRecord
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.contract import Finding
from frontlist.errors import said
from frontlist.state import findings
from frontlist.state.database import Database, gone

log = structlog.get_logger(__name__)
#: What reading a record raises that nobody should have written.
BROKEN = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


async def bisected(
    records: Sequence[ConsumerRecord],
    store: Callable[[Sequence[ConsumerRecord]], Awaitable[None]],
    refuse: Callable[[ConsumerRecord, str], Awaitable[None]],
) -> None:
    """`store` in one transaction; what the database refuses (U+0000 in vendor HTML) is found by halves."""
    if not records:
        return
    try:
        await store(records)
    except (DBAPIError, OverflowError) as error:
        if gone(error):
            raise
        if len(records) == 1:
            why = f"the database refused it: {str(getattr(error, 'orig', error))[:200]}".replace("\x00", "\\0")
            await refuse(records[0], why)
            return
        half = len(records) // 2
        await bisected(records[:half], store, refuse)
        await bisected(records[half:], store, refuse)


async def unreadable(db: Database, c: AsyncConnection, record: ConsumerRecord, error: Exception) -> None:
    """A record that names no title: kept as a finding under its place on the topic."""
    where = f"{record.topic}[{record.partition}]@{record.offset}"
    log.error("intake: a record cannot be read", where=where, error=said(error))
    await findings.open_one(
        db,
        c,
        "intake",
        f"topic:{where}",
        Finding(
            key="record",
            kind="unreadable",
            message=f"a record on {where} cannot be read: {error}",
            cure="find out who writes to our topics; the record stays there and is passed over",
            where=where,
            severity="high",
        ),
        await db.now(c),
    )
