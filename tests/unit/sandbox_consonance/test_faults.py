"""Faults on demand and the log of calls, over real connections."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from frontlist_sandbox import serving
from frontlist_sandbox.consonance import server
from frontlist_sandbox.consonance.model import Tenant

QUERY = "{ works { id } }"
WRITE = 'mutation { createMarketingText(input: {workId: 10, externalTextMarkdown: "x"}) { errors } }'


def _fault(client: httpx.Client, **rule: Any) -> dict[str, Any]:
    answer = client.post("/sandbox/faults", json=rule)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def _send(client: httpx.Client, query: str = QUERY) -> httpx.Response:
    return client.post("/graphql", json={"query": query})


def _texts(client: httpx.Client) -> int:
    count: int = client.get("/sandbox/state").json()["counts"]["marketing_texts"]
    return count


def test_a_status_is_answered_for_the_first_calls_only(client: httpx.Client) -> None:
    _fault(client, kind="status", status=502, count=2, path="^/graphql$", body="bad gateway")
    assert [_send(client).status_code for _ in range(3)] == [502, 502, 200]


def test_a_rule_may_let_calls_pass_first(client: httpx.Client) -> None:
    _fault(client, kind="status", skip=2, count=1)
    assert [_send(client).status_code for _ in range(4)] == [200, 200, 503, 200]


def test_429_names_seconds_or_a_date(client: httpx.Client) -> None:
    _fault(client, kind="status", status=429, retry_after=7, count=1)
    _fault(client, kind="status", status=429, retry_after=60, retry_after_date=True, count=1)
    assert _send(client).headers["retry-after"] == "7"
    wait = parsedate_to_datetime(_send(client).headers["retry-after"]).timestamp() - time.time()
    assert 55 < wait <= 61


def test_a_share_of_calls_fails_and_the_same_ones_for_a_seed(client: httpx.Client) -> None:
    def seen() -> list[int]:
        client.delete("/sandbox/faults")
        _fault(client, kind="status", share=0.5, seed=3)
        return [_send(client).status_code for _ in range(20)]

    first = seen()
    assert 3 < first.count(503) < 17
    assert seen() == first


def test_a_rule_meets_a_graphql_operation_by_its_root_field(client: httpx.Client) -> None:
    rule = _fault(client, kind="status", operation="createMarketingText")
    assert (_send(client).status_code, _send(client, WRITE).status_code) == (200, 503)
    assert client.delete(f"/sandbox/faults/{rule['id']}").status_code == 204
    assert _send(client, WRITE).status_code == 200


def test_latency_delays(client: httpx.Client) -> None:
    _fault(client, kind="latency", seconds=0.3)
    began = time.monotonic()
    assert _send(client).status_code == 200
    assert time.monotonic() - began >= 0.3


def test_a_reset_before_cuts_the_connection_and_writes_nothing(client: httpx.Client) -> None:
    _fault(client, kind="reset", count=1)
    with pytest.raises(httpx.ReadError, match=r"reset|Errno 104"):
        _send(client, WRITE)
    assert _texts(client) == 1


def test_a_reset_after_cuts_the_connection_when_the_write_was_done(client: httpx.Client) -> None:
    _fault(client, kind="reset", after=True, operation="createMarketingText", count=1)
    with pytest.raises(httpx.ReadError, match=r"reset|Errno 104"):
        _send(client, WRITE)
    assert _texts(client) == 2


def test_a_status_after_lies_about_a_write_that_was_done(client: httpx.Client) -> None:
    _fault(client, kind="status", status=500, after=True, count=1)
    assert _send(client, WRITE).status_code == 500
    assert _texts(client) == 2


def test_a_hang_ends_with_the_client(client: httpx.Client) -> None:
    _fault(client, kind="hang", path="/graphql", count=1)
    with pytest.raises(httpx.ReadTimeout):
        client.post("/graphql", json={"query": WRITE}, timeout=0.2)
    assert _texts(client) == 1


def test_a_request_whose_client_gave_up_is_carried_out_late(client: httpx.Client) -> None:
    _fault(client, kind="latency", seconds=0.5, count=1)
    with pytest.raises(httpx.ReadTimeout):
        client.post("/graphql", json={"query": WRITE}, timeout=0.1)
    assert _texts(client) == 1
    _until(lambda: _texts(client) == 2)


def _until(holds: Any, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_log_counts_calls_operations_and_writes(client: httpx.Client) -> None:
    _send(client)
    _send(client, WRITE)
    log = client.get("/sandbox/calls").json()
    assert (log["total"], log["writes"]) == (2, 1)
    assert log["counts"]["POST /graphql createMarketingText"] == 1
    assert [call["status"] for call in log["calls"]] == [200, 200]
    only = client.get("/sandbox/calls", params={"writes": "true"}).json()["calls"]
    assert [call["operations"] for call in only] == [["createMarketingText"]]
    assert "authorization" not in str(log).lower()
    assert client.delete("/sandbox/calls").json()["total"] == 0


def test_the_log_knows_how_many_calls_ran_at_once(client: httpx.Client) -> None:
    _fault(client, kind="latency", seconds=0.3)
    with ThreadPoolExecutor(3) as pool:
        assert {r.status_code for r in pool.map(lambda _: _send(client), range(3))} == {200}
    assert client.get("/sandbox/calls").json()["peak_in_flight"] == 3


@pytest.mark.parametrize("rule", [{"kind": "flood"}, {"kind": "hang", "path": "("}, {"kind": "hang", "shard": 1}])
def test_a_wrong_rule_is_refused(client: httpx.Client, rule: dict[str, Any]) -> None:
    assert client.post("/sandbox/faults", json=rule).status_code == 422
    assert client.get("/sandbox/faults").json() == []


def test_a_server_stops_while_a_call_hangs_and_frees_its_port() -> None:
    app = server.app(Tenant(), key="k")
    running = serving.start(app)
    httpx.post(f"{running.url}/sandbox/faults", json={"kind": "hang"})
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(httpx.post, f"{running.url}/graphql", json={}, timeout=20)
        _until(lambda: httpx.get(f"{running.url}/sandbox/calls").json()["total"] == 1)
        running.stop()
        assert isinstance(hanging.exception(timeout=5), httpx.HTTPError) or hanging.result().status_code >= 500
    serving.start(app, port=running.port).stop()


def test_a_taken_port_is_told() -> None:
    with (
        serving.serve(server.app(Tenant(), key="k")) as running,
        pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{running.port}: .*choose another port"),
    ):
        serving.start(server.app(Tenant(), key="k"), port=running.port)
