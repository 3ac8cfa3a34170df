"""What only a sandbox offers, all under /sandbox/ and without a key.

| route | does |
|---|---|
| GET /sandbox/state | counts of objects, events and writes, toggles |
| GET, PATCH /sandbox/toggles | the behaviours that are open |
| POST /sandbox/clock | `{"advance_seconds": 3600}` |
| POST /sandbox/reset | the tenant as it started: no objects, events, bytes; schema, toggles, clock too |
| GET /sandbox/objects/{module}?deleted=true | everything in it as stored, deleted objects too |
| POST /sandbox/objects/{module} | a person creates or edits; an array too; bare values; `"deleted": true` |
| DELETE /sandbox/objects/{module}/{id} | a person deletes; `?purge=true` forgets it without an event |
| PUT /sandbox/objects/{module}/{id}/media | new content: the body; `?name=cover.jpg`, Content-Type |
| PUT, DELETE /sandbox/schema/{module}/fields/{name} | defines (`{"type": "CEVarchar", ...}`) or drops a field |
| PUT /sandbox/value-options/{key} | the items, as an array of strings |
| PUT /sandbox/connectors/{name} | `{"module": ..., "condition": "4APQL", "fields": [...]}` |
| PUT, DELETE /sandbox/mounts/data/{path} | bytes in the mount, without an event; `?folder=true` makes a folder |
| POST /sandbox/mounts/data/{path} | `{"destination": ...}` moves them |
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from frontlist_sandbox.fourallportal import cells, mounts
from frontlist_sandbox.fourallportal.clock import stamp
from frontlist_sandbox.fourallportal.errors import Refusal
from frontlist_sandbox.fourallportal.media import Content
from frontlist_sandbox.fourallportal.mounts import Mount
from frontlist_sandbox.fourallportal.portal import Portal
from frontlist_sandbox.fourallportal.records import Record
from frontlist_sandbox.fourallportal.schema import ConnectorConfig
from frontlist_sandbox.fourallportal.toggles import Toggles

Endpoint: TypeAlias = Callable[[Request], Awaitable[object]]


class Controls:
    """The sandbox's own routes."""

    def __init__(self, portal: Portal, mount: Mount) -> None:
        self.portal = portal
        self.mount = mount

    def routes(self) -> list[Route]:
        field, one = "/sandbox/schema/{module}/fields/{name}", "/sandbox/objects/{module}/{id}"
        mounted = "/sandbox/mounts/data/{path:path}"
        return [
            _route("/sandbox/state", "GET", self.state),
            _route("/sandbox/toggles", "GET", self.toggles),
            _route("/sandbox/toggles", "PATCH", self.set_toggles),
            _route("/sandbox/clock", "POST", self.advance),
            _route("/sandbox/reset", "POST", self.reset),
            _route("/sandbox/objects/{module}", "GET", self.dump),
            _route("/sandbox/objects/{module}", "POST", self.edit),
            _route(one, "DELETE", self.delete),
            _route(f"{one}/media", "PUT", self.upload),
            _route(field, "PUT", self.add_field),
            _route(field, "DELETE", self.remove_field),
            _route("/sandbox/value-options/{key}", "PUT", self.set_options),
            _route("/sandbox/connectors/{name}", "PUT", self.set_connector),
            _route(mounted, "PUT", self.store),
            _route(mounted, "POST", self.rename),
            _route(mounted, "DELETE", self.remove),
        ]

    async def state(self, request: Request) -> object:
        portal = self.portal
        return {
            "modules": {name: _counts(portal, name) for name in portal.shelves},
            "connectors": {
                name: {
                    "hash": one.hash(portal.schema),
                    "events": len(one.events),
                    "last_event_id": one.events[-1].id if one.events else 0,
                }
                for name, one in portal.feed.connectors.items()
            },
            "toggles": portal.toggles.as_json(),
            "now": stamp(portal.clock.now()),
        }

    async def toggles(self, request: Request) -> object:
        return self.portal.toggles.as_json()

    async def set_toggles(self, request: Request) -> object:
        self.portal.toggles = self.portal.toggles.changed(await _object(request))
        return self.portal.toggles.as_json()

    async def advance(self, request: Request) -> object:
        self.portal.clock.advance(float((await _object(request))["advance_seconds"]))
        return {"now": stamp(self.portal.clock.now())}

    async def reset(self, request: Request) -> object:
        self.portal.reset()
        self.mount.contents.clear()
        self.mount.folders.clear()
        return {}

    async def dump(self, request: Request) -> object:
        shelf = self.portal.shelf(request.path_params["module"])
        gone = shelf.deleted.values() if request.query_params.get("deleted") == "true" else ()
        return [_raw(record) for record in (*shelf.visible.values(), *gone)]

    async def edit(self, request: Request) -> object:
        body = json.loads(await request.body())
        items: list[dict[str, Any]] = body if isinstance(body, list) else [body]
        return [self._edit(request.path_params["module"], dict(item)) for item in items]

    def _edit(self, module: str, item: dict[str, Any]) -> str:
        deleted = item.pop("deleted", False)
        record_id = self.portal.edit(module, item)
        if deleted:
            self.portal.delete(module, record_id, "person")
        return record_id

    async def delete(self, request: Request) -> object:
        module, record_id = request.path_params["module"], request.path_params["id"]
        if request.query_params.get("purge") == "true":
            self.portal.forget(module, record_id)
        else:
            self.portal.delete(module, record_id, "person")
        return {}

    async def upload(self, request: Request) -> object:
        module, record_id = request.path_params["module"], request.path_params["id"]
        data = await request.body()
        stored = self.portal.get(module, record_id).first("name")
        name = request.query_params.get("name") or str(stored or record_id)
        kind = request.headers.get("content-type") or mounts.mimetype(name)
        self.portal.set_content(module, record_id, Content(name, kind, data))
        return {"id": record_id, "bytes": len(data)}

    async def add_field(self, request: Request) -> object:
        path = request.path_params
        return self.portal.schema.add_field(path["module"], path["name"], await _object(request)).as_json()

    async def remove_field(self, request: Request) -> object:
        self.portal.remove_field(request.path_params["module"], request.path_params["name"])
        return {}

    async def set_options(self, request: Request) -> object:
        items = [str(item) for item in json.loads(await request.body())]
        self.portal.schema.options[request.path_params["key"]] = items
        return items

    async def set_connector(self, request: Request) -> object:
        name, body = request.path_params["name"], await _object(request)
        chosen = tuple(body["fields"]) if body.get("fields") is not None else None
        self.portal.schema.module(body["module"])
        self.portal.feed.configure(ConnectorConfig(name, body["module"], body.get("condition", ""), chosen))
        return self.portal.feed.connector(name).as_json(self.portal.schema)

    async def store(self, request: Request) -> object:
        path = mounts.clean(request.path_params["path"])
        if request.query_params.get("folder") == "true":
            self.mount.folders.add(path)
        else:
            self.mount.contents[path] = await request.body()
        return {"path": path}

    async def rename(self, request: Request) -> object:
        destination = mounts.clean((await _object(request)).get("destination"))
        self.mount.rename(mounts.clean(request.path_params["path"]), destination)
        return {"path": destination}

    async def remove(self, request: Request) -> object:
        self.mount.remove(mounts.clean(request.path_params["path"]))
        return {}


