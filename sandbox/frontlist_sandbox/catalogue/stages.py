"""Project stages of the sandbox's tenant, and which one a record of a catalogue gets.

ONIX has no project stage. A work gets the furthest that one of its products allows:
publishing status (list 64) 02 and 04 to 18: Released, since its data went out to the trade; 01 and 03: Stopped;
00, 09, anything else or none: Released where NotificationType is 02 or 03 (confirmed), else In production.
"""

from __future__ import annotations

from collections.abc import Sequence

from frontlist_sandbox.catalogue.drafts import Draft
from frontlist_sandbox.consonance.model import Named, Tenant

PROPOSAL, CONTRACTED, IN_PRODUCTION, RELEASED, STOPPED = 1, 2, 3, 4, 5
STAGES = {
    PROPOSAL: "Proposal",
    CONTRACTED: "Contracted",
    IN_PRODUCTION: "In production",
    RELEASED: "Released",
    STOPPED: "Stopped",
}
_RELEASED = frozenset({"02", "04", "05", "06", "07", "08", "10", "11", "12", "13", "15", "16", "17", "18"})
_STOPPED = frozenset({"01", "03"})
_FURTHEST = (RELEASED, IN_PRODUCTION, STOPPED)


def add_to(tenant: Tenant) -> None:
    """Give the tenant its list of stages; one that it has stays."""
    for stage_id, name in STAGES.items():
        tenant.project_stages.setdefault(tenant.take_id("project_stage", stage_id), Named(stage_id, name))


def of(drafts: Sequence[Draft]) -> int:
    reached = {_of(draft) for draft in drafts}
    return next(stage for stage in _FURTHEST if stage in reached)


def _of(draft: Draft) -> int:
    status = draft.product.publishing_status
    if status in _STOPPED:
        return STOPPED
    if status in _RELEASED or draft.notification in ("02", "03"):
        return RELEASED
    return IN_PRODUCTION
