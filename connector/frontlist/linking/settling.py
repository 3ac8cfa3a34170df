"""Links and decisions of a command: stored and posted in one transaction.

Links and the decision that opens a module are on two topics: an intake that met the decision first would let a second
record be made for a product whose link is still on its way. So both take effect at once, and reach the topics by the
outbox; intake then finds numbers that it knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frontlist import runtime
from frontlist.contract import Json, TitleKey
from frontlist.decisions import decide
from frontlist.due import all_due
from frontlist.outbox import Outbox, producing
from frontlist.state import installation, outbox, settled, work
from frontlist.state.database import takes_long


@dataclass(frozen=True)
class Linked:
    """`id` None takes the link back. `role`: what the source is, product or title."""

    target: str
    kind: str
    source_id: str
    id: str | None
    title: TitleKey
    role: str


@dataclass(frozen=True)
class Decided:
    kind: str
    key: str
    body: Json


async def settle(
    it: runtime.Installation,
    links: Sequence[Linked] = (),
    decisions: Sequence[Decided] = (),
    *,
    titles: Sequence[TitleKey] = (),
    all_titles: bool = False,
) -> None:
    """`titles` are due besides those of the links; `all_titles`: every one, behind what is live."""
    async with it.db.begin() as c:
        await takes_long(c)
        consumers, now = await installation.registered(c), await it.db.now(c)
        dues = await all_due(it.db, c, consumers, now, "linked") if all_titles else []
        numbers = await it.db.draw(c, len(links))
        linked = [
            settled.Link(e.target, e.kind, e.source_id, e.id, e.title, e.role, n)
            for e, n in zip(links, numbers, strict=True)
        ]
        changed = await settled.save_links(it.db, c, linked)
        await outbox.post(it.db, c, [(it.links, e.key, e.body) for e in linked])
        await decide(it.db, c, it.decisions, {(each.kind, each.key): each.body for each in decisions})
        named = {*changed, *titles}
        dues += [work.Due(name, title, now, work.Priority.FORMATS, "link") for title in named for name in consumers]
        await work.mark(it.db, c, dues)
    await _send(it)


async def _send(it: runtime.Installation) -> None:
    """What a running process does not send already; where both have to wait, it is sent at the next start."""
    sending = Outbox(it.db, it.settings.kafka, it.clock)
    async with producing(it.settings.kafka) as producer:
        while await sending.once(producer):
            pass
