"""Structured logs without secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET = re.compile(r"(?i)(bearer\s+|token[= ]+\"?|password=|key=)[^\s\"',&]+")
_NAMES = frozenset({"key", "password", "token", "authorization", "secret"})


def configure(level: str = "info", json_lines: bool = False) -> None:
    """For the whole process; the libraries' own loggers are kept to warnings."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s", force=True)
    for noisy in ("aiokafka", "faststream", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    renderer: Any = structlog.processors.JSONRenderer() if json_lines else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            without_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def without_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Nothing that looks like a key leaves in a log line."""
    for name, value in event.items():
        if name.lower() in _NAMES:
            event[name] = "***"
        elif isinstance(value, str):
            event[name] = _SECRET.sub(r"\1***", value)
    return event
