"""Each assumption of the register, held against the tenants: confirmed, refuted or unknown."""

from __future__ import annotations

from collections.abc import Mapping

from frontlist.checking.behaviours import BEHAVIOURS, Verdict
from frontlist.checking.evidence import Evidence
from frontlist.checking.verdict import Settled
from frontlist.errors import DeliveryError
from frontlist.systems.consonance.client import Client
from frontlist.systems.consonance.schema import Schema
from frontlist_sandbox.assumptions import Assumption, collect

GRAPHQL = "graphql:"
#: No tenant has an id like this one.
NOBODY = 2_147_483_647
LOOK = "a person has to look"


def settle(schema: Schema | None, seen: Evidence | None, probed: Mapping[str, Verdict]) -> tuple[Settled, ...]:
    """`schema`, `seen` None: that system did not answer. `probed`: what was found out otherwise, by id."""
    return tuple(
        Settled(each.id, each.system, each.what, *(probed.get(each.id) or _settled(each, schema, seen)))
        for each in collect()
    )


def _settled(each: Assumption, schema: Schema | None, seen: Evidence | None) -> Verdict:
    names = [probe.removeprefix(GRAPHQL) for probe in each.probes if probe.startswith(GRAPHQL)]
    if names:
        return _in(schema, names)
    behaviour = BEHAVIOURS.get(each.id)
    if behaviour is None:
        writes = [probe for probe in each.probes if not probe.startswith("http:GET")]
        return "unknown", "only a write would show it" if writes else LOOK
    return ("unknown", "4ALLPORTAL did not answer") if seen is None else behaviour(seen)


def _in(schema: Schema | None, names: list[str]) -> Verdict:
    if schema is None:
        return "unknown", "Consonance's GraphQL could not be introspected"
    missing = [name for name in names if not offered(schema, name)]
    if missing:
        return "refuted", f"the schema has no {', '.join(missing)}"
    return "confirmed", f"the schema has {', '.join(names[:4])}{' and others' if len(names) > 4 else ''}"


def offered(schema: Schema, name: str) -> bool:
    """Whether `Type` or `Type.member` is there; root types may be called otherwise."""
    kind, _, member = name.partition(".")
    root = {"Query": schema.query, "Mutation": schema.mutation or ""}.get(kind, kind)
    found = schema.types.get(root)
    if found is None or not member:
        return found is not None
    return member in found.fields or member in found.inputs or member in found.values


async def asked(client: Client) -> dict[str, Verdict]:
    """What two small questions to Consonance show."""
    try:
        nobody = await client.answer(f"query Nobody {{ work(workSearch: {{idEq: {NOBODY}}}) {{ id }} }}")
        first = await client.answer("query Pages { works(workSearch: {after: 0}) { id } }")
    except DeliveryError:
        return {}
    rows = first.data.get("works")
    ids = [row["id"] for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    verdicts: dict[str, Verdict] = {}
    right = nobody.data.get("work", 0) is None and not nobody.problems
    said = "null without an error" if right else f"{nobody.problems[0].message if nobody.problems else 'something'}"
    verdicts["consonance.not-found"] = ("confirmed" if right else "refuted", f"an unknown id is answered with {said}")
    if len(ids) > 1:
        rising = ids == sorted(ids)
        verdicts["consonance.pages"] = (
            "confirmed" if rising else "refuted",
            f"{len(ids)} works on a page, {'in order of id' if rising else 'not in order of id'}",
        )
    return verdicts
