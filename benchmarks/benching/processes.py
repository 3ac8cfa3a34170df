"""Programs that are measured: started, stopped, killed, and what they used."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Until a program that was asked to end is killed (seconds).
GRACE = 20.0
UNIT = 1024 * 1024 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Usage:
    """CPU of all its threads; memory is the peak of what was resident."""

    cpu_seconds: float
    peak_mib: float


class Program:
    """One running program; its output goes to a file."""

    def __init__(self, line: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log, self.usage, self._peak = log, Usage(0.0, 0.0), 0.0
        self.started_at = time.time()
        with log.open("ab") as file:
            self._process = subprocess.Popen(  # noqa: S603  our own programs
                list(line), stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=dict(environment or os.environ)
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it ended although nobody asked."""
        return self._process.returncode is None and self._reaped(os.WNOHANG)

    def resident_mib(self) -> float | None:
        """What is resident now; None where this system does not tell."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        except (OSError, IndexError):
            return None
        return pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024

    def peak_mib(self) -> float:
        """The most that was resident until now; 0 where this system does not tell.

        What wait4 says begins with the size of the process that started it.
        """
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines()
            return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
        return 0.0

    def cpu_seconds(self) -> float:
        """What it used until now; 0 where this system does not tell."""
        try:
            said = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> Usage:
        return self._end(signal.SIGKILL)

    def stop(self) -> Usage:
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> Usage:
        if self._process.returncode is None:
            self._peak = self.peak_mib()
            self._process.send_signal(number)
            until = time.monotonic() + GRACE
            while not self._reaped(os.WNOHANG):
                if time.monotonic() > until:
                    self._process.send_signal(signal.SIGKILL)
                    self._reaped(0)
                    break
                time.sleep(0.02)
        return self.usage

    def _reaped(self, flags: int) -> bool:
        pid, status, used = os.wait4(self.pid, flags)
        if not pid:
            return False
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self.usage = Usage(round(used.ru_utime + used.ru_stime, 2), round(self._peak or used.ru_maxrss / UNIT, 1))
        return True

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
