"""Consonance: what its GraphQL offers, and what of our queries, the gate and the texts it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from frontlist.checking.verdict import Check, failed
from frontlist.errors import FrontlistError
from frontlist.mapping import CopyRule, FieldMapping, Problem
from frontlist.systems.consonance import capabilities
from frontlist.systems.consonance.client import GRAPHQL, Client
from frontlist.systems.consonance.queries import Queries
from frontlist.systems.consonance.schema import Schema
from frontlist.systems.consonance.source import work_ids

AREA = "Consonance"
#: What a gate may rest on, and the field that it is read from.
GATES = {"Work.projectStage": "the project stage", "Product.onixPublishingStatusCode": "the publishing status"}


@dataclass(frozen=True)
class Looked:
    """`schema` None: it could not be introspected."""

    checks: list[Check]
    schema: Schema | None = None


async def look(client: Client, mapping: FieldMapping | None) -> Looked:
    where = f"{client.api.base_url}{GRAPHQL}"
    try:
        schema = await client.schema(refresh=True)
    except FrontlistError as error:
        return Looked([failed(AREA, "GraphQL", error)])
    found = [Check(AREA, "GraphQL", "ok", f"introspected, {len(schema.types)} types", where)]
    try:
        queries = Queries.of(schema)
    except FrontlistError as error:
        return Looked([*found, failed(AREA, "works", error)], schema)
    found.append(await _works(client, queries, where))
    found += _queries(queries)
    found += [] if mapping is None else [*_gate(mapping, queries), *_texts(mapping, schema)]
    return Looked(found, schema)


async def _works(client: Client, queries: Queries, where: str) -> Check:
    try:
        seen = await work_ids(client, queries, {"after": 0})
    except FrontlistError as error:
        return failed(AREA, "works", error)
    if not seen:
        return Check(AREA, "works", "warning", "the key sees none", where, "ask Consonance's support what it may read")
    return Check(AREA, "works", "ok", f"{len(seen)} on the first page, the first is {seen[0]}", where)


def _queries(queries: Queries) -> Iterator[Check]:
    if queries.missing:
        detail = f"not offered: {', '.join(queries.missing)}"
        cure = "nothing, where you need none of them; else ask Consonance's support. Their cells are left alone"
        yield Check(AREA, "fields of our queries", "warning", detail, "GraphQL schema", cure)
    else:
        yield Check(AREA, "fields of our queries", "ok", "all are offered")
    if not queries.lists_contracts:
        cure = "ask Consonance's support for a way to list contracts; until then contracts stay unseen"
        yield Check(AREA, "contracts", "warning", "cannot be listed", "GraphQL schema", cure)
    if not queries.can_search_changes:
        cure = "set consonance.poll_interval larger: every poll reads all works"
        yield Check(AREA, "changes", "warning", "changedSince is not offered", "WorkSearchAttributes", cure)


def _gate(mapping: FieldMapping, queries: Queries) -> Iterator[Check]:
    lacking = {name.partition(" ")[0] for name in queries.missing}
    stages = mapping.gate.stages or mapping.gate.stage_names
    ways = [
        name
        for name, used in (("Work.projectStage", stages), ("Product.onixPublishingStatusCode", mapping.gate.statuses))
        if used
    ]
    where = f"{mapping.file}:{mapping.gate.line}"
    blind = [GATES[name] for name in ways if name in lacking]
    if blind:
        cure, detail = "release titles by what can be read", f"{' and '.join(blind)} cannot be read"
        yield Check(AREA, "release", "failed" if len(blind) == len(ways) else "warning", detail, where, cure)
    if mapping.product.prices and "Product.prices" in lacking:
        cure = "take `prices` out of the mapping"
        yield Check(AREA, "prices", "warning", "prices cannot be read", mapping.file, cure)
    for source in mapping.public_from:
        if source.cell is None and "Product.announcementDate" in lacking:
            cure = f"take {source.name} out of public_from: without it every record stays confidential"
            place = f"{mapping.file}:{source.line}"
            yield Check(AREA, "public_from", "warning", "the announcement date cannot be read", place, cure)


def _texts(mapping: FieldMapping, schema: Schema) -> Iterator[Check]:
    sent = [rule for rule in mapping.copy if rule.variant is not None]
    if not sent:
        return
    why = capabilities.creatable(schema)
    if why is not None:
        cure = "ask Consonance's support; until then released copy is reported, not sent"
        yield Check(AREA, "marketing texts", "warning", f"creating is off: {why}", "GraphQL schema", cure)
    else:
        yield Check(AREA, "marketing texts", "ok", "can be created, found again by our marker, and deleted")
    for problem in text_problems(mapping, schema):
        place = f"{mapping.file}:{problem.line}"
        yield Check(AREA, "marketing texts", "failed", problem.what, place, problem.cure)


def text_problems(mapping: FieldMapping, schema: Schema) -> list[Problem]:
    """Variants, languages, audiences and fields of the work that the tenant does not have, by the mapping's lines."""
    found = [problem for rule in mapping.copy for problem in _text(rule, schema)]
    return sorted(set(found), key=lambda each: (each.line, each.what))


def _text(rule: CopyRule, schema: Schema) -> Iterator[Problem]:
    given = schema.inputs("CreateMarketingTextInput")
    stated = [("variant", "variant", rule.variant), ("onixLanguageCode", "language", rule.language)]
    stated += [("onixContentAudienceCodes", "audience", code) for code in rule.audiences]
    for name, what, code in stated if rule.variant is not None else ():
        kind = given[name].name if name in given else ""
        if code is not None and kind and schema.spelled(kind, code) is None:
            cure = f"use one of {', '.join(sorted(schema.values(kind))[:20])}"
            yield Problem(rule.line, f"Consonance has no {what} {code} ({kind})", cure)
    if rule.work_field is not None and rule.work_field not in schema.inputs("UpdateWorkInput"):
        cure = "take `work_field` out, or name one that UpdateWorkInput offers"
        yield Problem(rule.line, f"a work has no field {rule.work_field} that can be written", cure)
