"""Generating again changes nothing, and what is generated is complete."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from docs.pages import ROOT
from frontlist import cli, generate
from frontlist.contract import ASPECTS, Finding
from frontlist.state.work import Priority
from frontlist_sandbox.assumptions import collect
from frontlist_schemas import generate as schemas


@pytest.mark.parametrize("place", generate.files())
def test_generating_again_changes_nothing(place: str) -> None:
    stands = (ROOT / place).read_text(encoding="utf-8")
    assert stands == generate.files()[place], "say `make generate` and look at the difference"


def test_generating_schemas_again_changes_nothing(tmp_path: Path) -> None:
    schemas.generate(tmp_path)
    stand = ROOT / "schemas" / "frontlist_schemas" / "v1"
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {
        each.name: each.read_text() for each in stand.iterdir()
    }


def test_every_assumption_is_on_the_page_once() -> None:
    page = generate.files()["docs/assumptions.md"]
    assert sorted(re.findall(r"^\| `([\w.-]+)` \|", page, re.M)) == sorted(each.id for each in collect())


def test_every_environment_variable_that_the_code_names_is_on_the_page() -> None:
    named: set[str] = set()
    for room in ("connector", "plugins", "sandbox", "schemas", "tests"):
        for file in (ROOT / room).rglob("*.py"):
            named |= set(re.findall(r"\bFRONTLIST_[A-Z][A-Z_]*[A-Z]\b", file.read_text(encoding="utf-8")))
    page = generate.files()["docs/settings.md"]
    assert sorted(name for name in named if f"`{name}`" not in page) == []


def test_every_exit_code_is_on_the_page() -> None:
    codes = [cli.DONE, cli.WRONG, cli.REFUSED, cli.UNREACHABLE, cli.HUNG, cli.INTERRUPTED]
    assert [code for code, _ in generate.exit_codes()] == [f"`{code}`" for code in codes]


@pytest.mark.parametrize(
    ("label", "values"),
    [
        ("severity", get_args(get_type_hints(Finding)["severity"])),
        ("priority", [each.name.lower() for each in Priority]),
        ("aspect", ASPECTS),
    ],
)
def test_the_page_of_metrics_names_the_values_that_the_code_has(label: str, values: Sequence[str]) -> None:
    [line] = re.findall(rf"^\| `{label}` \| (.*) \|$", generate.files()["docs/metrics.md"], re.M)
    assert re.findall(r"`(\w+)`", line) == list(values)


def test_no_setting_is_without_a_description() -> None:
    page = generate.files()["docs/settings.md"]
    assert re.findall(r"^\| `[\w.]+` .*\|  \|$", page, re.M) == []
