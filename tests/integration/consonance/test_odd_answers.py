"""Answers that the sandbox never gives, from a server that says what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from ariadne import graphql_sync
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse as Json
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from frontlist.errors import ConfigurationError, DeliveryError, Refuse, Retry, Stop
from frontlist.systems.consonance.client import Client
from frontlist.systems.consonance.queries import Queries
from frontlist.systems.consonance.settings import ConsonanceSettings
from frontlist.systems.consonance.source import works_page
from frontlist_sandbox import serving
from frontlist_sandbox.consonance import schema

Answering = Callable[[str, dict[str, Any]], Response]


class Told:
    """Answers introspection truly and everything else as told; `answer` is set by the test."""

    def __init__(self) -> None:
        self.answer: Answering = lambda query, variables: Json({})

    async def __call__(self, request: Request) -> Response:
        asked = await request.json()
        if "__schema" in asked["query"] and self.introspects:
            return Json(graphql_sync(schema.build(), asked)[1])
        return self.answer(asked["query"], asked["variables"])

    introspects = True


@pytest.fixture
async def told() -> AsyncIterator[tuple[Told, Client]]:
    server = Told()
    with serving.serve(Starlette(routes=[Route("/graphql", server.__call__, methods=["POST"])])) as running:
        client = Client.connect(
            ConsonanceSettings(
                url=running.url, key=SecretStr("k"), zone="Europe/London", timeout=5, calls_per_second=1000
            )
        )
        yield server, client
        await client.close()


def error(message: str, *path: str | int, **more: Any) -> dict[str, Any]:
    return {"message": message, **({"path": list(path)} if path else {}), **more}


async def test_where_one_work_blanks_the_page_the_others_are_read_alone(told: tuple[Told, Client]) -> None:
    server, client = told

    def answer(query: str, variables: dict[str, Any]) -> Response:
        if query.startswith("query WorkIds"):
            return Json({"data": {"works": [{"id": 1}, {"id": 2}]}})
        if query.startswith("query Works"):
            return Json({"data": {"works": None}, "errors": [error("broken", "works", 0, "imprint", "id")]})
        if variables["search"]["idEq"] == 1:
            return Json({"data": {"work": None}, "errors": [error("broken", "work", "imprint", "id")]})
        return Json({"data": {"work": {"id": 2, "title": "Fine"}}})

    server.answer = answer
    raws = await works_page(client, Queries.of(await client.schema()), {"after": 0})
    assert [(raw.key.id, raw.unreadable) for raw in raws] == [("1", "imprint.id: broken"), ("2", None)]


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (Json({"errors": [error("Field 'x' doesn't exist on type 'Work'")]}), Stop, "query was refused"),
        (Json({"errors": [error("Field 'x' doesn't exist")]}, 400), Stop, "query was refused"),
        (
            Json({"errors": [error("no", "query Works", "works", "x", extensions={"code": "undefinedField"})]}),
            Stop,
            "query was refused",
        ),
        (Json({"errors": [error("Internal server error")]}), Retry, "query failed"),
        (Json({"data": None, "errors": [error("boom", "works")]}), Retry, "query failed"),
        (Json({"errors": "all wrong"}), Stop, "all wrong"),
        (PlainTextResponse("<html>Down for maintenance</html>"), Retry, "no JSON: <html>Down"),
        (Json(["what"]), Stop, "no GraphQL"),
        (Json({}, 503), Retry, "503"),
        (Json({"error": "slow down"}, 429, {"Retry-After": "7"}), Retry, "429"),
    ],
)
async def test_what_happens_next_is_read_from_the_answer(
    told: tuple[Told, Client], answer: Response, kind: type[DeliveryError], said: str
) -> None:
    told[0].answer = lambda query, variables: answer
    with pytest.raises(kind, match=said):
        await told[1].query("query WorkIds { works { id } }")


@pytest.mark.parametrize(
    ("answer", "kind", "maybe_done"),
    [
        (Json({"data": {"x": None}, "errors": [error("Variant is wrong", "x")]}), Refuse, False),
        (Json({"errors": [error("Internal server error")]}), Retry, True),
        (Json({"data": {"x": None}}), Stop, False),
        (PlainTextResponse("cut"), Retry, True),
        (Json({}, 502), Retry, True),
    ],
)
async def test_a_write_that_may_have_been_done_says_so(
    told: tuple[Told, Client], answer: Response, kind: type[DeliveryError], maybe_done: bool
) -> None:
    told[0].answer = lambda query, variables: answer
    with pytest.raises(kind) as raised:
        await told[1].mutate("mutation Write { x }", {}, None)
    assert raised.value.maybe_done is maybe_done


async def test_a_tenant_without_introspection_is_told_the_cure(told: tuple[Told, Client]) -> None:
    told[0].introspects = False
    told[0].answer = lambda query, variables: Json({"errors": [error("introspection is disabled")]})
    with pytest.raises(ConfigurationError, match="Cure: ask Consonance's support to allow introspection"):
        await told[1].schema()


async def test_a_server_that_ignores_paging_is_found_out(told: tuple[Told, Client]) -> None:
    server, client = told
    server.answer = lambda query, variables: Json({"data": {"works": [{"id": 1}]}})
    queries = Queries.of(await client.schema())
    with pytest.raises(Stop, match="paging does not work"):
        await works_page(client, queries, {"after": 1})
