"""Plugins register consumers, systems and commands; events are never dispatched through them.

A plugin is a module or object in the entry-point group `frontlist` with one or more of the hooks below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

import pluggy

from frontlist.contract import ASPECTS, Consumer
from frontlist.errors import ConfigurationError

GROUP = "frontlist"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Hooks:
    """What a plugin may implement, each with `@hookimpl`."""

    @hookspec
    def frontlist_consumers(self) -> Sequence[Consumer]:  # type: ignore[empty-body]  # a hook has no body
        """The consumers that this plugin brings; names are unique over all plugins."""

    @hookspec
    def frontlist_systems(self) -> Sequence[Any]:  # type: ignore[empty-body]  # a hook has no body
        """Further systems: objects with `name`, `source(settings)` and `target(settings)`."""

    @hookspec
    def frontlist_commands(self) -> Sequence[Any]:  # type: ignore[empty-body]  # a hook has no body
        """Typer applications that become sub-commands, named by their `info.name`."""


@dataclass(frozen=True)
class Installed:
    """A plugin as `frontlist plugins` shows it."""

    name: str
    distribution: str
    version: str
    consumers: tuple[str, ...]


class Plugins:
    """All plugins of one run: those of the entry points, or the objects given (for tests)."""

    def __init__(self, given: dict[str, Any] | None = None) -> None:
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(Hooks)
        if given is None:
            self._load()
        else:
            for name, plugin in given.items():
                self._manager.register(plugin, name)
        self._manager.check_pending()
        self.consumers = self._consumers()

    def _load(self) -> None:
        for point in sorted(entry_points(group=GROUP), key=lambda each: each.name):
            try:
                plugin = point.load()
            except Exception as error:
                raise ConfigurationError(
                    f"plugin {point.name} cannot be loaded: {type(error).__name__}: {error}",
                    where=point.value,
                    cure=f"upgrade or uninstall {point.dist.name if point.dist else 'its distribution'}",
                ) from error
            self._manager.register(plugin, point.name)

    def _consumers(self) -> dict[str, Consumer]:
        out: dict[str, Consumer] = {}
        for group in self._manager.hook.frontlist_consumers():
            for consumer in group:
                if consumer.name in out:
                    raise ConfigurationError(
                        f"two plugins bring a consumer named {consumer.name!r}",
                        where="plugins",
                        cure="uninstall one of them: `frontlist plugins` lists all",
                    )
                _check(consumer)
                out[consumer.name] = consumer
        return out

    @property
    def commands(self) -> list[Any]:
        return [command for group in self._manager.hook.frontlist_commands() for command in group]

    def installed(self) -> list[Installed]:
        points = {point.name: point for point in entry_points(group=GROUP)}
        out = []
        for name, plugin in self._manager.list_name_plugin():
            dist = points[name].dist if name in points else None
            brought = getattr(plugin, "frontlist_consumers", None)
            names = tuple(consumer.name for consumer in brought()) if brought else ()
            out.append(Installed(name, dist.name if dist else "-", dist.version if dist else "-", names))
        return out


def _check(consumer: Consumer) -> None:
    unknown = [str(key) for key in consumer.wants if key.aspect not in ASPECTS]
    if not consumer.wants or unknown:
        raise ConfigurationError(
            f"consumer {consumer.name!r} wants {', '.join(unknown) or 'no document'}",
            where="plugins",
            cure=f"`wants` takes DocumentKey(system, aspect) with an aspect of {', '.join(ASPECTS)}",
        )
