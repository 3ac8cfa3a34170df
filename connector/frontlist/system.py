"""A further system that a plugin brings: settings of its own, a target to write, a source to read, or both."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from frontlist.contract import Target
from frontlist.errors import ConfigurationError
from frontlist.source import Source

if TYPE_CHECKING:  # what plugin authors import loads nothing heavy
    from pydantic import BaseModel

    from frontlist.http import Api

#: A name stands in topic names, between dots, and in keys, between slashes.
NAME = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True)
class Opened:
    """A system for one run. `target` and `source` bear the system's name; `close` is awaited once at the end.

    `api`: what both call it through; its calls a second are then one budget, by priority, over all replicas.
    """

    target: Target | None = None
    source: Source | None = None
    close: Callable[[], Awaitable[None]] | None = None
    api: Api | None = None


class System(Protocol):
    """What a plugin brings to write to, or read from, a further system.

    `settings` is a pydantic model; what stands below `systems.<name>` in frontlist.yaml is validated by it, and `open`
    gets the result once at the start of each process. Without that section the system stays closed: what would be
    written to it waits. `open` does no I/O; it may raise ConfigurationError. Call fields that hold a secret `key`,
    `password`, `token` or `secret`: the log hides their values.
    """

    name: str

    @property  # read only, so that a plugin may state its own class
    def settings(self) -> type[BaseModel]: ...

    def open(self, settings: Any, tenant: str) -> Opened:
        """`settings`: an instance of `self.settings`. `tenant`: the installation's name, for `chosen_id`."""
        ...


def check(system: Any, plugin: str) -> None:
    """Refuses what is no system, or has a name that topics, keys or we cannot take."""
    from frontlist_schemas import topics  # loads pydantic

    lacking = [name for name in ("name", "settings", "open") if not hasattr(system, name)]
    if lacking:
        raise ConfigurationError(
            f"plugin {plugin} brings a {type(system).__name__} without {', '.join(lacking)}: that is no system",
            where="plugins",
            cure="see `frontlist.System` for what a system is",
        )
    if not NAME.fullmatch(str(system.name)) or system.name in topics.SYSTEMS:
        raise ConfigurationError(
            f"plugin {plugin} brings a system named {system.name!r}",
            where="plugins",
            cure=f"name it by small letters, digits, - and _, and not {' or '.join(topics.SYSTEMS)}",
        )
