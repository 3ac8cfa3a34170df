"""Keeping: what nobody needs any more is taken out of the database, a little at a time, and sizes are told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
import structlog
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.clock import DAY, Clock
from frontlist.errors import said
from frontlist.state import processes
from frontlist.state.applied import applied_table
from frontlist.state.database import Database, gone
from frontlist.state.dead import dead_table
from frontlist.state.dossier import document_table
from frontlist.state.drift import look_table
from frontlist.state.findings import finding_table
from frontlist.state.held import held_table, passed_table
from frontlist.state.images import before_table
from frontlist.state.mirror import raw_table
from frontlist.state.outbox import outbox_table
from frontlist.state.sweeps import drift_table, sweep_table, sweep_title_table
from frontlist.state.work import work_table
from frontlist.waiting import wait

log = structlog.get_logger(__name__)
LEASE = "keeping"
#: Rows a transaction: a large delete would hold everybody else up.
SOME = 1000
SIZES = (
    applied_table,
    before_table,
    dead_table,
    document_table,
    finding_table,
    held_table,
    look_table,
    outbox_table,
    raw_table,
    sweep_title_table,
    work_table,
)


class KeepSettings(BaseModel):
    """How long what is over stays in the database, in days."""

    model_config = ConfigDict(extra="forbid")

    before_images: float = Field(90.0, gt=0, description="overwritten values: so long a write can be undone")
    findings: float = Field(90.0, gt=0, description="closed findings")
    settled: float = Field(
        90.0, gt=0, description="closed dead letters, settled held writes, ended sweeps, drift looked at"
    )
    work: float = Field(400.0, gt=0, description="outcomes of titles at which nothing was due since")
    every: float = Field(3600.0, gt=0, description="seconds between two looks")


class Keeper:
    """Prunes, in one process at a time, under a lease."""

    def __init__(self, db: Database, clock: Clock, settings: KeepSettings) -> None:
        self.db, self.clock, self.settings = db, clock, settings
        self._me = clock.new_id()

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await self.once()
            except Exception as error:
                if not gone(error):
                    raise
                log.warning("keeping: the database is gone, paused", error=said(error))
            await wait(stopping, self.settings.every)

    async def once(self) -> Mapping[str, int]:
        """Answers how many rows of each table went."""
        async with self.db.begin() as c:
            if not await processes.acquire(self.db, c, [(LEASE, self._me)], self.settings.every):
                return {}
            now = await self.db.now(c)
        went: dict[str, int] = {}
        for table, over in self._over(now):
            while number := await self._some(table, over):
                went[table.name] = went.get(table.name, 0) + number
        if went:
            log.info("keeping: pruned", **went)
        return went

    def _over(self, now: int) -> list[tuple[sa.Table, sa.ColumnElement[bool]]]:
        keep = self.settings
        settled = now - round(keep.settled * DAY)
        ended = sa.select(sweep_table.c.id).where(sweep_table.c.state == "done", sweep_table.c.ended_at < settled)
        w = work_table.c
        done = sa.and_(w.due_at.is_(None), w.claimed_by.is_(None), w.finished_at < now - round(keep.work * DAY))
        return [
            (before_table, before_table.c.at < now - round(keep.before_images * DAY)),
            (finding_table, finding_table.c.closed_at < now - round(keep.findings * DAY)),
            (dead_table, dead_table.c.closed_at < settled),
            (held_table, held_table.c.settled_at < settled),
            (passed_table, passed_table.c.at < now - 2 * DAY),
            (sweep_title_table, sweep_title_table.c.sweep.in_(ended)),
            (sweep_table, sweep_table.c.id.in_(ended)),
            (drift_table, sa.and_(drift_table.c.sweep != "", ~drift_table.c.sweep.in_(sa.select(sweep_table.c.id)))),
            (look_table, look_table.c.look_at < settled),
            (work_table, done),
            (processes.process_table, processes.process_table.c.heartbeat_at < now - DAY),
            # Of those who died with them in hand; all others are given back.
            (processes.lease_table, processes.lease_table.c.until < now - DAY),
        ]

    async def _some(self, table: sa.Table, over: sa.ColumnElement[bool]) -> int:
        keys = list(table.primary_key)
        chosen = sa.select(*keys).where(over).limit(SOME)
        async with self.db.begin() as c:
            # `over` twice: what came back while we waited for its lock is judged anew.
            return (await c.execute(sa.delete(table).where(sa.tuple_(*keys).in_(chosen), over))).rowcount


async def sizes(connection: AsyncConnection) -> dict[str, int]:
    """Rows of the tables that can grow."""
    out: dict[str, int] = {}
    for table in SIZES:
        query: Any = sa.select(sa.func.count()).select_from(table)
        out[table.name] = int((await connection.execute(query)).scalar_one())
    return out