def _route(path: str, method: str, endpoint: Endpoint) -> Route:
    async def guarded(request: Request) -> Response:
        try:
            return JSONResponse(await endpoint(request))
        except Refusal as refusal:
            return JSONResponse({"error": refusal.message}, refusal.status)
        except (KeyError, TypeError, ValueError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 422)

    return Route(path, guarded, methods=[method])


async def _object(request: Request) -> dict[str, Any]:
    body = json.loads(await request.body())
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    return body


def _counts(portal: Portal, module: str) -> dict[str, object]:
    shelf = portal.shelf(module)
    images = sum(record.content is not None for record in shelf.visible.values())
    return {
        "visible": len(shelf.visible),
        "deleted": len(shelf.deleted),
        "with_media": images,
        "writes": dict(portal.writes[module]),
    }


def _raw(record: Record) -> dict[str, object]:
    return {
        "id": record.id,
        "module": record.module,
        "deleted": record.deleted_at is not None,
        "deleted_at": record.deleted_at and stamp(record.deleted_at),
        "mod_time": stamp(record.mod_time),
        "mod_time_img": record.mod_time_img and stamp(record.mod_time_img),
        "bytes": len(record.content.data) if record.content else None,
        "fields": {name: cells.shown(held, Toggles()) for name, held in record.values.items()},
    }
