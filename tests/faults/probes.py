"""What one replica says of itself, asked all the time as an orchestrator would, and whether it can be true."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from frontlist.embedded.server import HOST, free_port

LIVE, READY, STARTED = "/livez", "/readyz", "/startupz"
#: Between two rounds, and until a probe counts as hanging (seconds; it promises less, but machines are busy).
APART, PATIENCE = 0.5, 20.0
#: Who serves no probes any more has ended, or ends within so many seconds.
ENDS = 60.0


@dataclass(frozen=True)
class Answer:
    """When it was asked and answered, by time.monotonic, and check -> (state, why)."""

    path: str
    asked: float
    answered: float
    status: int
    checks: Mapping[str, tuple[str, str]]

    @property
    def ready(self) -> bool:
        return self.status == 200

    def said(self, *states: str) -> dict[str, str]:
        """check -> why of those in one of these states."""
        return {check: why for check, (state, why) in self.checks.items() if state in states}

    @property
    def unready(self) -> dict[str, str]:
        return self.said("unready", "dead")


class Probes:
    """A thread that asks; `lies`: what cannot be true, whatever befell the replica."""

    def __init__(self) -> None:
        self.port = free_port()
        self.readiness: list[Answer] = []
        self.lies: list[str] = []
        #: Whoever has it keeps us from asking.
        self.asking = threading.Lock()
        self._served = self._started = self._stopping = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def start(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(ENDS)

    # --- what rows expect ------------------------------------------------------------------------------------------

    def until(self, true: Callable[[Answer], bool], what: str, seconds: float = 120.0) -> Answer:
        """The first answer of readiness, of those asked from now on, for which it is true."""
        began = time.monotonic()
        while True:
            new = [each for each in self.readiness if each.asked >= began]
            if found := next(filter(true, new), None):
                return found
            last = self.readiness[-1] if self.readiness else None
            assert time.monotonic() < began + seconds, f"the probes never said: {what}; at last: {last}"
            time.sleep(0.1)

    def until_ready(self) -> Answer:
        return self.until(lambda answer: answer.ready, "ready")

    def until_warned(self, prefix: str) -> None:
        """Until it is ready and warns of a check that is called so."""
        warned = f"a warning of {prefix}"
        self.until(lambda a: a.ready and any(each.startswith(prefix) for each in a.said("warning")), warned)

    @contextmanager
    def unready(self, *checks: str) -> Iterator[None]:
        """Waits until it is not ready, because of one of these checks; so it must stay to the end of the block."""
        first = self.until(lambda answer: bool(answer.unready.keys() & set(checks)), f"unready: {checks}")
        yield
        end = time.monotonic()
        wrong = [each for each in self.readiness if each.asked >= first.asked and each.answered <= end and each.ready]
        assert not wrong, f"ready, although nothing was healed: {wrong[0]}"

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Whatever happens in the block takes this replica out of service at no time."""
        self.until_ready()
        began = time.monotonic()
        yield
        self.until(lambda _: True, "anything")
        wrong = [each.unready for each in self.readiness if each.asked >= began and not each.ready]
        assert not wrong, f"out of service: {wrong}"

    def until_turned(self) -> None:
        """What was frozen is live again at once: the first answer may come before the event loop has turned."""
        wait = time.monotonic() + PATIENCE
        while self._served and httpx.get(f"http://{self.address}{LIVE}", timeout=PATIENCE).status_code != 200:
            assert time.monotonic() < wait, "it was never live again"
            time.sleep(0.1)

    def figures(self) -> dict[str, float]:
        """The gauges of now, each the sum over its labels."""
        with self.asking:
            text = httpx.get(f"http://{self.address}/metrics", timeout=PATIENCE).raise_for_status().text
        families = text_string_to_metric_families(text)
        return {each.name: sum(one.value for one in each.samples) for each in families if each.type == "gauge"}

    # --- asking ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        with httpx.Client(base_url=f"http://{self.address}", timeout=PATIENCE) as http:
            while not self._ended.wait(APART) and self._process.poll() is None:
                with self.asking:
                    # Readiness before the start-up: who is ready has started.
                    for path in (LIVE, READY, STARTED):
                        self._ask(http, path)

    def _ask(self, http: httpx.Client, path: str) -> None:
        asked = time.monotonic()
        try:
            got = http.get(path)
        except httpx.TimeoutException:
            self.lies.append(f"{path}: no answer within {PATIENCE:.0f} s")
        except httpx.TransportError as error:
            if self._served and not self._ends():
                self.lies.append(f"{path}: {error!r}, though the process runs")
        else:
            self._served = True
            checks = {each["check"]: (each["state"], each["why"]) for each in _checks(got)}
            self._judge(Answer(path, asked, time.monotonic(), got.status_code, checks))

    def _ends(self) -> bool:
        try:
            self._process.wait(ENDS)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _judge(self, answer: Answer) -> None:
        if answer.path == LIVE:
            wrong = not answer.ready
        elif answer.path == READY:
            wrong = answer.ready and (self._stopping or bool(answer.unready))
            wrong |= not answer.ready and not any(answer.unready.values())
            self._stopping |= "stopping" in answer.unready.get("process", "")
            self.readiness.append(answer)
        else:
            wrong = not answer.ready and (self._started or any(each.ready for each in self.readiness[-1:]))
            self._started |= answer.ready
        if wrong:
            self.lies.append(f"{answer.path}: {answer.status}, stopping: {self._stopping}, unready: {answer.unready}")


def _checks(got: httpx.Response) -> list[dict[str, Any]]:
    return list(got.json()["checks"]) if got.status_code in (200, 503) else []
