"""The plugin that the benchmarks measure with keeps every rule, so that they measure what a plugin may be."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from frontlist.plugins import Plugins
from frontlist.testing import dossier, sample, violations

FOLDER = Path(__file__).parents[2] / "benchmarks" / "plugin"


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugins]:
    monkeypatch.syspath_prepend(FOLDER)
    from frontlist_bench import plugin  # type: ignore[import-not-found]  # no package of ours

    yield Plugins({"bench": plugin})
    for name in [name for name in sys.modules if name.partition(".")[0] == "frontlist_bench"]:
        del sys.modules[name]


@pytest.mark.parametrize(("name", "aspect"), [("bench", "assets"), ("bench-rights", "rights")])
def test_its_consumers_break_no_rule(plugins: Plugins, name: str, aspect: str) -> None:
    given = [dossier("work:1", sample("consonance", aspect))]
    assert violations(plugins.consumers[name], dossiers=given, targets=["counting"]) == []


def test_it_brings_the_counting_server_as_a_system(plugins: Plugins) -> None:
    assert list(plugins.systems) == ["counting"]
