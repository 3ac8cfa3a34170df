"""YAML -> FieldMapping: every key by its kind; contradictions are looked for in `rules`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from frontlist.mapping import codes
from frontlist.mapping.canonical import BY_NAME
from frontlist.mapping.copying import texts
from frontlist.mapping.dimensions import expanded
from frontlist.mapping.model import (
    Cell,
    FieldMapping,
    FieldRule,
    Markers,
    ModuleRule,
    Owner,
    Patch,
    PriceRule,
    PublicSource,
    ReleaseGate,
    Role,
)
from frontlist.mapping.problems import Problem
from frontlist.mapping.section import Section, nearest

VERSION = 1
OWNERS = ("consonance", "fourallportal")
#: Consonance's dates that `public_from` may wait for.
PUBLIC_DATES = ("announcement_date",)
DURATION = re.compile(r"(\d+)([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def read(root: Section, file: str, text: str) -> FieldMapping | None:
    """The mapping, or None where its problems leave nothing to go on with."""
    if root.raw("version") != VERSION:
        root.problem("version", f"`version` is {root.raw('version')!r}", f"write `version: {VERSION}`")
    zone = _zone(root)
    locales = _locales(root)
    currencies = _currencies(root)
    gate = _gate(root)
    public_from = tuple(_public_sources(root))
    patch = cast(Patch, root.choice("patch", ("unknown", "merges", "replaces"), "unknown"))
    modules = _modules(root, locales)
    copy_section = root.section("copy")
    quiet = _duration(copy_section, "quiet", timedelta(minutes=10))
    copy = tuple(texts(copy_section, locales)) if copy_section else ()
    root.finish()
    if zone is None or gate is None or "product" not in modules:
        return None
    return FieldMapping(file, zone, locales, currencies, gate, public_from, modules, copy, quiet, patch, text)


def _zone(root: Section) -> ZoneInfo | None:
    name = root.text("zone", required="write the publisher's time zone, e.g. `zone: Europe/London`")
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        root.problem("zone", f"'{name}' is no time zone", "use a name such as Europe/London or Australia/Sydney")
        return None


def _locales(root: Section) -> dict[str, str]:
    section = root.section("locales")
    if section is None:
        root.problem("locales", "`locales` is missing", "write each locale of 4ALLPORTAL, e.g. `locales: {en_GB: eng}`")
        return {}
    found = {name: section.text(name) for name in section.keys()}  # noqa: SIM118 - a Section, not a dict
    for name, code in found.items():
        cure = codes.language_cure(code) if code else f"write the ONIX language, e.g. `{name}: eng`"
        if cure:
            section.problem(name, f"the locale {name} has no ONIX language (List 74): {code!r}", cure)
    return {name: code for name, code in found.items() if code}


def _currencies(root: Section) -> frozenset[str]:
    found = root.texts("currencies")
    if not found:
        root.problem("currencies", "`currencies` is missing", "write the publisher's currencies, e.g. `[GBP, USD]`")
    for code in found:
        if not codes.is_currency(code):
            root.problem("currencies", f"'{code}' is no currency of ISO 4217", "use codes such as GBP")
    return frozenset(found)


def _gate(root: Section) -> ReleaseGate | None:
    section = root.section("release")
    if section is None:
        root.problem("release", "`release` is missing", "say which stages and publishing statuses release a title")
        return None
    ids, names = _stages(section)
    statuses = section.texts("statuses")
    for status in statuses:
        if status not in codes.PUBLISHING_STATUSES:
            section.problem("statuses", f"'{status}' is no publishing status (ONIX List 64)", 'use codes such as "04"')
    section.finish()
    return ReleaseGate(frozenset(ids), frozenset(names), frozenset(statuses), root.at("release"))


def _stages(section: Section) -> tuple[set[int], set[str]]:
    ids: set[int] = set()
    names: set[str] = set()
    raw = section.raw("stages")
    for stage in raw if isinstance(raw, CommentedSeq) else [raw]:
        value = stage.get("id", stage.get("name")) if isinstance(stage, CommentedMap) else stage
        if isinstance(value, int) and not isinstance(value, bool):
            ids.add(int(value))
        elif isinstance(value, str):
            names.add(str(value))
        elif value is not None or stage is not None:
            section.problem("stages", f"{stage!r} is no project stage", "write its id, or `{id: 5, name: Approved}`")
    return ids, names


def _public_sources(root: Section) -> list[PublicSource]:
    raw = root.raw("public_from")
    line = root.at("public_from")
    if isinstance(raw, CommentedSeq):
        found = [_public_source(root, item, int(raw.lc.item(index)[0]) + 1) for index, item in enumerate(raw)]
    else:
        found = [] if raw is None else [_public_source(root, raw, line)]
    return [each for each in found if each is not None]


def _public_source(root: Section, item: object, line: int) -> PublicSource | None:
    if isinstance(item, str) and item in PUBLIC_DATES:
        return PublicSource(item, None, line)
    if isinstance(item, CommentedMap) and isinstance(item.get("field"), str) and set(item) == {"field"}:
        return PublicSource(item["field"], Cell(item["field"]), line)
    cure = f"use {', '.join(PUBLIC_DATES)}, or `field: <date field of the product's record>`"
    root.problems.append(Problem(line, f"{item!r} is no source of `public_from`", cure))
    return None


def _modules(root: Section, locales: Mapping[str, str]) -> dict[Role, ModuleRule]:
    section = root.section("modules")
    if section is None or not section.has("product"):
        root.problem("modules", "no module has the role of product", "write `modules: {product: {module: ...}}`")
    modules: dict[Role, ModuleRule] = {}
    for role in ("product", "title"):
        inner = section.section(role) if section else None
        if inner is not None:
            modules[role] = _module(inner, role, locales)
    if section:
        section.finish()
    return modules


def _module(section: Section, role: Role, locales: Mapping[str, str]) -> ModuleRule:
    name = section.text("module", required="write the technical name of the module in 4ALLPORTAL") or "?"
    connector = section.text("connector", required="write the connector that lists the module's events") or "?"
    return ModuleRule(
        role,
        name,
        connector,
        _markers(section, role),
        tuple(_fields(section, locales)),
        tuple(_prices(section, role)),
        section.line,
    )


def _markers(section: Section, role: Role) -> Markers:
    marker = section.section("marker")
    if marker is None:
        cure = "write `marker: {work: ..., product: ..., origin: ...}`; without it nothing can be created"
        section.problem("marker", f"the module of the {role} has no marker fields", cure)
        return Markers("?", "?", "?")
    work = marker.text("work", required="the field that holds the Consonance work id") or "?"
    origin = marker.text("origin", required="the field that holds the origin") or "?"
    cure = "the field that holds the Consonance product id"
    product = marker.text("product", required=cure if role == "product" else "")
    marker.finish()
    return Markers(work, origin, product)


def _fields(section: Section, locales: Mapping[str, str]) -> list[FieldRule]:
    fields = section.section("fields")
    if fields is None:
        section.problem("fields", "the module has no `fields`", "write `canonical field: field of the module`")
        return []
    found: list[FieldRule] = []
    for name in fields.keys():  # noqa: SIM118 - a Section, not a dict
        if name not in BY_NAME:
            cure = f"use one of {', '.join(sorted(BY_NAME))}{nearest(name, list(BY_NAME))}"
            fields.problem(name, f"'{name}' is no canonical field", cure)
        elif isinstance(fields.raw(name), str):
            found.append(FieldRule(name, Cell(str(fields.raw(name))), line=fields.at(name)))
        else:
            for each in fields.sections(name):
                found.extend(_field(each, name, locales))
    return found


def _field(section: Section, canonical: str, locales: Mapping[str, str]) -> list[FieldRule]:
    name = section.text("field", required="write the module's field")
    owner = cast(Owner, section.choice("owner", OWNERS, "consonance"))
    values = _values(section)
    join = section.text("join")
    cells = expanded(section, name or "?", locales)
    section.finish()
    return [FieldRule(canonical, cell, owner, values, join, section.line) for cell in cells]


def _values(section: Section) -> dict[str, str] | None:
    inner = section.section("values")
    if inner is None:
        return None
    found = {key: inner.text(key) for key in inner.keys()}  # noqa: SIM118 - a Section, not a dict
    return {key: value for key, value in found.items() if value is not None}


def _prices(section: Section, role: Role) -> list[PriceRule]:
    found = [_price(each) for each in section.sections("prices")]
    if found and role == "title":
        section.problem("prices", "a title has no prices", "map prices in the product's module")
    section.finish()
    return [each for each in found if each is not None]


def _price(section: Section) -> PriceRule | None:
    currency = section.text("currency", required="write the currency, e.g. GBP")
    types = section.texts("type")
    qualifier = section.text("qualifier") or "00"
    field = section.text("field", required="write the module's field for the amount")
    currency_field = section.text("currency_field")
    section.finish()
    if not types:
        section.problem("type", "`type` is missing", 'write the ONIX price type, e.g. "02" (including tax)')
    if len(types) > 1:
        cure = "give each type a selector and a field of its own"
        section.problem("type", f"a selector mixes the price types {' and '.join(types)}", cure)
    for code, known, what in (
        (types[:1], codes.PRICE_TYPES, "type"),
        ([qualifier], codes.PRICE_QUALIFIERS, "qualifier"),
    ):
        if code and code[0] not in known:
            section.problem(what, f"'{code[0]}' is no ONIX price {what}", f"use one of {', '.join(sorted(known))}")
    if currency is None or field is None or len(types) != 1:
        return None
    return PriceRule(
        currency, types[0], Cell(field), qualifier, Cell(currency_field) if currency_field else None, section.line
    )


def _duration(section: Section | None, key: str, default: timedelta) -> timedelta:
    text = section.text(key) if section else None
    if section is None or text is None:
        return default
    match = DURATION.fullmatch(text)
    if match is None:
        section.problem(key, f"`{key}` is '{text}', not a time", "write e.g. 10m, 90s or 2h")
        return default
    return timedelta(**{UNITS[match[2]]: int(match[1])})
