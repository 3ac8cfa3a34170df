"""Registers the consumer `newsletter`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from acme_newsletter import plan
from frontlist import Consumer, Context, DocumentKey, Dossier, Plan, Writes, hookimpl


class Newsletter:
    """Flow 100: a record per title in the module `newsletter` of 4ALLPORTAL."""

    name = "newsletter"
    wants = frozenset({DocumentKey("consonance", "metadata"), DocumentKey("consonance", "milestones")})
    flows = frozenset({plan.FLOW})

    def writes(self, mapping: Any) -> Writes:
        return {("fourallportal", "newsletter"): plan.FIELDS}

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        return plan.plan(dossier, context)


@hookimpl
def frontlist_consumers() -> Sequence[Consumer]:
    return [Newsletter()]
