"""The fifteen documented routes and /health, in the order of section 4.1 of the facts.

| # | route |
|---|---|
| 1 | GET /api/modules/{module}?groups=fields |
| 2-4 | GET, PATCH /api/modules/{module}/objects; GET .../objects/{id} |
| 5 | DELETE .../objects/{id} |
| 6 | GET .../objects/{id}/media/{usage} |
| 7-8 | GET /api/connectors, /api/connectors/{name} |
| 9 | GET /api/connectors/{name}/events/{from}?hash= |
| 10 | GET /api/connectors/{name}/objects?ids=&ids= |
| 11 | GET /api/system/value-options?ids= |
| 12-15 | POST /api/extensions/dam/mounts/data/events/{CREATE,UPDATE,DELETE,MOVE} |
"""

import hmac
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from frontlist_sandbox.fourallportal import mounts, schema
from frontlist_sandbox.fourallportal.answers import failure, object_json, success
from frontlist_sandbox.fourallportal.errors import Refusal
from frontlist_sandbox.fourallportal.feed import PARAMETER_NOT_SET
from frontlist_sandbox.fourallportal.media import Content
from frontlist_sandbox.fourallportal.mounts import Mount
from frontlist_sandbox.fourallportal.portal import Portal

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
MODULE = "/api/modules/{module}"
OBJECTS = f"{MODULE}/objects"
ONE = f"{OBJECTS}/{{id}}"
CONNECTOR = "/api/connectors/{connector}"


@dataclass(frozen=True, slots=True)
class Keys:
    """The API key of an ordinary user and, where it is another one, the system's."""

    user: str
    system: str | None = None


