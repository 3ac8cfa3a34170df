"""The connector as a process of its own: `frontlist run`, which can be killed and which never outlives the demo."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from frontlist.demo.checks import EndedError
from frontlist.embedded.server import Command, Server

_MAIN = "from frontlist.cli import main; main()"


class Connector(Server):
    """`frontlist run` with the configuration in `folder`; its log is `connector.log` there."""

    name = "The connector"

    def __init__(self, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
        super().__init__(folder)
        self._folder = folder
        self._environment = {key: value for key, value in environment.items() if not key.startswith("FRONTLIST_")}

    @property
    def log(self) -> Path:
        return self._folder / "connector.log"

    def check(self) -> None:
        """Raises EndedError, with the end of the log, where it ended by itself."""
        if not self.running:
            raise EndedError(f"it ended by itself. {self._log_tail(12)}")

    def _prepare(self) -> None:
        """Everything is in the folder."""

    def _command(self) -> Command:
        line = [sys.executable, "-c", _MAIN, "run", "--config", str(self._folder / "frontlist.yaml")]
        return Command(line, {**self._environment, "PYTHONUNBUFFERED": "1"})

    def _ready(self) -> bool:
        # It has no port; whoever waits for what it does sees it, and `check` sees its end.
        return self.running
