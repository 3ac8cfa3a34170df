"""Structured logs without secrets, for people or as one JSON object a line; libraries' own lines too."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

import structlog

_SECRET = re.compile(
    r"(?i)(\bbearer\s+|authorization[\"']?\s*[=:]\s*[\"']?\w+\s+(?:token=)?[\"']?|token[= ]+\\?\""
    r"|(?:password|passwd|secret|(?:api_?)?key|token)(?:\s*=\s*[\"']?|[\"']\s*:\s*[\"']))[^\s\"',&;}\\]+"
)
#: The password of an address: scheme://user:password@host.
_ADDRESS = re.compile(r"(\w://[^\s/:@]*:)[^\s@]+(?=@)")
_NAMES = re.compile(r"(?i)(^|_)(key|password|passwd|token|authorization|secret)$")
#: Shorter ones would blank ordinary words.
SHORTEST = 6


def names_a_secret(name: str) -> bool:
    return _NAMES.search(name) is not None


class Veil:
    """A processor: nothing that is, or looks like, a key leaves in a log line."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({each for each in secrets if len(each) >= SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in event.items():
            event[name] = self.over(name, value)
        return event

    def over(self, name: str, value: Any) -> Any:
        """The value without secrets, at any depth."""
        if names_a_secret(name) and value is not None:
            return "***"
        if isinstance(value, Mapping):
            return {key: self.over(str(key), each) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.over("", each) for each in value]
        if value is None or isinstance(value, bool | int | float | logging.LogRecord):
            return value
        return self.text(value if isinstance(value, str) else repr(value))

    def text(self, said: str) -> str:
        if self._known is not None:
            said = self._known.sub("***", said)
        return _ADDRESS.sub(r"\1***", _SECRET.sub(r"\1***", said))


class _ToStandardError(logging.StreamHandler[Any]):
    """Standard error as it is when a line is written: who calls a command from Python may have put another there."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, value: Any) -> None:
        """Not kept."""


def configure(level: str = "info", json_lines: bool = False, secrets: Iterable[str] = ()) -> None:
    """For the whole process; the libraries' own loggers are kept to warnings. `secrets`: hidden wherever they stand."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    renderer: Any = structlog.processors.JSONRenderer() if json_lines else structlog.dev.ConsoleRenderer(colors=False)
    common: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        Veil(secrets),
    ]
    structlog.configure(
        processors=[*common, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _configure_libraries(common, renderer)


def _configure_libraries(common: list[Any], renderer: Any) -> None:
    naming = [structlog.stdlib.add_logger_name, *common]
    handler = _ToStandardError()
    last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=naming, processors=last))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for noisy in ("aiokafka", "faststream", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
