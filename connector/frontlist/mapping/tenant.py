"""Compares a mapping with what the tenant's modules really have."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from frontlist.mapping.canonical import BY_NAME, TYPES
from frontlist.mapping.model import WORK_KINDS, Cell, CopyRule, FieldMapping, FieldRule, ModuleRule, PriceRule
from frontlist.mapping.problems import Problem
from frontlist.systems.fourallportal.modules import ModuleField

#: Where an amount loses nothing (CEVarchar) or may (CEDouble is a float: a warning).
MONEY = frozenset({"CEVarchar", "CEText", "CEDouble"})
COPY = frozenset({"CEText", "CEVarchar"})
COPY_LISTS = COPY | {"CEVarcharList", "CETextList"}
STATE = frozenset({"CEEnum", "CEVarchar", "CEBoolean"})
WHOLE_IDS = frozenset({"CELong", "CEInteger", "CEVarchar", "CEText"})
TEXTS = frozenset({"CEVarchar", "CEText", "CEEnum"})


#: Module -> field name -> field.
TenantFields = Mapping[str, Mapping[str, ModuleField]]
#: Value option key -> the keys that it allows.
ValueOptions = Mapping[str, Collection[str]]


def against(mapping: FieldMapping, fields: TenantFields, options: ValueOptions) -> list[Problem]:
    """What of the mapping the tenant cannot hold, in the order of the mapping's lines."""
    comparison = _Comparison(mapping, fields, options)
    found = [problem for module in mapping.modules.values() for problem in comparison.module(module)]
    found += [problem for rule in mapping.copy for problem in comparison.text(rule)]
    found += list(comparison.public_from())
    return sorted(set(found), key=lambda each: (each.line, each.what))


@dataclass(frozen=True)
class _Comparison:
    mapping: FieldMapping
    fields: TenantFields
    options: ValueOptions = field(repr=False)

    def module(self, module: ModuleRule) -> Iterator[Problem]:
        if module.module not in self.fields:
            cure = f"use one of {', '.join(sorted(self.fields)) or 'the modules that the key may see'}"
            yield Problem(module.line, f"the tenant has no module '{module.module}'", cure)
            return
        markers = module.markers
        for name, types in ((markers.work, WHOLE_IDS), (markers.product, WHOLE_IDS), (markers.origin, TEXTS)):
            if name is not None:
                yield from self.cell(module.module, Cell(name), types, module.line)
        for rule in module.fields:
            yield from self.field(module.module, rule)
        for price in module.prices:
            yield from self.price(module.module, price)

    def field(self, module: str, rule: FieldRule) -> Iterator[Problem]:
        yield from self.cell(module, rule.cell, TYPES[BY_NAME[rule.canonical].kind], rule.line)
        found = self.found(module, rule.cell)
        if found is None:
            return
        if rule.values is not None:
            yield from self.chosen(module, found, rule.values.values(), rule.line)
        if found.type.endswith("List") and rule.join is not None:
            yield Problem(rule.line, f"{module}.{found.name} is a list ({found.type})", "remove `join`")
        if BY_NAME[rule.canonical].kind == "list" and not found.type.endswith("List") and rule.join is None:
            cure = 'say what joins the list, e.g. `join: "; "`, or use a list field'
            yield Problem(rule.line, f"{module}.{found.name} is {found.type} and {rule.canonical} is a list", cure)

    def price(self, module: str, price: PriceRule) -> Iterator[Problem]:
        yield from self.cell(module, price.amount, MONEY, price.line)
        found = self.found(module, price.amount)
        if found is not None and found.type == "CEDouble":
            cure = "use a text field (CEVarchar): a floating field can change an amount"
            yield Problem(price.line, f"{module}.{found.name} holds money in a floating field", cure, "warning")
        if price.currency_cell is not None:
            yield from self.cell(module, price.currency_cell, TEXTS, price.line)

    def text(self, rule: CopyRule) -> Iterator[Problem]:
        module = self.mapping.modules[rule.role].module
        if module not in self.fields:
            return
        yield from self.cell(module, rule.cell, COPY_LISTS if rule.kind in WORK_KINDS else COPY, rule.line)
        for cell in (rule.from_cell, rule.until_cell):
            if cell is not None:
                yield from self.cell(module, cell, TYPES["date"], rule.line)
        if rule.state is not None:
            yield from self.cell(module, rule.state, STATE, rule.line)
            found = self.found(module, rule.state)
            if found is not None:
                yield from self.chosen(module, found, rule.released, rule.line)

    def public_from(self) -> Iterator[Problem]:
        module = self.mapping.product.module
        for source in self.mapping.public_from:
            if source.cell is not None and module in self.fields:
                yield from self.cell(module, source.cell, TYPES["date"], source.line)

    def found(self, module: str, cell: Cell) -> ModuleField | None:
        return self.fields[module].get(cell.field)

    def cell(self, module: str, cell: Cell, types: frozenset[str], line: int) -> Iterator[Problem]:
        found = self.found(module, cell)
        if found is None:
            near = difflib.get_close_matches(cell.field, list(self.fields[module]), 1)
            cure = f"did you mean {near[0]}?" if near else "create the field in 4ALLPORTAL, or take the line out"
            yield Problem(line, f"the module {module} has no field '{cell.field}'", cure)
            return
        if found.type not in types:
            cure = f"use a field of the type {' or '.join(sorted(types))}"
            yield Problem(line, f"{module}.{cell.field} has the type {found.type}", cure)
        for name, _ in cell.dimensions:
            if name not in found.dimensions:
                has = ", ".join(sorted(found.dimensions)) or "none"
                cure = f"remove it (dimensions of the field: {has})"
                yield Problem(line, f"{module}.{cell.field} has no dimension '{name}'", cure)

    def chosen(self, module: str, found: ModuleField, values: Collection[str], line: int) -> Iterator[Problem]:
        """Options of a list that we were not told are not judged."""
        if found.option_key is None or found.option_key not in self.options:
            return
        allowed = self.options[found.option_key]
        for value in sorted(set(values)):
            if value not in allowed:
                cure = f"use one of {', '.join(sorted(allowed))}"
                what = f"{module}.{found.name} has no value option '{value}' ({found.option_key})"
                yield Problem(line, what, cure)
