"""The documented routes of 4ALLPORTAL as typed calls (facts 4.1).

Errors are those of `frontlist.http`, also where a body says so under HTTP 200. Numbers with a fraction are read as
text: nothing inside Frontlist is a float.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError, field_validator

from frontlist.errors import Refuse, Retry, Stop
from frontlist.http import Api, excerpt, failure
from frontlist.systems.fourallportal.modules import Described, Module

#: One PATCH carries no more; the real bound is UNKNOWN.
BATCH = 100
#: Ids in one query: 36 characters each must fit into a request line of 8 KiB.
IDS = 100
#: The feed gives no more in one answer.
EVENTS = 1000
DELETED = 0
_Model = TypeVar("_Model", bound=BaseModel)
#: An object as the API answers it: scalars for id, module, type and mod_time, cells for all others.
ApiObject = Mapping[str, Any]


class Conflict(Refuse):
    """409: the object is in a state that forbids the write, e.g. it was deleted (INFERENCE)."""


class Connector(Described):
    """A feed's configuration; `fields` empty = not stated."""

    module_name: str
    hash: str
    fields: tuple[str, ...] = ()

    @field_validator("fields", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return [one.get("name") if isinstance(one, dict) else one for one in value or ()]


class Event(Described):
    """Something that happened to an object: 0 deleted, 1 updated, 2 created."""

    id: int
    object_id: str
    event_type: int = 1


class Client:
    """Calls of one tenant; holds no state."""

    def __init__(self, api: Api) -> None:
        self._api = api

    # -- modules ---------------------------------------------------------------------------------

    async def module(self, name: str) -> Module:
        """The module with its fields."""
        where = f"/api/modules/{_part(name)}"
        return _parsed(Module, await self._read(where, [("groups", "fields")]), where)

    async def options(self, keys: Sequence[str]) -> dict[str, frozenset[str]]:
        """What each value option key allows; a key that the tenant does not answer is missing."""
        if not keys:
            return {}
        path = "/api/system/value-options"
        body = await self._read(path, [("ids", key) for key in keys], allow=frozenset({400, 404}))
        return _options(body)

    # -- objects ---------------------------------------------------------------------------------

    async def objects(self, module: str, fields: Sequence[str], *, limit: int = 100) -> AsyncIterator[ApiObject]:
        """All objects of a module, page by page (a sweep: what is added or deleted meanwhile may be missed)."""
        path, offset = f"/api/modules/{_part(module)}/objects", 0
        while True:
            window = [("offset", str(offset)), ("limit", str(limit))]
            body = await self._read(path, [*_fields(fields), *window, ("totalCount", "true")])
            page = body.get("result") if isinstance(body, dict) else body
            # A server may give fewer than asked for, so only an empty page ends the list.
            if not page:
                return
            for one in _objects(page, path):
                yield one
            offset += len(page)

    async def count(self, module: str) -> int | None:
        """How many objects the key's user sees; None where the tenant does not say."""
        path = f"/api/modules/{_part(module)}/objects"
        body = await self._read(path, [("fields", "id"), ("limit", "1"), ("totalCount", "true")])
        total = body.get("total_count") if isinstance(body, dict) else None
        return int(total) if isinstance(total, int | str) else None

    async def get(self, module: str, id: str, fields: Sequence[str] = ()) -> ApiObject | None:
        """The object; None = 404, which an unknown module answers too: ask `module` before believing it."""
        path = f"/api/modules/{_part(module)}/objects/{_part(id)}"
        body = await self._read(path, _fields(fields), allow=frozenset({404}))
        return None if body is None else _objects([body], path)[0]

    async def upsert(
        self, module: str, objects: Sequence[Mapping[str, Any]], deadline: float | None = None
    ) -> list[str]:
        """Create or update up to 100; the ids as answered, which need not be all, nor in order."""
        assert len(objects) <= BATCH
        path = f"/api/modules/{_part(module)}/objects"
        response = await self._api.call("PATCH", path, json=list(objects), deadline=deadline, allow=frozenset({409}))
        status, body = _body(response, f"{self._api.system} PATCH {path}", changes=True, allow=frozenset({409}))
        if status == 409:
            raise Conflict(f"409: {excerpt(response)}", where=f"{self._api.system} PATCH {path}")
        if not isinstance(body, list):
            raise Stop("the answer to PATCH is no array of ids", where=path, maybe_done=True)
        return [str(one.get("id") if isinstance(one, dict) else one) for one in body]

    async def delete(self, module: str, id: str, deadline: float | None = None) -> bool:
        """Delete softly; False where the object was not there."""
        path = f"/api/modules/{_part(module)}/objects/{_part(id)}"
        response = await self._api.call("DELETE", path, deadline=deadline, allow=frozenset({404}))
        if response.status_code == 404:
            return False
        if response.content:
            return _body(response, f"{self._api.system} DELETE {path}", changes=True, allow=frozenset({404}))[0] != 404
        return True

    # -- the change feed -------------------------------------------------------------------------

    async def connectors(self) -> list[Any]:
        """Every connector as the tenant lists it; also the cheapest probe of a key."""
        body = await self._read("/api/connectors")
        return list(body.values()) if isinstance(body, dict) else list(body or ())

    async def connector(self, name: str) -> Connector:
        """The configuration of a feed as it is now."""
        path = f"/api/connectors/{_part(name)}"
        return _parsed(Connector, await self._read(path), path)

    async def events(self, connector: str, start: int, pinned: str) -> list[Event]:
        """Up to 1,000 events from an id on, rising; 0 sets off a rebuild."""
        path = f"/api/connectors/{_part(connector)}/events/{start}"
        body = await self._read(path, [("hash", pinned)])
        return sorted((_parsed(Event, one, path) for one in body or ()), key=lambda event: event.id)

    async def connector_objects(self, connector: str, ids: Sequence[str]) -> list[ApiObject]:
        """Those of the ids that the connector sees, with its fields; the others are left out without a word."""
        path, found = f"/api/connectors/{_part(connector)}/objects", []
        for start in range(0, len(ids), IDS):
            part = [("ids", one) for one in ids[start : start + IDS]]
            found += _objects(await self._read(path, part) or [], path)
        return found

    async def _read(
        self, path: str, params: Sequence[tuple[str, str]] = (), allow: frozenset[int] = frozenset()
    ) -> Any:
        """The body; None where the status is one of `allow`."""
        response = await self._api.call("GET", path, params=params, allow=allow)
        status, body = _body(response, f"{self._api.system} GET {path}", changes=False, allow=allow)
        return None if status in allow else body


def _body(response: httpx.Response, where: str, *, changes: bool, allow: frozenset[int]) -> tuple[int, Any]:
    """Status and body, the HTTP status first, then what the body says of itself."""
    if response.status_code in allow:
        return response.status_code, None
    try:
        body = json.loads(response.content, parse_float=str, parse_constant=str)
    except ValueError:
        # A gateway's page, or an answer that was cut.
        raise Retry(f"the answer is no JSON: {excerpt(response)}", where=where, maybe_done=changes) from None
    said = _said(body)
    if said is None:
        return response.status_code, _unwrapped(body)
    if said in allow:
        return said, None
    raise failure(httpx.Response(said, headers=response.headers, content=response.content), where, changes)


def _said(body: Any) -> int | None:
    """The status of an error object; an object of a module has an id, and cells where others have a number."""
    if not isinstance(body, dict) or "message" not in body or "id" in body:
        return None
    status, code = body.get("status"), body.get("code")
    if isinstance(status, int) and status >= 400:
        return status
    # The legacy envelope knows no status; 0 is success.
    return 400 if "status" not in body and isinstance(code, int) and code != 0 else None


def _unwrapped(body: Any) -> Any:
    return body["result"] if isinstance(body, dict) and "result" in body and body.get("code") == 0 else body


def _objects(raw: Any, where: str) -> list[ApiObject]:
    if not isinstance(raw, list) or not all(isinstance(one, dict) and one.get("id") for one in raw):
        raise Stop("the answer holds no objects with ids", where=where, cure="check the address and its API version")
    # Older answers wrap the fields.
    return [{**one, **one["properties"]} if isinstance(one.get("properties"), dict) else one for one in raw]


def _parsed(model: type[_Model], body: Any, where: str) -> _Model:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Stop(
            f"the answer is no {model.__name__.lower()}: {place}: {first['msg']}",
            where=where,
            cure="compare the tenant's version with what `frontlist check` reports",
        ) from None


def _options(body: Any) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for key, described in body.items() if isinstance(body, dict) else ():
        groups = described.get("groups") if isinstance(described, dict) else None
        items = [item for group in groups or () for item in group.get("items") or ()]
        if items:
            found[key] = frozenset(str(item.get("key")) for item in items)
    return found


def _fields(names: Sequence[str]) -> list[tuple[str, str]]:
    return [("fields", name) for name in names]


def _part(text: str) -> str:
    """One segment of a path, whatever an id holds."""
    return quote(text, safe="")
