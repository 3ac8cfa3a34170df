"""Fields of a work, over HTTP. `inHouseSubjects` cannot be read back, `alternativeTitles` and `subtitle` can."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from frontlist.contract import Ensure, FieldKey, Refused, Resource
from frontlist.errors import Pause, Retry, Stop
from integration.consonance.conftest import Consonance
from integration.consonance.test_target import ensure


def wanted(work: int = 1, **fields: Any) -> Ensure:
    named = {FieldKey(key): value for key, value in fields.items()}
    return Ensure(Resource("consonance", "work", str(work)), named, 6, create=False)


async def test_keywords_arrive_in_order_and_nothing_else_changes(consonance: Consonance) -> None:
    work = consonance.tenant.works[1]
    work.alternative_titles, before = ["Theirs"], work.title
    assert await ensure(consonance, wanted(inHouseSubjects=["tale", "ale & “beer”"])) == (["update"], None)
    assert work.in_house_subjects == ["tale", "ale & “beer”"]
    assert (work.title, work.alternative_titles, work.subtitle) == (before, ["Theirs"], None)


async def test_a_field_that_reads_back_as_wanted_is_not_written_again(consonance: Consonance) -> None:
    desired = wanted(alternativeTitles=["B", "A"], subtitle=["of a tub"])
    assert await ensure(consonance, desired) == (["update"], None)
    assert await ensure(consonance, desired) == ([], None)
    assert consonance.tenant.works[1].subtitle == "of a tub"


async def test_exactly_the_readable_ones_of_the_wanted_fields_are_read(consonance: Consonance) -> None:
    consonance.tenant.works[1].alternative_titles = ["A"]
    every = [wanted(alternativeTitles=[], inHouseSubjects=[], colour="red"), wanted(2, subtitle="x"), wanted(77)]
    found = await consonance.target.read(every)
    assert [actual.fields if actual else None for actual in found.values()] == [
        {"alternativeTitles": ["A"]},
        {"subtitle": None},
        None,
    ]


async def test_none_empties_a_list_and_a_text(consonance: Consonance) -> None:
    work = consonance.tenant.works[1]
    work.in_house_subjects, work.alternative_titles, work.subtitle = ["old"], ["old"], "old"
    await ensure(consonance, wanted(inHouseSubjects=None, alternativeTitles=None, subtitle=None))
    assert (work.in_house_subjects, work.alternative_titles, work.subtitle) == ([], [], None)


async def test_an_update_is_the_same_when_it_is_repeated(consonance: Consonance) -> None:
    for _ in range(2):  # as after a lost answer: the progress is lost here
        assert await ensure(consonance, wanted(inHouseSubjects=["tale"])) == (["update"], None)
    assert consonance.tenant.works[1].in_house_subjects == ["tale"]


@pytest.mark.parametrize("in_payload", [True, False])
@pytest.mark.parametrize("said", ["In house subjects is too long", "inHouseSubjects: too many"])
async def test_a_refused_field_is_named(consonance: Consonance, said: str, in_payload: bool) -> None:
    consonance.toggles.errors_in_payload = in_payload
    consonance.toggles.refuse = {"UpdateWorkInput.inHouseSubjects": said}
    _, outcome = await ensure(consonance, wanted(inHouseSubjects=["tale"], alternativeTitles=["A"]))
    assert outcome == Refused((FieldKey("inHouseSubjects"),), said)
    assert consonance.tenant.works[1].alternative_titles == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"colour": "red"}, "no colour"),
        ({"products": [{"id": 10}]}, "no products"),
        ({"id": 2}, "no id"),
        ({"subtitle": ["one", "two"]}, "takes one value, not 2"),
        ({"onixEditionTypeCodes": ["NOPE"]}, "NOPE is no ONIXEditionTypeCode"),
        ({"subtitle": 7}, "subtitle"),
    ],
)
async def test_what_the_input_cannot_hold_is_refused_by_field(
    consonance: Consonance, fields: dict[str, Any], said: str
) -> None:
    _, outcome = await ensure(consonance, wanted(**fields, inHouseSubjects=["tale"]))
    assert isinstance(outcome, Refused)
    assert said in outcome.reason
    assert consonance.tenant.works[1].in_house_subjects == []


async def test_a_work_that_went_away_is_refused_as_a_whole(consonance: Consonance) -> None:
    [step] = consonance.target.steps(wanted(77, inHouseSubjects=["tale"]), None, {})
    [outcome] = await consonance.target.write([step], asyncio.get_running_loop().time() + 5)
    assert outcome == Refused((), "Work not found")


async def test_a_field_that_cannot_be_read_now_is_not_taken_for_empty(consonance: Consonance) -> None:
    consonance.toggles.fail = {"Work.alternativeTitles": "boom"}
    with pytest.raises(Stop, match="boom"):
        await consonance.target.read([wanted(alternativeTitles=["A"])])


async def test_a_resource_that_names_no_work_stops_with_the_cure(consonance: Consonance) -> None:
    with pytest.raises(Stop, match="number"):
        await consonance.target.read([Ensure(Resource("consonance", "work", "1}) { id }"), {}, 6)])


async def test_a_tenant_without_the_mutation_can_write_no_field_of_a_work(consonance: Consonance) -> None:
    assert "inHouseSubjects" in (await consonance.target.capabilities()).fields["UpdateWorkInput"]
    consonance.toggles.refuted = ["consonance.mutation-names"]
    assert (await consonance.target.capabilities()).fields["UpdateWorkInput"] == frozenset()
    _, outcome = await ensure(consonance, wanted(inHouseSubjects=["tale"]))
    assert isinstance(outcome, Refused)


async def test_a_write_past_its_deadline_or_with_an_expired_key_is_not_done(consonance: Consonance) -> None:
    await consonance.client.schema()
    [step] = consonance.target.steps(wanted(inHouseSubjects=["tale"]), None, {})
    with pytest.raises(Retry, match="lease ran out"):
        await consonance.target.write([step], asyncio.get_running_loop().time() - 1)
    consonance.toggles.key_expired = True
    with pytest.raises(Pause):
        await consonance.target.write([step], asyncio.get_running_loop().time() + 5)
    assert consonance.tenant.works[1].in_house_subjects == []
