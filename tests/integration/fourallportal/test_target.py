"""Desired states reach the records, however the tenant behaves where nobody outside the vendor knows."""

import asyncio

import pytest

from frontlist.contract import Absent, Resource
from frontlist.errors import DeadLetter, Pause, Retry, Stop
from frontlist.systems.fourallportal.target import FourallportalTarget

from .conftest import Sandbox, product_id
from .delivering import deliver, ensure

TOGGLES = [
    {},
    {"values": "strings"},
    {"dimensions": "null"},
    {"dimensions": "absent"},
    {"empty_fields": "array"},
    {"empty_fields": "null"},
    {"envelope": "legacy"},
    {"cells": "merge"},
    {"arrays": "partial"},
    {"arrays": "silent"},
    {"answer_order": "sorted"},
    {"error_detail": "vague"},
    {"max_batch": 2},
    {"unchanged_write": "ignored"},
    {"deleted_ids": "fail"},
    {"deleted_ids": "swallow"},
    {"values": "strings", "dimensions": "absent", "cells": "merge", "arrays": "silent", "answer_order": "sorted"},
]
A, B, C = product_id(1), product_id(2), product_id(3)
NEW = ensure(
    A,
    isbn="9780141036144",
    page_count=328,
    confidential=False,
    price_float="19.90",
    pub_date="2026-05-01",
    rights_as_of="2026-05-01T10:10:01.803Z",
    height={"value": "210", "unit": "mm"},
    thema=["FBA", "1DDU"],
    description_long__en_GB="An island.",
    subtitle=None,
)
every_tenant = pytest.mark.parametrize("toggles", TOGGLES, ids=str)


def cell(value: object, **dimensions: str) -> dict[str, object]:
    return {"value": value, "dimensions": dimensions}


@every_tenant
async def test_a_record_is_created_as_desired_and_a_second_pass_writes_nothing(
    sandbox: Sandbox, target: FourallportalTarget, toggles: dict[str, object]
) -> None:
    sandbox.toggle(**toggles)
    assert (await deliver(target, [NEW])).steps == ["patch", "verify"]
    stored = sandbox.stored()[A]
    assert stored["isbn"] == [cell("9780141036144")]
    assert stored["price_float"] == [cell(19.9)]
    assert stored["height"] == [cell({"value": 210.0, "unit": "mm", "normalized": 210.0})]
    assert stored["thema"] == [cell(["FBA", "1DDU"])]
    assert "subtitle" not in stored
    assert (await deliver(target, [NEW])).steps == []


@every_tenant
async def test_cells_of_other_dimensions_and_other_fields_stay(
    sandbox: Sandbox, target: FourallportalTarget, toggles: dict[str, object]
) -> None:
    german = {"value": "Eine Insel.", "dimensions": {"locale": "de_DE"}}
    english = {"value": "old", "dimensions": {"locale": "en_GB"}}
    sandbox.edit(id=A, description_long=[english, german], imprint="Theirs")
    sandbox.toggle(**toggles)
    await deliver(target, [ensure(A, description_long__en_GB="new")])
    stored = sandbox.stored()[A]
    assert sorted(stored["description_long"], key=str) == sorted([{**english, "value": "new"}, german], key=str)
    assert stored["imprint"] == [cell("Theirs")]


@every_tenant
async def test_an_emptied_cell_goes_and_the_others_stay(
    sandbox: Sandbox, target: FourallportalTarget, toggles: dict[str, object]
) -> None:
    german = {"value": "Eine Insel.", "dimensions": {"locale": "de_DE"}}
    sandbox.edit(id=A, description_long=[{"value": "old", "dimensions": {"locale": "en_GB"}}, german], isbn="1")
    sandbox.toggle(**toggles)
    desired = [ensure(A, description_long__en_GB=None, isbn=None)]
    await deliver(target, desired)
    stored = sandbox.stored()[A]
    assert stored["description_long"] == [german]
    assert "isbn" not in stored
    assert (await deliver(target, desired)).steps == []


@every_tenant
async def test_a_value_that_only_the_portal_refuses_holds_up_no_other_record(
    sandbox: Sandbox, target: FourallportalTarget, toggles: dict[str, object]
) -> None:
    sandbox.toggle(**toggles)
    # The metadata names no units, so this is not known before.
    bad = ensure(B, isbn="2", height={"value": "3", "unit": "parsec"})
    came = await deliver(target, [ensure(A, isbn="1"), bad, ensure(C, isbn="3")])
    stored = sandbox.stored()
    assert (stored[A]["isbn"], stored[C]["isbn"]) == ([cell("1")], [cell("3")])
    assert set(came.refused) == {B}


@pytest.mark.parametrize("arrays", ["atomic", "partial"])
async def test_a_refusal_that_names_the_field_lets_the_rest_of_the_record_go(
    sandbox: Sandbox, target: FourallportalTarget, arrays: str
) -> None:
    sandbox.toggle(arrays=arrays)
    came = await deliver(target, [ensure(A, isbn="1", height={"value": "3", "unit": "parsec"}), ensure(B, isbn="2")])
    assert came.refused[A].fields == ("height",)
    assert sandbox.stored()[A]["isbn"] == [cell("1")]


async def test_a_value_known_not_to_fit_is_refused_without_a_call(
    sandbox: Sandbox, target: FourallportalTarget
) -> None:
    came = await deliver(target, [ensure(A, isbn="9" * 21), ensure(B, lifecycle="unheard_of"), ensure(C, nowhere="x")])
    assert {id: refused.fields for id, refused in came.refused.items()} == {
        A: ("isbn",),
        B: ("lifecycle",),
        C: ("nowhere",),
    }
    assert sandbox.calls("PATCH") == 0


