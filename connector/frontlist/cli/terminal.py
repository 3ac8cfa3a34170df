"""What a person reads: tables, errors, and JSON where a program may read."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from frontlist.errors import FrontlistError

T = TypeVar("T")
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Config = Annotated[Path | None, typer.Option("--config", "-c", help="The configuration (default: frontlist.yaml).")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def say_error(error: FrontlistError) -> None:
    """What happened, where, and what cures it."""
    err.print("[bold red]error:[/] ", end="")
    err.print(error.what, markup=False)
    if error.where:
        err.print(f"  where: {error.where}", markup=False)
    if error.cure:
        err.print(f"  cure:  {error.cure}", markup=False)


def say_json(value: Any) -> None:
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2, sort_keys=True, default=str)
    sys.stdout.write("\n")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> None:
    found = Table(*columns, title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for row in rows:
        found.add_row(*(escape(str(cell)) for cell in row))
    out.print(found)
