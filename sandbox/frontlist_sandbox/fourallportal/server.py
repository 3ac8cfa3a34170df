"""The 4ALLPORTAL sandbox as an ASGI application, everything in memory."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from frontlist_sandbox.faults import Watched
from frontlist_sandbox.fourallportal import schema
from frontlist_sandbox.fourallportal.answers import failure
from frontlist_sandbox.fourallportal.api import Api, Keys
from frontlist_sandbox.fourallportal.clock import Clock
from frontlist_sandbox.fourallportal.controls import Controls
from frontlist_sandbox.fourallportal.errors import Refusal
from frontlist_sandbox.fourallportal.mounts import Mount
from frontlist_sandbox.fourallportal.portal import Portal
from frontlist_sandbox.fourallportal.toggles import Toggles

KEY = "75d6a19f-7e44-4ae5-b81f-7292bc9f774d"
"""The vendor's own example of an API key."""


def app(
    key: str = KEY,
    *,
    system_key: str | None = None,
    locales: Sequence[str] = (),
    channels: Sequence[str] = (),
    schema_file: Path | None = None,
    toggles: Toggles | None = None,
    clock: Clock | None = None,
    seed: int = 0,
) -> Starlette:
    """A fresh tenant: the modules of the schema file (default: the bundled one), no objects.

    `locales` and `channels` replace those of the schema; ids that the portal chooses come from `seed`.
    """
    load = partial(schema.load, schema_file, tuple(locales), tuple(channels))
    portal = Portal(load, toggles or Toggles(), clock or Clock(), seed)
    mount = Mount(portal)
    routes = [*Api(portal, mount, Keys(key, system_key)).routes(), *Controls(portal, mount).routes()]

    async def unrouted(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return failure(Refusal(error.status_code, error.detail), portal.toggles)

    made = Starlette(routes=routes, middleware=[Middleware(Watched)], exception_handlers={HTTPException: unrouted})
    made.state.portal = portal
    return made
