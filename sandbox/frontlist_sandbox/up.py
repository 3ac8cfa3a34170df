"""Both sandboxes in this process: what `frontlist sandbox up` and `frontlist demo` start.

with up(Wanted(catalogue=(Path("onix.xml"),))) as running:
    httpx.get(f"{running.consonance.url}/sandbox/state")
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from frontlist_sandbox import serving
from frontlist_sandbox.catalogue.bundled import bundled
from frontlist_sandbox.catalogue.loading import load
from frontlist_sandbox.consonance.model import Noted, Rejected, Tenant
from frontlist_sandbox.consonance.server import app as consonance_app
from frontlist_sandbox.fourallportal.server import KEY as DAM_KEY
from frontlist_sandbox.fourallportal.server import app as fourallportal_app

Name: TypeAlias = Literal["consonance", "fourallportal"]
NAMES: tuple[Name, ...] = ("consonance", "fourallportal")
HOST = "127.0.0.1"
KEY = "0123456789abcdef0123456789abcdef"
"""Anything works; Consonance's keys look like this."""


class UnusableError(Exception):
    """The sandboxes cannot start: what happened, where, and what cures it."""

    def __init__(self, what: str, *, where: str, cure: str) -> None:
        self.what, self.where, self.cure = what, where, cure
        super().__init__(f"{what} ({where}). Cure: {cure}")


@dataclass(frozen=True)
class Address:
    """Where a sandbox listens; port 0 takes a free one."""

    host: str = HOST
    port: int = 0

    @classmethod
    def of(cls, text: str, where: str) -> Address:
        """`HOST:PORT`, `:PORT` or `PORT`; raises UnusableError."""
        host, _, port = text.rpartition(":")
        if not port.isascii() or not port.isdigit() or int(port) > 65_535:
            raise UnusableError(f"{text!r} is no address", where=where, cure=f"write {HOST}:8801")
        return cls(host or HOST, int(port))


@dataclass(frozen=True)
class Wanted:
    """What to start. Without files the bundled catalogue is served; `beside` adds the files to it."""

    catalogue: tuple[Path, ...] = ()
    beside: bool = False
    names: tuple[Name, ...] = NAMES
    consonance: Address = field(default_factory=Address)
    fourallportal: Address = field(default_factory=Address)
    key: str = KEY
    dam_key: str = DAM_KEY
    page_size: int = 50
    locales: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Served:
    """One sandbox that answers."""

    name: Name
    url: str
    key: str

    @property
    def controls(self) -> str:
        """Where one sees, edits and breaks it."""
        return f"{self.url}/sandbox/state"


@dataclass(frozen=True)
class Up:
    """What runs; `tenant` is empty where Consonance is not among it."""

    served: tuple[Served, ...]
    tenant: Tenant

    def __getitem__(self, name: Name) -> Served:
        return next(each for each in self.served if each.name == name)

    @property
    def rejected(self) -> list[Rejected]:
        return self.tenant.rejected

    @property
    def noted(self) -> list[Noted]:
        return self.tenant.noted


@contextmanager
def up(wanted: Wanted) -> Iterator[Up]:
    """Both, or those of `names`, until the block ends; raises UnusableError."""
    tenant = catalogue(wanted, datetime.now(UTC).date()) if "consonance" in wanted.names else Tenant()
    with ExitStack() as running:
        served = tuple(_serve(running, name, wanted, tenant) for name in NAMES if name in wanted.names)
        yield Up(served, tenant)


def catalogue(wanted: Wanted, today: date) -> Tenant:
    """The tenant that is served; raises UnusableError where a file cannot be read or nothing in them be used."""
    for path in wanted.catalogue:
        _readable(path)
    if not wanted.catalogue:
        return bundled(today)
    tenant = load(wanted.catalogue, today=today, tenant=bundled(today) if wanted.beside else None)
    if not tenant.products:
        first = f"; the first: {tenant.rejected[0].reason}" if tenant.rejected else ""
        raise UnusableError(
            f"no product could be used, {len(tenant.rejected)} records were rejected{first}",
            where=", ".join(map(str, wanted.catalogue)),
            cure="give a file of ONIX 3.0 or 3.1",
        )
    return tenant


def _readable(path: Path) -> None:
    if not path.exists():
        raise UnusableError("the file does not exist", where=str(path), cure="check the path after --catalogue")
    if path.is_dir():
        raise UnusableError("this is a folder", where=str(path), cure="name the files in it, each after --catalogue")
    if not os.access(path, os.R_OK):
        raise UnusableError("the file may not be read", where=str(path), cure=f"chmod a+r {path.name}")


def _serve(running: ExitStack, name: Name, wanted: Wanted, tenant: Tenant) -> Served:
    if name == "consonance":
        at, key = wanted.consonance, wanted.key
        app = consonance_app(tenant, key=key, page_size=wanted.page_size)
    else:
        at, key = wanted.fourallportal, wanted.dam_key
        app = fourallportal_app(key, locales=wanted.locales, channels=wanted.channels)
    try:
        server = running.enter_context(serving.serve(app, host=at.host, port=at.port))
    except OSError as error:
        raise UnusableError(
            f"cannot listen on {at.host}:{at.port}: {os.strerror(error.errno) if error.errno else error}",
            where=f"--{name}",
            cure=f"end what listens there, or choose another port: --{name} {at.host}:0 takes a free one",
        ) from error
    return Served(name, server.url, key)
