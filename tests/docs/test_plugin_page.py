"""The plugin that CONTRIBUTING shows is one."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from typing import Any

import pytest

from docs.pages import FENCE, ROOT
from frontlist.contract import Context, Document, DocumentKey, Dossier, Revision, TitleKey
from frontlist.plugins import GROUP, Plugins

SHOWN = dict(FENCE.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
TITLE = TitleKey("work:1")


@pytest.fixture
def plugin() -> Any:
    """A class holds the names, as a module would."""
    names: dict[str, Any] = {}
    exec(compile(SHOWN["python"], "CONTRIBUTING.md", "exec"), names)
    return type("plugin", (), {"frontlist_consumers": staticmethod(names["frontlist_consumers"])})


def test_it_is_registered_through_the_door_that_the_page_names(plugin: Any) -> None:
    assert list(tomllib.loads(SHOWN["toml"])["project"]["entry-points"]) == [GROUP]
    assert list(Plugins({"newsletter": plugin}).consumers) == ["newsletter"]


def test_it_plans_what_the_page_says(plugin: Any) -> None:
    key = DocumentKey("consonance", "metadata")
    dossier = Dossier(TITLE, {key: Document(key, TITLE, "present", Revision(1), {"title": "Emma"})})
    context = Context(datetime(2026, 1, 1, tzinfo=UTC), "test", mapping=None)
    [wanted] = Plugins({"newsletter": plugin}).consumers["newsletter"].plan(dossier, context).desired
    assert wanted.fields == {"title": "Emma"}
