"""The story on the terminal: short lines while it happens, one table after it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from frontlist.demo.checks import Book, Check, Step

FLOWS = {1: "approved metadata, Consonance -> 4ALLPORTAL", 6: "enriched copy, 4ALLPORTAL -> Consonance"}
#: A check that took less needs no time beside it.
INSTANT = 0.3


class Terminal:
    """What is being waited for turns while it lasts; where no person looks on, only results are printed."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.began = time.monotonic()

    def say(self, line: str) -> None:
        self.console.print(f"[dim]{self._elapsed()}[/]  {escape(line)}")

    def facts(self, rows: Sequence[tuple[str, object]]) -> None:
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            self.console.print(f"         [dim]{escape(name.ljust(width))}[/]  {escape(str(value))}", soft_wrap=True)

    def step(self, step: Step) -> None:
        self.console.print(f"\n[dim]{self._elapsed()}[/]  [bold]{escape(step.done)}[/]")
        self.console.print(f"         [dim]flow {step.flow}, to {escape(step.arrives)}[/]")

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        if not self.console.is_terminal:
            yield
            return
        with self.console.status(f"[dim]{escape(what)}[/]", spinner="dots"):
            yield

    def checked(self, check: Check) -> None:
        took = f"  [dim]{check.seconds:.1f} s[/]" if check.seconds >= INSTANT else ""
        self.console.print(f"         {_mark(check.ok)} {escape(check.check)}{took}")
        if not check.ok:
            self.console.print(f"           [red]seen: {escape(check.seen or 'nothing')}[/]")

    def result(self, book: Book) -> None:
        table = Table("flow", "what was done, and where it arrives", "checks", header_style="bold", show_lines=True)
        for step in book.steps:
            done = f"{escape(step.done)}\n[dim]-> {escape(step.arrives)}[/]"
            table.add_row(str(step.flow), done, "\n".join(map(_result, step.checks)))
        self.console.print()
        self.console.print(table)
        self.console.print(_verdict(book))

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self.began:6.1f}s"


def _result(check: Check) -> str:
    line = f"{_mark(check.ok)} {escape(check.check)}"
    return line if check.ok else f"{line}\n[red]seen: {escape(check.seen or 'nothing')}[/]"


def _mark(ok: bool) -> str:
    return "[green]✓[/]" if ok else "[bold red]✗[/]"


def _verdict(book: Book) -> str:
    checks = [check for step in book.steps for check in step.checks]
    failed = sum(not check.ok for check in checks)
    flows = "; ".join(f"flow {flow}: {FLOWS[flow]}" for flow in sorted({step.flow for step in book.steps}))
    if failed:
        return f"[bold red]{failed} of {len(checks)} checks failed[/] in {book.seconds:.0f} s ({flows})"
    return f"[bold green]All {len(checks)} checks held[/] in {book.seconds:.0f} s ({flows})"
