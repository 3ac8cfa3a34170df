"""Files that the catalogue's tests read: ours always, the real ones where they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from frontlist_sandbox.catalogue.loading import load
from frontlist_sandbox.consonance.model import Tenant

TODAY = date(2026, 3, 1)


@pytest.fixture
def today() -> date:
    return TODAY


@pytest.fixture
def ours(request: pytest.FixtureRequest) -> Path:
    return request.config.rootpath / "tests" / "data" / "onix"


@pytest.fixture
def loaded(ours: Path) -> Callable[..., Tenant]:
    """Our files of these names, loaded together."""
    return lambda *names: load([ours / f"{name}.xml" for name in names], today=TODAY)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[bytes], Tenant]:
    """A file of these bytes, loaded."""

    def load_bytes(content: bytes) -> Tenant:
        path = tmp_path / "written.xml"
        path.write_bytes(content)
        return load([path], today=TODAY)

    return load_bytes


@pytest.fixture
def real_directory(request: pytest.FixtureRequest) -> Path:
    default = request.config.rootpath.parent / "shared" / "data" / "onix"
    return Path(os.environ.get("FRONTLIST_ONIX_DIR") or default)


@pytest.fixture
def real(real_directory: Path) -> Path:
    """The directory of the real files; without it the test does not run, which `test_real_files` says aloud."""
    if not real_directory.is_dir():
        if os.environ.get("FRONTLIST_REQUIRE_REAL_ONIX") == "1":
            pytest.fail(f"real files: not here ({real_directory}); set FRONTLIST_ONIX_DIR", pytrace=False)
        pytest.skip("real files: not here; set FRONTLIST_ONIX_DIR")
    return real_directory
