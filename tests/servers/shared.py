"""Servers that the first test to need them starts, and that end with the run.

Under pytest-xdist the controller owns them: a worker asks it over a socket and waits for the answer, so that
no worker's end can take a server away from the others.
"""

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from multiprocessing.connection import Client, Connection, Listener

from frontlist.embedded import Progress, bootstrap_servers, database_url
from servers import docker

CHOICE = "FRONTLIST_TEST_SERVERS"


class Servers:
    """Owned by the process that runs the tests, or by the controller of those that do."""

    def __init__(self, progress: Progress, environment: Mapping[str, str]) -> None:
        """`environment` may name servers that run already."""
        self._progress, self._environment = progress, environment
        self._running = ExitStack()
        self._addresses: dict[str, str] = {}
        self._starting = {"kafka": threading.Lock(), "postgres": threading.Lock()}
        self._listener: Listener | None = None

    def address(self, name: str) -> str:
        """`HOST:PORT` of kafka, the URL of postgres; started by the first call."""
        with self._starting[name]:
            if name not in self._addresses:
                self._addresses[name] = self._start(name)
            return self._addresses[name]

    def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._running.close()

    def _start(self, name: str) -> str:
        choice = self._environment.get(CHOICE, "embedded")
        if choice not in ("embedded", "docker"):
            raise ValueError(f"{CHOICE}={choice} is unknown: set it to docker, or leave it out")
        if choice == "docker":
            return self._running.enter_context(docker.kafka() if name == "kafka" else docker.postgres())
        if name == "kafka":
            return self._running.enter_context(bootstrap_servers(self._progress, environment=self._environment))
        return self._running.enter_context(database_url(environment=_postgresql_only(self._environment)))

    def listen(self) -> tuple[str, str]:
        """Answers other processes from now on, at the address and with the key returned."""
        key = os.urandom(16)
        self._listener = Listener(("127.0.0.1", 0), authkey=key)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        host, port = self._listener.address
        return f"{host}:{port}", key.hex()

    def _accept(self, listener: Listener) -> None:
        while True:
            try:
                asker = listener.accept()
            except OSError:  # closed: the run is over
                return
            threading.Thread(target=self._answer, args=(asker,), daemon=True).start()

    def _answer(self, asker: Connection) -> None:
        with asker:
            try:
                asker.send((True, self.address(asker.recv())))
            except Exception as error:
                asker.send((False, f"{type(error).__name__}: {error}"))


def asking(address: str, key: str) -> Callable[[str], str]:
    """How a worker asks for an address."""
    host, _, port = address.partition(":")

    def ask(name: str) -> str:
        with Client((host, int(port)), authkey=bytes.fromhex(key)) as connection:
            connection.send(name)
            answered, text = connection.recv()
        if not answered:
            raise RuntimeError(text)
        return text

    return ask


def _postgresql_only(environment: Mapping[str, str]) -> dict[str, str]:
    """A SQLite file in FRONTLIST_DATABASE is no server on which tests could make databases."""
    named = environment.get("FRONTLIST_DATABASE", "")
    if not named.startswith("postgresql"):
        return {}
    scheme, _, rest = named.partition("://")
    return {"FRONTLIST_DATABASE": f"{scheme.split('+')[0]}://{rest}"}
