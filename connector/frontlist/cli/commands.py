"""Which module brings which command: each is loaded when one of its commands is asked for, since some load much."""

from __future__ import annotations

from collections import UserDict
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

#: Command -> its module beside this one, in the order of the help.
MODULES = {
    "run": "running",
    "rebuild": "running",
    "republish": "running",
    "plugins": "looking",
    "status": "looking",
    "findings": "looking",
    "check": "checks",
    "explain": "checks",
    "init": "checks",
    "undo": "undoing",
    "forget": "undoing",
    "demo": "demonstrating",
    "db": "running",
    "topics": "running",
    "mode": "deciding",
    "pause": "deciding",
    "dead-letters": "recovery",
    "held": "recovery",
    "replay": "sweeping",
    "reconcile": "sweeping",
    "link": "tenancy",
    "adopt": "tenancy",
    "sandbox": "sandboxing",
}


class Commands(UserDict[str, Any]):
    """Command -> how it is called; for ours the module that brings it, until it is asked for."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, str):
            found = self.data[name] = brought(found)[name]
        return found


def brought(module: str) -> dict[str, Any]:
    """The commands that a module adds."""
    made = typer.Typer(rich_markup_mode=None)
    import_module(f"frontlist.cli.{module}").add_to(made)
    return dict(typer.main.get_group(made).commands)


class Lazily(TyperGroup):
    """All commands; what a plugin brings under the name of one of ours takes its place."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = Commands(MODULES | dict(self.commands))
