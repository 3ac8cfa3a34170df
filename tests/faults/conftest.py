"""Servers that rows may stop, and installations on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from faults import scene as scenes
from faults.scene import Place, Scene


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker plays all rows: the servers are theirs alone, and they stop them."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.fault)
            item.add_marker(pytest.mark.xdist_group("faults"))
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    with scenes.place() as found:
        yield found


@pytest.fixture
def make(place: Place, tmp_path: Path, topic_prefix: str) -> Iterator[Callable[..., Scene]]:
    """A prepared installation; what is given goes into its configuration."""
    with ExitStack() as stack:
        yield lambda **more: stack.enter_context(scenes.scene(place, tmp_path, topic_prefix, **more))


@pytest.fixture
def scene(make: Callable[..., Any]) -> Any:
    return make()
