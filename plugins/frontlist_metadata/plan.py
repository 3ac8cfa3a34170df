"""Both flows of a title; pure: the same dossier and context give the same plan."""

from __future__ import annotations

import re
from typing import Any

from frontlist.contract import Context, Dossier, Plan, Writes
from frontlist.mapping import FieldMapping
from frontlist_metadata import copy, records
from frontlist_metadata.checks import Findings

WORK = re.compile(r"work:([0-9]{1,18})")


def writes(mapping: Any) -> Writes:
    """The fields of both modules that Consonance owns, marketing texts, and the fields of a work that are mapped."""
    if not isinstance(mapping, FieldMapping):
        return {}
    found = {(records.TARGET, each.module): records.writes(each) for each in mapping.modules.values()}
    return {**found, **copy.writes(mapping)}


def plan(dossier: Dossier, context: Context) -> Plan:
    """Nothing for an object that no title claims: `frontlist link` says where it belongs."""
    work = WORK.fullmatch(dossier.title)
    mapping = context.mapping
    if work is None or not isinstance(mapping, FieldMapping):
        return Plan()
    findings = Findings()
    first = records.plan(int(work[1]), dossier, context, mapping, findings)
    second = copy.plan(int(work[1]), dossier, context, mapping, findings)
    notes = {**first.notes, **second.notes}
    moments = [each for each in (*first.moments, *second.moments) if each > context.now]
    return Plan(
        desired=(*first.desired, *second.desired),
        findings=findings.all(),
        notes=None if notes == dict(context.notes) else notes,
        next_at=min(moments, default=None),
        waits=tuple(dict.fromkeys((*first.waits, *second.waits))),
    )
