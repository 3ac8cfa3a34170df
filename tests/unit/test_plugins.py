"""Plugins that do not fit refuse to start; the error names the plugin."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from frontlist.contract import Consumer, Context, DocumentKey, Dossier, Plan, Writes
from frontlist.errors import ConfigurationError
from frontlist.plugins import Plugins, hookimpl
from frontlist.system import Opened, System


class Quiet(Consumer):
    """Wants one document and never plans anything."""

    def __init__(self, name: str = "quiet", wants: frozenset[Any] | None = None) -> None:
        self.name, self.flows = name, frozenset({99})
        self.wants = frozenset({DocumentKey("consonance", "metadata")}) if wants is None else wants

    def writes(self, mapping: Any) -> Writes:
        return {}

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        return Plan()


class Bringing:
    """A plugin that brings what it is given; a callable is called."""

    def __init__(self, what: Any) -> None:
        self.what = what

    @hookimpl
    def frontlist_consumers(self) -> Any:
        return self.what() if callable(self.what) else self.what


class Nothing(BaseModel):
    """Settings of a system that needs none."""


class Sealed(System):
    """A system that opens as what it is given."""

    settings: type[BaseModel] = Nothing

    def __init__(self, name: str = "shop", opened: Opened | None = None) -> None:
        self.name, self.opened = name, opened or Opened()

    def open(self, settings: Any, tenant: str) -> Opened:
        return self.opened


class BringingSystems:
    def __init__(self, *systems: Any) -> None:
        self.systems = systems

    @hookimpl
    def frontlist_systems(self) -> Any:
        return self.systems


class Unknown:
    @hookimpl
    def frontlist_consumer(self) -> list[Any]:
        return []


class WrongArguments:
    @hookimpl
    def frontlist_consumers(self, everything: object) -> list[Any]:
        return []


def refused(**given: object) -> str:
    with pytest.raises(ConfigurationError) as raised:
        Plugins(dict(given))
    assert raised.value.cure
    return raised.value.what


def test_consumers_of_all_plugins_are_there() -> None:
    found = Plugins({"a": Bringing([Quiet("one")]), "b": Bringing([Quiet("two")]), "c": Bringing(None)})
    assert sorted(found.consumers) == ["one", "two"]


def test_two_consumers_of_one_name_name_both_plugins() -> None:
    said = refused(first=Bringing([Quiet()]), second=Bringing([Quiet()]))
    assert said == "plugins first and second both bring a consumer named 'quiet'"


def test_systems_and_consumers_of_a_plugin_are_shown() -> None:
    shown = Plugins({"a": Bringing([Quiet()]), "b": BringingSystems(Sealed())}).installed()
    assert [(each.consumers, each.systems) for each in shown] == [(("quiet",), ()), ((), ("shop",))]


def test_two_systems_of_one_name_name_both_plugins() -> None:
    said = refused(first=BringingSystems(Sealed()), second=BringingSystems(Sealed()))
    assert said == "plugins first and second both bring a system named 'shop'"


@pytest.mark.parametrize("name", ["consonance", "fourallportal", "a.b", "a/b", "Shop", ""])
def test_a_system_needs_a_name_of_its_own_that_topics_and_keys_can_hold(name: str) -> None:
    assert refused(odd=BringingSystems(Sealed(name))) == f"plugin odd brings a system named {name!r}"


def test_what_is_no_system_is_refused() -> None:
    assert refused(odd=BringingSystems(object())) == (
        "plugin odd brings a object without name, settings, open: that is no system"
    )


@pytest.mark.parametrize("plugin", [Unknown(), WrongArguments()])
def test_a_hook_that_does_not_exist_or_fit_is_refused(plugin: object) -> None:
    assert "plugin odd cannot be registered" in refused(odd=plugin)


def test_a_hook_that_raises_names_its_plugin() -> None:
    assert refused(odd=Bringing(lambda: 1 / 0)).startswith(
        "plugin odd failed in frontlist_consumers: ZeroDivisionError"
    )


@pytest.mark.parametrize(
    ("brought", "said"),
    [
        (7, "plugin odd failed in frontlist_consumers"),
        ([SimpleNamespace(name="x")], "plugin odd brings a SimpleNamespace without wants, flows, writes, plan"),
        ([Quiet(wants=frozenset())], "consumer 'quiet' wants no document"),
        ([Quiet(wants=frozenset({DocumentKey("consonance", "gossip")}))], "consumer 'quiet' wants consonance.gossip"),
        ([Quiet(wants=frozenset({"rights"}))], "consumer 'quiet' wants rights"),
    ],
)
def test_what_is_no_consumer_is_refused(brought: object, said: str) -> None:
    assert said in refused(odd=Bringing(brought))


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Path]:
    """A folder on the path, where distributions may be put."""
    sys.path.insert(0, str(tmp_path))
    yield tmp_path
    sys.path.remove(str(tmp_path))


def distribution(folder: Path, name: str, entry: str, module: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[frontlist]\n{entry}\n")
    (folder / f"{name}.py").write_text(module)


def test_a_plugin_that_fails_to_import_names_itself_and_its_distribution(installed: Path) -> None:
    distribution(installed, "frontlist_broken_one", "broken = frontlist_broken_one", "raise ImportError('no numpy')\n")
    with pytest.raises(ConfigurationError) as raised:
        Plugins()
    assert raised.value.what == "plugin broken cannot be loaded: ImportError: no numpy"
    assert raised.value.cure == "upgrade or uninstall frontlist_broken_one"


def test_two_distributions_with_one_plugin_name_are_refused(installed: Path) -> None:
    for name in ("frontlist_twin_one", "frontlist_twin_two"):
        distribution(installed, name, f"twin = {name}", "")
    with pytest.raises(ConfigurationError, match="plugin twin cannot be registered"):
        Plugins()
