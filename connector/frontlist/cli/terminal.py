"""What a person reads: tables, errors, and JSON where a program may read; and options that many commands have."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from frontlist.errors import FrontlistError

T = TypeVar("T")
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Config = Annotated[Path | None, typer.Option("--config", "-c", help="The configuration (default: frontlist.yaml).")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and compare; say what would change, and do nothing.")]
Titles = Annotated[list[str] | None, typer.Option("--title", help="Only this title, e.g. work:61417. Repeat it.")]
Imprint = Annotated[str, typer.Option(help="Only titles of this imprint.")]
Rows = Annotated[int, typer.Option(min=0, help="How many cells to show; 0: all.")]


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


class Progress:
    """How far a long command is, on standard error: one line that changes for a person, lines on a pipe.

    Nothing beside `--json`: a program that reads the answer may read standard error for errors.
    """

    def __init__(self, as_json: bool, console: Console = err) -> None:
        self._console, self._silent = console, as_json
        self._status: Status | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._silent:
            self._status = self._console.status("")
            self._status.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, line: str) -> None:
        if self._status is not None:
            self._status.update(escape(line))
        elif not self._silent:
            self._console.print(line, markup=False, soft_wrap=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> None:
    found = Table(*columns, title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for row in rows:
        found.add_row(*(escape(str(cell)) for cell in row))
    out.print(found)


def short(value: Any, most: int = 50) -> str:
    """As a cell of a table."""
    text = "empty" if value is None else str(value)
    return text if len(text) <= most else text[: most - 1] + "…"
