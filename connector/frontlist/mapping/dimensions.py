"""From a field and its dimensions to cells."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from frontlist.mapping.model import Cell
from frontlist.mapping.section import Section


def expanded(section: Section, field: str, locales: Mapping[str, str]) -> list[Cell]:
    """The cells of a field: one for each combination of its `dimensions`; `locale: "*"` = every mapped locale."""
    inner = section.section("dimensions")
    if inner is None:
        return [Cell(field)]
    names = inner.keys()
    choices = [_dimension(inner, name, locales) for name in names]
    return [
        Cell(field, tuple(sorted(zip(names, combination, strict=True)))) for combination in itertools.product(*choices)
    ]


def _dimension(section: Section, name: str, locales: Mapping[str, str]) -> list[str]:
    values = section.texts(name)
    if name == "locale" and values == ["*"]:
        return sorted(locales)
    for value in values:
        if name == "locale" and value not in locales:
            section.problem(name, f"the locale {value} has no language", f"add `{value}: <language>` to `locales`")
    if not values or "*" in values:
        section.problem(name, f"the dimension {name} has no values", "name them: `channel: [web_shop, trade]`")
    return [value for value in values if value != "*"]
