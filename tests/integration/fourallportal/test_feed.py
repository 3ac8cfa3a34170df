"""The change feed: nothing that happened is missed, whatever the tenant does with its queue."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from frontlist.errors import ConfigurationError, Stop
from frontlist.source import Raw, RawKey
from frontlist.systems.fourallportal.client import Client
from frontlist.systems.fourallportal.settings import FourallportalSettings
from frontlist.systems.fourallportal.source import FourallportalSource

from .conftest import TENANT, USE, Sandbox

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@dataclass
class Capture:
    """Capture in small: a mirror, a cursor, gone ids asked for, never more than `most` pages a pass."""

    source: FourallportalSource
    cursor: Any = None
    mirror: dict[str, Raw] = field(default_factory=dict)
    swept: bool = False
    pages: int = 0

    async def passed(self, now: datetime = NOON, most: int = 20) -> "Capture":
        """Until the feed says that a pass is complete."""
        self.swept, self.pages = False, 0
        for _ in range(most):
            page = await self.source.feeds[0].page(self.cursor, now)
            self.cursor, self.swept, self.pages = page.cursor, self.swept or page.sweep, self.pages + 1
            self.mirror |= {raw.key.id: raw for raw in (*page.raws, *await self.source.fetch(page.gone))}
            if page.exhausted:
                return self
        raise AssertionError(f"not exhausted after {most} pages: {self.cursor}")

    def there(self) -> set[str]:
        return {id for id, raw in self.mirror.items() if raw.body is not None}


@pytest.fixture
def capture(source: FourallportalSource) -> Capture:
    return Capture(source)


@pytest.mark.parametrize(
    "toggles", [{}, {"rebuild_shows": "half"}, {"rebuild_calls": 0}, {"values": "strings"}], ids=str
)
async def test_the_first_pass_finds_what_is_there(sandbox: Sandbox, capture: Capture, toggles: dict[str, Any]) -> None:
    ids = {sandbox.edit(isbn=str(n)) for n in range(5)}
    sandbox.toggle(**toggles)
    await capture.passed()
    assert capture.there() == ids
    assert capture.swept


async def test_an_empty_tenant_is_drained_too(capture: Capture) -> None:
    await capture.passed()
    assert capture.there() == set()


async def test_more_than_a_thousand_objects_arrive(sandbox: Sandbox, capture: Capture) -> None:
    ids = {sandbox.edit(id=f"r{n}") for n in range(1003)}
    await capture.passed()
    assert capture.there() == ids


async def test_an_edit_a_creation_and_a_deletion_arrive(sandbox: Sandbox, capture: Capture) -> None:
    edited, deleted = sandbox.edit(price_float=1), sandbox.edit(isbn="2")
    await capture.passed()
    sandbox.edit(id=edited, price_float=19.5)
    sandbox.delete(deleted)
    created = sandbox.edit(isbn="3")
    await capture.passed(most=2)
    assert capture.there() == {edited, created}
    body = capture.mirror[edited].body
    assert body is not None
    assert body["cells"]["price_float"] == [{"dimensions": {}, "value": "19.5"}]
    assert not capture.swept


async def test_a_quiet_feed_is_asked_once_and_brings_nothing(sandbox: Sandbox, capture: Capture) -> None:
    sandbox.edit(isbn="1")
    await capture.passed()
    cursor = (await capture.passed()).cursor
    sandbox.forget_calls()
    await capture.passed()
    assert capture.cursor == cursor
    assert sandbox.calls("GET", "/objects") == 0


async def test_a_crash_before_the_cursor_was_stored_loses_nothing(sandbox: Sandbox, capture: Capture) -> None:
    await capture.passed()
    before = capture.cursor
    id = sandbox.edit(isbn="1")
    await capture.passed()
    again = Capture(capture.source, before)
    await again.passed()
    assert again.there() == {id}


async def test_a_record_that_leaves_the_connectors_condition_is_asked_for_by_id(
    sandbox: Sandbox, capture: Capture
) -> None:
    sandbox.connector(condition="isbn = '1'")
    id = sandbox.edit(isbn="1")
    await capture.passed()
    sandbox.edit(id=id, isbn="2")
    page = await capture.source.feeds[0].page(capture.cursor, NOON)
    assert page.gone == (RawKey("product", id),)
    assert (await capture.source.fetch(page.gone))[0].body is not None


@pytest.mark.parametrize("wrong_hash", ["refuse", "empty", "ignore"])
async def test_a_changed_connector_is_read_anew_from_the_start(
    sandbox: Sandbox, capture: Capture, wrong_hash: str
) -> None:
    sandbox.toggle(wrong_hash=wrong_hash)
    await capture.passed()
    sandbox.add_field("another", type="CEText")
    id = sandbox.edit(isbn="1")
    await capture.passed()
    assert capture.swept
    assert capture.there() == {id}


async def test_a_connector_without_a_field_in_use_is_refused_by_name(sandbox: Sandbox, capture: Capture) -> None:
    await capture.passed()
    sandbox.connector(fields=sorted(USE.fields - {"copy_state"}))
    with pytest.raises(ConfigurationError, match=r"copy_state.*Cure: add copy_state"):
        await capture.passed()
    sandbox.connector()
    await capture.passed()


async def test_a_module_without_a_field_in_use_is_refused_by_name(sandbox: Sandbox, capture: Capture) -> None:
    sandbox.drop_field("copy_state")
    with pytest.raises(ConfigurationError, match="module product"):
        await capture.passed()


async def test_events_lost_from_the_queue_are_made_good_by_a_rebuild(
    sandbox: Sandbox, capture: Capture, client: Client
) -> None:
    sandbox.edit(isbn="1")
    await capture.passed()
    id = sandbox.edit(isbn="2")
    # Somebody else asks from 0, so the queue no longer holds what we saw last.
    await client.events("frontlist_product", 0, capture.cursor["hash"])
    await capture.passed(NOON + timedelta(hours=2))
    assert capture.swept
    assert id in capture.there()


async def test_a_feed_that_always_loses_events_is_rebuilt_once_an_hour_at_most(
    sandbox: Sandbox, capture: Capture, client: Client
) -> None:
    sandbox.edit(isbn="1")
    await capture.passed()
    await client.events("frontlist_product", 0, capture.cursor["hash"])
    await capture.passed()
    assert not capture.swept
    await capture.passed(NOON + timedelta(hours=1))
    assert capture.swept


async def test_a_rebuild_is_not_believed_to_be_over_too_soon(
    sandbox: Sandbox, client: Client, settings: FourallportalSettings
) -> None:
    patient = settings.model_copy(update={"rebuild_seconds": 30.0, "rebuild_empties": 2})
    feed = FourallportalSource(client, [USE], TENANT, patient).feeds[0]
    page = await feed.page(None, NOON)
    for _ in range(3):
        page = await feed.page(page.cursor, NOON + timedelta(seconds=10))
    assert not page.exhausted
    assert (await feed.page(page.cursor, NOON + timedelta(seconds=31))).exhausted


async def test_an_unknown_id_is_fetched_as_gone(source: FourallportalSource, sandbox: Sandbox) -> None:
    id = sandbox.edit(isbn="1")
    known, unknown = await source.fetch([RawKey("product", id), RawKey("product", "nobody")])
    assert known.body is not None
    assert unknown.body is None


async def test_a_module_out_of_reach_makes_no_record_gone(source: FourallportalSource, sandbox: Sandbox) -> None:
    id = sandbox.edit(isbn="1")
    await source.fetch([RawKey("product", id)])
    sandbox.fault(kind="status", status=404, path="/api/modules/.*")
    with pytest.raises(Stop, match="404"):
        await source.fetch([RawKey("product", id)])


@pytest.mark.parametrize(
    "toggles",
    [
        {"values": "strings"},
        {"dimensions": "null"},
        {"dimensions": "absent"},
        {"empty_fields": "array"},
        {"empty_fields": "null"},
        {"envelope": "legacy"},
    ],
    ids=str,
)
async def test_the_form_of_an_answer_makes_no_other_document(
    sandbox: Sandbox, source: FourallportalSource, toggles: dict[str, Any]
) -> None:
    text = {"value": "Eine Insel.", "dimensions": {"locale": "de_DE"}}
    key = RawKey("product", sandbox.edit(price_float=19.5, consonance_product_id=5, description_long=[text]))
    before = await source.fetch([key])
    sandbox.toggle(**toggles)
    assert await source.fetch([key]) == before


async def test_a_mapping_that_uses_another_field_reads_all_records_again(
    sandbox: Sandbox, capture: Capture, client: Client, settings: FourallportalSettings
) -> None:
    id = sandbox.edit(feature_bullets=["A map"])
    await capture.passed()
    more = replace(USE, owned=USE.owned | {"feature_bullets"})
    again = Capture(FourallportalSource(client, [more], TENANT, settings), capture.cursor)
    await again.passed()
    body = again.mirror[id].body
    assert body is not None
    assert body["cells"]["feature_bullets"] == [{"dimensions": {}, "value": ["A map"]}]


async def test_a_cursor_of_another_release_starts_anew(sandbox: Sandbox, capture: Capture) -> None:
    id = sandbox.edit(isbn="1")
    capture.cursor = {"place": 7}
    await capture.passed()
    assert capture.there() == {id}
