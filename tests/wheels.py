"""Wheels in a fresh virtual environment, made without a network, beside which the checkout cannot be seen."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


class Environment:
    """Holds the dependencies that `frontlist` declares without extras, and the wheels that are installed into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir(parents=True)
        venv.create(folder / "venv", symlinks=True)
        [self.packages] = (folder / "venv" / "lib").glob("python*/site-packages")
        dependencies = folder / "dependencies"
        dependencies.mkdir()
        for name in declared("frontlist") - {"frontlist"}:
            link(name, dependencies)
        # A folder named in a .pth is searched, but no .pth in it is obeyed: no editable install gets in.
        (self.packages / "dependencies.pth").write_text(f"{dependencies}\n", encoding="utf-8")

    def install(self, wheel: Path) -> None:
        pip = [sys.executable, "-m", "pip", "--python", str(self.folder / "venv" / "bin" / "python"), "install"]
        options = ["--quiet", "--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check"]
        subprocess.run([*pip, *options, str(wheel)], check=True, capture_output=True, text=True)

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A program of the environment, from a folder elsewhere; a failure raises with what it said."""
        command = [str(self.folder / "venv" / "bin" / program), *arguments]
        found = subprocess.run(
            command, cwd=self.elsewhere, env={"LC_ALL": "C.UTF-8"}, capture_output=True, text=True, timeout=60
        )
        assert found.returncode == 0, f"{program} {' '.join(arguments)}: {found.stdout}{found.stderr}"
        return found

    def python(self, code: str) -> str:
        return self.run("python", "-c", code).stdout.strip()


def declared(name: str) -> set[str]:
    """The distributions that installing this one without extras brings, itself among them."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(str(canonicalize_name(name)), frozenset[str]())]
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen.add(here)
            waiting += required(*here)
    return {found for found, _ in seen}


def required(name: str, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    asked = [Requirement(text) for text in distribution(name).requires or ()]
    return [
        (str(canonicalize_name(each.name)), frozenset(each.extras))
        for each in asked
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras or {""})
    ]


def link(name: str, folder: Path) -> None:
    """The installed files of a distribution, by symbolic links to its top-level entries."""
    held = distribution(name)
    tops = {file.parts[0] for file in held.files or () if file.parts[0] not in ("..", "__pycache__")}
    for top in tops:
        place = folder / top
        if not place.exists():
            place.symlink_to(Path(str(held.locate_file(top))))


def third_party(folder: Path, packages: Sequence[str]) -> Path:
    """A wheel of somebody else's with these top-level packages."""
    info = "third_party-1.0.dist-info"
    files = {f"{package}/__init__.py": 'OWNER = "third party"\n' for package in packages}
    files[f"{info}/METADATA"] = "Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    made = folder / "third_party-1.0-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return made
