"""Contradictions between parts of a mapping, each of which refuses to start."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from frontlist.mapping.canonical import BY_NAME, ON_TITLE
from frontlist.mapping.model import CHANNEL_KIND, Cell, FieldMapping, ModuleRule, Owner
from frontlist.mapping.problems import Problem

GATES = {"project_stage", "project_stage_id", "publishing_status"}


@dataclass(frozen=True)
class Claim:
    """Who says what a cell holds. `reads`: only looked at, which several may do."""

    module: str
    cell: Cell
    owner: Owner
    by: str
    line: int
    reads: bool = False


def claims(mapping: FieldMapping) -> Iterator[Claim]:
    """Every cell that the mapping names; another consumer's claims can be checked beside them."""
    for module in mapping.modules.values():
        yield from _module_claims(module)
    for rule in mapping.copy:
        if rule.role in mapping.modules:
            name = mapping.modules[rule.role].module
            yield Claim(name, rule.cell, "fourallportal", rule.kind, rule.line)
            for cell in (rule.state, rule.from_cell, rule.until_cell):
                if cell is not None:
                    yield Claim(name, cell, "fourallportal", f"the gate of {rule.kind}", rule.line, reads=True)
    for source in mapping.public_from:
        if source.cell is not None:
            line = source.line
            yield Claim(mapping.product.module, source.cell, "fourallportal", "public_from", line, reads=True)


def _module_claims(module: ModuleRule) -> Iterator[Claim]:
    markers = module.markers
    for name in (markers.work, markers.product, markers.origin):
        if name is not None:
            yield Claim(module.module, Cell(name), "consonance", "marker", module.line)
    for rule in module.fields:
        yield Claim(module.module, rule.cell, rule.owner, rule.canonical, rule.line)
    for price in module.prices:
        yield Claim(module.module, price.amount, "consonance", f"price {price.name}", price.line)
        if price.currency_cell is not None:
            yield Claim(module.module, price.currency_cell, "consonance", f"currency {price.name}", price.line)


def contradictions(mapping: FieldMapping) -> Iterator[Problem]:
    """All that refuses to start although each part by itself could be read."""
    found = list(claims(mapping))
    yield from _cells(found)
    yield from _fields_of_two_owners(found, mapping)
    yield from _gates(mapping)
    yield from _levels(mapping)
    yield from _currencies(mapping)
    yield from _copy(mapping)
    yield from _roles(mapping)


def _cells(found: list[Claim]) -> Iterator[Problem]:
    taken: dict[tuple[str, str], Claim] = {}
    for claim in found:
        place = (claim.module, claim.cell.key)
        first = taken.setdefault(place, claim)
        if first is claim or (claim.owner == first.owner and (claim.reads or first.reads)):
            continue
        where = f"{claim.module}.{claim.cell.key}"
        if claim.reads or first.reads:
            cure = f"map what we write to another field (line {first.line})"
            yield Problem(claim.line, f"{where} is {claim.by} and is also written by us, as {first.by}", cure)
        elif claim.owner != first.owner:
            cure = f"give the cell to one system (line {first.line}: {first.by}, {first.owner})"
            yield Problem(claim.line, f"{where} has two owners, {first.owner} and {claim.owner}", cure)
        else:
            cure = f"map one of the two elsewhere (line {first.line}: {first.by})"
            yield Problem(claim.line, f"{where} is given twice, to {first.by} and to {claim.by}", cure)


def _fields_of_two_owners(found: list[Claim], mapping: FieldMapping) -> Iterator[Problem]:
    if mapping.patch != "unknown":
        return
    by_field: dict[tuple[str, str], list[Claim]] = defaultdict(list)
    for claim in found:
        by_field[claim.module, claim.cell.field].append(claim)
    for (module, field), several in by_field.items():
        other = next((each for each in several if each.owner != several[0].owner), None)
        if other is not None and other.cell != several[0].cell:
            cure = (
                "map one owner's cells to another field, or let `frontlist check` find out how the tenant treats cells"
            )
            yield Problem(
                other.line,
                f"{module}.{field} has cells of two owners, and it is unknown whether a PATCH replaces or merges cells",
                cure + " and set `patch: merges` or `patch: replaces`",
            )


