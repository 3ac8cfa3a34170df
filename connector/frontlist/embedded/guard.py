"""Runs one server and ends it when whoever asked for it is gone, however that came about.

Started by its path, on the standard library alone. Standard input is the life line: at its end the server
is stopped and its temporary directory removed, unless the last word was "keep".
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from typing import Any

PR_SET_PDEATHSIG = 1


def run(order: dict[str, Any]) -> None:
    with open(order["log"], "ab") as log:
        server = subprocess.Popen(  # noqa: S603  the command comes from our own launchers
            order["command"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=order["environment"],
            cwd=order["directory"],
            user=order["user"],
            group=order["group"],
            extra_groups=None if order["user"] is None else [],
            preexec_fn=_die_with_the_guard if sys.platform == "linux" else None,  # noqa: PLW1509  one thread yet
        )
    print(server.pid, flush=True)  # noqa: T201  the launcher reads it
    stopping = threading.Event()
    threading.Thread(target=_end_with, args=(server, stopping), daemon=True).start()
    last_word = sys.stdin.read()
    stopping.set()
    _stop(server, order["stop_signal"], order["grace"])
    if order["temporary"] and last_word.strip() != "keep":
        shutil.rmtree(order["temporary"], ignore_errors=True)


def _die_with_the_guard() -> None:
    # The kernel ends the server even where the guard itself was killed. It counts from the forking thread,
    # which here is the guard's only one.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_with(server: "subprocess.Popen[bytes]", stopping: threading.Event) -> None:
    code = server.wait()
    if not stopping.is_set():
        os._exit(code & 0xFF)


def _stop(server: "subprocess.Popen[bytes]", stop_signal: int, grace: float) -> None:
    server.send_signal(stop_signal)
    try:
        server.wait(grace)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run(json.loads(sys.argv[1]))
