"""4ALLPORTAL: the mapping against the tenant's modules, fields, value options and connectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from frontlist.checking.verdict import Check, failed
from frontlist.errors import FrontlistError, Stop
from frontlist.mapping import FieldMapping, Problem, against, module_uses
from frontlist.systems.fourallportal.client import Client, Connector
from frontlist.systems.fourallportal.modules import Module, ModuleUse
from frontlist.systems.fourallportal.settings import FourallportalSettings

AREA = "4ALLPORTAL"


@dataclass(frozen=True)
class Portal:
    """What the tenant showed."""

    modules: Mapping[str, Module]
    connectors: Mapping[str, Connector]


@dataclass(frozen=True)
class Looked:
    """`portal` None: it did not answer."""

    checks: list[Check] = field(default_factory=list)
    portal: Portal | None = None


async def look(client: Client, settings: FourallportalSettings, mapping: FieldMapping | None) -> Looked:
    try:
        listed = await client.connectors()
        found = [Check(AREA, "API", "ok", f"answers, {len(listed)} connectors", settings.url)]
        if mapping is None:
            return Looked(found, Portal({}, {}))
        uses = module_uses(mapping)
        modules = {use.module: await _module(client, use.module) for use in uses}
        there = {name: each for name, each in modules.items() if each is not None}
        keys = sorted({one.option_key for each in there.values() for one in each.fields if one.option_key})
        options = await client.options(keys)
        connectors = {use.connector: await _connector(client, use.connector) for use in uses}
        records = {name: await client.count(name) for name in there}
    except FrontlistError as error:
        return Looked([failed(AREA, "API", error)])
    found += _locales(settings, mapping)
    found += [_problem(mapping, each) for each in against(mapping, {n: m.by_name for n, m in there.items()}, options)]
    for use in uses:
        if use.module in there:
            found += _used(use, there[use.module], records[use.module])
        found += _connected(_known(use, there.get(use.module)), connectors[use.connector])
    found += _untold(mapping, there, options)
    return Looked(found, Portal(there, {name: each for name, each in connectors.items() if each is not None}))


async def _module(client: Client, name: str) -> Module | None:
    """None where the tenant has none of that name, or does not show it to this key."""
    try:
        return await client.module(name)
    except Stop as error:
        if not _is_missing(error):
            raise
        return None


async def _connector(client: Client, name: str) -> Connector | None:
    try:
        return await client.connector(name)
    except Stop as error:
        if not _is_missing(error):
            raise
        return None


def _is_missing(error: Stop) -> bool:
    return "(404)" in error.what


def _problem(mapping: FieldMapping, each: Problem) -> Check:
    status: Any = "failed" if each.severity == "error" else "warning"
    return Check("mapping", "against 4ALLPORTAL", status, each.what, f"{mapping.file}:{each.line}", each.cure)


def _locales(settings: FourallportalSettings, mapping: FieldMapping) -> Iterator[Check]:
    stray = sorted(set(mapping.locales) - set(settings.locales))
    if stray:
        cure = "add them to fourallportal.locales, or take them out of the mapping's `locales`"
        yield Check(AREA, "locales", "failed", f"the mapping's {', '.join(stray)} are not configured", "locales", cure)


def _used(use: ModuleUse, module: Module, records: int | None) -> Iterator[Check]:
    """Whether records can be created: what cannot carry our marker could not be found again."""
    what, detail = f"module {use.module}", f"{len(module.fields)} fields, {'?' if records is None else records} records"
    yield Check(AREA, what, "ok", detail)
    lacking = sorted(use.markers - set(module.by_name))
    if lacking:
        cure = f"add {', '.join(lacking)} to the module in 4ALLPORTAL, or name other marker fields in the mapping"
        yield Check(AREA, f"creating in {use.module}", "warning", f"is off: no {', '.join(lacking)}", what, cure)
    else:
        yield Check(AREA, f"creating in {use.module}", "ok", "new records carry our marker")


def _known(use: ModuleUse, module: Module | None) -> ModuleUse:
    """Without mapped fields that the module itself lacks: the mapping's own check names these, with the line."""
    if module is None:
        return use
    return replace(use, isbns=use.isbns & module.by_name.keys(), written=use.written & module.by_name.keys())


def _connected(use: ModuleUse, found: Connector | None) -> Iterator[Check]:
    what = f"connector {use.connector}"
    if found is None:
        cure = f"create it for the module {use.module} in 4ALLPORTAL, or name the module's own in the mapping"
        yield Check(AREA, what, "failed", "is missing", what, cure)
    elif found.module_name != use.module:
        detail = f"is for the module {found.module_name}, not {use.module}"
        yield Check(AREA, what, "failed", detail, what, "name the module's own connector in the mapping")
    elif not found.fields:
        cure = "look into its configuration that it has every mapped field; records are read one by one if not"
        yield Check(AREA, what, "unknown", "does not state its fields", what, cure)
    elif lacking := sorted(use.fields - set(found.fields)):
        cure = f"add {', '.join(lacking)} to the connector; until then its changes are not read"
        yield Check(AREA, what, "failed", f"lacks {', '.join(lacking)}, which the mapping uses", what, cure)
    elif unseen := sorted(use.written - set(found.fields)):
        cure = f"add {', '.join(unseen)} to the connector, so that edits of them by others are noticed at once"
        yield Check(AREA, what, "warning", f"lacks {', '.join(unseen)}, which Frontlist writes", what, cure)
    else:
        yield Check(AREA, what, "ok", f"has every field that is read ({len(found.fields)} in all)")


def _untold(
    mapping: FieldMapping, modules: Mapping[str, Module], options: Mapping[str, frozenset[str]]
) -> Iterator[Check]:
    """Options that the tenant did not tell cannot be compared."""
    for rule_module, name, line in _valued(mapping):
        described = modules[rule_module].field(name) if rule_module in modules else None
        if described is not None and described.option_key is not None and described.option_key not in options:
            detail = f"the options of {rule_module}.{name} ({described.option_key}) are not told"
            cure = "compare them by eye"
            yield Check("mapping", "value options", "unknown", detail, f"{mapping.file}:{line}", cure)


def _valued(mapping: FieldMapping) -> Sequence[tuple[str, str, int]]:
    fields = [(m.module, r.cell.field, r.line) for m in mapping.modules.values() for r in m.fields if r.values]
    states = [
        (mapping.modules[r.role].module, r.state.field, r.line)
        for r in mapping.copy
        if r.state is not None and r.role in mapping.modules
    ]
    return sorted({(module, name): (module, name, line) for module, name, line in (*states, *fields)}.values())
