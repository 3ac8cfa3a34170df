"""The counting target of `benchmarks/target/`, and what it counted."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import httpx


@dataclass(frozen=True)
class Counted:
    """See `benchmarks/target/main.go`; times are seconds since 1970."""

    requests: int
    titles: int
    keys: int
    right: int
    repeated: int
    stale: int
    stale_held: int
    healed_max_ms: float
    failed: int
    limited: int
    in_flight: int
    in_flight_max: int
    in_flight_at_limit: int
    first: float
    last: float
    right_at: float
    measured: int
    p50_ms: float
    p99_ms: float
    worst_ms: float

    @property
    def seconds(self) -> float:
        """From the first request to the end of the last that was accepted."""
        return self.last - self.first


class CountingServer:
    """Runs it for as long as the block lasts."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def __enter__(self) -> CountingServer:
        self._process = subprocess.Popen([str(self._program)], stdout=subprocess.PIPE, text=True)  # noqa: S603  ours
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        self._http = httpx.Client(base_url=self.url, timeout=60)
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self._process.kill()
        self._process.wait()

    def begin(self, expected: Mapping[str, int], delay_ms: int, **behaviour: Any) -> None:
        """Forgets what was, and says what shall be held in the end."""
        self.behave(delay_ms, **behaviour)
        self._send("POST", "/reset")
        self.expect(expected)

    def behave(self, delay_ms: int, **behaviour: Any) -> None:
        self._send("PUT", "/behaviour", {"delay_ms": delay_ms, **behaviour})

    def expect(self, expected: Mapping[str, int]) -> None:
        self._send("PUT", "/expect", dict(expected))

    def limit(self, seconds: float, retry_after: int) -> None:
        """429 to everything from now on, for so long."""
        self._send("POST", "/limit", {"seconds": seconds, "retry_after": retry_after})

    def counted(self) -> Counted:
        found = self._http.get("/figures").raise_for_status().json()
        return Counted(**{field.name: found[field.name] for field in fields(Counted)})

    def until(
        self, true: Callable[[Counted], bool], seconds: float, *, still: Callable[[], object], every: float = 0.05
    ) -> tuple[Counted, bool]:
        """What was counted when it became true, or when the patience ended; `still` raises if it never can."""
        until = time.monotonic() + seconds
        while True:
            found = self.counted()
            if true(found):
                return found, True
            if time.monotonic() > until:
                return found, False
            still()
            time.sleep(every)

    def _send(self, method: str, path: str, body: Any = None) -> None:
        self._http.request(method, path, json=body).raise_for_status()