class Api:
    """The HTTP face of the portal."""

    def __init__(self, portal: Portal, mount: Mount, keys: Keys) -> None:
        self.portal = portal
        self.mount = mount
        self.keys = keys

    def routes(self) -> list[Route]:
        return [
            self._route(MODULE, "GET", self.module),
            self._route(OBJECTS, "GET", self.list_objects),
            self._route(OBJECTS, "PATCH", self.upsert),
            self._route(ONE, "GET", self.get_object),
            self._route(ONE, "DELETE", self.delete_object),
            self._route(f"{ONE}/media/{{usage}}", "GET", self.media),
            self._route("/api/connectors", "GET", self.connectors),
            self._route(CONNECTOR, "GET", self.connector),
            self._route(f"{CONNECTOR}/events/{{start}}", "GET", self.events),
            self._route(f"{CONNECTOR}/objects", "GET", self.connector_objects),
            self._route("/api/system/value-options", "GET", self.value_options),
            self._route("/api/extensions/dam/mounts/{mount}/events/{event}", "POST", self.mount_event),
            Route("/health", self.health, methods=["GET"]),
        ]

    async def module(self, request: Request) -> Response:
        found = self.portal.schema.module(request.path_params["module"])
        groups = request.query_params.getlist("groups")
        return self._success(found.as_json(with_fields="fields" in groups))

    async def list_objects(self, request: Request) -> Response:
        module, toggles = request.path_params["module"], self.portal.toggles
        names = self._fields(module, request.query_params.getlist("fields"))
        limit = min(_number(request, "limit", toggles.default_limit), toggles.max_limit)
        records, total = self.portal.page(module, _number(request, "offset", 0), limit)
        counted = {"total_count": total} if request.query_params.get("totalCount") == "true" else {}
        return self._success({**counted, "result": [object_json(r, names, toggles) for r in records]})

    async def get_object(self, request: Request) -> Response:
        module = request.path_params["module"]
        names = self._fields(module, request.query_params.getlist("fields"))
        record = self.portal.get(module, request.path_params["id"])
        return self._success(object_json(record, names, self.portal.toggles))

    async def upsert(self, request: Request) -> Response:
        items = await _json(request)
        if not isinstance(items, list):
            raise Refusal(400, "the body must be an array of objects")
        reply = self.portal.upsert(request.path_params["module"], items)
        if reply.refused and self.portal.toggles.arrays != "silent":
            first, more = reply.refused[0], len(reply.refused) - 1
            raise Refusal(first.status, f"{first.message} (and {more} more)" if more else first.message)
        return self._success(reply.ids)

    async def delete_object(self, request: Request) -> Response:
        self.portal.delete(request.path_params["module"], request.path_params["id"])
        return Response(status_code=204)

    async def media(self, request: Request) -> Response:
        path = request.path_params
        content = self.portal.media(path["module"], path["id"], path["usage"])
        return Response(status_code=202) if content is None else _download(content)

    async def connectors(self, request: Request) -> Response:
        known = self.portal.feed.connectors.values()
        return self._success([{"connector_name": one.config.name, "module_name": one.config.module} for one in known])

    async def connector(self, request: Request) -> Response:
        found = self.portal.feed.connector(request.path_params["connector"])
        return self._success(found.as_json(self.portal.schema))

    async def events(self, request: Request) -> Response:
        start = request.path_params["start"]
        if not start.isdecimal():
            raise Refusal(400, f"event id {start!r}: expected a whole number >= 0")
        name, pinned = request.path_params["connector"], request.query_params.get("hash")
        self.portal.feed.connector(name)
        if pinned is None and self.portal.toggles.wrong_hash == "refuse":
            raise Refusal(400, "parameter 'hash' is missing", PARAMETER_NOT_SET)
        return self._success([asdict(event) for event in self.portal.events(name, int(start), pinned)])

    async def connector_objects(self, request: Request) -> Response:
        name, toggles = request.path_params["connector"], self.portal.toggles
        names = self.portal.feed.connector(name).field_names(self.portal.schema)
        found = self.portal.seen(name, request.query_params.getlist("ids"))
        return self._success([object_json(record, names, toggles) for record in found])

    async def value_options(self, request: Request) -> Response:
        keys = request.query_params.getlist("ids")
        if not keys:
            raise Refusal(400, "parameter 'ids' is missing", PARAMETER_NOT_SET)
        found = {key: groups for key in keys if (groups := self._groups(key)) is not None}
        return self._success({key: {"groups": groups} for key, groups in found.items()})

    async def mount_event(self, request: Request) -> Response:
        event, name = request.path_params["event"], request.path_params["mount"]
        if name != mounts.MOUNT or event not in ("CREATE", "UPDATE", "DELETE", "MOVE"):
            raise Refusal(404, f"there is no event '{event}' of mount '{name}'")
        body = await _json(request)
        if not isinstance(body, dict):
            raise Refusal(400, 'the body must be {"path": "folder/file.jpg"}')
        destination = body.get("destination")
        self.mount.handle(
            event, mounts.clean(body.get("path")), None if destination is None else mounts.clean(destination)
        )
        return Response(status_code=200)

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "UP"})

    def _route(self, path: str, method: str, endpoint: Endpoint) -> Route:
        async def guarded(request: Request) -> Response:
            try:
                self._authenticate(request)
                return await endpoint(request)
            except Refusal as refusal:
                return failure(refusal, self.portal.toggles)

        return Route(path, guarded, methods=[method])

    def _authenticate(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        is_user = self.portal.toggles.key_enabled and _same(given, self.keys.user)
        is_system = is_user if self.keys.system is None else _same(given, self.keys.system)
        if scheme.lower() != "bearer" or not (is_user or is_system):
            raise Refusal(401, "the API key is missing, unknown, disabled or no longer valid")
        for_system = self.portal.toggles.mounts_need_system_key and "/mounts/" in request.url.path
        if for_system and not is_system:
            raise Refusal(403, "mount events are for the system API key")

    def _success(self, body: object) -> Response:
        return success(body, self.portal.toggles)

    def _fields(self, module: str, asked: Sequence[str]) -> list[str]:
        known = self.portal.schema.module(module).fields
        stray = [name for name in asked if name not in known and name not in schema.SYSTEM]
        if stray:
            raise Refusal(400, f"field {stray[0]}: module '{module}' has no such field")
        return [name for name in known if name in asked] if asked else list(known)

    def _groups(self, key: str) -> list[dict[str, Any]] | None:
        module, _, suffix = key.rpartition(".")
        if suffix == "referenced_by" and module in self.portal.schema.modules:
            return _referring(self.portal.schema, module)
        if key not in self.portal.schema.options:
            return None
        return [{"key": key, "items": [{"key": i, "icon": None} for i in self.portal.schema.options[key]]}]


def _referring(tenant: schema.Schema, module: str) -> list[dict[str, Any]]:
    groups: dict[str, list[dict[str, str]]] = {}
    for parent, one in tenant.referenced_by(module):
        icon = "V-OBJECT_LINK" if one.type.endswith("ObjectLink") else "V-FIELD_LINK"
        groups.setdefault(parent, []).append({"key": f"{parent}_{one.name}", "icon": icon})
    return [{"key": parent, "items": items} for parent, items in groups.items()]


def _same(given: str, key: str) -> bool:
    return hmac.compare_digest(given.encode(), key.encode())


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is not None and not text.isdecimal():
        raise Refusal(400, f"parameter '{name}': {text!r} is no whole number >= 0")
    return default if text is None else int(text)


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise Refusal(400, f"the body is not JSON: {error}") from error


def _download(content: Content) -> Response:
    # The plain form is what clients search for; the other one carries what ASCII cannot.
    plain = content.name.encode("ascii", "replace").decode().replace('"', "'")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(content.name)}"
    return Response(content.data, media_type=content.mimetype, headers={"Content-Disposition": disposition})
