"""What stands beside the plans of some titles (pins, sweeps, dead letters, held writes), and what becomes of it.

The worker asks `beside` before it orders, and `settle` in the transaction that finishes its claims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import brakes, decisions, pins
from frontlist.contract import Desired, Dossier, Ensure, FieldKey, Finding, Json, Resource, TitleKey
from frontlist.orders import Result, fingerprint_of
from frontlist.pins import Pin, Pins, Put
from frontlist.state import dead, erased, held, settled, sweeps, work
from frontlist.state.database import Database
from frontlist.state.statement import Parameters, Statement

#: Outcomes after which nothing more is to be expected of a sweep's title for now.
PENDING = frozenset({"retry", "busy"})
#: Newer than any revision.
NEVER = 2**63


@dataclass(frozen=True)
class Beside:
    """All that is empty in the usual case."""

    pins: Mapping[Resource, Pins] = field(default_factory=dict)
    sweeps: Mapping[TitleKey, Sequence[str]] = field(default_factory=dict)
    dead: Mapping[Resource, Sequence[dead.Letter]] = field(default_factory=dict)
    held: Sequence[held.Held] = ()
    erased: Mapping[TitleKey, int] = field(default_factory=dict)

    def put(self, planned: Desired) -> Put:
        """The desired state with what people pinned."""
        found = self.pins.get(planned.resource)
        return pins.put(planned, found) if found else Put(planned)

    def heard(self, resource: Resource, desired: Desired | None, result: Result) -> Sequence[Finding]:
        """The findings of a result, without those of a dead letter that a person discarded."""
        if result.outcome == "dead-lettered" and not result.called:
            print_ = fingerprint_of(desired)
            if any(each.discarded and each.fingerprint == print_ for each in self.dead.get(resource, ())):
                return ()
        return result.findings

    def run(self, claim: work.Claim, put: Put | None = None) -> str:
        """What set the work off, where that has a name: a sweep, an undo, a mapping."""
        if put is not None and put.run:
            return put.run
        waiting = self.sweeps.get(claim.title)
        if waiting:
            return waiting[0]
        return claim.reason if "/" in claim.reason else ""


@dataclass(frozen=True)
class Brought:
    """An order and what became of it, as far as it matters here; also one that could not be given yet.

    `called`: the target was asked; `lost`: no such target is configured; `held` and `left`: fields that wait, and drift
    that stays as it is.
    """

    resource: Resource
    desired: Desired | None
    outcome: str
    detail: str = ""
    called: bool = True
    changed: int = 0
    held: frozenset[FieldKey] = frozenset()
    drifted: tuple[FieldKey, ...] = ()
    left: Mapping[FieldKey, Json] = field(default_factory=dict)
    after: float | None = None
    lost: bool = False


@dataclass(frozen=True)
class Done:
    """A title whose claim still stands. `planned`: None where the plan failed; `outcomes`: withheld ones too.

    `stated`: the revision of the oldest document with a text that was planned from (the function of that name).
    """

    claim: work.Claim
    planned: frozenset[Resource] | None
    brought: Sequence[Brought]
    puts: Mapping[Resource, Put]
    outcomes: Sequence[str] = ()
    stated: int = 0


def stated(dossier: Dossier) -> int:
    """The revision of the oldest document with a text that was planned from; one without a text names nobody."""
    return min((int(each.revision) for each in dossier.documents.values() if each.body is not None), default=NEVER)


async def beside(
    connection: AsyncConnection, consumer: str, titles: Sequence[TitleKey], resources: Sequence[Resource]
) -> Beside:
    """One cheap question where there is nothing, which is nearly always."""
    pinned, swept, dying, braked, cleaned = (await _anything(connection, consumer=consumer)).one()
    return Beside(
        await pins.of(connection, consumer, resources) if pinned else {},
        await sweeps.due_of(connection, consumer, titles) if swept else {},
        await dead.of_titles(connection, consumer, titles) if dying else {},
        await held.of_titles(connection, consumer, titles) if braked else (),
        await erased.of(connection, consumer, titles) if cleaned else {},
    )


@Statement
def _anything(_p: Parameters) -> sa.Executable:
    d, t, h, s = settled.decision_table.c, dead.dead_table.c, held.held_table.c, sweeps.sweep_title_table.c
    e, mine = erased.erased_table.c, sa.bindparam("consumer", type_=sa.Text)
    return sa.select(
        sa.exists(sa.select(d.key).where(d.kind == pins.KIND)),
        sa.exists(sa.select(s.title).where(sweeps.DUE)),
        sa.exists(sa.select(t.title).where(t.consumer == mine, dead.known())),
        sa.exists(sa.select(h.title).where(h.consumer == mine, _unsettled())),
        sa.exists(sa.select(e.title).where(e.consumer == mine)),
    )


def _unsettled() -> sa.ColumnElement[bool]:
    settled_ = held.held_table.c.settled
    return sa.or_(settled_.is_(None), settled_ == "confirmed")


async def settle(
    db: Database,
    connection: AsyncConnection,
    consumer: str,
    there: Beside,
    done: Sequence[Done],
    decisions_topic: str,
) -> None:
    """Dead letters, held writes, pins and sweeps of titles whose claims end in this transaction."""
    now = await db.now(connection)
    decided: list[settled.Decision] = []
    for each in done:
        await _dead(db, connection, consumer, there, each, now)
        decided += await _held(db, connection, consumer, there, each, now)
        decided += _pins(consumer, there, each)
        await _swept(db, connection, there, each, now)
        at = there.erased.get(each.claim.title)
        if at is not None and each.stated > at and set(each.outcomes) <= {"applied", "unchanged"}:
            await erased.written(connection, consumer, each.claim.title, at)
    await decisions.keep(db, connection, decisions_topic, decided)


async def _dead(db: Database, connection: AsyncConnection, consumer: str, there: Beside, done: Done, now: int) -> None:
    """Opened and counted; closed by success, by another fingerprint, or as the plan no longer names the resource."""
    refused, buried = [], set()
    for each in done.brought:
        if each.outcome == "dead-lettered" and each.desired is not None:
            stated = dict(each.desired.fields) if isinstance(each.desired, Ensure) else None
            print_ = fingerprint_of(each.desired)
            buried.add((each.resource, print_))
            known = any(one.fingerprint == print_ for one in there.dead.get(each.resource, ()))
            if each.called or not known:
                refused.append(
                    dead.Refused(each.resource, done.claim.title, print_, each.detail, stated, called=each.called)
                )
    await dead.bury(db, connection, consumer, refused, now)
    mine = [e for some in there.dead.values() for e in some if e.title == done.claim.title and not e.discarded]
    for one in mine:
        why = _closes(one, done, buried)
        if why:
            await dead.close(connection, [one], why, now)


def _closes(letter: dead.Letter, done: Done, buried: set[tuple[Resource, str]]) -> str | None:
    if (letter.resource, letter.fingerprint) in buried or done.planned is None:
        return None
    if letter.resource not in done.planned:
        return "no longer planned"
    tried = [each for each in done.brought if each.resource == letter.resource and each.desired is not None]
    if any(each.outcome in ("applied", "unchanged", "refused") for each in tried):
        return "success"
    return "superseded" if any(resource == letter.resource for resource, _ in buried) else None


async def _held(
    db: Database, connection: AsyncConnection, consumer: str, there: Beside, done: Done, now: int
) -> list[settled.Decision]:
    """What is held no longer: written if it was confirmed (which is used up by it), else the plan changed."""
    if done.planned is None:
        return []
    waiting = {(each.resource, key) for each in done.brought for key in each.held}
    certain = {each.resource for each in done.brought if each.outcome in ("applied", "unchanged", "refused", "held")}
    used: list[held.Held] = []
    for each in (one for one in there.held if one.title == done.claim.title):
        place = (each.cell.resource, each.cell.field)
        if place in waiting or (each.cell.resource in done.planned and each.cell.resource not in certain):
            continue
        how = "written" if each.settled == "confirmed" else "superseded"
        used += [one for one in await held.settle(connection, [each], how, now) if one.settled == "confirmed"]
    # Not under the claim's number: it may have been confirmed between the claim and the plan.
    numbers = await db.draw(connection, len(used))
    return [
        settled.Decision(brakes.CONFIRMED, str(each.cell), None, number)
        for number, each in zip(numbers, used, strict=True)
    ]


def _pins(consumer: str, there: Beside, done: Done) -> list[settled.Decision]:
    """Pins whose plan changed are taken back; drift that is left becomes one."""
    decided = []
    left = {each.resource: each for each in done.brought if each.left}
    for resource, put in done.puts.items():
        old = there.pins.get(resource, Pins())
        new = old.without(put.lifted)
        if resource in left:
            each = left[resource]
            fields = dict(each.desired.fields) if isinstance(each.desired, Ensure) else {}
            # A pin that stands already keeps what the plan said; only what is there is another value now.
            found = {
                key: Pin(old.fields[key].planned if key in put.stand else pins.printed(fields, key), value, "drift")
                for key, value in each.left.items()
            }
            new = new.with_fields(found)
        if new != old:
            key = pins.name(consumer, resource)
            decided.append(settled.Decision(pins.KIND, key, new.as_json(), done.claim.claim))
    return decided


async def _swept(db: Database, connection: AsyncConnection, there: Beside, done: Done, now: int) -> None:
    waiting = there.sweeps.get(done.claim.title, ())
    ids = [run.partition("/")[2] for run in waiting]
    drift = [
        sweeps.Drift(id_, each.resource, key, kept=key in each.left)
        for each in done.brought
        for key in each.drifted
        for id_ in (ids or [""])
    ]
    await sweeps.count_drift(db, connection, drift)
    if not ids or any(each.outcome in PENDING or (each.after is not None and not each.lost) for each in done.brought):
        return
    outcomes = done.outcomes if done.planned is not None else ["stopped"]
    worst = next((name for name in WORST if name in outcomes), "unchanged")
    changed = sum(each.changed for each in done.brought)
    await sweeps.worked(
        connection, [sweeps.Worked(id_, done.claim.consumer, done.claim.title, worst, changed) for id_ in ids], now
    )


#: What a title's row of a sweep says: what needs most attention first.
WORST = ("stopped", "dead-lettered", "held", "refused", "deferred", "proposed", "applied", "observed", "unchanged")
