"""Faults on demand and a log of calls, around any sandbox.

`Watched(app)` answers two routes itself and stands before all others but those under /sandbox:

| route | does |
|---|---|
| POST /sandbox/faults | adds a rule (`Rule`), answers it with its id; a list adds several |
| GET /sandbox/faults | all rules, with how often each matched and fired |
| DELETE /sandbox/faults, /sandbox/faults/{id} | removes all, or one |
| GET /sandbox/calls | counts and the latest calls; `?method=&path=&operation=&writes=true` narrow them |
| DELETE /sandbox/calls | forgets them |

A reset needs the server of `frontlist_sandbox.serving`: it cuts the TCP connection for real.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from email.utils import formatdate
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frontlist_sandbox.serving import RESET

CALLS_KEPT = 10_000
BODY_KEPT = 262_144
READS = frozenset({"GET", "HEAD", "OPTIONS", "PROPFIND"})


@dataclass(slots=True)
class Call:
    """One line of the log; `status` stays None where no answer was sent."""

    number: int
    at: float
    method: str
    path: str
    query: str
    operations: tuple[str, ...]
    writes: bool
    body: str | None
    status: int | None = None
    fault: str | None = None


Describe = Callable[[Scope, bytes], tuple[tuple[str, ...], bool]]
"""Names the operations in a call (GraphQL root fields; may be empty) and says whether it writes."""


def by_method(scope: Scope, body: bytes) -> tuple[tuple[str, ...], bool]:
    """The plain REST reading: no operations, and whatever is not a read writes."""
    return (), scope["method"] not in READS


class Rule(BaseModel):
    """One fault: which calls, how often, what.

    `after` carries the request out before the fault, so that the write is done and its answer lost. A client
    that gives up during a latency is not noticed: its request is carried out late, as real servers do.
    """

    model_config = ConfigDict(extra="forbid")

    id: int = 0
    kind: Literal["latency", "status", "hang", "reset"]
    after: bool = False
    seconds: float = Field(default=0.0, ge=0, description="latency before (or after) the call, for every kind")
    status: int = Field(default=503, ge=400, le=599)
    retry_after: float | str | None = Field(
        default=None, description="header Retry-After: seconds, or any text as it is"
    )
    retry_after_date: bool = Field(default=False, description="send the seconds of retry_after as a date")
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"
    method: str | None = None
    path: str = Field(default="", description="regular expression searched in the path")
    operation: str | None = Field(default=None, description="regular expression, whole name of an operation")
    share: float = Field(default=1.0, ge=0, le=1)
    seed: int = 0
    skip: int = Field(default=0, ge=0, description="calls that match and are let pass first")
    count: int | None = Field(default=None, ge=1, description="fires at most so often")
    matched: int = 0
    fired: int = 0
    _chance: random.Random = PrivateAttr(default_factory=random.Random)

    def model_post_init(self, context: Any) -> None:
        self._chance = random.Random(self.seed)
        for pattern in (self.path, self.operation or ""):
            re.compile(pattern)

    def fires(self, call: Call) -> bool:
        """Whether this rule strikes this call; counts it."""
        if not self._meets(call) or (self.count is not None and self.fired >= self.count):
            return False
        self.matched += 1
        if self.matched <= self.skip or self._chance.random() >= self.share:
            return False
        self.fired += 1
        return True

    def _meets(self, call: Call) -> bool:
        if self.method is not None and self.method.upper() != call.method:
            return False
        if self.operation is not None and not any(re.fullmatch(self.operation, o) for o in call.operations):
            return False
        return re.search(self.path, call.path) is not None

    def answer(self) -> Response:
        headers = {} if self.retry_after is None else {"Retry-After": self._retry_after()}
        return Response(self.body, self.status, headers, self.content_type)

    def _retry_after(self) -> str:
        if isinstance(self.retry_after, str):
            return self.retry_after
        seconds = self.retry_after or 0
        return formatdate(time.time() + seconds, usegmt=True) if self.retry_after_date else f"{seconds:g}"


class Watched:
    """ASGI middleware: logs every call to `app` and lets the rules strike."""

    def __init__(self, app: ASGIApp, describe: Describe = by_method) -> None:
        self.app = app
        self.describe = describe
        self.rules: dict[int, Rule] = {}
        self.calls: deque[Call] = deque(maxlen=CALLS_KEPT)
        self._rule_ids = 0
        self._in_flight = self._peak = self._total = self._writes = 0
        self._counts: Counter[str] = Counter()
        self._control = Router(
            [
                Route("/sandbox/faults", self._faults, methods=["GET", "POST", "DELETE"]),
                Route("/sandbox/faults/{id:int}", self._remove, methods=["DELETE"]),
                Route("/sandbox/calls", self._calls, methods=["GET", "DELETE"]),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"].startswith(("/sandbox/faults", "/sandbox/calls")):
            await self._control(scope, receive, send)
        elif scope["path"].startswith("/sandbox/"):
            await self.app(scope, receive, send)
        else:
            await self._watch(scope, receive, send)

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, receive = await _buffered(scope, receive)
        call = self._log(scope, body)
        self._in_flight += 1
        self._peak = max(self._peak, self._in_flight)
        try:
            await self._carry_out(call, scope, receive, _noting(call, send))
        finally:
            self._in_flight -= 1

    async def _carry_out(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        fault, before, later = self._struck(call)
        await asyncio.sleep(before)
        if fault is None and not later:
            await self.app(scope, receive, send)
            return
        answer: list[Message] = []
        if fault is None or fault.after:
            await self.app(scope, receive, _keeping(answer))
        await asyncio.sleep(later)
        if fault is not None:
            await _strike(fault, scope, receive, send)
        else:
            for message in answer:
                await send(message)

    def _struck(self, call: Call) -> tuple[Rule | None, float, float]:
        """The first fault that strikes, and the seconds to wait before and after the work."""
        before = later = 0.0
        for rule in list(self.rules.values()):
            if not rule.fires(call):
                continue
            before, later = (before, later + rule.seconds) if rule.after else (before + rule.seconds, later)
            if rule.kind != "latency":
                call.fault = f"{rule.kind} after" if rule.after else rule.kind
                return rule, before, later
        return None, before, later

    def _log(self, scope: Scope, body: bytes) -> Call:
        operations, writes = self.describe(scope, body)
        self._total += 1
        self._writes += writes
        route = f"{scope['method']} {scope['path']}"
        self._counts.update([route, *(f"{route} {operation}" for operation in operations)])
        call = Call(
            number=self._total,
            at=time.time(),
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            operations=operations,
            writes=writes,
            body=body[:BODY_KEPT].decode("utf-8", "replace") if writes else None,
        )
        self.calls.append(call)
        return call

    async def _faults(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._add(request)
        if request.method == "DELETE":
            self.rules.clear()
        return JSONResponse([rule.model_dump() for rule in self.rules.values()])

    async def _add(self, request: Request) -> Response:
        try:
            asked = await request.json()
            rules = TypeAdapter(list[Rule]).validate_python(asked if isinstance(asked, list) else [asked])
        except (ValidationError, json.JSONDecodeError, re.error) as error:
            return JSONResponse({"error": f"not a fault rule: {error}"}, 422)
        for rule in rules:
            self._rule_ids += 1
            rule.id = self._rule_ids
            self.rules[rule.id] = rule
        dumped = [rule.model_dump() for rule in rules]
        return JSONResponse(dumped if isinstance(asked, list) else dumped[0], 201)

    async def _remove(self, request: Request) -> Response:
        gone = self.rules.pop(request.path_params["id"], None)
        return Response(status_code=204 if gone else 404)

    async def _calls(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._forget()
        kept = list(_narrowed(self.calls, dict(request.query_params)))
        return JSONResponse(
            {
                "total": self._total,
                "writes": self._writes,
                "peak_in_flight": self._peak,
                "counts": dict(self._counts),
                "calls": [asdict(call) for call in kept],
            }
        )

    def _forget(self) -> None:
        self.calls.clear()
        self._counts.clear()
        self._total = self._writes = 0
        self._peak = self._in_flight


def _narrowed(calls: Iterable[Call], wanted: dict[str, str]) -> Iterable[Call]:
    for call in calls:
        if wanted.get("method", call.method).upper() != call.method:
            continue
        if not re.search(wanted.get("path", ""), call.path):
            continue
        if "operation" in wanted and wanted["operation"] not in call.operations:
            continue
        if "writes" in wanted and (wanted["writes"] == "true") != call.writes:
            continue
        yield call


async def _strike(rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
    if rule.kind == "status":
        await rule.answer()(scope, receive, send)
    elif rule.kind == "hang":
        while (await receive())["type"] != "http.disconnect":
            pass
    else:
        _reset(scope)


def _reset(scope: Scope) -> None:
    cut = scope.get("state", {}).get(RESET)
    if cut is None:
        raise RuntimeError("a reset needs the server of frontlist_sandbox.serving; start the sandbox with it")
    cut()


def _noting(call: Call, send: Send) -> Send:
    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            call.status = message["status"]
        await send(message)

    return noting


def _keeping(answer: list[Message]) -> Send:
    async def keeping(message: Message) -> None:
        answer.append(message)

    return keeping


async def _buffered(scope: Scope, receive: Receive) -> tuple[bytes, Receive]:
    """The body of a JSON call, and a `receive` that gives it again; other bodies (files) stay a stream."""
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    if b"json" not in kind:
        return b"", receive
    chunks: list[Message] = []
    while not chunks or chunks[-1].get("more_body"):
        chunks.append(await receive())
    body = b"".join(chunk.get("body", b"") for chunk in chunks)

    async def again() -> Message:
        return chunks.pop(0) if chunks else await receive()

    return body, again
