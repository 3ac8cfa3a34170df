"""What both servers share: ports, start, waiting until ready, stop, and the faults that tests cause."""

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

Progress = Callable[[str], None]
"""Called with one line of text whenever something that takes long has come further."""

HOST = "127.0.0.1"
# Below the range from which systems take the ports of outgoing connections: while a server is down for a
# restart, no client's connection can sit on its port.
PORTS = range(20_000, 32_000)


class ServerError(Exception):
    """A server could not be fetched, started or used; the message says what happened and what cures it."""


@dataclass(frozen=True)
class Command:
    """How a server's process is run; `user` and `group` are None to run as ourselves."""

    line: list[str]
    environment: dict[str, str]
    user: int | None = None
    group: int | None = None


class Server(ABC):
    """One server process on 127.0.0.1.

    `start` returns when the server answers; `stop` ends it and removes its data where the directory was
    temporary. It ends too when this process does, however that comes about. All methods block; in a
    coroutine say `async with`, or `asyncio.to_thread`.
    """

    name: str
    stop_signal: signal.Signals = signal.SIGTERM
    start_seconds: float = 60
    stop_seconds: float = 10

    def __init__(self, data_dir: Path | None = None) -> None:
        self._given = data_dir
        self._home: Path | None = None
        self._guard: subprocess.Popen[str] | None = None
        self._pid: int | None = None
        self._log_start = 0

    @property
    def home(self) -> Path:
        """Everything this server has on disk; known once it was started."""
        if self._home is None:
            raise ServerError(f"{self.name} was not started: call start() first")
        return self._home

    @property
    def log(self) -> Path:
        return self.home / "server.log"

    @property
    def running(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    @property
    def pid(self) -> int:
        """The server's own process."""
        if self._pid is None or not self.running:
            raise ServerError(f"{self.name} is not running: call start() first")
        return self._pid

    def start(self) -> None:
        if self.running:
            return
        if self._home is None:
            self._home = self._given or Path(tempfile.mkdtemp(prefix=f"frontlist-{self.name.lower()}-"))
            self._home.mkdir(parents=True, exist_ok=True)
        try:
            self._prepare()
            self._launch(self._command())
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._end("remove")
        if self._home is not None and self._given is None:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home = None

    def kill(self) -> None:
        """As by `kill -9`: nothing is flushed, the data stays for `restart`."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._end("keep")

    def restart(self) -> None:
        """Stop in order, if it still runs, and start on the same data and the same port."""
        self._end("keep")
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    @abstractmethod
    def _prepare(self) -> None:
        """Fetch, format and configure what is not there yet."""

    @abstractmethod
    def _command(self) -> Command: ...

    @abstractmethod
    def _ready(self) -> bool:
        """Whether the server answers now; may take a second to find out."""

    def _may_start_later(self) -> bool:
        """Whether the server ended for a reason that passes by itself."""
        return False

    def _launch(self, command: Command) -> None:
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        order = {
            "command": command.line,
            "environment": command.environment,
            "user": command.user,
            "group": command.group,
            "directory": str(self.home),
            "log": str(self.log),
            "stop_signal": int(self.stop_signal),
            "grace": self.stop_seconds,
            "temporary": None if self._given else str(self.home),
        }
        # In a session of its own, so that Ctrl-C reaches us first and we stop the servers in order.
        self._guard = subprocess.Popen(  # noqa: S603  our own interpreter and our own file
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py")), json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._guard.stdout is not None
        answer = self._guard.stdout.readline()
        if not answer:
            raise ServerError(f"{self.name} could not be run: {' '.join(command.line[:1])}. {self._log_tail()}")
        self._pid = int(answer)

    def _end(self, last_word: str) -> None:
        if self._guard is None:
            return
        with suppress(BrokenPipeError, subprocess.TimeoutExpired):
            self._guard.communicate(last_word, timeout=self.stop_seconds + 10)
        self._guard = self._pid = None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.start_seconds
        while not self._ready():
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} did not answer within {self.start_seconds:.0f} s. {self._log_tail()}")
            time.sleep(0.05)
            if self.running:
                continue
            if not self._may_start_later():
                raise ServerError(f"{self.name} ended while it was starting. {self._log_tail()}")
            self._end("keep")
            self._launch(self._command())

    def _log_since_launch(self) -> str:
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def _log_tail(self, lines: int = 30) -> str:
        tail = "\n".join(self._log_since_launch().splitlines()[-lines:]) or "(empty)"
        return f"The end of its log {self.log}:\n{tail}"


def free_port() -> int:
    """A port that nobody listens on now."""
    for port in random.SystemRandom().sample(PORTS, 50):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return port
    raise ServerError(f"no free port between {PORTS.start} and {PORTS.stop} on {HOST}: end what holds them")


def listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0
