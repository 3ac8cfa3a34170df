"""Consonance is written gently: what is no live change only inside a window, and only so many titles a night.

Whatever is written there can leave in that night's ONIX to every retailer.
"""

from __future__ import annotations

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
    titles: int = Field(100, ge=0, description="titles a window")


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

    async def admit(self, c: AsyncConnection, title: TitleKey) -> float:
        """0 where the title may be written now, and is counted; else the seconds until it is worth asking again."""
        await self.db.lock(c, FACT)
        now = moment(await self.db.now(c))
        begins, ends = self.window(now)
        if now < begins:
            return (begins - now).total_seconds()
        stored = load(await installation.fact(c, FACT)) or {}
        admitted = stored.get("titles", []) if stored.get("window") == begins.isoformat() else []
        if title in admitted:
            return 0.0
        if len(admitted) >= self.settings.titles:
            return max(60.0, (self.window(ends)[0] - now).total_seconds())
        said = {"window": begins.isoformat(), "titles": [*admitted, title]}
        await installation.state(self.db, c, {FACT: dump(said)})
        return 0.0
