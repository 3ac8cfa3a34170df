"""What is loaded for which command."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from frontlist.cli import app, commands

#: Of no use to a process that begins to run: other commands with what they need, migrations, sandboxes, HTML.
UNUSED = (
    "alembic",
    "bs4",
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
    "markdown_it",
    "markdownify",
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


def test_a_command_that_is_unknown_is_named_with_the_one_that_was_meant() -> None:
    answer = CliRunner().invoke(app, ["republsh"])
    assert (answer.exit_code, "Did you mean 'republish'?" in answer.stderr) == (2, True)


def test_garbage_is_collected_once_a_command_begins() -> None:
    gc.disable()
    try:
        assert CliRunner().invoke(app, ["plugins"]).exit_code == 0
        assert gc.isenabled()
    finally:
        gc.enable()
