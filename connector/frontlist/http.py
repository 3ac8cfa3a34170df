"""All HTTP goes through here: time-outs, limits, the budget, the key's host, and errors by what happens next.

httpx's requests and answers over aiohttp's transport, without httpx's client: a call costs half of the CPU then, and
nothing of the client is wanted (redirects, cookies, proxies). That transport reports "refused" and "sent, then closed"
alike, so we watch ourselves whether a connection was in hand: a failed call that could change something is in doubt
(`maybe_done`) from then on.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from frontlist.budget import Budget
from frontlist.errors import ConfigurationError, DeliveryError, Pause, Refuse, Retry, Stop
from frontlist.observed import UNOBSERVED, Observed

#: How long an answer is quoted in an error.
EXCERPT = 300
#: Nobody is believed who wants to be left alone for longer (seconds).
LONGEST_WAIT = 86_400.0
#: Sent with every call; the encodings are those that httpx undoes by itself.
HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "frontlist"}
#: Gives the headers that carry the key, anew after each 401.
Key = Callable[[], Mapping[str, str]]


@dataclass
class _Call:
    """One call on its way; `deadline` on the event loop's clock, `connected`: bytes may have left."""

    deadline: float | None
    connected: bool = False


_call: ContextVar[_Call | None] = ContextVar("call", default=None)


class TooLateError(Exception):
    """The lease ran out before the request left; nothing was sent."""


async def _in_time(_session: aiohttp.ClientSession, _context: SimpleNamespace, _params: object) -> None:
    """Looked at with the connection in hand: a check at the start alone let stale writes through."""
    call = _call.get()
    if call is None:
        return
    if call.deadline is not None and asyncio.get_running_loop().time() >= call.deadline:
        raise TooLateError
    call.connected = True


def _session(connections: int, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_in_time)
    trace.on_connection_reuseconn.append(_in_time)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        trace_configs=[trace],
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


class Api:
    """One system's base address with its key.

    `system` names it in errors. `headers` carry the key; where they are a function it is asked again after a 401, so
    that a renewed key file takes effect. The key is sent to this host alone: redirects are never followed with it.
    Raises Retry, Pause, Refuse or Stop (see `frontlist.errors`).
    """

    def __init__(
        self,
        system: str,
        base_url: str,
        headers: Mapping[str, str] | Key,
        *,
        timeout: float = 30.0,
        connect_timeout: float = 10.0,
        connections: int = 20,
        calls_per_second: float | None = None,
    ) -> None:
        self.system, self.base_url, self.timeout = system, _address(system, base_url), timeout
        self._key: Key = headers if callable(headers) else lambda: headers
        self.budget = Budget(calls_per_second)
        #: Told of each call; the running process sets its own.
        self.observed: Observed = UNOBSERVED
        clock = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)
        # The session verifies by aiohttp's own context; the transport would load all authorities once more.
        unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._transport = AiohttpTransport(verify=unused, client=lambda: _session(connections, clock))
        self._extensions = {"timeout": {"connect": connect_timeout, "read": timeout, "pool": timeout}}
        self._headers = {**HEADERS, **self._sendable(self._key())}

    async def __aenter__(self) -> Api:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._transport.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | Sequence[tuple[str, str]] | None = None,
        json: Any = None,
        deadline: float | None = None,
        writes: bool | None = None,
        allow: frozenset[int] = frozenset(),
    ) -> httpx.Response:
        """The answer, if its status is 2xx or one of `allow`.

        `deadline`: on the event loop's clock; the request is not sent after it and times out before it.
        `writes`: whether the call can change something (default: every method but GET and HEAD).
        """
        where = f"{self.system} {method} {path}"
        changes = method not in ("GET", "HEAD") if writes is None else writes
        response = await self._send(method, path, where, changes, params=params, json=json, deadline=deadline)
        if response.status_code == 401:
            self._renew()
        if response.is_success or response.status_code in allow:
            return response
        raise failure(response, where, changes)

    def _renew(self) -> None:
        # A secret that is being replaced may be missing for a moment: the old one then fails once more.
        with contextlib.suppress(ConfigurationError):
            self._headers = {**HEADERS, **self._sendable(self._key())}

    def _sendable(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise ConfigurationError(
                "the key holds a line break or a character that no HTTP header can carry",
                where=f"{self.system}.key",
                cure="give the key alone, on one line",
            )
        return headers

    async def _send(
        self, method: str, path: str, where: str, changes: bool, *, deadline: float | None, **body: Any
    ) -> httpx.Response:
        if not await self.budget.wait(deadline):
            raise Retry("the lease ran out before the request was sent", where=where, sent=False)
        remaining = self.timeout if deadline is None else deadline - asyncio.get_running_loop().time()
        call = _Call(deadline)
        token = _call.set(call)
        try:
            with self.observed.calling(self.system, method, path) as seen:
                async with asyncio.timeout(min(remaining, self.timeout)):
                    response = await self._answer(method, path, **body)
                seen.answered(response.status_code)
                return response
        except TooLateError:
            raise Retry("the lease ran out before the request was sent", where=where, sent=False) from None
        except TimeoutError:
            raise Retry("no answer in time", where=where, maybe_done=changes and call.connected) from None
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            raise Retry(
                f"the connection failed: {_plain(error)}",
                where=where,
                maybe_done=changes and call.connected,
                cure=f"check that {self.base_url} is reachable from here",
            ) from error
        finally:
            _call.reset(token)

    async def _answer(self, method: str, path: str, **body: Any) -> httpx.Response:
        response = await self._transport.handle_async_request(self._request(method, path, **body))
        try:
            await response.aread()
        except BaseException:
            await response.aclose()
            raise
        return response

    def _request(self, method: str, path: str, **body: Any) -> httpx.Request:
        address = self.base_url + path
        return httpx.Request(method, address, headers=self._headers, extensions=self._extensions, **body)


def _address(system: str, base_url: str) -> str:
    """The address without its last slash. One with a password in it would be quoted in every error."""
    cure = "give scheme and host, e.g. https://web.consonance.app"
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"the address is none: {error}", where=f"{system}.url", cure=cure) from None
    if url.userinfo:
        raise ConfigurationError("the address holds a user or password", where=f"{system}.url", cure=cure)
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError(f"{base_url!r} is no http(s) address", where=f"{system}.url", cure=cure)
    return base_url.rstrip("/")


