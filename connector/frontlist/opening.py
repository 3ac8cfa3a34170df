"""Opening the further systems that plugins bring, each with its section of frontlist.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from frontlist.contract import ASPECTS
from frontlist.errors import ConfigurationError
from frontlist.system import Opened, System


def open_all(brought: Mapping[str, System], said: Mapping[str, Mapping[str, Any]], tenant: str) -> dict[str, Opened]:
    """The systems that the configuration has a section for; raises ConfigurationError with the section's name."""
    for name in said:
        if name not in brought:
            raise ConfigurationError(
                f"no plugin brings a system named {name!r}",
                where=f"systems.{name}",
                cure="install its plugin (`frontlist plugins` lists what is there), or take the section out",
            )
    return {name: _open(brought[name], section, tenant) for name, section in said.items()}


def _open(system: System, section: Mapping[str, Any], tenant: str) -> Opened:
    where = f"systems.{system.name}"
    try:
        settings = system.settings.model_validate(section)
    except ValidationError as error:
        said = [(".".join((where, *map(str, each["loc"]))), each["msg"]) for each in error.errors()]
        raise ConfigurationError(
            "; ".join(f"{place}: {what.removeprefix('Value error, ')}" for place, what in said),
            where=where,
            cure=f"correct it there, or by the environment variable FRONTLIST_{said[0][0].upper().replace('.', '__')}",
        ) from None
    opened = system.open(settings, tenant)
    for part in (opened.target, opened.source):
        if part is not None and part.name != system.name:
            raise ConfigurationError(
                f"the system {system.name!r} opened a {type(part).__name__} named {part.name!r}",
                where=where,
                cure="upgrade its plugin: target and source bear the system's name",
            )
    unknown = sorted(set(opened.source.aspects) - set(ASPECTS)) if opened.source else []
    if unknown:
        raise ConfigurationError(
            f"the system {system.name!r} makes documents of unknown aspects: {', '.join(unknown)}",
            where=where,
            cure=f"aspects are {', '.join(ASPECTS)}",
        )
    return opened
