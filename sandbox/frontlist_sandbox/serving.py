"""Serves a sandbox over real HTTP, in a thread of its own, with connections that can really be cut.

with serving.serve(app) as server:      # a free port
    httpx.get(f"{server.url}/...")
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

RESET = "frontlist.reset"
"""Where a request finds the call that cuts its own connection: `scope["state"][RESET]()`."""


class CuttableProtocol(H11Protocol):
    """uvicorn's h11 protocol that hands each request the means to reset its TCP connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app_state = {**self.app_state, RESET: self._reset}

    def _reset(self) -> None:
        # Linger 0 makes the close an RST: the client sees "connection reset", never an orderly end.
        raw: socket.socket = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self.cycle is not None:
            self.cycle.disconnected = True
        self.transport.abort()


@dataclass
class Server:
    """A running server; `stop` returns when its port is free again."""

    host: str
    port: int
    _uvicorn: uvicorn.Server
    _thread: threading.Thread

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def stop(self) -> None:
        self._uvicorn.should_exit = True
        self._thread.join(timeout=60)
        if self._thread.is_alive():
            raise RuntimeError(f"the server at {self.url} did not stop within 60 s")


def start(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0, patience: float = 60.0) -> Server:
    """Start serving `app` and return once it answers; port 0 takes a free one.

    Raises OSError (which names the address) where the port is taken.
    """
    listening = _listen(host, port)
    config = uvicorn.Config(
        app,
        http=CuttableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        timeout_graceful_shutdown=1,  # hanging requests are there on purpose, nobody waits for them
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[listening])), name=f"sandbox-{port}", daemon=True
    )
    thread.start()
    _await_start(server, thread, patience)
    return Server(host, listening.getsockname()[1], server, thread)


@contextlib.contextmanager
def serve(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[Server]:
    """`start` for a with statement."""
    server = start(app, host=host, port=port)
    try:
        yield server
    finally:
        server.stop()


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}; choose another port") from error
    return listening


def _await_start(server: uvicorn.Server, thread: threading.Thread, patience: float) -> None:
    deadline = time.monotonic() + patience
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            server.should_exit = True
            raise RuntimeError(f"the sandbox server did not start within {patience:g} s")
        time.sleep(0.005)
