"""Consonance is written gently: what is no live change only inside a window, and only so many titles a night.

Whatever is written there can leave in that night's ONIX to every retailer.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.clock import Clock, moment
from frontlist.contract import TitleKey
from frontlist.state import installation
from frontlist.state.database import Database, dump, load

FACT = "backfill/consonance"


class BackfillSettings(BaseModel):
    """When and how much of a backfill is written to Consonance."""

    model_config = ConfigDict(extra="forbid")

    begins: time = Field(time(20), description="the window begins, in consonance.zone (HH:MM)")
    ends: time = Field(time(5), description="the window ends; the same time as begins: always open")
    titles: int = Field(100, ge=0, description="titles that are written in a window")


class Backfill:
    """Which titles of a backfill may be written to Consonance now."""

    def __init__(self, db: Database, settings: BackfillSettings, zone: ZoneInfo, clock: Clock) -> None:
        self.db, self.settings, self.zone, self.clock = db, settings, zone, clock

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """The window that is open or comes next, as aware times."""
        here = now.astimezone(self.zone)
        begins = here.replace(
            hour=self.settings.begins.hour, minute=self.settings.begins.minute, second=0, microsecond=0
        )
        length = timedelta(hours=self.settings.ends.hour, minutes=self.settings.ends.minute) - timedelta(
            hours=self.settings.begins.hour, minutes=self.settings.begins.minute
        )
        length = length if length > timedelta(0) else length + timedelta(days=1)
        day = timedelta(days=1)
        first = next(at for at in (begins - day, begins, begins + day) if here < at + length)
        return first, first + length

    async def admit(self, c: AsyncConnection, titles: Iterable[TitleKey]) -> dict[TitleKey, float]:
        """Those that may not be written now, with the seconds until it is worth asking again; the others are counted.

        A title counts once a window, and only if the caller's transaction stands. One at a time over all replicas.
        """
        await self.db.lock(c, FACT)
        now = moment(await self.db.now(c))
        begins, ends = self.window(now)
        asked = list(dict.fromkeys(titles))
        if now < begins:
            return dict.fromkeys(asked, (begins - now).total_seconds())
        stored = load(await installation.fact(c, FACT)) or {}
        admitted = stored.get("titles", []) if stored.get("window") == begins.isoformat() else []
        known = set(admitted)
        fresh = [title for title in asked if title not in known]
        room = max(0, self.settings.titles - len(admitted))
        if let := fresh[:room]:
            said = {"window": begins.isoformat(), "titles": [*admitted, *let]}
            await installation.state(self.db, c, {FACT: dump(said)})
        return dict.fromkeys(fresh[room:], max(60.0, (self.window(ends)[0] - now).total_seconds()))
