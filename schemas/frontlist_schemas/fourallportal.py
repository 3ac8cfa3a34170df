"""The documents of a title in 4ALLPORTAL: the cells that the mapping gives to 4ALLPORTAL, record by record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, JsonValue

from frontlist_schemas.canonical import canonical
from frontlist_schemas.document import Part


class Cell(Part):
    """A field's value in some dimensions; no dimension = {}."""

    field: str
    dimensions: Mapping[str, str] = Field(
        default_factory=dict, description="e.g. {'channel': 'web', 'locale': 'en_GB'}"
    )
    value: JsonValue


class Record(Part):
    """`product`: the Consonance product it stands for, null for the title's own record."""

    module: str
    id: str
    product: int | None
    origin: Literal["ours", "theirs"] = Field(description="who created the record")
    cells: tuple[Cell, ...] = ()


class Metadata(Part):
    records: tuple[Record, ...] = ()

    @classmethod
    def of(cls, records: list[Record]) -> Metadata:
        """Records by module and id, cells by field and dimensions: the order that fingerprints rely on."""
        by_key = sorted(records, key=lambda r: (r.module, r.id))
        return cls(records=tuple(r.model_copy(update={"cells": _sorted(r.cells)}) for r in by_key))


def _sorted(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    return tuple(sorted(cells, key=lambda c: (c.field, canonical(c.dimensions))))


DOCUMENTS: dict[str, type[Part]] = {"metadata": Metadata}
