"""A TCP proxy whose connections can be slowed, held, cut, refused and left half-open, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from frontlist.embedded.server import HOST, free_port

LINGER_NONE = struct.pack("ii", 1, 0)


class _Pair:
    """A client's connection and ours to the server."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client, self.server = client, server
        self.forgotten = False

    def cut(self) -> None:
        """Both ends see a reset, never an orderly end."""
        for writer in (self.client, self.server):
            raw: socket.socket = writer.get_extra_info("socket")
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
            writer.transport.abort()


class Proxy:
    """Between `port` and the server at `to`; says `connections` for those that are open."""

    def __init__(self, to: int, port: int | None = None) -> None:
        self.to, self.port = to, port or free_port()
        self._pairs: set[_Pair] = set()
        self._delay = 0.0
        self._refusing = False

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def connections(self) -> int:
        return len(self._pairs)

    # --- faults ----------------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """A black hole: what is sent stays on its way, on new connections too, until `heal`."""
        self._do(self._flowing.clear)

    def forget(self) -> None:
        """The connections that are open now are half-open for ever; new ones work."""

        def forget() -> None:
            for pair in self._pairs:
                pair.forgotten = True

        self._do(forget)

    def cut(self) -> None:
        def cut() -> None:
            for pair in list(self._pairs):
                pair.cut()

        self._do(cut)

    def refuse(self) -> None:
        """As if the server were gone: open connections are reset, new ones too."""
        self._refusing = True
        self.cut()

    def delay(self, seconds: float) -> None:
        self._delay = seconds

    def heal(self) -> None:
        self._refusing, self._delay = False, 0.0
        self._do(self._flowing.set)

    # --- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main(ready)), daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError(f"the proxy at {self.address} did not start")

    def stop(self) -> None:
        self._do(self._ended.set)
        self._thread.join(10)

    def _do(self, action: Callable[[], Any]) -> None:
        done = threading.Event()

        def act() -> None:
            try:
                action()
            finally:
                done.set()

        self._loop.call_soon_threadsafe(act)
        done.wait(5)

    async def _main(self, ready: threading.Event) -> None:
        self._loop, self._ended, self._flowing = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        self._flowing.set()
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._connected(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(connected, HOST, self.port)
        ready.set()
        await self._ended.wait()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = None
        try:
            if self._refusing:
                raise ConnectionRefusedError
            there, back = await asyncio.open_connection(HOST, self.to)
            pair = _Pair(writer, back)
            self._pairs.add(pair)
            await _first_of(self._pump(pair, reader, back), self._pump(pair, there, writer))
        except OSError:
            pass
        finally:
            if pair is None:
                writer.transport.abort()
            else:
                self._pairs.discard(pair)
                pair.cut()

    async def _pump(self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._flowing.wait()
            if self._delay:
                await asyncio.sleep(self._delay)
            if not pair.forgotten:
                writer.write(data)
                await writer.drain()
        if pair.forgotten:
            await self._ended.wait()  # the other end never learns that this one has gone


async def _first_of(*pumps: Awaitable[None]) -> None:
    """An end of one direction ends both, once what was read has been passed on."""
    tasks = [asyncio.ensure_future(each) for each in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def between(to: int, port: int | None = None) -> Iterator[Proxy]:
    """A running proxy."""
    proxy = Proxy(to, port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
