"""Registers the consumer `metadata`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from frontlist.contract import Consumer, Context, DocumentKey, Dossier, Plan, Writes
from frontlist.plugins import hookimpl
from frontlist_metadata import plan


class Metadata:
    """Flows 1 and 6; `context.mapping` is a `frontlist.mapping.FieldMapping`."""

    name = "metadata"
    wants = frozenset(
        {
            DocumentKey("consonance", "metadata"),
            DocumentKey("consonance", "formats"),
            DocumentKey("consonance", "milestones"),
            DocumentKey("fourallportal", "metadata"),
        }
    )
    flows = frozenset({1, 6})

    def writes(self, mapping: Any) -> Writes:
        return plan.writes(mapping)

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        return plan.plan(dossier, context)


@hookimpl
def frontlist_consumers() -> Sequence[Consumer]:
    return [Metadata()]
