"""`frontlist demo` as people run it: the whole story, its report, its exit code, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from answers import answer

MAIN = "from frontlist.cli import main; main()"
INTERRUPTED = 130
CONNECTOR = f"-c {MAIN} run"


class Demo:
    """A demo in a process of its own."""

    def __init__(self, folder: Path, kafka: str, *arguments: str) -> None:
        self.folder = folder
        (folder / "demo" / "addresses.json").unlink(missing_ok=True)  # of a demo before
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FRONTLIST_")}
        self.output, self.errors = (folder / "output").open("w"), (folder / "errors").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-c", MAIN, "demo", "--folder", str(folder), *arguments],
            env=environment | {"FRONTLIST_KAFKA_BOOTSTRAP": kafka},
            stdout=self.output,
            stderr=self.errors,
        )

    def started(self) -> dict[str, Any]:
        """Where everything is, once the connector runs."""
        file = self.folder / "demo" / "addresses.json"
        within(60, file.exists)
        within(30, lambda: bool(self.connectors()))
        return dict(json.loads(file.read_text()))

    def family(self) -> dict[int, str]:
        """Every process below it, with its command."""
        return descendants(self.process.pid)

    def connectors(self) -> list[int]:
        return [pid for pid, command in self.family().items() if CONNECTOR in command and "guard.py" not in command]

    def end(self, seconds: float) -> int:
        code = self.process.wait(seconds)
        return code

    @property
    def printed(self) -> str:
        return (self.folder / "output").read_text()

    @property
    def said(self) -> str:
        return self.printed + (self.folder / "errors").read_text()

    @property
    def report(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "demo.json").read_text()))


@pytest.fixture
def demo(tmp_path: Path, kafka_bootstrap: str) -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def start(*arguments: str) -> Demo:
        started.append(Demo(tmp_path, kafka_bootstrap, *arguments))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait(10)
        each.output.close()
        each.errors.close()


def within(seconds: float, true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def descendants(pid: int) -> dict[int, str]:
    rows = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    )
    found: dict[int, str] = {}
    parents = {pid}
    table = [line.split(None, 3) for line in rows.stdout.splitlines()]
    while parents:
        below = {int(row[0]): row[-1] for row in table if int(row[1]) in parents and not row[2].startswith("Z")}
        found |= below
        parents = set(below)
    return found


def alive(pids: dict[int, str]) -> list[str]:
    """Those that still run, told from others that got their number meanwhile by their command."""
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    now = dict(line.split(None, 1) for line in listed.splitlines() if len(line.split(None, 1)) == 2)
    return [command for pid, command in pids.items() if now.get(str(pid), "").strip() == command.strip()]


def topics(kafka: str, prefix: str) -> list[str]:
    from confluent_kafka.admin import AdminClient

    known = AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics
    return [name for name in known if name.startswith(f"{prefix}.")]


def test_the_whole_story_holds_and_leaves_nothing_behind(demo: Callable[..., Demo], kafka_bootstrap: str) -> None:
    """For a program, so that nothing but its JSON is printed."""
    it = demo("--once", "--json")
    there = it.started()
    family = it.family()
    assert topics(kafka_bootstrap, there["prefix"])
    code = it.end(200)
    failed = [c for flow in it.report["flows"] for c in flow["checks"] if not c["ok"]]
    assert (code, failed) == (0, []), it.said
    assert [flow["flow"] for flow in it.report["flows"]] == [1, 6]
    assert all({"check", "ok"} <= check.keys() for flow in it.report["flows"] for check in flow["checks"])
    within(10, lambda: not alive(family))
    within(10, lambda: not topics(kafka_bootstrap, there["prefix"]))
    played = answer("demo", it.printed)
    assert played["ok"]
    assert played["addresses"]["sandboxes"].keys() == {"consonance", "fourallportal"}
    assert it.report == {name: value for name, value in played.items() if name != "addresses"}


def test_a_check_that_fails_is_exit_1_and_says_what_was_seen(demo: Callable[..., Demo]) -> None:
    it = demo("--once", "--fail-fast", "--patience", "1")
    portal = it.started()["sandboxes"]["fourallportal"]["url"]
    httpx.post(f"{portal}/sandbox/faults", json={"kind": "status", "status": 503, "method": "PATCH"})
    assert it.end(120) == 1, it.said
    failed = [c for flow in it.report["flows"] for c in flow["checks"] if not c["ok"]]
    assert (len(failed), it.report["ok"]) == (1, False)
    assert "missing" in failed[0]["seen"]
    assert f"seen: {failed[0]['seen']}" in it.said


def test_the_end_of_the_connector_is_a_failed_check(demo: Callable[..., Demo]) -> None:
    it = demo("--once")
    it.started()
    [pid] = it.connectors()
    os.kill(pid, signal.SIGKILL)
    assert it.end(60) == 1, it.said
    assert it.report["flows"][0]["checks"][-1]["check"] == "the connector runs"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_in_order_when_it_is_interrupted(demo: Callable[..., Demo], number: signal.Signals) -> None:
    it = demo()
    it.started()
    family = it.family()
    it.process.send_signal(number)
    assert it.end(40) == INTERRUPTED, it.said
    assert not alive(family)
    assert "Traceback" not in it.said


def test_kill_9_leaves_no_process_behind_and_the_next_demo_clears_up(
    demo: Callable[..., Demo], kafka_bootstrap: str
) -> None:
    it = demo()
    prefix = it.started()["prefix"]
    family = it.family()
    it.process.kill()
    it.end(10)
    within(20, lambda: not alive(family))
    assert topics(kafka_bootstrap, prefix)
    again = demo()
    assert again.started()["prefix"] != prefix
    within(10, lambda: not topics(kafka_bootstrap, prefix))
    again.process.send_signal(signal.SIGINT)
    again.end(40)


def test_a_database_that_is_somebody_s_is_refused(tmp_path: Path, kafka_bootstrap: str, sqlite_url: str) -> None:
    import sqlite3

    file = sqlite_url.split("///")[1]
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    environment = {**os.environ, "FRONTLIST_KAFKA_BOOTSTRAP": kafka_bootstrap, "FRONTLIST_DATABASE": sqlite_url}
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "demo", "--once", "--folder", str(tmp_path / "d")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done
    assert "not empty" in done.stderr
    with suppress(FileNotFoundError):
        assert not json.loads((tmp_path / "d" / "demo.json").read_text())
