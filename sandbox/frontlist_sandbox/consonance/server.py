"""The Consonance sandbox as one ASGI application: GraphQL, REST v4, and the controls under /sandbox.

app = server.app(tenant, key="...")
with serving.serve(app) as running: ...
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Any, cast

from ariadne import graphql_sync
from ariadne.types import QueryValidator
from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    parse,
    validate,
)
from graphql.language import FieldNode
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from frontlist_sandbox import faults
from frontlist_sandbox.consonance import restv4, schema
from frontlist_sandbox.consonance.controls import Controls
from frontlist_sandbox.consonance.model import Tenant
from frontlist_sandbox.consonance.searching import Room
from frontlist_sandbox.consonance.toggles import Toggles

Json = dict[str, Any]


def app(tenant: Tenant, *, key: str, page_size: int = 50, today: date | None = None) -> Starlette:
    """Serve `tenant` to whoever holds `key`; `today` fixes the tenant's date (None: the real one, UTC).

    The tenant is changed in place. `app.state.tenant` and `.toggles` are for tests in the same process.
    """
    toggles = Toggles(page_size=page_size, today=today)
    door = _Door(tenant, key, toggles)
    made = Starlette(
        routes=[
            Route("/graphql", door.graphql, methods=["POST"]),
            Route("/api/v4/products.json", door.rest),
            Route("/api/products.json", door.rest),
            *Controls(tenant, toggles).routes(),
        ],
        middleware=[Middleware(faults.Watched, describe=operations)],
        exception_handlers={HTTPException: _as_json},
    )
    made.state.tenant = tenant
    made.state.toggles = toggles
    return made


class _Door:
    """Lets in whoever holds the key, each API in its own way."""

    def __init__(self, tenant: Tenant, key: str, toggles: Toggles) -> None:
        self.tenant = tenant
        self.key = key
        self.toggles = toggles

    async def graphql(self, request: Request) -> Response:
        if not self._opens(_bearer(request.headers.get("authorization", ""))):
            return self._denied()
        try:
            asked = await request.json()
        except (json.JSONDecodeError, UnicodeDecodeError):
            return JSONResponse({"errors": [{"message": "the body is not JSON"}]}, 400)
        _, answer = graphql_sync(
            schema.build(frozenset(self.toggles.refuted)),
            asked,
            context_value=Room(self.tenant, self.toggles),
            middleware=[_meddling(self.toggles)] if self.toggles.fail or self.toggles.override else None,
            error_formatter=_plain_error,
            query_parser=lambda _context, data: _parsed(data["query"]),
            query_validator=cast(QueryValidator, _validated),
            logger="frontlist_sandbox.consonance",
        )
        return JSONResponse(answer)

    async def rest(self, request: Request) -> Response:
        if not self._opens(restv4.token(request.headers.get("authorization", ""))):
            return restv4.denied()
        return restv4.product_list(request, Room(self.tenant, self.toggles))

    def _opens(self, key: str | None) -> bool:
        right = key is not None and hmac.compare_digest(key.encode(), self.key.encode())
        return right and not self.toggles.key_expired

    def _denied(self) -> Response:
        how = self.toggles.graphql_unauthorized
        if how == "401-text":
            return restv4.denied()
        body = {"errors": [{"message": "Not authorised: the API key is missing, unknown or expired"}]}
        if how == "200-errors":
            return JSONResponse({"data": None} | body)
        return JSONResponse(body, 401, {"WWW-Authenticate": 'Bearer realm="Application"'})


# A client says the same few queries again and again.
@lru_cache(maxsize=64)
def _parsed(query: str) -> DocumentNode:
    return parse(query)


@lru_cache(maxsize=64)
def _validated(
    schema: GraphQLSchema, document: DocumentNode, rules: tuple[type[ASTValidationRule], ...]
) -> list[GraphQLError]:
    return validate(schema, document, rules)


def _meddling(toggles: Toggles) -> Callable[..., Any]:
    """The toggles `fail` and `override`: a field of a type, or of one object, errs or answers something else."""

    def resolve(next_: Any, source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        kind = info.parent_type
        families = (kind.name, *(i.name for i in kind.interfaces))
        own = getattr(source, "id", None)
        for name in (f"{f}{n}.{info.field_name}" for n in (f"#{own}", "") for f in families):
            if name in toggles.fail:
                raise GraphQLError(toggles.fail[name])
            if name in toggles.override:
                return toggles.override[name]
        return next_(source, info, **arguments)

    return resolve


def operations(scope: Scope, body: bytes) -> tuple[tuple[str, ...], bool]:
    """The root fields of a GraphQL call and whether it is a mutation, for the faults and the log of calls."""
    if scope["path"] != "/graphql":
        return faults.by_method(scope, body)
    try:
        asked = json.loads(body)
        document = _parsed(asked["query"])
    except (ValueError, KeyError, TypeError, GraphQLError):
        return (), False
    wanted = asked.get("operationName")
    definitions = [
        d
        for d in document.definitions
        if isinstance(d, OperationDefinitionNode) and (not wanted or (d.name and d.name.value == wanted))
    ]
    fields = [s.name.value for d in definitions for s in d.selection_set.selections if isinstance(s, FieldNode)]
    return tuple(fields), any(d.operation is OperationType.MUTATION for d in definitions)


def _bearer(header: str) -> str | None:
    """The key in `Bearer KEY`; older clients send `Token KEY`."""
    found = re.fullmatch(r"(?:Bearer|Token)\s+(\S+)", header.strip())
    return found.group(1) if found else None


def _plain_error(error: GraphQLError, debug: bool = False) -> Json:
    return dict(error.formatted)


async def _as_json(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, dict(error.headers or {}))
