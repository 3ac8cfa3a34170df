"""Kafka's jar files: fetched once from Maven's public repository, checked against `jars.lock`, kept per user.

The lock names every file with its size and SHA-256, so that nothing has to be resolved (which takes longer
than the download) and nothing unexpected is ever run. `resolved_lock()` makes a new one.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from frontlist.embedded.server import Progress, ServerError

KAFKA = "4.3.1"
ROOTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA}",
    f"org.apache.kafka:kafka-tools:{KAFKA}",
    # Without a binding of slf4j the broker would log nothing.
    "org.slf4j:slf4j-simple:1.7.36",
)
LOCK = Path(__file__).with_name("jars.lock")
ATTEMPTS = 3

Fetch = Callable[[str, Path], Path]
"""Brings the jar of a coordinate `group:artifact:version` into a directory and says where it is."""


@dataclass(frozen=True)
class Jar:
    coordinate: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def cache_dir() -> Path:
    """`FRONTLIST_CACHE`, else the user's cache directory."""
    if chosen := os.environ.get("FRONTLIST_CACHE"):
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "frontlist"


def locked_jars() -> list[Jar]:
    rows = [line.split() for line in LOCK.read_text(encoding="utf-8").splitlines()]
    return [Jar(coordinate, int(size), sha256) for coordinate, size, sha256 in rows]


def jar_directory(progress: Progress, cache: Path | None = None, fetch: Fetch | None = None, pause: float = 2) -> Path:
    """The directory that holds them all; the first call downloads it (46 MB), others wait for that."""
    directory = (cache or cache_dir()) / f"kafka-{KAFKA}"
    if directory.is_dir():
        return directory
    with _alone(_beside(directory, "lock"), progress):
        if not directory.is_dir():
            _download(directory, fetch or fetch_from_maven, progress, pause)
    return directory


@contextmanager
def _alone(lock: Path, progress: Progress) -> Iterator[None]:
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = lock.open("a")
    except OSError as error:
        raise ServerError(
            f"nothing can be kept in {lock.parent} ({error.strerror}): set FRONTLIST_CACHE to a directory of yours"
        ) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"Kafka {KAFKA}: waiting for another process that is downloading it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _download(directory: Path, fetch: Fetch, progress: Progress, pause: float) -> None:
    # Files that arrived whole stay in `partial` for the next attempt or the next process.
    partial, scratch = _beside(directory, "partial"), _beside(directory, "scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    for place in (partial, scratch):
        place.mkdir(exist_ok=True)
    jars = locked_jars()
    count = _Count(jars, progress)
    with ThreadPoolExecutor(4) as pool:
        for arrived in [pool.submit(_bring, jar, partial / jar.file_name, fetch, pause, count) for jar in jars]:
            try:
                arrived.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    partial.rename(directory)
    shutil.rmtree(scratch, ignore_errors=True)
    progress(f"Kafka {KAFKA}: downloaded to {directory}")


def _beside(directory: Path, what: str) -> Path:
    return directory.with_name(f"{directory.name}.{what}")


class _Count:
    """Says how far the download is, at most about once a second."""

    def __init__(self, jars: list[Jar], progress: Progress) -> None:
        self._files, self._bytes = len(jars), sum(jar.size for jar in jars)
        self._progress = progress
        self._arrived: list[int] = []
        self._said = time.monotonic()
        self._mutex = threading.Lock()
        progress(f"Kafka {KAFKA}: downloading {self._files} files, {self._bytes / 1e6:.0f} MB (once)")

    def add(self, size: int) -> None:
        with self._mutex:
            self._arrived.append(size)
            if time.monotonic() - self._said < 1:
                return
            self._said = time.monotonic()
            done, of = sum(self._arrived) / 1e6, self._bytes / 1e6
            self._progress(f"Kafka {KAFKA}: {len(self._arrived)} of {self._files} files, {done:.0f} of {of:.0f} MB")


def _bring(jar: Jar, target: Path, fetch: Fetch, pause: float, count: _Count) -> None:
    if not (target.exists() and _digest(target) == jar.sha256):
        _fetch_with_retries(jar, target, fetch, pause)
    count.add(jar.size)


def _fetch_with_retries(jar: Jar, target: Path, fetch: Fetch, pause: float) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _fetch_checked(jar, target, fetch)
        except Exception as error:
            # jgo raises what requests, the file system or its own parsing raise: no narrower class fits.
            if attempt == ATTEMPTS:
                raise ServerError(_cure(jar, error)) from error
            time.sleep(pause * attempt)
        else:
            return


def _fetch_checked(jar: Jar, target: Path, fetch: Fetch) -> None:
    # A directory of its own per attempt: a file that a broken connection cut short is never met again.
    with tempfile.TemporaryDirectory(dir=target.parent.with_suffix(".scratch")) as scratch:
        fetched = fetch(jar.coordinate, Path(scratch))
        if _digest(fetched) != jar.sha256:
            raise ValueError(f"its SHA-256 is not {jar.sha256}, which {LOCK.name} asks for")
        fetched.replace(target)


def _digest(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _cure(jar: Jar, error: Exception) -> str:
    return (
        f"Kafka {KAFKA} could not be downloaded: {jar.coordinate} failed {ATTEMPTS} times, "
        f"the last time with {type(error).__name__}: {error}. "
        "Allow this machine to reach Maven's public repository and start again (what has arrived is kept); "
        "or set FRONTLIST_MAVEN to the address of your mirror of it; "
        "or, offline, set FRONTLIST_KAFKA_BOOTSTRAP=HOST:PORT to a Kafka that already runs."
    )


def fetch_from_maven(coordinate: str, directory: Path) -> Path:
    from jgo.maven import MavenContext, PythonResolver

    mirror = os.environ.get("FRONTLIST_MAVEN")
    context = MavenContext(
        resolver=PythonResolver(),
        repo_cache=directory,
        remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
        timeout=30,
    )
    group, artifact, version = coordinate.split(":")
    return context.project(group, artifact).at_version(version).artifact().resolve()


def resolved_lock() -> str:
    """What `jars.lock` should hold for `ROOTS`, resolved and downloaded anew."""
    from jgo.maven import MavenContext, PythonResolver

    with tempfile.TemporaryDirectory() as scratch:
        context = MavenContext(resolver=PythonResolver(), repo_cache=Path(scratch), timeout=30)
        # Only the Connect tools use it, and it would bring a web server: 40 more files.
        unused = [context.project("org.apache.kafka", "connect-runtime")]
        wanted = [context.create_dependency(root, unused) for root in ROOTS]
        inputs, transitive = context.resolver.resolve(wanted)
        rows = []
        for dependency in (*inputs, *transitive):
            file = dependency.artifact.resolve()
            coordinate = f"{dependency.groupId}:{dependency.artifactId}:{dependency.version}"
            rows.append(f"{coordinate} {file.stat().st_size} {_digest(file)}")
    return "\n".join(sorted(rows))
