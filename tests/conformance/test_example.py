"""The plugins in `examples/`, as their authors would run them."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import frontlist
from frontlist.plugins import GROUP
from frontlist.testing import RULES

EXAMPLES = Path(__file__).parents[2] / "examples"
BRING = {"plugin": ["newsletter"], "channel": ["shop"]}


@pytest.fixture(params=list(BRING))
def plugin(request: pytest.FixtureRequest) -> Path:
    return EXAMPLES / str(request.param)


def run(plugin: Path, *arguments: str) -> str:
    """Python in the plugin's folder."""
    command = [sys.executable, "-B", *arguments]
    found = subprocess.run(command, cwd=plugin, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def test_its_own_tests_pass_one_a_rule(plugin: Path) -> None:
    assert f"{len(RULES)} passed" in run(plugin, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio")


def test_its_test_file_is_one_statement(plugin: Path) -> None:
    [file] = (plugin / "tests").glob("*.py")
    body = ast.parse(file.read_text(encoding="utf-8")).body[1:]
    assert [type(each) for each in body if not isinstance(each, ast.ImportFrom)] == [ast.Assign]


def test_its_entry_point_brings_its_consumer(plugin: Path) -> None:
    project = tomllib.loads((plugin / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [(name, module)] = project["entry-points"][GROUP].items()
    asked = f"import {module} as m; from frontlist.plugins import Plugins; print(*Plugins({{{name!r}: m}}).consumers)"
    assert run(plugin, "-c", asked).split() == BRING[plugin.name]


def test_it_imports_of_us_only_what_is_public(plugin: Path) -> None:
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in plugin.rglob("*.py")]
    imports = [each for tree in trees for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)]
    ours = {each.module for each in imports if str(each.module).startswith("frontlist")}
    assert ours == {"frontlist", "frontlist.testing"}
    taken = {name.name for each in imports if each.module == "frontlist" for name in each.names}
    assert taken <= set(frontlist.__all__)
