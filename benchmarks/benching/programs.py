"""What is built before anything is measured: the counting target, and the two peers where their tools are here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parents[1]
BUILT = HERE.parent / "build" / "bench"
#: Seconds for one build; the first one downloads.
PATIENCE = 1800.0


@dataclass(frozen=True)
class Programs:
    """`parallel` and `redpanda` are None where they cannot be built; `lacking` says why."""

    target: Path
    site: Path
    parallel: Sequence[str] | None
    redpanda: Path | None
    lacking: Mapping[str, str]


def built(peers: bool) -> Programs:
    """Builds what is missing. The target needs Go; without it nothing can be measured."""
    BUILT.mkdir(parents=True, exist_ok=True)
    if shutil.which("go") is None:
        raise SystemExit("The counting target is written in Go, and there is no `go` here: install Go 1.26 or newer.")
    _run(["go", "build", "-o", str(BUILT / "target"), "."], HERE / "target")
    lacking: dict[str, str] = {}
    return Programs(
        target=BUILT / "target",
        site=_plugin(),
        parallel=_parallel(lacking) if peers else None,
        redpanda=_redpanda(lacking) if peers else None,
        lacking=lacking,
    )


def _plugin() -> Path:
    """The plugin as a distribution of its own, in a folder that goes on the path: the product finds its entry point."""
    site = BUILT / "site"
    shutil.rmtree(site, ignore_errors=True)
    line = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    _run([*line, "--no-build-isolation", "--target", str(site), str(HERE / "plugin")], HERE)
    return site


def _parallel(lacking: dict[str, str]) -> Sequence[str] | None:
    missing = [each for each in ("java", "mvn") if shutil.which(each) is None]
    if missing:
        lacking["Parallel Consumer"] = f"{' and '.join(missing)} not found (needs Java 17 or newer and Maven)"
        return None
    folder = BUILT / "parallel"
    if not (folder / "parallel.jar").is_file():
        try:
            _run(["mvn", "-q", "-B", "package"], HERE / "parallel")
        except SystemExit as error:
            lacking["Parallel Consumer"] = str(error)
            return None
    return ["java", "-cp", f"{folder / 'parallel.jar'}{os.pathsep}{folder / 'dependency'}/*", "bench.Main"]


def _redpanda(lacking: dict[str, str]) -> Path | None:
    program = BUILT / "redpanda"
    if not program.is_file():
        sys.stderr.write("Building Redpanda Connect (once; several minutes)\n")
        try:
            _run(["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(program), "."], HERE / "redpanda")
        except SystemExit as error:
            lacking["Redpanda Connect"] = str(error)
            return None
    return program


def _run(line: Sequence[str], folder: Path) -> None:
    done = subprocess.run(  # noqa: S603  our own builds
        list(line), cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(line[:3])} in {folder} failed:\n{(done.stderr or done.stdout)[-2000:]}")
