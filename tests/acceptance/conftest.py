"""Real ONIX files, each run through the connector once for all tests that look at what became of it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.arrivals import Arrival, Place, arrive
from acceptance.onix_reading import GROUPS, apart
from frontlist.embedded import Databases

MACMILLAN = "macmillan_au_21products_onix30_ref.xml"


@pytest.fixture(scope="session")
def real(request: pytest.FixtureRequest) -> Path:
    """The folder of the real files; without it a test that asks for them does not run, and says so."""
    default = request.config.rootpath.parent / "shared" / "data" / "onix"
    folder = Path(os.environ.get("FRONTLIST_ONIX_DIR") or default)
    if not folder.is_dir():
        if os.environ.get("FRONTLIST_REQUIRE_REAL_ONIX") == "1":
            pytest.fail(f"real files: not here ({folder}); set FRONTLIST_ONIX_DIR", pytrace=False)
        pytest.skip("real files: not here; set FRONTLIST_ONIX_DIR")
    return folder


@pytest.fixture(scope="session")
def macmillan_file(real: Path) -> Path:
    return real / MACMILLAN


@pytest.fixture(scope="session")
def other_files(real: Path) -> list[list[Path]]:
    """All but Macmillan's, in groups that can be one catalogue."""
    return apart([path for path in sorted(real.glob("*.xml")) if path.name != MACMILLAN])


@pytest.fixture(scope="module")
def macmillan(
    macmillan_file: Path, postgres_server: Databases, kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Arrival]:
    """On PostgreSQL."""
    name = f"t{secrets.token_hex(6)}"
    url = postgres_server.create(name).replace("postgresql://", "postgresql+asyncpg://", 1)
    yield arrive([macmillan_file], Place(tmp_path_factory.mktemp("macmillan"), url, kafka_bootstrap, name))
    postgres_server.drop(name)


@pytest.fixture(scope="module", params=range(GROUPS))
def others(
    request: pytest.FixtureRequest,
    other_files: list[list[Path]],
    kafka_bootstrap: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Arrival:
    """A group of the other real files, on SQLite."""
    return _on_sqlite(other_files[request.param], kafka_bootstrap, tmp_path_factory)


@pytest.fixture(scope="module")
def ours(request: pytest.FixtureRequest, kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Arrival:
    """Files of our own with the traits of the real ones, which are always here; on SQLite."""
    folder = request.config.rootpath / "tests" / "data" / "onix"
    return _on_sqlite(sorted(folder.glob("*.xml")), kafka_bootstrap, tmp_path_factory)


def _on_sqlite(files: list[Path], kafka: str, folders: pytest.TempPathFactory) -> Arrival:
    folder = folders.mktemp("arrival")
    return arrive(files, Place(folder, f"sqlite+aiosqlite:///{folder}/x.sqlite", kafka, f"t{secrets.token_hex(6)}"))
