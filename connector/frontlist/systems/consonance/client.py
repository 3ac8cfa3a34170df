"""Consonance's GraphQL over HTTP: answers without floats, errors by what happens next."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import httpx

from frontlist.contract import Json
from frontlist.errors import ConfigurationError, DeliveryError, Pause, Refuse, Retry, Stop
from frontlist.http import Api, excerpt
from frontlist.systems.consonance.schema import INTROSPECTION, Schema
from frontlist.systems.consonance.settings import ConsonanceSettings

GRAPHQL = "/graphql"
#: GraphQL's own refusals come with one of these by some servers; their body says more than the status.
_SPOKEN = frozenset({400, 422})
# UNKNOWN how a tenant words it where the status is 200; these are the common ones.
_UNAUTHORISED = re.compile(r"not authori[sz]ed|unauthori[sz]ed|unauthenticated|access denied|api key|forbidden", re.I)
_TROUBLE = re.compile(
    r"internal (server )?error|something went wrong|time(d)? ?out|try again|unavailable|overload", re.I
)


@dataclass(frozen=True)
class Problem:
    """A GraphQL error; `path` where in the data it struck, () where it concerns the whole request."""

    message: str
    path: tuple[str | int, ...] = ()
    code: str = ""


@dataclass(frozen=True)
class Answer:
    """Data, and what went wrong beside it."""

    data: Mapping[str, Json]
    problems: tuple[Problem, ...] = ()

    def under(self, *path: str | int) -> dict[str, str]:
        """Problems below a place: dotted path from there -> message ("" = the place itself, or something above it)."""
        found = {}
        for problem in self.problems:
            rest = ".".join(str(step) for step in problem.path[len(path) :])
            if problem.path[: len(path)] == path[: len(problem.path)]:
                found[rest] = problem.message
        return found


class Client:
    """One tenant. Raises Retry, Pause, Refuse, Stop (`frontlist.errors`)."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._schema: Schema | None = None

    @classmethod
    def connect(cls, settings: ConsonanceSettings) -> Client:
        return cls(
            Api(
                "consonance",
                settings.url,
                lambda: {"Authorization": f"Bearer {settings.secret()}"},
                timeout=settings.timeout,
                connect_timeout=settings.connect_timeout,
                connections=settings.connections,
                calls_per_second=settings.calls_per_second,
            )
        )

    async def close(self) -> None:
        await self.api.close()

    async def schema(self, *, refresh: bool = False) -> Schema:
        """What the tenant offers; kept until a refresh or until it refuses a query for its shape."""
        if self._schema is None or refresh:
            try:
                self._schema = Schema.of((await self.query(INTROSPECTION)).data)
            except (KeyError, TypeError, Stop) as error:
                raise ConfigurationError(
                    "the tenant's GraphQL does not say what it offers (introspection)",
                    where=f"{self.api.base_url}{GRAPHQL}",
                    cure="ask Consonance's support to allow introspection for this key",
                ) from error
        return self._schema

    async def query(self, text: str, variables: Mapping[str, Json] | None = None) -> Answer:
        """The data and the errors beside it; raises where there is no data at all."""
        answer = await self.answer(text, variables)
        if answer.problems and not _any(answer):
            raise self._failed(answer.problems)
        return answer

    async def answer(self, text: str, variables: Mapping[str, Json] | None = None) -> Answer:
        """As `query`, but errors that struck inside the data are answered even where they blanked all of it."""
        answer = await self._post(text, variables or {}, None, writes=False)
        if answer.problems and not _any(answer) and not any(problem.path for problem in answer.problems):
            raise self._failed(answer.problems)
        return answer

    async def mutate(self, text: str, variables: Mapping[str, Json], deadline: float | None) -> Mapping[str, Json]:
        """The payload of the one mutation in `text`; raises Refuse where the answer brings errors instead."""
        answer = await self._post(text, variables, deadline, writes=True)
        payload = next(iter(answer.data.values()), None)
        if isinstance(payload, Mapping):
            return payload
        if not answer.problems:
            raise Stop("the mutation answered nothing", where=f"consonance {GRAPHQL}")
        raise self._refused(answer.problems)

    async def _post(self, text: str, variables: Mapping[str, Json], deadline: float | None, *, writes: bool) -> Answer:
        body = {"query": text, "variables": dict(variables)}
        response = await self.api.call("POST", GRAPHQL, json=body, deadline=deadline, writes=writes, allow=_SPOKEN)
        answer = _read(response, writes)
        if any(_is_unauthorised(problem) for problem in answer.problems) and not _any(answer):
            raise Pause(
                f"the key was not accepted: {answer.problems[0].message}",
                where=f"consonance {GRAPHQL}",
                cure="give a valid, unexpired key",
            )
        return answer

    def _failed(self, problems: Sequence[Problem]) -> DeliveryError:
        said = _said(problems)
        if all(not problem.path for problem in problems) and not _TROUBLE.search(said):
            self._schema = None  # it refused the query's shape: look again what it offers
            return Stop(
                f"the query was refused: {said}",
                where=f"consonance {GRAPHQL}",
                cure="the tenant's schema may have changed; it is read again, and frontlist check shows the difference",
            )
        return Retry(f"the query failed: {said}", where=f"consonance {GRAPHQL}")

    def _refused(self, problems: Sequence[Problem]) -> DeliveryError:
        said = _said(problems)
        if _TROUBLE.search(said):
            return Retry(f"the mutation failed: {said}", where=f"consonance {GRAPHQL}", maybe_done=True)
        return Refuse(said, where=f"consonance {GRAPHQL}")


