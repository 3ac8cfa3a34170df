"""What a figure is, and how it is shown."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Figure:
    """One row of the table. `reached` None: nothing to compare with (a peer is missing)."""

    name: str
    must: str
    said: str
    reached: bool | None
    runs: list[dict[str, Any]] = field(default_factory=list)


def show(figures: Sequence[Figure], notes: Sequence[str]) -> str:
    """A table for people; what fails to reach its figure says so."""
    words = {True: "reached", False: "NOT REACHED", None: "not compared"}
    rows = [(each.name, each.said, each.must, words[each.reached]) for each in figures]
    heads = ("figure", "measured", "must", "")
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (heads, *rows)]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:], "", *notes]) + "\n"


def keep(file: Path, figures: Sequence[Figure], notes: Sequence[str]) -> None:
    """Figures of this run replace those of earlier ones by their names; the rest stays."""
    before = json.loads(file.read_text(encoding="utf-8"))["figures"] if file.is_file() else []
    new = {each.name for each in figures}
    kept = [each for each in before if each["name"] not in new]
    machine = {"python": platform.python_version(), "cpus": os.cpu_count(), "system": platform.platform()}
    said = {"machine": machine, "notes": list(notes), "figures": kept + [asdict(each) for each in figures]}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
