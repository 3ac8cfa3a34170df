"""The command `demo`: the whole product on real servers, played as a story."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from frontlist import logs
from frontlist.cli.sandboxing import Catalogue, WithFiles
from frontlist.cli.terminal import AsJson, out, say_json
from frontlist.demo.checks import EndedError
from frontlist.errors import ConfigurationError

Folder = Annotated[Path, typer.Option(help="Where the report (demo.json) and the folder demo/ go.")]


def add_to(app: typer.Typer) -> None:
    app.command(cls=WithFiles)(demo)


def demo(
    once: Annotated[bool, typer.Option("--once", help="End when all has converged.")] = False,
    catalogue: Catalogue = None,
    folder: Folder = Path("build"),
    patience: Annotated[float, typer.Option(min=0.1, help="Seconds until a check has failed.")] = 20.0,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="End at the first check that fails.")] = False,
    as_json: AsJson = False,
) -> None:
    """Play the flows on real Kafka and PostgreSQL between two sandboxes, check by check; then stay up until Ctrl-C.

    With --json the answer is printed once the story has been played.
    """
    from frontlist.demo import story
    from frontlist.demo.screen import Terminal
    from frontlist.demo.stage import Plan, addresses, stage
    from frontlist.embedded import ServerError

    interrupts = Interrupts()
    environment = dict(os.environ)
    _forget_settings()
    logs.configure("warning")
    console = Console(quiet=True) if as_json else out
    screen = Terminal(console)
    plan = Plan(folder.absolute() / "demo", tuple(catalogue or ()), patience, environment, interrupts.check, fail_fast)
    report = folder / "demo.json"
    report.unlink(missing_ok=True)
    try:
        with stage(plan, screen) as scene:
            story.play(scene)
            played = scene.book.as_plain()
            report.write_text(json.dumps(played, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
            screen.result(scene.book)
            console.print(f"the same for programs: {report}", markup=False)
            if as_json:
                say_json({**played, "addresses": addresses(plan.folder)})
                sys.stdout.flush()
            if not once:
                _stay(scene.book.alive, console)
    except ServerError as error:
        raise ConfigurationError(str(error), cure="see the message; the log named there says more") from None
    raise typer.Exit(0 if scene.book.ok else 1)


class Interrupts:
    """SIGTERM is taken as Ctrl-C: all that was started is stopped in order.

    Python drops an exception that a signal raises inside a finalizer; `check` raises it again.
    """

    def __init__(self) -> None:
        self._asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def check(self) -> None:
        if self._asked:
            raise KeyboardInterrupt

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True
        raise KeyboardInterrupt


def _forget_settings() -> None:
    """Settings in the environment are for real installations; nothing of them may reach the demo's."""
    for name in [name for name in os.environ if name.startswith("FRONTLIST_")]:
        del os.environ[name]


def _stay(alive: Callable[[], None], console: Console) -> None:
    console.print("Everything stays up; edit by the controls under /sandbox/. Ctrl-C ends it.")
    try:
        while True:
            alive()
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("Stopping.")
    except EndedError as error:
        raise ConfigurationError(f"the connector has ended: {error}", cure="see its log") from None
