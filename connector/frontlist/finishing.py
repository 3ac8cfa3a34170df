"""How a claim ends: the outcome of its title, and when that is due next."""

from __future__ import annotations

import random
from dataclasses import dataclass

from frontlist.clock import DAY, SECOND, microseconds
from frontlist.contract import Consumer
from frontlist.orders import Result
from frontlist.state import work
from frontlist.state.database import plain
from frontlist.titles import Title

#: An outcome of a title is the one of its resources that needs most attention.
SEVERITY = (
    "unchanged",
    "observed",
    "applied",
    "proposed",
    "deferred",
    "busy",
    "held",
    "refused",
    "dead-lettered",
    "retry",
    "stopped",
)


@dataclass(frozen=True)
class Backoff:
    """Pauses before a retry (seconds)."""

    first: float
    longest: float

    def pause(self, result: Result, attempts: int) -> float:
        """What the target asked for, else full jitter over a doubling pause."""
        if result.after is not None:
            return result.after
        longest = min(self.longest, self.first * 2 ** min(attempts, 20))
        return random.uniform(0.0, longest)  # noqa: S311  jitter, nothing secret


def finished(title: Title, look: int | None, now: int, backoff: Backoff) -> work.Finished:
    """`look`: when something of it is to be looked at again."""
    claim, plan = title.claim, title.plan
    if plan is None:
        return work.Finished(claim, "stopped", plain(title.error), due_at=now + DAY)
    worst = max(title.results, key=lambda each: SEVERITY.index(each.outcome), default=Result("unchanged"))
    outcome, detail = worst.outcome, plain(worst.detail)
    if plan.waits and outcome in ("unchanged", "applied"):
        outcome, detail = "deferred", "; ".join(f"{each.what}: {each.reason}" for each in plan.waits)
    # A look that is overdue could not be taken now: again in a minute, never in a hot loop.
    dues = [look if look > now else now + 60 * SECOND] if look is not None else []
    timer = None
    if plan.next_at is not None:
        timer = max(microseconds(plan.next_at), now + SECOND // 10)
        dues.append(timer)
    if outcome in ("refused", "dead-lettered", "stopped", "held"):
        dues.append(now + DAY)
    dues += [now + round(each.after * SECOND) for each in title.results if each.outcome == "deferred" and each.after]
    retries = [each for each in title.results if each.outcome in ("retry", "busy")]
    if not retries:
        # What stopped may leave something in doubt: it is looked at again, but never in a hot loop.
        rest = 60 * SECOND if outcome == "stopped" else 0
        due = min(dues, default=None)
        # A moment that the plan named is as urgent as what the consumer is about, whatever made it due this time.
        priority = _natural(title.consumer) if due is not None and due == timer else None
        return work.Finished(claim, outcome, detail, due_at=due, not_before=now + rest, priority=priority)
    attempts = claim.attempts + any(each.attempt for each in retries)
    pause = max(backoff.pause(each, attempts) for each in retries)
    return work.Finished(claim, outcome, detail, due_at=now, not_before=now + round(pause * SECOND), attempts=attempts)


def _natural(consumer: Consumer) -> int:
    """The priority of the most urgent document that a consumer wants."""
    return min(work.PRIORITIES.get(each.aspect, work.Priority.METADATA) for each in consumer.wants)
