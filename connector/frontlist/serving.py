"""Probes and metrics over HTTP, from a thread with an event loop of its own.

So a connector whose loop hangs is told apart from one that is gone: `/livez` still answers, and says since when.
aiohttp's server, because its package is installed anyway (it carries our HTTP calls) and it leaves signals alone.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from aiohttp import web

from frontlist.errors import ConfigurationError
from frontlist.health import STATES, Check, worst
from frontlist.instruments import Instruments, Watch
from frontlist.metrics import CONTENT_TYPE

#: How long a probe waits for figures of the database before it answers with the last ones (seconds).
WAITS = 2.0


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "application/json"


Asked = Callable[[], Awaitable[Answer]]


class Serving:
    """GET of some paths, in a thread of its own for as long as the block lasts."""

    def __init__(self, listen: str, paths: Mapping[str, Asked]) -> None:
        """`listen`: host:port. The functions are called on the thread's own loop and must not touch another's."""
        self._listen, self._paths = listen, paths
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()

    def __enter__(self) -> Serving:
        self._socket = _bound(self._listen)
        self._thread = threading.Thread(target=self._run, name="frontlist-health", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(5.0)

    @property
    def url(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        app = web.Application(client_max_size=1024)
        for path, asked in self._paths.items():
            app.router.add_get(path, _handler(asked))
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0, keepalive_timeout=30.0)
        await runner.setup()
        try:
            await web.SockSite(runner, self._socket).start()
            await self._over.wait()
        finally:
            await runner.cleanup()


def _handler(asked: Asked) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_request: web.Request) -> web.Response:
        answer = await asked()
        headers = {"Content-Type": answer.content_type, "Cache-Control": "no-store"}
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    return handle


def _bound(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    try:
        return socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"probes and metrics cannot be served on {listen}: {error}",
            where="health.listen",
            cure="choose another one (each process on a machine needs its own), 127.0.0.1:0 for any free port, or off",
        ) from error


class Probes:
    """What the paths answer. `loop`: that of the connector, which alone may ask its database."""

    def __init__(self, instruments: Instruments, watch: Watch, loop: asyncio.AbstractEventLoop) -> None:
        self.instruments, self.watch, self._loop = instruments, watch, loop

    @property
    def paths(self) -> dict[str, Asked]:
        return {"/livez": self.live, "/readyz": self.ready, "/startupz": self.started, "/metrics": self.metrics}

    async def live(self) -> Answer:
        """503 where a restart would help. Asks nobody."""
        found = self.instruments.checks()
        return self._said("live" if worst(found) != "dead" else "not live", worst(found) != "dead", found)

    async def ready(self) -> Answer:
        """503 where this process does not do its work now."""
        await self._count()
        found = self.instruments.checks()
        good = STATES.index(worst(found)) < STATES.index("unready")
        return self._said("ready" if good else "not ready", good, found)

    async def started(self) -> Answer:
        """503 until the start is over."""
        done = self.instruments.facts.started
        return self._said("started" if done else "starting", done, self.instruments.checks())

    async def metrics(self) -> Answer:
        await self._count()
        return Answer(200, self.instruments.text(), CONTENT_TYPE)

    async def _count(self) -> None:
        """A new census if the connector's loop and the database give one in time."""
        asked = asyncio.run_coroutine_threadsafe(self.watch.count(), self._loop)
        try:
            async with asyncio.timeout(WAITS):
                await asyncio.shield(asyncio.wrap_future(asked))
        except TimeoutError:
            return  # it goes on, for whoever asks next

    def _said(self, word: str, good: bool, found: Sequence[Check]) -> Answer:
        """With whose process this is, so that `status` believes no other one that listens there."""
        facts = self.instruments.facts
        body = {
            "status": word,
            "tenant": facts.tenant,
            "database": facts.database_id,
            "checks": [asdict(each) for each in found],
        }
        return Answer(200 if good else 503, json.dumps(body, ensure_ascii=False, indent=1).encode())