def failure(response: httpx.Response, where: str, changes: bool) -> DeliveryError:
    """What a status that is no success means for us."""
    status, said = response.status_code, excerpt(response)
    if status == 401:
        return Pause(f"the key was not accepted (401): {said}", where=where, cure="give a valid, unexpired key")
    if status == 429:
        return Retry("too many requests (429)", where=where, after=retry_after(response), status=429)
    if status >= 500 or status == 408:
        return Retry(f"{status}: {said}", where=where, maybe_done=changes, after=retry_after(response), status=status)
    if status in (301, 302, 303, 307, 308):
        return Stop(
            f"redirected to {_host(response.headers.get('location', '?'))}, where the key is not sent ({status})",
            where=where,
            cure="configure the final address",
        )
    if status == 403:
        return Stop(f"not allowed (403): {said}", where=where, cure="give the key's user the right to do this")
    if status == 404:
        return Stop(f"not found (404): {said}", where=where, cure="check the module or id; it may have been removed")
    return Refuse(f"{status}: {said}", where=where)


def excerpt(response: httpx.Response) -> str:
    """The message of an error body, whatever it is: JSON with `message`, plain text or HTML; never the key."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return _without_key(response, response.text).strip()[:EXCERPT] or "(no body)"
    message = body.get("message") if isinstance(body, dict) else None
    return _without_key(response, str(message or body))[:EXCERPT]


def _without_key(response: httpx.Response, said: str) -> str:
    """Some servers quote the key that they refuse."""
    try:
        sent = response.request.headers.get("authorization", "")
    except RuntimeError:  # an answer to no request
        return said
    secret = re.split(r"[\s=]+", sent)[-1].strip('"')
    return said.replace(secret, "***") if len(secret) > 3 else said


def _host(location: str) -> str:
    try:
        return httpx.URL(location).host or location
    except httpx.InvalidURL:
        return location[:EXCERPT]


def retry_after(response: httpx.Response, now: datetime | None = None) -> float | None:
    """Seconds until the target wants to be asked again; both forms of RFC 9110 (seconds, date)."""
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return min(float(value), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(0.0, (at - (now or datetime.now(UTC))).total_seconds()), LONGEST_WAIT)


def _plain(error: BaseException) -> str:
    return str(error) or type(error).__name__
