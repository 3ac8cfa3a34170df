"""What is loaded for which command."""

from __future__ import annotations

import subprocess
import sys

import pytest

from frontlist.cli import commands

#: Of no use to a process that runs: other commands with what they need, terminals, migrations, sandboxes, tests.
UNUSED = (
    "alembic",
    "frontlist.adopting",
    "frontlist.checking",
    "frontlist.demo",
    "frontlist.embedded",
    "frontlist.explaining",
    "frontlist.starting",
    "frontlist.testing",
    "frontlist_sandbox",
    "lxml",
    "mako",
    "starlette",
)
LOADED = """\
import sys
from frontlist.cli.commands import brought
from frontlist.plugins import Plugins
brought("running")
Plugins()
print("\\n".join(sys.modules))
"""


def test_a_process_that_runs_loads_nothing_of_other_commands() -> None:
    found = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=60)
    names = set(found.stdout.split())
    assert "frontlist.runtime" in names
    assert sorted(name for name in names if name.startswith(UNUSED)) == []


@pytest.mark.parametrize("module", sorted(set(commands.MODULES.values())))
def test_each_module_brings_the_commands_that_are_listed_for_it(module: str) -> None:
    listed = {name for name, place in commands.MODULES.items() if place == module}
    assert set(commands.brought(module)) == listed
