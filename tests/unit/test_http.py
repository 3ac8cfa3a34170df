"""HTTP against servers that misbehave: what happens next, and that the key stays where it belongs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import httpx
import pytest

from frontlist.errors import ConfigurationError, DeliveryError, Pause, Refuse, Retry, Stop
from frontlist.http import LONGEST_WAIT, Api, retry_after

KEY = "k3y-that-nobody-may-see"
Say = Callable[[bytes], Awaitable[bytes | None]]


class Server:
    """Reads whole requests, keeps them, and answers what it is told; None cuts the connection."""

    def __init__(self, say: Say) -> None:
        self.say, self.heard, self.url = say, list[bytes](), ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                request = await _request(reader)
                self.heard.append(request)
                answer = await self.say(request)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
    return head + await reader.readexactly(int(length.split(b":")[1]))


def answer(status: str, body: str = "{}", **headers: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    data = body.encode()
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", *lines, "", ""]).encode() + data


def always(said: bytes | None) -> Say:
    async def say(_: bytes) -> bytes | None:
        return said

    return say


@contextlib.asynccontextmanager
async def serving(say: Say) -> AsyncIterator[Server]:
    found = Server(say)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()


def api(url: str, **more: object) -> Api:
    return Api("consonance", url, {"Authorization": f"Bearer {KEY}"}, **more)  # type: ignore[arg-type]  # options


async def failed(said: bytes | None, method: str = "GET", **more: object) -> DeliveryError:
    async with serving(always(said)) as server, api(server.url, timeout=2.0) as it:
        with pytest.raises(DeliveryError) as raised:
            await it.call(method, "/x", **more)  # type: ignore[arg-type]  # options
    return raised.value


# --- what happens next ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("401 Unauthorized", Pause),
        ("403 Forbidden", Stop),
        ("404 Not Found", Stop),
        ("400 Bad Request", Refuse),
        ("422 Unprocessable", Refuse),
        ("408 Request Timeout", Retry),
        ("429 Too Many Requests", Retry),
        ("500 Oops", Retry),
        ("503 Busy", Retry),
        ("302 Found", Stop),
    ],
)
async def test_a_status_says_what_happens_next_and_where(status: str, kind: type[DeliveryError]) -> None:
    error = await failed(answer(status, "no"))
    assert type(error) is kind
    assert error.where == "consonance GET /x"


async def test_a_wrong_key_pauses_and_says_the_cure() -> None:
    error = await failed(answer("401 Unauthorized", "HTTP Token: Access denied."))
    assert (error.what, error.cure) == (
        "the key was not accepted (401): HTTP Token: Access denied.",
        "give a valid, unexpired key",
    )


@pytest.mark.parametrize(
    ("method", "options", "maybe_done"),
    [("PATCH", {"json": {}}, True), ("GET", {}, False), ("POST", {"json": {}, "writes": False}, False)],
)
@pytest.mark.parametrize("said", [answer("502 Bad Gateway"), None])
async def test_a_server_error_or_a_reset_after_the_request_was_read_leaves_a_write_in_doubt(
    said: bytes | None, method: str, options: dict[str, object], maybe_done: bool
) -> None:
    error = await failed(said, method, **options)
    assert isinstance(error, Retry)
    assert error.maybe_done is maybe_done


async def test_a_write_whose_connection_never_stood_is_surely_not_done() -> None:
    async with Api("x", "http://127.0.0.1:9", {}) as api:
        with pytest.raises(Retry) as raised:
            await api.call("PATCH", "/objects", json=[])
    assert not raised.value.maybe_done


async def test_a_refused_connection_names_the_address_as_its_cure() -> None:
    async with serving(always(None)) as server:
        url = server.url
    async with api(url) as it:
        with pytest.raises(Retry, match=f"Cure: check that {url} is reachable from here"):
            await it.call("GET", "/x")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("Mon, 02 Mar 2026 10:00:30 GMT", 30.0),
        ("Mon, 02 Mar 2026 09:00:00 GMT", 0.0),
        ("99999999999", LONGEST_WAIT),
        ("soon", None),
        ("²", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    headers = {"retry-after": value.encode()}
    now = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
    assert retry_after(httpx.Response(429, headers=list(headers.items())), now) == seconds


async def test_a_busy_server_s_wish_is_carried_with_the_error() -> None:
    error = await failed(answer("429 Too Many Requests", Retry_After="7"))
    assert isinstance(error, Retry)
    assert error.after == 7.0


@pytest.mark.parametrize("location", ["/elsewhere", "http://[", "http://\u00e4"])
async def test_any_location_of_a_redirect_can_be_said(location: str) -> None:
    assert isinstance(await failed(answer("302 Found", location=location)), Stop)


# --- the key -------------------------------------------------------------------------------------------------------


async def test_a_redirect_to_another_host_never_carries_the_key() -> None:
    async with serving(always(answer("200 OK"))) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        error = await failed(answer("307 Temporary Redirect", location=f"{elsewhere}/x"), "PATCH", json={"a": 1})
        assert isinstance(error, Stop)
        assert "redirected to localhost" in error.what
        assert other.heard == []


@pytest.mark.parametrize("status", ["400 No", "401 No", "403 No", "404 No", "500 No"])
@pytest.mark.parametrize("body", [f"the key {KEY} is wrong", f'{{"message": "Bearer {KEY}?"}}', f'["{KEY}"]'])
async def test_a_key_that_the_server_quotes_is_in_no_error(status: str, body: str) -> None:
    assert KEY not in str(await failed(answer(status, body)))


@pytest.mark.parametrize(
    "url", ["http://me:hidden@host", "http://hidden@host", "http://hidden:x", "ftp://host", "host"]
)
def test_a_wrong_address_refuses_to_start_and_quotes_no_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"consonance\.url.*Cure: give scheme and host") as raised:
        api(url)
    assert "me:hidden" not in str(raised.value)


@pytest.mark.parametrize("key", ["two\nlines", "ké", "tab\there"])
def test_a_key_that_no_header_can_carry_refuses_to_start_unquoted(key: str) -> None:
    with pytest.raises(ConfigurationError, match=r"consonance\.key") as raised:
        Api("consonance", "http://host", {"Authorization": f"Bearer {key}"})
    assert key not in str(raised.value)


async def test_a_renewed_key_is_taken_after_a_401_without_a_restart() -> None:
    keys = ["old"]

    async def say(request: bytes) -> bytes:
        return answer("200 OK" if b"Bearer new" in request else "401 No")

    async with serving(say) as server, Api("c", server.url, lambda: {"Authorization": f"Bearer {keys[-1]}"}) as it:
        keys.append("new")
        with pytest.raises(Pause):
            await it.call("GET", "/x")
        assert (await it.call("GET", "/x")).status_code == 200


async def test_a_key_file_that_is_missing_for_a_moment_keeps_the_old_key() -> None:
    keys = [{"Authorization": "Bearer old"}]

    def key() -> dict[str, str]:
        if not keys:
            raise ConfigurationError("gone")
        return keys[0]

    async with serving(always(answer("401 No"))) as server, Api("c", server.url, key) as it:
        keys.clear()
        for _ in range(2):
            with pytest.raises(Pause):
                await it.call("GET", "/x")
        assert all(b"Bearer old" in each for each in server.heard)


# --- time ----------------------------------------------------------------------------------------------------------


async def _hang(_: bytes) -> bytes | None:
    await asyncio.sleep(5)
    return None


async def test_the_time_out_is_shorter_than_the_deadline_that_remains() -> None:
    async with serving(_hang) as server, api(server.url, timeout=30.0) as it:
        began = asyncio.get_running_loop().time()
        with pytest.raises(Retry, match="no answer in time") as raised:
            await it.call("PATCH", "/x", json={}, deadline=began + 0.3)
        assert asyncio.get_running_loop().time() - began < 1.5
        assert raised.value.maybe_done


async def test_after_the_deadline_nothing_is_sent() -> None:
    async with serving(always(answer("200 OK"))) as server, api(server.url) as it:
        with pytest.raises(Retry, match="lease ran out before") as raised:
            await it.call("PATCH", "/x", json={}, deadline=asyncio.get_running_loop().time())
        assert (server.heard, raised.value.maybe_done) == ([], False)


async def test_a_deadline_that_passes_with_the_connection_in_hand_sends_nothing() -> None:
    loop, go = asyncio.get_running_loop(), asyncio.Event()

    async def slow(_: bytes) -> bytes:
        await go.wait()
        return answer("200 OK")

    async with serving(slow) as server, api(server.url, connections=1) as it:

        async def first() -> None:
            await it.call("GET", "/first")
            # The one connection is free and given to the second call, which only then gets to run: after its deadline.
            _block(loop, 0.5)

        busy = asyncio.create_task(first())
        await asyncio.sleep(0.1)
        late = asyncio.create_task(it.call("PATCH", "/late", json={}, deadline=loop.time() + 0.4))
        await asyncio.sleep(0.1)
        go.set()
        with pytest.raises(Retry, match="lease ran out before") as raised:
            await late
        await busy
        assert ([b"/late" in each for each in server.heard], raised.value.maybe_done) == ([False], False)


def _block(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    until = loop.time() + seconds
    while loop.time() < until:
        pass


# --- budget --------------------------------------------------------------------------------------------------------


async def test_the_budget_holds_over_all_calls_of_a_system() -> None:
    async with serving(always(answer("200 OK"))) as server, api(server.url, calls_per_second=10.0) as it:
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(it.call("GET", "/x") for _ in range(5)))
        assert 0.39 < asyncio.get_running_loop().time() - began < 3.0
