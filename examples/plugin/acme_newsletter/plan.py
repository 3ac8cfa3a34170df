"""A title may be announced from four weeks before its first publication."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from frontlist import Context, Dossier, Ensure, Finding, Json, Plan, Resource, Wait, chosen_id, field_key

FLOW = 100
AHEAD = timedelta(weeks=4)
FIELDS = frozenset({"title", "published_on", "announce"})


def plan(dossier: Dossier, context: Context) -> Plan:
    """Nothing before both documents are known; what is unreadable or gone changes nothing."""
    metadata, milestones = dossier.get("consonance", "metadata"), dossier.get("consonance", "milestones")
    waits = [Wait(str(each.key), "not known yet") for each in (metadata, milestones) if each.state == "unseen"]
    if waits or not metadata.present or not milestones.present:
        return Plan(waits=tuple(waits))
    day = _first_day(milestones.body or {})
    if day is None:
        return Plan(findings=(_undated(),))
    opens = datetime.combine(day - AHEAD, time(), UTC)
    fields = {
        field_key("title"): (metadata.body or {}).get("title"),
        field_key("published_on"): day.isoformat(),
        field_key("announce"): opens <= context.now,
    }
    record = Resource("fourallportal", "newsletter", chosen_id(context.tenant, "newsletter", dossier.title))
    return Plan(desired=(Ensure(record, fields, FLOW),), next_at=opens if opens > context.now else None)


def _first_day(milestones: Mapping[str, Json]) -> date | None:
    products = milestones.get("products") or ()
    days = [each["publication_date"] for each in products if each.get("publication_date")]
    return min(map(date.fromisoformat, days), default=None)


def _undated() -> Finding:
    return Finding(
        key="date/none",
        kind="no date",
        message="no format has a publication date: the newsletter leaves the title out",
        cure="enter a publication date in Consonance",
        where="newsletter",
        severity="low",
    )
