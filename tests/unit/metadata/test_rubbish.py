"""Whatever stands in a document, a plan is made, and the same one each time."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from frontlist.contract import DocumentKey, Ensure, Plan, Resource
from frontlist.plugins import Plugins
from frontlist_metadata import plugin
from unit.metadata.dossiers import (
    NOW,
    blurb,
    cell,
    described,
    document,
    dossier,
    formats,
    metadata,
    milestones,
    planned,
    price,
    record,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
STATES = st.sampled_from(["present", "present", "present", "gone", "unreadable"])


def whole() -> dict[str, Any]:
    """A full body of each document."""
    full = described(
        page_counts={"absolute": 3},
        measurements={"height_mm": "198.0"},
        prices=[price(effective_to="2026-12-01")],
    )
    lists = {
        "contributions": [{"id": 1, "name": "A", "role": "A01", "sequence": 1, "product_ids": [11]}],
        "subjects": [{"scheme": "Thema", "code": "FBC", "main": True}],
        "series": [{"id": 1, "name": "Tales", "part_number": "1"}],
        "season": {"id": 1, "name": "Spring"},
        "marketing_tier": {"id": 1, "name": "Core"},
    }
    return {
        "consonance.metadata": metadata(full, **lists),
        "consonance.formats": formats(11, 12),
        "consonance.milestones": milestones(),
        "fourallportal.metadata": {"records": [record(*blurb("A tale."), cell("keywords", ["a"], locale="en_GB"))]},
    }


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, inner in items for path in paths(inner, (*at, key)))]


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    """Full documents in which up to three places hold something else."""
    bodies = {"": whole()}
    for _ in range(draw(st.integers(1, 3))):
        *way, last = ("", *draw(st.sampled_from([path for path in paths(bodies[""]) if path])))
        inside: Any = bodies
        for key in way:
            inside = inside[key]
        if draw(st.booleans()) and isinstance(inside, dict) and len(way) > 1:
            del inside[last]
        else:
            inside[last] = draw(JSON)
    return bodies[""]


@given(damaged(), STATES, JSON)
@settings(deadline=None)
def test_a_damaged_document_makes_a_plan(bodies: dict[str, Any], state: Any, notes: Any) -> None:
    documents = [document(name, body, state=state) for name, body in bodies.items()]
    noted = {"texts": notes, "sent": notes, "products": notes, "released_at": notes}
    result = planned(dossier(*documents), notes=noted)
    assert result == planned(dossier(*documents), notes=noted)
    assert all(finding.cure and finding.key for finding in result.findings)
    assert result.next_at is None or result.next_at > NOW
    assert len({each.resource for each in result.desired}) == len(result.desired)


def test_nothing_of_a_damaged_product_erases_anything() -> None:
    before = planned(dossier(metadata=whole()["consonance.metadata"]))
    body = metadata(described(full_title=7, prices="?", page_counts=[], measurements=3), title=[], season=[])
    result = planned(dossier(metadata=body), notes=before.notes)
    # A subtitle and a planned date that Consonance states to be none are empty either way.
    assert emptied(result) <= emptied(before)


def emptied(plan: Plan) -> set[tuple[Resource, str]]:
    wishes = [each for each in plan.desired if isinstance(each, Ensure)]
    return {(each.resource, key) for each in wishes for key, value in each.fields.items() if value is None}


def test_the_plugin_registers_its_consumer() -> None:
    plugins = Plugins({"metadata": plugin})
    (consumer,) = plugins.consumers.values()
    assert (consumer.name, consumer.flows) == ("metadata", {1, 6})
    assert DocumentKey("fourallportal", "metadata") in consumer.wants
