"""The plugin in `examples/plugin/`, as its author would run it."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import frontlist
from frontlist.plugins import GROUP
from frontlist.testing import RULES

PLUGIN = Path(__file__).parents[2] / "examples" / "plugin"


def run(*arguments: str) -> str:
    """Python in the plugin's folder."""
    command = [sys.executable, "-B", *arguments]
    found = subprocess.run(command, cwd=PLUGIN, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def test_its_own_tests_pass_one_a_rule() -> None:
    assert f"{len(RULES)} passed" in run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio")


def test_its_test_file_is_one_statement() -> None:
    [file] = (PLUGIN / "tests").glob("*.py")
    body = ast.parse(file.read_text(encoding="utf-8")).body[1:]
    assert [type(each) for each in body if not isinstance(each, ast.ImportFrom)] == [ast.Assign]


def test_its_entry_point_brings_its_consumer() -> None:
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [(name, module)] = project["entry-points"][GROUP].items()
    asked = f"import {module} as m; from frontlist.plugins import Plugins; print(*Plugins({{{name!r}: m}}).consumers)"
    assert run("-c", asked).split() == ["newsletter"]


def test_it_imports_of_us_only_what_is_public() -> None:
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in PLUGIN.rglob("*.py")]
    imports = [each for tree in trees for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)]
    ours = {each.module for each in imports if str(each.module).startswith("frontlist")}
    assert ours == {"frontlist", "frontlist.testing"}
    taken = {name.name for each in imports if each.module == "frontlist" for name in each.names}
    assert taken <= set(frontlist.__all__)
