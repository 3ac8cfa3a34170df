"""The pinned requirements: complete, hashed, the same everywhere, and silent about where they come from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = [ROOT / "requirements.txt", *sorted((ROOT / "deploy" / "requirements").glob("*.txt"))]
PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)(?: ; [^\\]+)?(?P<hashes>(?: \\\n    --hash=\S+)+)$", re.M
)
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def pins(lock: Path) -> dict[str, set[str]]:
    """Name -> versions (by environment)."""
    found: dict[str, set[str]] = {}
    for pin in PIN.finditer(lock.read_text(encoding="utf-8")):
        found.setdefault(canonicalize_name(pin["name"]), set()).add(pin["version"])
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_there_is_nothing_but_pins_with_hashes(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert PIN.sub("", text).strip() == ""
    assert pins(lock)
    for pin in PIN.finditer(text):
        assert all(HASH.fullmatch(each) for each in pin["hashes"].replace("\\\n", " ").split()), pin["name"]


@pytest.mark.parametrize("lock", LOCKS[1:], ids=lambda lock: lock.name)
def test_an_image_gets_the_versions_that_were_tested(lock: Path) -> None:
    tested = pins(LOCKS[0])
    assert {name for name, versions in pins(lock).items() if not versions <= tested.get(name, set())} == set()


def test_every_requirement_is_pinned_to_a_version_that_it_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [each for group in project["dependency-groups"].values() for each in group if isinstance(each, str)]
    extras = [each for extra in project["project"]["optional-dependencies"].values() for each in extra]
    pinned = pins(LOCKS[0])
    for text in [*project["project"]["dependencies"], *extras, *groups]:
        wanted = Requirement(text)
        versions = pinned.get(canonicalize_name(wanted.name), set())
        assert versions, f"{text} is not pinned: make lock"
        assert all(wanted.specifier.contains(version) for version in versions), f"{text}: make lock"


def test_the_images_hold_no_tools_of_ours() -> None:
    tools = {"pytest", "mypy", "ruff", "hypothesis", "playwright", "testcontainers", "check-jsonschema"}
    for name in ("connector", "sandbox"):
        assert not tools & set(pins(ROOT / "deploy" / "requirements" / f"{name}.txt"))
