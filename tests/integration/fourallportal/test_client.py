"""Calls of the client: what an answer means, the HTTP status first, then what the body says of itself."""

import httpx
import pytest

from frontlist.errors import DeliveryError, Pause, Refuse, Retry, Stop
from frontlist.systems.fourallportal.client import Client, _body

from .conftest import Sandbox


def said(content: str, status: int = 200) -> object:
    return _body(httpx.Response(status, text=content), "GET /x", changes=True, allow=frozenset({404}))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ('{"status": 401, "message": "no"}', Pause),
        ('{"status": 500, "message": "no"}', Retry),
        ('{"status": 400, "message": "no"}', Refuse),
        ('{"code": -1, "message": "no", "info": {}}', Refuse),
        ("<html>maintenance</html>", Retry),
        ('["cut', Retry),
    ],
)
def test_a_200_that_says_otherwise_is_an_error(content: str, error: type[DeliveryError]) -> None:
    with pytest.raises(error):
        said(content)


def test_a_200_that_says_404_is_a_404() -> None:
    assert said('{"status": 404, "message": "no"}') == (404, None)


def test_a_module_may_have_fields_called_status_and_message() -> None:
    assert said('{"id": "r1", "status": [{"value": 500}], "message": [{"value": "x"}]}')


def test_numbers_with_a_fraction_are_read_as_text() -> None:
    assert said('[{"value": 19.90}]') == (200, [{"value": "19.90"}])


async def test_all_objects_are_listed_however_small_the_pages(sandbox: Sandbox, client: Client) -> None:
    sandbox.toggle(max_limit=3)
    ids = [sandbox.edit(isbn=str(n)) for n in range(7)]
    assert [one["id"] async for one in client.objects("product", ["id", "isbn"])] == ids
    assert await client.count("product") == 7


async def test_a_deleted_object_is_not_there(sandbox: Sandbox, client: Client) -> None:
    id = sandbox.edit(isbn="1")
    assert await client.delete("product", id)
    assert await client.get("product", id) is None
    assert not await client.delete("product", id)


async def test_an_id_cannot_leave_its_place_in_the_path(client: Client) -> None:
    assert await client.get("product", "../../connectors") is None


async def test_options_that_the_tenant_does_not_know_are_missing(client: Client) -> None:
    assert await client.options(["release_state", "nobody_knows"]) == {
        "release_state": frozenset({"draft", "in_review", "released"})
    }


async def test_connectors_are_listed(client: Client) -> None:
    assert {one["connector_name"] for one in await client.connectors()} >= {"frontlist_product"}


async def test_an_unknown_connector_stops_and_names_it(client: Client) -> None:
    with pytest.raises(Stop, match="nobody"):
        await client.connector("nobody")
