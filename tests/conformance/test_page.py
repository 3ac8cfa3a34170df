"""The plugin that CONTRIBUTING shows is a good one, and so is the way it tests."""

from __future__ import annotations

from typing import Any

from docs.pages import FENCE, ROOT
from frontlist.testing import violations

SHOWN = dict(FENCE.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))


def test_the_consumer_on_the_page_breaks_no_rule() -> None:
    names: dict[str, Any] = {}
    exec(compile(SHOWN["python"], "CONTRIBUTING.md", "exec"), names)
    assert violations(names["Newsletter"]()) == []


def test_the_test_on_the_page_is_that_of_the_example() -> None:
    example = (ROOT / "examples/plugin/tests/test_newsletter.py").read_text(encoding="utf-8")
    assert example.endswith(SHOWN["py"])
