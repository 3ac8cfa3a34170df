"""Planning: all that plans of some titles are made from is read, and their consumer is asked. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import pauses
from frontlist.clock import moment
from frontlist.contract import Capabilities, Consumer, Context, Dossier, Json, Plan, Resource, TitleKey
from frontlist.linking import holding
from frontlist.modes import Modes
from frontlist.pauses import Pauses
from frontlist.state import applied, dossier, feeds, mirror, settled

log = structlog.get_logger(__name__)
DAM = "fourallportal"
EVENTS = "events."


@dataclass(frozen=True)
class Active:
    """What plans are made with: the mapping under its activation number."""

    activation: int
    mapping: object


@dataclass(frozen=True)
class Seen:
    """All that was read for some titles of one consumer, in statements begun after the claim."""

    dossiers: Mapping[TitleKey, Dossier]
    links: Mapping[TitleKey, Mapping[Resource, str]]
    notes: Mapping[TitleKey, Mapping[str, Json]]
    adopted: Mapping[str, Json]
    accepted: Mapping[str, Json]
    held: Mapping[Resource, applied.Applied]
    modes: Modes
    pauses: Pauses
    capabilities: Mapping[str, Capabilities]
    held_back: Mapping[Resource, tuple[str, ...]]
    read_through: frozenset[str]


@dataclass
class Planner:
    """Reads and plans for one tenant. `active`: what with; `capabilities`: of the systems that are known, by name."""

    tenant: str
    active: Callable[[], Active]
    capabilities: Callable[[], Mapping[str, Capabilities]]

    async def look(self, c: AsyncConnection, consumer: str, names: Sequence[TitleKey]) -> Seen:
        """Everything that plans of these titles are made from."""
        dossiers = await dossier.dossiers(c, names, await mirror.confirmed_at(c, names))
        decided = await settled.about(c, consumer, names, "accepted", "mode", pauses.KIND, "linked")
        notes = decided["note"]
        read_through = await feeds.read_through(c, DAM)
        # Before a module was read through nothing is created there anyway.
        unclaimed = await mirror.unclaimed(c, decided["linked"]) if read_through else {}
        return Seen(
            dossiers=dossiers,
            links=await settled.links_of(c, names, {title: holding.products_of(dossiers[title]) for title in names}),
            notes={title: notes.get(settled.note_key(consumer, title), {}) for title in names},
            adopted=decided["adopted"],
            accepted=decided["accepted"],
            held=await applied.of_titles(c, consumer, names),
            modes=Modes(decided["mode"]),
            pauses=Pauses(decided[pauses.KIND]),
            capabilities=self._capabilities(unclaimed, read_through),
            held_back=await holding.held_back(c, self.tenant, _modules(read_through), dossiers),
            read_through=read_through,
        )

    def plan(
        self, consumer: Consumer, dossier: Dossier, seen: Seen, active: Active, now: int
    ) -> tuple[Plan | None, str]:
        """The consumer's plan, or why it has none. A consumer that raises stops this row alone."""
        name = dossier.title
        context = Context(
            now=moment(now),
            tenant=self.tenant,
            mapping=active.mapping,
            links=seen.links[name],
            decisions=seen.adopted.get(name) or {},
            capabilities=seen.capabilities,
            notes=seen.notes[name],
        )
        try:
            return consumer.plan(dossier, context), ""
        except Exception as error:
            log.exception("work: a plan failed", consumer=consumer.name, title=name)
            return None, f"{type(error).__name__}: {error}"

    def _capabilities(self, unclaimed: Mapping[str, str], read_through: frozenset[str]) -> Mapping[str, Capabilities]:
        """The tenants' own, and nothing is created in a module before all its objects are known and linked."""
        out = dict(self.capabilities())
        if DAM in out:
            unread = {
                module: f"module {module} has not been read through yet"
                for module in out[DAM].creatable
                if not is_read(read_through, module)
            }
            out[DAM] = replace(out[DAM], creatable={**out[DAM].creatable, **unclaimed, **unread})
        return out


def is_read(read_through: frozenset[str], module: str) -> bool:
    return f"{EVENTS}{module}" in read_through


def _modules(read_through: frozenset[str]) -> list[str]:
    return [name.removeprefix(EVENTS) for name in read_through if name.startswith(EVENTS)]
