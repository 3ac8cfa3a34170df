"""The sandbox's own routes: see, edit and break the tenant as a person at Consonance would.

| route | does |
|---|---|
| GET /sandbox/state | counts per kind, the date, rejected catalogue records |
| GET, PATCH /sandbox/toggles (POST = PATCH) | behaviours (`toggles.Toggles`); DELETE restores those of the start |
| GET /sandbox/{kind} | the ids; POST creates one from the model's fields |
| GET, PATCH, DELETE /sandbox/{kind}/{id} | one object, with the model's own field names |
| POST /sandbox/{kind}/{id}/{part} | adds a price, marketing text, contribution ... to a list of the object |
| PATCH, DELETE /sandbox/{kind}/{id}/{part}/{part id} | edits or removes it |

Kinds: works, products, contracts, contacts, series, imprints, project_stages, seasons, marketing_tiers, work_types.
A named entry may be given by id (`{"project_stage": 2}`). Every edit stamps `changed_on` with the tenant's date,
unless the body states it; a contract-only edit does so only where the toggle `blind_to_contracts` is off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from frontlist_sandbox.consonance import mutations
from frontlist_sandbox.consonance.model import Contact, Contract, Named, Product, Series, Tenant, Work
from frontlist_sandbox.consonance.toggles import Toggles

KINDS: dict[str, type[Any]] = {
    "works": Work,
    "products": Product,
    "contracts": Contract,
    "contacts": Contact,
    "series": Series,
    "imprints": Named,
    "project_stages": Named,
    "seasons": Named,
    "marketing_tiers": Named,
    "work_types": Named,
}
NAMED = {"imprint": "imprints", **dict(mutations.WORK_LISTS.values())}


class Controls:
    """The routes over one tenant and its toggles."""

    def __init__(self, tenant: Tenant, toggles: Toggles) -> None:
        self.tenant = tenant
        self.toggles = toggles
        self._at_start = toggles.model_dump()

    def routes(self) -> list[Route]:
        one, part = "/sandbox/{kind}/{id:int}", "/sandbox/{kind}/{id:int}/{part}"
        return [
            Route("/sandbox/state", self._state),
            Route("/sandbox/toggles", self._toggles, methods=["GET", "POST", "PATCH", "DELETE"]),
            Route("/sandbox/{kind}", self._kind, methods=["GET", "POST"]),
            Route(one, self._one, methods=["GET", "PATCH", "DELETE"]),
            Route(part, self._add_part, methods=["POST"]),
            Route(part + "/{part_id:int}", self._part, methods=["PATCH", "DELETE"]),
        ]

    async def _state(self, request: Request) -> Response:
        counts = {kind: len(getattr(self.tenant, kind)) for kind in KINDS}
        for part in ("marketing_texts", "supporting_resources", "contributions"):
            counts[part] = sum(len(getattr(work, part)) for work in self.tenant.works.values())
        rejected = len(self.tenant.rejected)
        return JSONResponse({"today": self.toggles.day().isoformat(), "counts": counts, "rejected": rejected})

    async def _toggles(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._set(self._at_start)
        elif request.method != "GET":
            self._set(await _body(request))
        return JSONResponse(self.toggles.model_dump(mode="json"))

    def _set(self, wanted: Mapping[str, Any]) -> None:
        try:
            checked = Toggles.model_validate(self.toggles.model_dump() | dict(wanted))
        except ValidationError as error:
            raise HTTPException(422, f"not a toggle: {error}") from error
        for name in wanted:
            setattr(self.toggles, name, getattr(checked, name))

    async def _kind(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        rows = self._rows(kind)
        if request.method == "GET":
            return JSONResponse({"ids": sorted(rows)})
        fields = await _body(request)
        fields.setdefault("id", self.tenant.next_id(kind, max(rows, default=0)))
        row = _made(KINDS[kind], self._with_named(fields))
        rows[row.id] = row
        self._stamp(row, fields)
        return _shown(row, 201)

    async def _one(self, request: Request) -> Response:
        kind, id = request.path_params["kind"], request.path_params["id"]
        row = self._row(kind, id)
        if request.method == "DELETE":
            del self._rows(kind)[id]
            self.tenant.take_id(kind, id)
            if kind == "works":
                for product in self.tenant.products_of(id):
                    del self.tenant.products[product.id]
            return Response(status_code=204)
        if request.method == "PATCH":
            fields = await _body(request)
            _edit(row, self._with_named(fields))
            self._stamp(row, fields)
        return _shown(row)

    async def _add_part(self, request: Request) -> Response:
        row, parts, made = self._parts(request)
        fields = await _body(request)
        if "work_id" in get_type_hints(made):
            fields.setdefault("work_id", row.id)
        fields.setdefault("id", self._next_part_id(request.path_params))
        part = _made(made, fields)
        parts.append(part)
        self._stamp(row, {})
        return _shown(part, 201)

    async def _part(self, request: Request) -> Response:
        row, parts, _ = self._parts(request)
        wanted = request.path_params["part_id"]
        part = next((p for p in parts if p.id == wanted), None)
        if part is None:
            raise HTTPException(404, f"no {request.path_params['part']} with id {wanted} there")
        if request.method == "DELETE":
            parts.remove(part)
            self.tenant.take_id(request.path_params["part"].removesuffix("s"), part.id)
        else:
            _edit(part, await _body(request))
        self._stamp(row, {})
        return Response(status_code=204) if request.method == "DELETE" else _shown(part)

    def _rows(self, kind: str) -> dict[int, Any]:
        if kind not in KINDS:
            raise HTTPException(404, f"no kind {kind!r}; there are {', '.join(KINDS)}")
        rows: dict[int, Any] = getattr(self.tenant, kind)
        return rows

    def _row(self, kind: str, id: int) -> Any:
        row = self._rows(kind).get(id)
        if row is None:
            raise HTTPException(404, f"no {kind} with id {id}; GET /sandbox/{kind} lists them")
        return row

    def _parts(self, request: Request) -> tuple[Any, list[Any], type[Any]]:
        name = request.path_params["part"]
        row = self._row(request.path_params["kind"], request.path_params["id"])
        hint = get_type_hints(type(row)).get(name)
        made = next(iter(get_args(hint)), None) if get_origin(hint) is list else None
        if made is None or not is_dataclass(made):
            raise HTTPException(404, f"{type(row).__name__} has no list {name!r} of objects")
        return row, getattr(row, name), made  # type: ignore[return-value]  # is_dataclass narrows to an instance too

    def _next_part_id(self, where: Mapping[str, Any]) -> int:
        rows = self._rows(where["kind"]).values()
        ids = (getattr(part, "id", 0) for row in rows for part in getattr(row, where["part"]))
        return self.tenant.next_id(where["part"].removesuffix("s"), max(ids, default=0))

    def _with_named(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Replaces ids of the tenant's own lists by their entries."""
        named = {name: fields[name] for name in NAMED if isinstance(fields.get(name), int)}
        for name, id in named.items():
            entries = mutations.named(self.tenant, NAMED[name])
            if id not in entries:
                raise HTTPException(422, f"no {NAMED[name]} with id {id}; there are {sorted(entries)}")
            named[name] = entries[id]
        return fields | named

    def _stamp(self, row: Any, stated: Mapping[str, Any]) -> None:
        today = self.toggles.day()
        if isinstance(row, Contract):
            work = self.tenant.works.get(row.work_id)
            if work is not None and not self.toggles.blind_to_contracts:
                work.changed_on = today
        elif isinstance(row, Contact | Series):
            for work in _using(self.tenant, row):
                work.changed_on = today
        elif hasattr(row, "changed_on") and "changed_on" not in stated:
            row.changed_on = today


