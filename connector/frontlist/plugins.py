"""Plugins register consumers, systems and commands; events are never dispatched through them.

A plugin is a module or object in the entry-point group `frontlist` with one or more of the hooks below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points, version
from typing import Any

import pluggy

from frontlist import system
from frontlist.contract import ASPECTS, Consumer
from frontlist.errors import ConfigurationError
from frontlist.system import System

GROUP = "frontlist"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Hooks:
    """What a plugin may implement, each with `@hookimpl`."""

    @hookspec
    def frontlist_consumers(self) -> Sequence[Consumer]:  # type: ignore[empty-body]  # a hook has no body
        """The consumers that this plugin brings; names are unique over all plugins."""

    @hookspec
    def frontlist_systems(self) -> Sequence[System]:  # type: ignore[empty-body]  # a hook has no body
        """The systems that this plugin brings beside our two; each is opened where `systems.<name>` configures it."""

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
    systems: tuple[str, ...]


class Plugins:
    """All plugins of one run: those of the entry points, or the objects given (for tests)."""

    def __init__(self, given: dict[str, Any] | None = None) -> None:
        self._points = entry_points(group=GROUP)
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(Hooks)
        for name, plugin in self._loaded() if given is None else given.items():
            self._register(name, plugin)
        self.consumers: dict[str, Consumer] = self._named("frontlist_consumers", "consumer", _check)
        self.systems: dict[str, System] = self._named("frontlist_systems", "system", system.check)

    def _loaded(self) -> Iterator[tuple[str, Any]]:
        for point in sorted(self._points, key=lambda each: each.name):
            try:
                plugin = point.load()
            except Exception as error:
                raise ConfigurationError(
                    f"plugin {point.name} cannot be loaded: {type(error).__name__}: {error}",
                    where=point.value,
                    cure=f"upgrade or uninstall {point.dist.name if point.dist else 'its distribution'}",
                ) from error
            yield point.name, plugin

    def _register(self, name: str, plugin: Any) -> None:
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
        except (ValueError, pluggy.PluginValidationError) as error:
            raise ConfigurationError(
                f"plugin {name} cannot be registered: {error}",
                where="plugins",
                cure="implement only the hooks of `frontlist.plugins.Hooks`; two plugins need two names",
            ) from error

    def _brought(self, hook: str) -> Iterator[tuple[str, Any]]:
        """(plugin, what it brings) of a hook. Each is called alone, so that an error names its plugin."""
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            name = implementation.plugin_name
            try:
                brought = list(implementation.function() or ())
            except Exception as error:
                raise ConfigurationError(
                    f"plugin {name} failed in {hook}: {type(error).__name__}: {error}",
                    where="plugins",
                    cure=f"upgrade or uninstall {name}",
                ) from error
            yield from ((name, each) for each in brought)

    def _named(self, hook: str, what: str, check: Callable[[Any, str], None]) -> dict[str, Any]:
        """What a hook brings, by name; refuses two of one name."""
        out: dict[str, Any] = {}
        by: dict[str, str] = {}
        for plugin, each in self._brought(hook):
            check(each, plugin)
            if each.name in out:
                raise ConfigurationError(
                    f"plugins {by[each.name]} and {plugin} both bring a {what} named {each.name!r}",
                    where="plugins",
                    cure="uninstall one of them",
                )
            out[each.name], by[each.name] = each, plugin
        return out

    @property
    def commands(self) -> list[Any]:
        return [command for _, command in self._brought("frontlist_commands")]

    def releases(self) -> dict[str, str]:
        """Consumer -> the versions of Frontlist and of its plugin."""
        ours = version("frontlist")
        return {name: f"{ours} {each.version}" for each in self.installed() for name in each.consumers}

    def installed(self) -> list[Installed]:
        points = {point.name: point for point in self._points}
        out = []
        for name, plugin in self._manager.list_name_plugin():
            dist = points[name].dist if name in points else None
            consumers, systems = (_names(plugin, f"frontlist_{what}") for what in ("consumers", "systems"))
            out.append(Installed(name, dist.name if dist else "-", dist.version if dist else "-", consumers, systems))
        return out


def _names(plugin: Any, hook: str) -> tuple[str, ...]:
    brought = getattr(plugin, hook, None)
    return tuple(each.name for each in brought() or ()) if brought else ()


def _check(consumer: Any, plugin: str) -> None:
    lacking = [name for name in ("name", "wants", "flows", "writes", "plan") if not hasattr(consumer, name)]
    if lacking:
        raise ConfigurationError(
            f"plugin {plugin} brings a {type(consumer).__name__} without {', '.join(lacking)}: that is no consumer",
            where="plugins",
            cure="see `frontlist.Consumer` for what a consumer is",
        )
    unknown = [str(key) for key in consumer.wants if getattr(key, "aspect", None) not in ASPECTS]
    if not consumer.wants or unknown:
        raise ConfigurationError(
            f"consumer {consumer.name!r} wants {', '.join(unknown) or 'no document'}",
            where="plugins",
            cure=f"`wants` takes DocumentKey(system, aspect) with an aspect of {', '.join(ASPECTS)}",
        )
