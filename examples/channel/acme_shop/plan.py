"""The shop shows title and subtitle of every work that Consonance has; one that is gone there is taken off."""

from __future__ import annotations

from frontlist import Absent, Context, Dossier, Ensure, Plan, Resource, Wait, field_key

FLOW = 110
FIELDS = frozenset({"title", "subtitle"})


def plan(dossier: Dossier, context: Context) -> Plan:
    """What is unreadable changes nothing."""
    metadata = dossier.get("consonance", "metadata")
    title = Resource("shop", "title", dossier.title)
    if metadata.state == "unseen":
        return Plan(waits=(Wait(str(metadata.key), "not known yet"),))
    if metadata.state == "gone":
        return Plan(desired=(Absent(title, FLOW, f"Consonance no longer has it: {metadata.reason or 'deleted'}"),))
    if not metadata.present or metadata.body is None:
        return Plan()
    fields = {field_key(name): metadata.body.get(name) for name in sorted(FIELDS)}
    return Plan(desired=(Ensure(title, fields, FLOW),))
