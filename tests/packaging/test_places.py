"""No file names a package registry, or a place on somebody's machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILT = {".git", ".venv", "build", "dist", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "__pycache__"}
#: In two parts, so that this file passes too.
REGISTRIES = [
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("yarnpkg", "com"),
    ("maven", "org"),
    ("maven.apache", "org"),
    ("sonatype", "org"),
    ("docker", "io"),
    ("ghcr", "io"),
    ("quay", "io"),
    # Names of Go modules begin with other hosts of that zone.
    ("proxy.golang", "org"),
    ("sum.golang", "org"),
    ("crates", "io"),
    ("rubygems", "org"),
]
REGISTRY = re.compile("|".join(rf"\b{re.escape(name)}\.{zone}\b" for name, zone in REGISTRIES))
MACHINE = re.compile(r"(?<![\w./:}-])/(?:" + "|".join(["work", "root", r"home/\w+", r"Users/\w+"]) + ")/")


def texts() -> Iterator[tuple[str, str]]:
    """(path, text) of every file of the checkout that is text."""
    for place, folders, files in os.walk(ROOT):
        folders[:] = [each for each in folders if each not in BUILT and not each.endswith(".egg-info")]
        for file in (Path(place, name) for name in files):
            with suppress(UnicodeDecodeError):
                yield str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")


def found(pattern: re.Pattern[str]) -> list[str]:
    return [f"{path}: {hit[0]}" for path, text in texts() for hit in pattern.finditer(text)]


def test_no_file_names_a_package_registry() -> None:
    assert found(REGISTRY) == []


def test_no_file_names_a_place_on_a_machine() -> None:
    assert found(MACHINE) == []


def test_a_registry_and_a_machine_would_be_noticed() -> None:
    assert REGISTRY.search("https://" + ".".join(("files", "pythonhosted", "org")) + "/x")
    assert REGISTRY.search("https://proxy." + ".".join(("golang", "org")) + "/x.mod")
    assert MACHINE.search("see " + "/".join(("", "home", "ada", "frontlist")))
    rows = "/".join(("frontlist", "state", "work", "rows"))
    assert not MACHINE.search(rows + " and http://127.0.0.1" + "/".join(("", "work", "1")))
