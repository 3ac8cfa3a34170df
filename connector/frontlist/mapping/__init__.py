"""The field mapping: the file in which a tenant says which canonical field is which field of 4ALLPORTAL.

`load` reads and checks it, `against` compares it with the tenant's modules, `module_uses` tells the 4ALLPORTAL system
which modules, connectors and cells to read. Whatever is wrong names the line and the cure.
"""

from __future__ import annotations

import dataclasses
from importlib import resources
from pathlib import Path

from frontlist.mapping.canonical import BY_NAME, CANONICAL, Canonical
from frontlist.mapping.model import (
    Cell,
    CopyRule,
    FieldMapping,
    FieldRule,
    Markers,
    ModuleRule,
    PriceRule,
    PublicSource,
    ReleaseGate,
)
from frontlist.mapping.problems import MappingError, Problem
from frontlist.mapping.reading import read
from frontlist.mapping.rules import Claim, claims, contradictions
from frontlist.mapping.section import parse
from frontlist.mapping.tenant import against
from frontlist.mapping.uses import module_uses

__all__ = [
    "BY_NAME",
    "CANONICAL",
    "Canonical",
    "Cell",
    "Claim",
    "CopyRule",
    "FieldMapping",
    "FieldRule",
    "MappingError",
    "Markers",
    "ModuleRule",
    "PriceRule",
    "Problem",
    "PublicSource",
    "ReleaseGate",
    "against",
    "claims",
    "default_text",
    "load",
    "module_uses",
]


def load(source: Path | str, file: str = "mapping.yaml") -> FieldMapping:
    """A mapping from a path, or from its text (then `file` is what errors call it); raises MappingError."""
    text, file = (_text(source), str(source)) if isinstance(source, Path) else (source, file)
    root = parse(text, file)
    mapping = read(root, file, text)
    problems = [*root.problems, *(contradictions(mapping) if mapping else ())]
    if mapping is None or any(problem.severity == "error" for problem in problems):
        raise MappingError(file, (each for each in problems if each.severity == "error"))
    return dataclasses.replace(mapping, warnings=tuple(problems))


def default_text() -> str:
    """The mapping that fits the sandbox and is written for editing."""
    return resources.files(__package__).joinpath("default_mapping.yaml").read_text(encoding="utf-8")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cure = "name an existing file in UTF-8, or write one with `frontlist init`"
        raise MappingError(str(path), [Problem(1, f"the mapping cannot be read: {error}", cure)]) from error