@pytest.mark.parametrize("deleted_ids", ["fail", "swallow"])
async def test_an_id_that_a_person_deleted_and_that_is_not_taken_again_is_refused(
    sandbox: Sandbox, target: FourallportalTarget, deleted_ids: str
) -> None:
    sandbox.toggle(deleted_ids=deleted_ids)
    sandbox.edit(id=A, isbn="1", deleted=True)
    came = await deliver(target, [ensure(A, isbn="1"), ensure(B, isbn="2")])
    assert came.refused[A].fields == ()
    assert set(sandbox.stored()) == {B}


async def test_a_hundred_records_take_one_patch(sandbox: Sandbox, target: FourallportalTarget) -> None:
    await deliver(target, [ensure(product_id(n), isbn=str(n)) for n in range(100)])
    assert len(sandbox.stored()) == 100
    assert sandbox.calls("PATCH") == 1


async def test_records_outside_the_connectors_condition_are_found(
    sandbox: Sandbox, target: FourallportalTarget
) -> None:
    sandbox.edit(id=A, isbn="1", title="Kept")
    sandbox.edit(id=B, isbn="2", title="Kept")
    sandbox.connector(condition="isbn = '1'")
    wanted = [ensure(A, title="Kept"), ensure(B, title="Kept"), ensure(C, title="New")]
    assert [bool(one) for one in (await target.read(wanted)).values()] == [True, True, False]


async def test_fields_that_the_connector_does_not_carry_are_read_one_by_one(
    sandbox: Sandbox, target: FourallportalTarget
) -> None:
    sandbox.edit(id=A, isbn="1", title="Kept")
    sandbox.edit(id=B, isbn="2", title="Kept")
    sandbox.connector(fields=["isbn"])
    assert (await deliver(target, [ensure(A, title="Kept"), ensure(B, title="Kept")])).steps == []


async def test_a_lost_answer_leaves_the_write_in_doubt(sandbox: Sandbox, target: FourallportalTarget) -> None:
    sandbox.fault(kind="reset", after=True, method="PATCH")
    with pytest.raises(Retry) as caught:
        await deliver(target, [ensure(A, isbn="1")])
    assert caught.value.maybe_done
    assert A in sandbox.stored()


async def test_a_failing_server_is_tried_again(sandbox: Sandbox, target: FourallportalTarget) -> None:
    sandbox.fault(kind="status", status=503, method="PATCH")
    with pytest.raises(Retry) as caught:
        await deliver(target, [ensure(A, isbn="1")])
    assert caught.value.maybe_done


async def test_a_disabled_key_pauses_the_target(sandbox: Sandbox, target: FourallportalTarget) -> None:
    sandbox.toggle(key_enabled=False)
    with pytest.raises(Pause):
        await target.read([ensure(A, isbn="1")])


async def test_nothing_is_sent_after_the_deadline(sandbox: Sandbox, target: FourallportalTarget) -> None:
    desired = ensure(A, isbn="1")
    actual = await target.read([desired])
    steps = target.steps(desired, actual[desired.resource], {})
    with pytest.raises(Retry, match="lease ran out"):
        await target.write(steps, asyncio.get_running_loop().time() - 1)
    assert sandbox.calls("PATCH") == 0


async def test_a_missing_record_that_may_not_be_created_is_no_write(target: FourallportalTarget) -> None:
    with pytest.raises(DeadLetter, match="no such record"):
        await deliver(target, [ensure(A, create=False, isbn="1")])


async def test_records_are_never_deleted(target: FourallportalTarget) -> None:
    with pytest.raises(Stop, match="not deleted"):
        target.steps(Absent(Resource("fourallportal", "product", A), 1, "gone"), None, {})


async def test_a_module_that_vanished_is_no_missing_record(sandbox: Sandbox, target: FourallportalTarget) -> None:
    await target.read([ensure(A, isbn="1")])
    sandbox.fault(kind="status", status=404, path="/api/modules/.*")
    with pytest.raises(Stop, match="404"):
        await target.read([ensure(A, isbn="1")])


async def test_capabilities_name_fields_and_values(sandbox: Sandbox, target: FourallportalTarget) -> None:
    found = await target.capabilities()
    assert "isbn" in found.fields["product"]
    assert found.values["release_state"] == {"draft", "in_review", "released"}
    assert found.creatable == {"product": None}
    sandbox.drop_field("consonance_work_id")
    assert "consonance_work_id" in ((await target.capabilities()).creatable["product"] or "")


async def test_a_cell_that_holds_nothing_is_read_as_none(sandbox: Sandbox, target: FourallportalTarget) -> None:
    sandbox.edit(id=A, isbn="1")
    desired = ensure(A, isbn="1", title="x", description_long__en_GB="y")
    actual = (await target.read([desired]))[desired.resource]
    assert actual is not None
    assert actual.fields == {"isbn": "1", "title": None, "description_long[locale=en_GB]": None}


async def test_an_update_dropped_in_silence_is_noticed(sandbox: Sandbox, target: FourallportalTarget) -> None:
    for id in (A, B):
        sandbox.edit(id=id, isbn="old")
    sandbox.toggle(arrays="silent")
    # What the portal alone refuses makes it drop the whole element, the sound field with it.
    came = await deliver(target, [ensure(A, isbn="1"), ensure(B, isbn="2", height={"value": "3", "unit": "parsec"})])
    assert set(came.refused) == {B}
    assert {"isbn", "height"} == set(came.refused[B].fields)
    assert sandbox.stored()[A]["isbn"] == [cell("1")]