def _any(answer: Answer) -> bool:
    return any(value is not None for value in answer.data.values())


def decimal_text(number: str | int) -> str:
    """A JSON number as a plain decimal without float noise: 12.50 and 12.5 are "12.5", 1e3 is "1000"."""
    # By way of a float: its shortest form is what the sender's float was meant to be.
    exact = Decimal(repr(float(number))) if isinstance(number, str) and len(number) > 16 else Decimal(number)
    text = format(exact, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse(text: str) -> Json:
    """JSON whose floats are decimal texts, as nothing of ours holds a float."""
    return json.loads(text, parse_float=decimal_text, parse_constant=str)


def _read(response: httpx.Response, writes: bool) -> Answer:
    where = f"consonance POST {GRAPHQL}"
    try:
        body = parse(response.text)
    except (ValueError, ArithmeticError) as error:
        raise Retry(
            f"the answer is no JSON: {excerpt(response)}",
            where=where,
            maybe_done=writes,
            cure="check consonance.url; something else may answer there",
        ) from error
    data = body.get("data") if isinstance(body, dict) else None
    problems = _problems(body)
    if not isinstance(data, Mapping) and not problems:
        raise Stop(f"the answer is no GraphQL: {excerpt(response)}", where=where, cure="check consonance.url")
    return Answer(data if isinstance(data, Mapping) else {}, problems)


def _problems(body: Json) -> tuple[Problem, ...]:
    errors = body.get("errors") if isinstance(body, dict) else None
    if not errors:
        return ()
    return tuple(_problem(error) for error in errors) if isinstance(errors, list) else (Problem(str(errors)),)


def _problem(error: Json) -> Problem:
    if not isinstance(error, dict):
        return Problem(str(error))
    code = error.get("extensions", {}).get("code", "") if isinstance(error.get("extensions"), dict) else ""
    # graphql-ruby also gives validation errors a path, into the query's text: those carry a code like this.
    path = () if code and not code.isupper() else tuple(error.get("path") or ())
    return Problem(str(error.get("message") or error), path, str(code))


def _is_unauthorised(problem: Problem) -> bool:
    return problem.code in ("UNAUTHENTICATED", "FORBIDDEN") or bool(_UNAUTHORISED.search(problem.message))


def _said(problems: Sequence[Problem]) -> str:
    return "; ".join(problem.message for problem in problems)[:500]
