"""What the parts say of themselves while they work. They do not know what becomes of it.

`Observed` itself listens to nothing: every method is empty, so that a part that nobody watches pays a call. The running
process hands in `frontlist.instruments.Instruments`, which counts (metrics), remembers (probes) and traces.
Methods are called from the event loop, never block and never raise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from frontlist.tracing import NO_TRACES, Traces


@dataclass(frozen=True)
class Consuming:
    """Intake's consumer as it is now; times in seconds of the steady clock.

    `alive`: its loop runs. `joined`: it is a member of the group, and the last rebalance has ended. `fetched_at`: the
    last answer to a fetch of any assigned partition; None: none yet. `in_hand_since`: since when a batch is being
    stored; None: none is. `lag`: topic -> records that are published and not stored, of the assigned partitions.
    """

    alive: bool
    joined: bool
    assigned: int = 0
    paused: int = 0
    fetched_at: float | None = None
    in_hand_since: float | None = None
    lag: Mapping[str, int] = field(default_factory=dict)


class Call:
    """One HTTP call that is being made; a with block around it. `answered` where an answer came."""

    def __enter__(self) -> Call:
        return self

    def __exit__(self, *_: object) -> None: ...

    def answered(self, status: int) -> None: ...


NO_CALL = Call()


class Observed:
    """Nobody listens."""

    traces: Traces = NO_TRACES

    # --- every part ------------------------------------------------------------------------------------------------

    def turned(self, part: str, trouble: str = "") -> None:
        """`part` went round its loop: "intake", "work", "outbox", "capture/consonance".

        `trouble`: what kept it from its work in this turn, with the cure; it stands until a turn without. A long turn
        says it in between too: a part that says nothing for minutes counts as hanging and is restarted.
        """

    # --- capture ---------------------------------------------------------------------------------------------------

    def leading(self, system: str, held: bool) -> None:
        """Whether this process holds the capture lease of a system, each time that it looks."""

    def fed(self, system: str, feed: str, objects: int) -> None:
        """A page of a feed was stored."""

    def starved(self, system: str, feed: str) -> None:
        """A feed failed."""

    def published(self, system: str, aspects: Mapping[str, int]) -> None:
        """Documents were confirmed: aspect -> how many."""

    # --- intake ----------------------------------------------------------------------------------------------------

    def consuming(self, consumer: Consuming | None) -> None:
        """The consumer as it is, twice a second; None: there is none (Kafka is away, or it begins again)."""

    def took(self, topics: Mapping[str, int]) -> None:
        """A batch was stored: topic -> records."""

    def coalesced(self, consumer: str, changes: int = 1) -> None:
        """Changes of titles that were due already, or again in the same batch: one plan does for all of them."""

    # --- outbox ----------------------------------------------------------------------------------------------------

    def sent(self, topics: Mapping[str, int]) -> None:
        """The outbox was emptied onto these topics: topic -> records."""

    # --- systems ---------------------------------------------------------------------------------------------------

    def calling(self, system: str, method: str, path: str) -> Call:
        """A call to a system goes out now (its turn has come): `with observed.calling(...) as call`."""
        return NO_CALL

    # --- work ------------------------------------------------------------------------------------------------------

    def claimed(self, consumer: str, priority: int, titles: int = 1) -> None:
        """Titles of one priority were claimed."""

    def planned(self, consumer: str, failed: bool = False) -> None:
        """A title was planned; `failed`: its plan raised."""

    def outcome(self, consumer: str, outcome: str, behind: float | None = None) -> None:
        """A title is finished, with the outcome that is stored in its row.

        `behind`: seconds since the change was observed at its source, where a live change made it due; else None.
        """

    # --- delivery --------------------------------------------------------------------------------------------------

    def wrote(self, consumer: str, target: str, resources: int = 1) -> None:
        """Resources of a target were written and remembered."""

    def drifted(self, target: str, field: str, left: bool) -> None:
        """Somebody changed a cell of ours: "<kind>/<field>". `left`: it stays so; else it is set back."""

    def stale(self, target: str, writes: int) -> None:
        """Writes that were refused when they were to be remembered: a newer one stood already."""

    def retried(self, target: str) -> None:
        """A call failed in a way that passes, and will be made again."""

    def breaker(self, target: str, state: str, why: str = "", seconds: float | None = None) -> None:
        """A breaker is "closed", "half-open" (a probe is out) or "open"; `seconds`: until it is tried again."""


UNOBSERVED = Observed()
