"""Ordering: what of a plan goes to the targets now, and what is put off or withheld, and why. Previews ask the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import pauses
from frontlist.clock import DAY, SECOND, microseconds
from frontlist.contract import Absent, Consumer, Desired, Dossier, Ensure, Finding, Json, Mode, Resource, TitleKey
from frontlist.linking import holding
from frontlist.modes import imprint
from frontlist.orders import Order, Result, left_to, lets_go
from frontlist.planning import DAM, Active, Seen, is_read
from frontlist.source import RawKey
from frontlist.state import applied, mirror
from frontlist.titles import Title
from frontlist_schemas.canonical import fingerprint

#: What waits for a link is looked at again after so many seconds, though it is marked when the record is linked.
LINK_AGAIN = 3600.0
#: The same where a target could not be asked yet what it can do.
UNKNOWN_AGAIN = 60.0


def orders(
    title: Title,
    seen: Seen,
    held: Mapping[Resource, applied.Applied],
    active: Active,
    now: int,
    targets: Collection[str],
) -> list[Order]:
    """What goes to the targets under the modes; what was in doubt and is no longer named is settled too.

    `targets`: those that are configured.
    """
    if title.plan is None:
        return []
    claim, dossier = title.claim, seen.dossiers[title.claim.title]
    vector = {str(key): int(each.revision) for key, each in dossier.documents.items()}
    vector["activation"] = active.activation
    whose = imprint(dossier)
    until = None if title.plan.next_at is None else microseconds(title.plan.next_at)
    found: list[Order] = []
    for planned in title.plan.desired:
        have = held.get(planned.resource)
        put = title.puts[planned.resource] = title.there.put(planned)
        desired = without_first_erasures(put.desired, have, seen.adopted.get(claim.title))
        order = Order(
            claim,
            desired.resource,
            desired,
            vector,
            have,
            imprint=whose,
            accepted=bool(seen.accepted) and proposal(desired) in seen.accepted,
            until=until if until is not None and until > now else None,
            read_back=claim.title in title.there.sweeps,
            pinned=put.stand,
            run=title.there.run(claim, put),
            erased=claim.title in title.there.erased,
            revision=stated_at(title.consumer, dossier, desired.resource.target),
            span=title.span,
        )
        mode = seen.modes.of(desired.flow, whose)
        if desired.resource.target not in seen.capabilities:
            title.put_off(order, _unknown(desired.resource.target, targets))
        elif mode != Mode.OFF and _may_be_there(desired, have, seen):
            _wait_for_a_link(title, desired.resource, seen)
        elif order.may(seen.modes) and (why := seen.pauses.why(order.resource.target, claim.priority)):
            title.put_off(order, Result("deferred", why, after=pauses.AGAIN, called=False))
        elif order.may(seen.modes):
            found.append(order)
        elif mode != Mode.OFF:
            _withhold(title, desired, mode, have)
    ordered = {order.resource for order in found}
    for resource, each in held.items():
        if each.title == claim.title and resource not in ordered and each.in_doubt(now):
            found.append(Order(claim, resource, None, vector, each, span=title.span))
    return found


def _unknown(target: str, targets: Collection[str]) -> Result:
    """Deferred rather than backed off, so that other targets go on; every title is marked once it is known."""
    if target not in targets:
        return Result("deferred", f"no target {target} is configured", after=DAY / SECOND, called=False, lost=True)
    return Result("deferred", f"{target} is not introspected yet", after=UNKNOWN_AGAIN, called=False)


def _wait_for_a_link(title: Title, resource: Resource, seen: Seen) -> None:
    """The title is marked when the record is linked or deleted; looked at by itself too, should that be missed."""
    said = holding.finding(resource, seen.held_back[resource])
    title.results.append(Result("deferred", said.message, after=LINK_AGAIN))
    title.findings.append(said)


def _withhold(title: Title, desired: Desired, mode: Mode, have: applied.Applied | None) -> None:
    wanted = dict(getattr(desired, "fields", {}))
    if have is not None and have.fields is not None:
        wanted = {key: value for key, value in wanted.items() if have.fields.get(key) != value}
    removed = isinstance(desired, Absent) and have is not None and not have.present
    elsewhere = left_to(desired, have, title.claim.title) is not None
    if elsewhere or removed or (not wanted and isinstance(desired, Ensure)):
        title.results.append(Result("unchanged"))
    elif mode == Mode.OBSERVE:
        title.results.append(Result("observed", f"flow {desired.flow} would ensure {desired.resource}"))
    else:
        title.results.append(Result("proposed", proposal(desired)))
        title.findings.append(
            Finding(
                key=f"proposal/{desired.resource}",
                kind="proposal",
                message=f"flow {desired.flow} proposes {len(wanted)} fields of {desired.resource}: "
                + ", ".join(sorted(wanted)[:12])
                if isinstance(desired, Ensure)
                else f"flow {desired.flow} proposes to remove {desired.resource}: {desired.reason}",
                cure=f"look at `frontlist explain {title.claim.title}`; then "
                f"`frontlist mode accept {proposal(desired)}`, or set the mode to apply",
                where=str(desired.resource),
                severity="low",
            )
        )


async def without_reading(c: AsyncConnection, seen: Seen, given: Sequence[list[Order]]) -> list[list[Order]]:
    """A record that was never written, in a module read through that does not show it, need not be asked for."""
    fresh = {
        order.resource: RawKey(order.resource.kind, order.resource.id)
        for some in given
        for order in some
        if order.applied is None and order.resource.target == DAM and is_read(seen.read_through, order.resource.kind)
    }
    known = await mirror.mirrored(c, DAM, list(fresh.values()))
    absent = {resource for resource, key in fresh.items() if key not in known}
    return [[replace(order, absent=True) if order.resource in absent else order for order in some] for some in given]


def _may_be_there(desired: Desired, have: applied.Applied | None, seen: Seen) -> bool:
    """Whether it would be made although a record that nobody linked may stand for it."""
    creates = isinstance(desired, Ensure) and desired.create and (have is None or not have.present)
    return creates and desired.resource in seen.held_back


def stated_at(consumer: Consumer, dossier: Dossier, target: str) -> int:
    """The revision of the newest document by which a title claims what is in the target.

    What the target itself states is changed by our own writes, so it counts only where the consumer wants nothing else.
    """
    wanted = {key: int(each.revision) for key, each in dossier.documents.items() if key in consumer.wants}
    others = [revision for key, revision in wanted.items() if key.system != target]
    return max(others or wanted.values(), default=0)


def has_it(desired: Desired, have: applied.Applied | None, title: TitleKey, revision: int) -> str | None:
    """In words, which other title has the resource, so that nothing is written for this one; for previews."""
    if have is None or have.title == title:
        return None
    if lets_go(desired):
        return f"{have.title} has it now, and {title} lets go of it"
    newer = have.title_revision > 0 and have.title_revision >= revision
    return f"{have.title} claims it with a newer statement" if newer else None


def keeps(
    desired: Desired, have: applied.Applied | None, seen: Seen, mode: Mode, priority: int, *, writes: bool
) -> str | None:
    """In words, what `orders` would make it wait for, for previews; None: nothing."""
    if mode != Mode.OFF and _may_be_there(desired, have, seen):
        return holding.finding(desired.resource, seen.held_back[desired.resource]).message
    return seen.pauses.why(desired.resource.target, priority) if writes else None


def without_first_erasures(desired: Desired, have: applied.Applied | None, adopted: Json) -> Desired:
    """An owner's empty value erases only what we wrote there, for whichever title, and what a person adopted.

    `adopted`: the title's decision, {"all": true} or {"fields": [field keys]}.
    """
    if not isinstance(desired, Ensure):
        return desired
    said = adopted if isinstance(adopted, Mapping) else {}
    named = said.get("fields")
    cleared = named if isinstance(named, list | tuple) else ()
    ours = (have.fields if have else None) or {}
    kept = {
        key: value
        for key, value in desired.fields.items()
        if value is not None or ours.get(key) is not None or said.get("all") is True or key in cleared
    }
    return desired if len(kept) == len(desired.fields) else replace(desired, fields=kept)


def proposal(desired: Desired) -> str:
    """What a person accepts: this resource in exactly this state."""
    return f"{desired.resource}/{fingerprint(dict(getattr(desired, 'fields', {})))[:12]}"
