"""Titles and list elements that vanish at capture: too many of an imprint in a day wait for a person.

A held title is published as it last was: nothing of it is reserved, except rights that can be read, since an explicit
restriction never waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import brakes
from frontlist.brakes import CONFIRMED, Brakes, Change
from frontlist.contract import Finding, Json, Resource, TitleKey
from frontlist.decisions import decide
from frontlist.state import captured, findings, held, settled
from frontlist.state.database import load
from frontlist.state.held import Cell
from frontlist_schemas.canonical import fingerprint

#: The decision by which a person keeps what was last published: rejected/<cell>, {"fingerprint": of what is not}.
REJECTED = "rejected"
#: In place of an aspect, where all documents of a title go.
WHOLE = "title"
SHOWN = 20


@dataclass(frozen=True)
class Drafted:
    """A document about to be reserved."""

    title: TitleKey
    aspect: str
    state: str
    body: Json
    merged: bool
    fingerprint: str


def consumer(system: str) -> str:
    return f"capture/{system}"


async def hold(
    braking: Brakes,
    connection: AsyncConnection,
    system: str,
    titles: Sequence[TitleKey],
    drafts: Sequence[Drafted],
    known: Mapping[tuple[TitleKey, str], captured.Captured],
    omit: frozenset[str],
    decisions_topic: str,
) -> set[tuple[TitleKey, str]]:
    """The documents that must not be reserved now. `titles`: all that were assembled, so that lists close too.

    `omit`: persons who were erased; that they vanish is meant.
    """
    changes = _changes(system, drafts, known, omit)
    rejected = await settled.decisions(connection, REJECTED, [str(each.cell) for each in changes])
    refused = {e.cell for e in changes if (rejected.get(str(e.cell)) or {}).get("fingerprint") == e.fingerprint}
    waiting = await braking.admit(connection, [each for each in changes if each.cell not in refused])
    by_cell = {each.cell: each for each in changes}
    await _settle(braking, connection, system, titles, waiting, decisions_topic)
    now = await braking.db.now(connection)
    for cell in sorted(waiting):
        said = _finding(by_cell[cell])
        await findings.open_one(braking.db, connection, consumer(system), by_cell[cell].title, said, now)
    # Only what waits keeps back its whole title: a rejected loss may stand for years, and hides nothing else.
    out = {by_cell[cell].title for cell in waiting}
    out |= {by_cell[cell].title for cell in refused if cell.resource.kind == WHOLE}
    alone = {(by_cell[cell].title, cell.resource.kind) for cell in refused}
    return {
        (each.title, each.aspect)
        for each in drafts
        if (each.title in out and not (each.aspect == "rights" and each.state == "present"))
        or (each.title, each.aspect) in alone
    }


def _changes(
    system: str,
    drafts: Sequence[Drafted],
    known: Mapping[tuple[TitleKey, str], captured.Captured],
    omit: frozenset[str],
) -> list[Change]:
    found: list[Change] = []
    for title in dict.fromkeys(each.title for each in drafts):
        mine = sorted((each for each in drafts if each.title == title), key=lambda each: each.aspect)
        before = {each.aspect: old for each in mine if (old := known.get((title, each.aspect))) is not None}
        if any(old.reserved is not None for old in before.values()):
            continue  # what may be on the topic already has to be told again
        gone = [each for each in mine if each.state == "gone" and not each.merged]
        if gone:
            cell = Cell(consumer(system), Resource(system, WHOLE, title), brakes.WHOLE)
            print_ = fingerprint([[each.aspect, each.fingerprint] for each in gone])
            found.append(Change(cell, title, "title-gone", [each.aspect for each in gone], None, print_))
            continue
        found += [loss for each in mine if (loss := _loss(system, each, before.get(each.aspect), omit))]
    return found


def _loss(system: str, each: Drafted, old: captured.Captured | None, omit: frozenset[str]) -> Change | None:
    """A list that lacks what the last readable statement had; what rights no longer name is a restriction."""
    if old is None or old.readable_body is None or each.state != "present" or each.aspect == "rights":
        return None
    lost = vanished(without(load(old.readable_body), omit), each.body)
    if not lost:
        return None
    cell = Cell(consumer(system), Resource(system, each.aspect, each.title), brakes.WHOLE)
    shown = [*lost[:SHOWN], *([f"and {len(lost) - SHOWN} more"] if len(lost) > SHOWN else [])]
    return Change(cell, each.title, "elements-gone", shown, None, each.fingerprint)


async def _settle(
    braking: Brakes,
    connection: AsyncConnection,
    system: str,
    titles: Sequence[TitleKey],
    waiting: set[Cell],
    decisions_topic: str,
) -> None:
    """What no longer waits: it is published now, or is as it was."""
    over = [e for e in await held.of_titles(connection, consumer(system), titles) if e.cell not in waiting]
    if not over:
        return
    now = await braking.db.now(connection)
    used: list[held.Held] = []
    for each in over:
        how = "written" if each.settled == "confirmed" else "superseded"
        used += [one for one in await held.settle(connection, [each], how, now) if one.settled == "confirmed"]
        await findings.close_one(connection, consumer(system), each.title, _key(each.cell), now)
    await decide(braking.db, connection, decisions_topic, {(CONFIRMED, str(each.cell)): None for each in used})


def _finding(each: Change) -> Finding:
    what = f"{each.title} is gone" if each.effect == "title-gone" else f"{each.title} lost {', '.join(each.was)}"
    return Finding(
        key=_key(each.cell),
        kind="held",
        message=f"{each.cell.resource.target} says that {what}; with too many others at once, so it is not published",
        cure="`frontlist held list`, then `frontlist held confirm` or `frontlist held reject`",
        where=str(each.cell.resource),
        severity="high",
    )


def _key(cell: Cell) -> str:
    return f"held/{cell.resource}"


def without(body: Json, omit: frozenset[str]) -> Json:
    """The body as if the erased persons had never been in its lists; the lines that name all authors go with them."""
    kept = _without(body, omit)
    return body if kept == body else _uncredited(kept)


def _without(body: Json, omit: frozenset[str]) -> Json:
    if isinstance(body, Mapping):
        return {key: _without(each, omit) for key, each in body.items()}
    if isinstance(body, list):
        kept = [e for e in body if not (isinstance(e, Mapping) and f"contact:{e.get('contact_id')}" in omit)]
        return [_without(each, omit) for each in kept]
    return body


def _uncredited(body: Json) -> Json:
    if isinstance(body, Mapping):
        return {key: None if key == "authorship" else _uncredited(each) for key, each in body.items()}
    return [_uncredited(each) for each in body] if isinstance(body, list) else body


def vanished(old: Json, new: Json, at: str = "") -> list[str]:
    """Elements of lists that the old body has and the new one lacks, as `products/94741`; by id, else by number."""
    if isinstance(old, Mapping):
        there = new if isinstance(new, Mapping) else {}
        return [
            lost for key in sorted(old) for lost in vanished(old[key], there.get(key), f"{at}/{key}" if at else key)
        ]
    if not isinstance(old, list):
        return []
    after = new if isinstance(new, list) else []
    before_ids, after_ids = _by_id(old), _by_id(after)
    if before_ids is None or (after_ids is None and after):
        return [f"{at}: {len(old)} -> {len(after)}"] if len(after) < len(old) else []
    after_ids = after_ids or {}
    lost = [f"{at}/{id_}" for id_ in before_ids if id_ not in after_ids]
    # One that was made anew under another id is not lost.
    lost = lost if len(after) < len(old) else []
    kept = [(id_, each) for id_, each in before_ids.items() if id_ in after_ids]
    return lost + [one for id_, each in kept for one in vanished(each, after_ids[id_], f"{at}/{id_}")]


def _by_id(items: list[Json]) -> dict[str, Json] | None:
    """The elements by their own id, None where they have none or share one."""
    keys = ("id", "product_id", "contact_id", "series_id")
    found: dict[str, Json] = {}
    for each in items:
        named = next((each[k] for k in keys if k in each), None) if isinstance(each, Mapping) else None
        if named is None or str(named) in found:
            return None
        found[str(named)] = each
    return found