def _gates(mapping: FieldMapping) -> Iterator[Problem]:
    gate = mapping.gate
    if not (gate.stages or gate.stage_names or gate.statuses):
        yield Problem(gate.line, "`release` names neither stages nor statuses: nothing is ever released", "name some")
    for name in sorted(GATES):
        gates = bool(gate.statuses) if name == "publishing_status" else bool(gate.stages or gate.stage_names)
        for _, rule in mapping.rules(name):
            if gates and rule.owner == "fourallportal":
                what = f"{name} releases titles and would be written to Consonance by us"
                yield Problem(rule.line, what, "leave its owner consonance, or take it out of `release`")


def _levels(mapping: FieldMapping) -> Iterator[Problem]:
    title = mapping.title
    for rule in title.fields if title else ():
        if BY_NAME[rule.canonical].level == "product" and rule.canonical not in ON_TITLE:
            cure = "map it in the product's module"
            yield Problem(rule.line, f"{rule.canonical} differs by product and cannot be on the title's record", cure)
    for rule in mapping.product.fields:
        if rule.canonical == "product_records" or (rule.canonical == "title_record" and title is None):
            cure = "map it in the title's module" if rule.canonical == "product_records" else "map a title module"
            yield Problem(rule.line, f"{rule.canonical} has no meaning here", cure)
    for module in mapping.modules.values():
        for rule in module.fields:
            if BY_NAME[rule.canonical].kind != "list" and rule.join is not None:
                yield Problem(rule.line, f"{rule.canonical} is no list", "remove `join`")


def _currencies(mapping: FieldMapping) -> Iterator[Problem]:
    for price in mapping.product.prices:
        if price.currency not in mapping.currencies:
            cure = f"add {price.currency} to `currencies`"
            yield Problem(price.line, f"{price.currency} is none of the publisher's currencies", cure)


def _copy(mapping: FieldMapping) -> Iterator[Problem]:
    variants: dict[tuple[str | None, ...], str] = {}
    for rule in mapping.copy:
        if rule.role not in mapping.modules:
            yield Problem(
                rule.line, f"{rule.kind} is in the title's module, which is not mapped", "map `modules: title`"
            )
        if rule.kind != CHANNEL_KIND and rule.channel is not None:
            cure = f"use the kind {CHANNEL_KIND}"
            yield Problem(rule.line, f"{rule.kind} has a channel; Consonance has no channel axis", cure)
        if rule.variant is not None:
            place = (rule.variant, rule.language, rule.role, *rule.audiences)
            if variants.setdefault(place, rule.cell.key) != rule.cell.key:
                cure = "use another variant, or map one text"
                what = f"{rule.cell.key} and {variants[place]} would both be {rule.variant} in {rule.language}"
                yield Problem(rule.line, what, cure)
    yield from _work_fields(mapping)


def _work_fields(mapping: FieldMapping) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for rule in mapping.copy:
        if rule.work_field is not None and taken.setdefault(rule.work_field, rule.cell.key) != rule.cell.key:
            what = f"{rule.cell.key} and {taken[rule.work_field]} would both be the work's {rule.work_field}"
            yield Problem(rule.line, what, "a field of the work holds one locale: name one under `dimensions`")


def _roles(mapping: FieldMapping) -> Iterator[Problem]:
    title = mapping.title
    if title is not None and title.module == mapping.product.module:
        yield Problem(title.line, f"product and title are both {title.module}", "leave out `title`, or name its module")
    if not any(True for _ in mapping.rules("withdrawn")):
        cure = "map `withdrawn` to a boolean field"
        what = "nothing shows that a product has gone: records are never deleted, they are marked withdrawn"
        yield Problem(mapping.product.line, what, cure, "warning")
