"""The one list of names and behaviours that the sandboxes offer and no public source states.

A system states its own in a module `assumed` beside its server, as a plain tuple:

    ASSUMPTIONS = (Assumption("consonance.payload-errors", "consonance", what="...", why="..."),)

`docs/assumptions.md` is generated from `collect()`, and `frontlist check` reports each of them as confirmed,
refuted or unknown. Standard library only: the connector reads this list where no sandbox is installed.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

SYSTEMS = ("consonance", "fourallportal", "catalogue")


@dataclass(frozen=True, slots=True)
class Assumption:
    """Something the sandbox does that a real tenant may do otherwise.

    `probes` say how a program may settle it, each `<scheme>:<what>`: `graphql:Type.field` (there by
    introspection?), `http:METHOD /path` (answers other than 404?). None means that a person has to look.
    """

    id: str
    system: str
    what: str
    why: str
    probes: tuple[str, ...] = ()


def collect() -> tuple[Assumption, ...]:
    """All assumptions of all systems in order of id; an id stated twice is our bug and refuses."""
    found = tuple(sorted((a for system in SYSTEMS for a in _of(system)), key=lambda a: a.id))
    twice = [name for name, times in Counter(a.id for a in found).items() if times > 1]
    if twice:
        raise ValueError(f"assumptions stated twice: {', '.join(twice)}; give each its own id")
    return found


def _of(system: str) -> Iterable[Assumption]:
    name = f"frontlist_sandbox.{system}.assumed"
    if importlib.util.find_spec(name) is None:
        return ()
    stated: tuple[Assumption, ...] = importlib.import_module(name).ASSUMPTIONS
    return stated
