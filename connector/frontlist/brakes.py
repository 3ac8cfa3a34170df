"""Brakes: harmful changes to many titles of an imprint in one day wait for a person, who settles a fixed list.

Asked at two places: by ensure, after a target was read and before an intent, and by capture, before a revision is
reserved. Why it is so: docs/decisions/0005.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.clock import DAY
from frontlist.contract import Brake, FieldKey, Finding, Json, Resource, TitleKey
from frontlist.state import dossier, held, settled
from frontlist.state.database import Database
from frontlist.state.held import Cell
from frontlist_schemas.canonical import fingerprint

Effect = Literal["switch-off", "unlink", "text-removal", "price", "removal", "title-gone", "elements-gone"]
LOCK = "frontlist/brakes"
#: The "field" of what would happen to a resource as a whole.
WHOLE = FieldKey("")
#: The decision by which a person lets one write through: confirmed/<cell>, {"fingerprint": of the value}.
CONFIRMED = "confirmed"
EFFECTS: Mapping[Brake, Effect] = {
    Brake.OFFERED: "switch-off",
    Brake.HIDDEN: "switch-off",
    Brake.LINK: "unlink",
    Brake.TEXT: "text-removal",
    Brake.PRICE: "price",
}


class BrakeSettings(BaseModel):
    """How many titles of an imprint may change harmfully in any 24 hours before the rest waits for a person."""

    model_config = ConfigDict(extra="forbid")

    share: float = Field(
        0.05, ge=0, le=1, description="share of an imprint's titles, for each kind of change; 1: never"
    )
    floor: int = Field(10, ge=0, description="so many titles in any case")
    elements_share: float = Field(
        0.2, ge=0, le=1, description="share of an imprint's titles of which list elements may vanish at capture"
    )
    elements_floor: int = Field(25, ge=0, description="so many of those in any case")
    price_change: float = Field(0.5, gt=0, description="share by which a price may change without being counted")

    def limit(self, effect: Effect, titles: int) -> int:
        """Titles of an imprint of that size that may change so in 24 hours."""
        share, floor = (
            (self.elements_share, self.elements_floor) if effect == "elements-gone" else (self.share, self.floor)
        )
        return max(floor, int(share * titles))


@dataclass(frozen=True)
class Change:
    """A harmful change about to be made. `fingerprint`: of exactly what a person would confirm."""

    cell: Cell
    title: TitleKey
    effect: Effect
    was: Json
    becomes: Json
    fingerprint: str


def change(cell: Cell, title: TitleKey, effect: Effect, was: Json, becomes: Json) -> Change:
    return Change(cell, title, effect, was, becomes, fingerprint(becomes))


class Brakes:
    """The brakes of one installation, over all its replicas."""

    def __init__(self, db: Database, settings: BrakeSettings) -> None:
        self.db, self.settings = db, settings

    async def admit(self, connection: AsyncConnection, changes: Sequence[Change]) -> set[Cell]:
        """Those that must wait, and are kept for a person; the others are counted as let through.

        Called in the caller's transaction; one at a time over all replicas.
        """
        if not changes:
            return set()
        await self.db.lock(connection, LOCK)
        now = await self.db.now(connection)
        imprints = await dossier.imprints(connection, [each.title for each in changes])
        confirmed = await settled.decisions(connection, CONFIRMED, [str(each.cell) for each in changes])
        waiting = await held.waiting(connection)
        open_: list[Change] = [each for each in changes if not _confirmed(each, confirmed)]
        let: set[tuple[str, str, TitleKey]] = set()
        hold: list[Change] = []
        for imprint, effect in sorted({(imprints[each.title], each.effect) for each in open_}):
            mine = [each for each in open_ if (imprints[each.title], each.effect) == (imprint, effect)]
            passed = await held.passed(connection, imprint, effect, now - DAY)
            limit = self.settings.limit(effect, await dossier.imprint_size(connection, imprint))
            good = admitted([each.title for each in mine], passed, limit, engaged=(imprint, effect) in waiting)
            let |= {(imprint, effect, title) for title in good}
            hold += [each for each in mine if each.title not in good]
        await held.let_pass(self.db, connection, let, now)
        await held.hold(self.db, connection, [_held(each, imprints[each.title]) for each in hold], now)
        return {each.cell for each in hold}


def admitted(titles: Sequence[TitleKey], passed: Collection[TitleKey], limit: int, *, engaged: bool) -> set[TitleKey]:
    """Which of the titles may go on: none while the brake is on, else as long as there is room among 24 hours' titles.

    `passed`: those that went through in the last 24 hours; a title counts once.
    """
    if engaged:
        return set()
    seen = set(passed)
    good: set[TitleKey] = set()
    for title in dict.fromkeys(titles):
        if title not in seen:
            if len(seen) >= limit:
                continue
            seen.add(title)
        good.add(title)
    return good


def effect_of(brake: Brake, was: Json, becomes: Json, price_change: float) -> Effect | None:
    """What the change does to a reader, None where it does no harm."""
    harmful = {
        Brake.OFFERED: lambda: _true(was) and not _true(becomes),
        Brake.HIDDEN: lambda: not _true(was) and _true(becomes),
        Brake.LINK: lambda: bool(_items(was) - _items(becomes)),
        Brake.TEXT: lambda: not _empty(was) and _empty(becomes),
        Brake.PRICE: lambda: _leaps(was, becomes, price_change),
    }[brake]()
    return EFFECTS[brake] if harmful else None


def finding(cell: Cell, effect: str, was: Json, becomes: Json) -> Finding:
    what = f"{cell.field} of {cell.resource}" if cell.field else str(cell.resource)
    return Finding(
        key=f"held/{cell.resource}/{cell.field}",
        kind="held",
        message=f"{what} waits for a person: {effect}, {_short(was)} -> {_short(becomes)}; too many titles at once",
        cure="`frontlist held list`, then `frontlist held confirm` or `frontlist held reject`",
        where=f"{cell.resource} {cell.field}".strip(),
        severity="high",
    )


# --- values ----------------------------------------------------------------------------------------------------------


def _confirmed(each: Change, confirmed: Mapping[str, Json]) -> bool:
    said = confirmed.get(str(each.cell))
    return isinstance(said, Mapping) and said.get("fingerprint") == each.fingerprint


def _held(each: Change, imprint: str) -> held.Held:
    return held.Held(each.cell, each.title, imprint, each.effect, each.was, each.becomes, each.fingerprint)


def _true(value: Json) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _empty(value: Json) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or value == []


def _items(value: Json) -> set[str]:
    items: Iterable[Json] = value if isinstance(value, list | tuple) else [value]
    return {fingerprint(each) for each in items if not _empty(each)}


def _leaps(was: Json, becomes: Json, share: float) -> bool:
    before, after = _decimal(was), _decimal(becomes)
    if before is None or before <= 0:
        return False  # a price that is new, or was none, harms nobody
    if after is None or after <= 0:
        return True
    return abs(after - before) > before * Decimal(str(share))


def _decimal(value: Json) -> Decimal | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _short(value: Json) -> str:
    text = "empty" if _empty(value) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def cell(consumer: str, resource: Resource, field: str) -> Cell:
    return Cell(consumer, resource, FieldKey(field))
