"""Sees what a plan reaches for beside its input: clocks, network, processes, threads, files.

Nothing is patched: a profile function sees calls of built-in clocks and new threads, an audit hook sees input and
output, and keeps network and processes shut. A clock that C code calls, as `map(time.time, ...)` does, is not seen.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

CLOCKS = frozenset(
    {f"time.{name}" for name in ("time", "time_ns", "monotonic", "monotonic_ns", "localtime", "gmtime", "sleep")}
    | {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
)
#: Log records bear a time; logging is no part of a plan's answer.
LOGGING = ("logging", "structlog", "warnings")
SHUT = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn", "sqlite3.")
THREADS = ("_thread.start_new_thread", "_thread.start_joinable_thread")
FILES = ("open", "os.listdir", "os.scandir", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "shutil.", "tempfile.")


class Shut(RuntimeError):
    """Input or output was tried inside `plan`."""


@dataclass
class Seen:
    """What was reached for, with the place in the code; `files`: whether opening one counts."""

    files: bool
    clocks: list[str] = field(default_factory=list)
    io: list[str] = field(default_factory=list)


#: Thread -> what is seen there. An audit hook stays for the life of the process: it sleeps while this is empty.
_watched: dict[int, Seen] = {}
_hooked = threading.Event()


@contextmanager
def watched(*, files: bool) -> Iterator[Seen]:
    """What this thread reaches for inside the block."""
    if not _hooked.is_set():
        _hooked.set()
        sys.addaudithook(_audit)
    seen, before = Seen(files), sys.getprofile()

    def profile(frame: FrameType, event: str, called: Any) -> None:
        if event != "c_call":
            return
        name = _name(called)
        if name in CLOCKS and not _logs(frame):
            seen.clocks.append(f"{name} ({_place(frame)})")
        elif name in THREADS:
            seen.io.append(f"{name} ({_place(frame)})")

    _watched[threading.get_ident()] = seen
    sys.setprofile(profile)
    try:
        yield seen
    finally:
        sys.setprofile(before)
        del _watched[threading.get_ident()]


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    seen = _watched.get(threading.get_ident()) if _watched else None
    if seen is None:
        return
    shut = event.startswith(SHUT)
    if shut or (seen.files and event.startswith(FILES)):
        said = f"{event} {arguments[0]}" if event == "open" else event
        seen.io.append(f"{said} ({_place(sys._getframe(1))})")
    if shut:
        raise Shut(f"{event} inside `plan`")


def _name(called: Any) -> str:
    """ "time.time", "datetime.now": a built-in's owner is its module or class."""
    return f"{getattr(getattr(called, '__self__', None), '__name__', '')}.{getattr(called, '__name__', '')}"


def _logs(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in LOGGING


def _place(frame: FrameType) -> str:
    """The nearest line that is not the standard library's."""
    here: FrameType | None = frame
    while here is not None:
        module = str(here.f_globals.get("__name__", ""))
        if module.partition(".")[0] not in sys.stdlib_module_names:
            return f"{module}, line {here.f_lineno}"
        here = here.f_back
    return "somewhere"