def _using(tenant: Tenant, row: Contact | Series) -> list[Work]:
    if isinstance(row, Contact):
        return [w for w in tenant.works.values() if any(c.contact_id == row.id for c in w.contributions)]
    return [w for w in tenant.works.values() if any(m.series_id == row.id for m in w.series)]


def _made(kind: type[Any], fields: Mapping[str, Any]) -> Any:
    _only_known(kind, fields)
    try:
        return TypeAdapter(kind).validate_python(dict(fields))
    except ValidationError as error:
        raise HTTPException(422, f"not a {kind.__name__}: {error}") from error


def _edit(row: Any, fields: Mapping[str, Any]) -> None:
    """Sets the fields after all of them proved to be of their type."""
    _only_known(type(row), fields)
    hints = get_type_hints(type(row))
    try:
        checked = {name: TypeAdapter(hints[name]).validate_python(value) for name, value in fields.items()}
    except ValidationError as error:
        raise HTTPException(422, f"wrong value for {type(row).__name__}: {error}") from error
    for name, value in checked.items():
        setattr(row, name, value)


def _only_known(kind: type[Any], fields: Mapping[str, Any]) -> None:
    known = set(get_type_hints(kind))
    if unknown := set(fields) - known:
        raise HTTPException(422, f"{kind.__name__} has no field {sorted(unknown)}; it has {', '.join(sorted(known))}")


def _shown(row: Any, status: int = 200) -> Response:
    return JSONResponse(TypeAdapter(type(row)).dump_python(row, mode="json"), status)


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except json.JSONDecodeError as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise HTTPException(422, "the body has to be a JSON object of the model's fields")
    return body
