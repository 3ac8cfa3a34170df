"""`frontlist explain TITLE`: the way of a change for one title with the last step withheld. Nothing is written.

The documents as intake stored them, then for each consumer the plan that a worker would make now, beside what was
applied and what stands in the target.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import aftermath, runtime
from frontlist.clock import iso, microseconds
from frontlist.contract import (
    Capabilities,
    Consumer,
    Desired,
    Document,
    Dossier,
    Ensure,
    FieldKey,
    Finding,
    Json,
    Plan,
    Resource,
    TitleKey,
)
from frontlist.errors import FrontlistError
from frontlist.explaining.resources import PATIENCE, Standing, live
from frontlist.explaining.titles import UnknownTitleError, find
from frontlist.linking import holding
from frontlist.modes import imprint, may_write
from frontlist.ordering import has_it, keeps, proposal, stated_at, without_first_erasures
from frontlist.planning import Active, Planner, Seen
from frontlist.state import applied, findings, installation
from frontlist.state.database import load
from frontlist.state.images import before_table
from frontlist.state.work import Priority, work_table
from frontlist_schemas.canonical import fingerprint

__all__ = ["UnknownTitleError", "explain"]
#: Before-images shown, newest first.
LINES = 20


async def explain(it: runtime.Installation, text: str) -> dict[str, Json]:
    """All of it as plain values; raises UnknownTitleError."""
    async with it.db.read() as c:
        title = await find(c, text)
    notes = await _introspected(it)
    async with it.db.read() as c:
        now = await it.db.now(c)
        active = await installation.active(c)
        planner = it.planner(Active(active.number if active else 0, it.mapping))
        seen = {name: await planner.look(c, name, [title]) for name in it.plugins.consumers}
        rows = {name: await _row(c, name, title, now) for name in it.plugins.consumers}
        opened = await findings.open_ones(c, title)
        written = await _written(c, title)
    if active is None or active.fingerprint != fingerprint(it.mapping.text):
        notes.append("planned with the configured mapping, which is not the active one until `frontlist run` starts")
    one = _One(it, planner, title, now)
    consumers = [
        await one.consumer(it.plugins.consumers[name], seen[name], opened, _priority(rows[name]))
        for name in sorted(seen)
    ]
    documents = _dossier(seen, title)
    return {
        "title": title,
        "imprint": imprint(documents),
        "at": _at(now),
        "notes": notes,
        "documents": _documents(it, documents, now),
        "links": _links(seen, title),
        "consumers": [{**each, "work": rows[str(each["consumer"])]} for each in consumers],
        "written": written,
    }


async def _introspected(it: runtime.Installation) -> list[str]:
    """What cannot be introspected plans as if it could do nothing, and is said."""
    notes = []
    for name, target in it.targets.items():
        try:
            async with asyncio.timeout(PATIENCE):
                it.known[name] = await target.capabilities()
        except (FrontlistError, TimeoutError) as error:
            it.known[name] = Capabilities()
            notes.append(f"planned without knowing what {name} can do: {error or 'no answer in time'}")
    return notes


class _One:
    """One title at one moment."""

    def __init__(self, it: runtime.Installation, planner: Planner, title: TitleKey, now: int) -> None:
        self.it, self.planner, self.title, self.now = it, planner, title, now

    async def consumer(self, consumer: Consumer, seen: Seen, opened: Sequence[sa.Row[Any]], priority: int) -> Json:
        """The plan of one consumer and what it would change."""
        dossier = seen.dossiers[self.title]
        plan, error = self.planner.plan(consumer, dossier, seen, self.planner.active(), self.now)
        plan = plan or Plan()
        resources = [each.resource for each in plan.desired]
        async with self.it.db.read() as c:
            held = await applied.of_resources(c, consumer.name, resources)
            beside = await aftermath.beside(c, consumer.name, [self.title], resources)
        puts = [beside.put(each) for each in plan.desired]
        held = {**seen.held, **held}
        desired = [self._kept(each.desired, seen, held) for each in puts]
        seen_live = await live(self.it.targets, [each.desired for each in puts])
        standings = [
            self._standing(put.desired, kept, seen, held, dossier, priority, consumer)
            for put, kept in zip(puts, desired, strict=True)
        ]
        systems = sorted({each.target for each in resources})
        twins = [
            holding.finding(each.desired.resource, seen.held_back[each.desired.resource])
            for each in standings
            if each.does == "waits" and each.desired.resource in seen.held_back
        ]
        return {
            "consumer": consumer.name,
            "error": error,
            "notes": [*seen_live.notes, *(why for name in systems for why in seen.pauses.of(name))],
            "desired": [
                {**each.as_json(self.it.targets, seen_live), "pinned": sorted(put.stand)}
                for each, put in zip(standings, puts, strict=True)
            ],
            "findings": _findings([*plan.findings, *twins], [row for row in opened if row.consumer == consumer.name]),
            "waits": [{"for": each.what, "why": each.reason} for each in plan.waits],
            "next_at": plan.next_at.isoformat(timespec="seconds") if plan.next_at else None,
            "noted": dict(seen.notes[self.title]),
            "no_longer_planned": [
                {"resource": str(r), "in_doubt": each.in_doubt(self.now)}
                for r, each in sorted(held.items())
                if r not in {d.resource for d in plan.desired}
            ],
        }

    def _kept(self, desired: Desired, seen: Seen, held: Mapping[Resource, applied.Applied]) -> Desired:
        """As the worker orders it."""
        return without_first_erasures(desired, held.get(desired.resource), seen.adopted.get(self.title))

    def _standing(
        self,
        planned: Desired,
        kept: Desired,
        seen: Seen,
        held: Mapping[Resource, applied.Applied],
        dossier: Dossier,
        priority: int,
        consumer: Consumer,
    ) -> Standing:
        mode, accepted = seen.modes.of(planned.flow, imprint(dossier)), proposal(kept) in seen.accepted
        have = held.get(planned.resource)
        waits = has_it(planned, have, self.title, stated_at(consumer, dossier, planned.resource.target))
        withheld: frozenset[FieldKey] = frozenset()
        if isinstance(planned, Ensure) and isinstance(kept, Ensure):
            withheld = frozenset(planned.fields) - frozenset(kept.fields)
        return Standing(
            desired=planned,
            mode=mode,
            proposal=proposal(kept),
            accepted=accepted,
            waits=waits or keeps(kept, have, seen, mode, priority, writes=may_write(mode, accepted)),
            have=have,
            withheld=withheld,
            now=self.now,
            refused_again=self.it.settings.ensure.refused_again,
        )


def _findings(planned: Sequence[Finding], opened: Sequence[sa.Row[Any]]) -> list[Json]:
    """Those that the plan says now, and open ones that it does not say (of a write, or about to close)."""
    said = [
        {
            "key": each.key,
            "kind": each.kind,
            "severity": each.severity,
            "message": each.message,
            "cure": each.cure,
            "where": each.where,
            "planned": True,
        }
        for each in planned
    ]
    keys = {each.key for each in planned}
    stored = [
        {
            "key": row.key,
            "kind": row.kind,
            "severity": row.severity,
            "message": row.message,
            "cure": row.cure,
            "where": row.where_,
            "planned": False,
        }
        for row in opened
        if row.key not in keys
    ]
    return [*said, *stored]


def _dossier(seen: Mapping[str, Seen], title: TitleKey) -> Dossier:
    return next((each.dossiers[title] for each in seen.values()), Dossier(title, {}))


def _documents(it: runtime.Installation, dossier: Dossier, now: int) -> list[Json]:
    """Every document that a system makes, unseen ones too."""
    keys = {(name, aspect) for name, source in it.sources.items() for aspect in source.aspects}
    keys |= {(key.system, key.aspect) for key in dossier.documents}
    return [_document(dossier.get(system, aspect), now) for system, aspect in sorted(keys)]


def _document(each: Document, now: int) -> Json:
    return {
        "document": str(each.key),
        "state": each.state,
        "revision": int(each.revision),
        "at": _at(each.revision) if each.revision else None,
        "age_seconds": (now - each.revision) // 1_000_000 if each.revision else None,
        "confirmed_at": _iso(each.confirmed_at),
        "reason": each.reason,
        "last_readable": _at(each.last_readable) if each.last_readable else None,
        "merged_into": each.merged_into,
    }


def _links(seen: Mapping[str, Seen], title: TitleKey) -> list[Json]:
    found = {source: id_ for each in seen.values() for source, id_ in each.links[title].items()}
    return [
        {"target": source.target, "kind": source.kind, "source": source.id, "id": id_}
        for source, id_ in sorted(found.items())
    ]


async def _row(c: AsyncConnection, consumer: str, title: TitleKey, now: int) -> Json:
    """The work row, None where the title was never due for the consumer."""
    query = sa.select(work_table).where(work_table.c.consumer == consumer, work_table.c.title == title)
    row = (await c.execute(query)).first()
    if row is None:
        return None
    return {
        "due_at": _at(row.due_at),
        "is_due": row.due_at is not None and row.due_at <= now and row.not_before <= now,
        "not_before": _at(row.not_before) if row.not_before > now else None,
        "reason": row.reason,
        "priority": row.priority,
        "attempts": row.attempts,
        "claimed_by": row.claimed_by,
        "outcome": row.outcome,
        "detail": row.detail,
        "finished_at": _at(row.finished_at),
    }


def _priority(row: Json) -> int:
    """How urgent it is, or was when it was last due."""
    return Priority.METADATA if row is None else int(row["priority"])


async def _written(c: AsyncConnection, title: TitleKey) -> list[Json]:
    """What was overwritten last, newest first."""
    b = before_table.c
    query = sa.select(before_table).where(b.title == title).order_by(b.number.desc()).limit(LINES)
    return [
        {
            "at": _at(row.at),
            "consumer": row.consumer,
            "resource": f"{row.target}/{row.kind}/{row.id}",
            "field": row.field,
            "was": load(row.was),
            "becomes": load(row.becomes),
        }
        for row in await c.execute(query)
    ]


def _at(us: int | None) -> str | None:
    return None if us is None else iso(us)


def _iso(at: datetime | None) -> str | None:
    return _at(microseconds(at)) if at else None
