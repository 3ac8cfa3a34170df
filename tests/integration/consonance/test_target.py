from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from frontlist.contract import Desired, Ensure, FieldKey, Refused, Resource, StepOutcome
from frontlist.errors import DeadLetter, Pause, Retry, Stop
from frontlist_sandbox.consonance.model import MarketingText
from integration.consonance.conftest import Consonance

RESOURCE = Resource("consonance", "text", "6f7c0f39-6a7f-5f0e-9d54-3b7c1e0f6e11")


def wanted(**changes: Any) -> Ensure:
    fields = {
        "work_id": 1,
        "variant": "SHORT_DESCRIPTION",
        "language": "eng",
        "audiences": ["03", "00"],
        "product_ids": [10],
        "markdown": "A *fine* tale & “more”.\n\n* one\n* two",
        "from_date": "2026-12-01",
        "until_date": None,
    }
    return Ensure(RESOURCE, {FieldKey(k): v for k, v in {**fields, **changes}.items()}, flow=6)


async def ensure(
    consonance: Consonance, desired: Desired, progress: dict[str, Any] | None = None, steps: int = 10
) -> tuple[list[str], StepOutcome | None]:
    """As the engine does: read, then the first step over and over, its result kept under its name."""
    target, progress = consonance.target, {} if progress is None else progress
    actual = (await target.read([desired]))[desired.resource]
    done: list[str] = []
    while len(done) < steps and (todo := target.steps(desired, actual, progress)):
        [outcome] = await target.write(todo[:1], asyncio.get_running_loop().time() + 5)
        done.append(todo[0].name)
        if isinstance(outcome, Refused):
            return done, outcome
        progress[todo[0].name] = outcome.result
    return done, None


def ours(consonance: Consonance, work: int = 1) -> list[MarketingText]:
    return [
        t for t in consonance.tenant.works[work].marketing_texts if "frontlist:" in (t.internal_text_markdown or "")
    ]


async def test_a_text_is_created_and_reads_back_as_wanted(consonance: Consonance) -> None:
    assert await ensure(consonance, wanted()) == (["create", "verify"], None)
    [text] = ours(consonance)
    assert (text.variant, text.product_ids, text.onix_content_audience_codes) == (
        "SHORT_DESCRIPTION",
        [10],
        ["03", "00"],
    )
    actual = (await consonance.target.read([wanted()]))[RESOURCE]
    assert actual is not None
    differing = [k for k, v in wanted().fields.items() if not consonance.target.same(RESOURCE, k, v, actual.fields[k])]
    assert differing == []


async def test_an_unchanged_text_is_never_written_again(consonance: Consonance) -> None:
    await ensure(consonance, wanted())
    assert await ensure(consonance, wanted()) == ([], None)


async def test_an_unchanged_text_is_not_written_again_whatever_was_made_of_its_markdown(consonance: Consonance) -> None:
    await ensure(consonance, wanted())
    text = ours(consonance)[0]
    text.external_text_markdown = text.external_text_markdown.replace("&", "&amp;").replace("\n* ", "\n- ")
    assert await ensure(consonance, wanted()) == ([], None)


async def test_a_changed_text_replaces_the_old_one_and_touches_no_other(consonance: Consonance) -> None:
    theirs = MarketingText(900, 1, "Written by hand.", "a note", variant="SHORT_DESCRIPTION")
    consonance.tenant.works[1].marketing_texts.append(theirs)
    await ensure(consonance, wanted())
    assert await ensure(consonance, wanted(markdown="Better.")) == (["create", "verify", "delete"], None)
    assert [t.external_text_markdown for t in ours(consonance)] == ["Better."]
    assert theirs in consonance.tenant.works[1].marketing_texts


async def test_the_old_text_stands_until_the_new_one_is_verified(consonance: Consonance) -> None:
    await ensure(consonance, wanted())
    await ensure(consonance, wanted(markdown="Better."), steps=1)
    assert len(ours(consonance)) == 2


@pytest.mark.parametrize("steps", [1, 2, 3])
async def test_after_a_crash_that_lost_the_progress_no_second_text_is_made(consonance: Consonance, steps: int) -> None:
    await ensure(consonance, wanted(markdown="Old."))
    await ensure(consonance, wanted(), steps=steps)  # its progress is lost here
    await ensure(consonance, wanted())
    [text] = ours(consonance)
    assert text.external_text_markdown == wanted().fields[FieldKey("markdown")]


async def test_of_two_with_the_right_fingerprint_one_stays(consonance: Consonance) -> None:
    await ensure(consonance, wanted())
    [text] = ours(consonance)
    consonance.tenant.works[1].marketing_texts.append(
        MarketingText(901, **{k: v for k, v in vars(text).items() if k != "id"})
    )
    assert await ensure(consonance, wanted()) == (["delete"], None)
    assert [t.id for t in ours(consonance)] == [text.id]


async def test_a_text_that_shall_not_be_is_taken_away(consonance: Consonance) -> None:
    await ensure(consonance, wanted())
    assert await ensure(consonance, wanted(markdown=None)) == (["delete"], None)
    assert ours(consonance) == []
    assert await ensure(consonance, wanted(markdown=None)) == ([], None)


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"variant": "HAIKU"}, "variant", "HAIKU is no MarketingTextVariant"),
        ({"language": "xx-elvish"}, "language", "xx-elvish is no ONIXLanguageCode"),
        ({"audiences": ["00", "77"]}, "audiences", "77 is no ONIXContentAudienceCode"),
        ({"product_ids": [99]}, "product_ids", "Product 99 is not a product"),
        ({"markdown": " "}, "markdown", "External text can't be blank"),
        ({"from_date": "soon"}, "from_date", "fromDate"),
        ({"work_id": 77}, "work_id", "Work not found"),
        ({"colour": "red"}, "colour", "has no colour"),
    ],
)
@pytest.mark.parametrize("in_payload", [True, False])
async def test_what_consonance_will_not_have_is_refused_by_field(
    consonance: Consonance, change: dict[str, Any], field: str, said: str, in_payload: bool
) -> None:
    consonance.toggles.errors_in_payload = in_payload
    _, outcome = await ensure(consonance, wanted(**change))
    assert isinstance(outcome, Refused)
    assert said in outcome.reason
    assert field in outcome.fields
    assert ours(consonance) == []


async def test_a_text_that_reads_back_differently_is_taken_away_and_refused(consonance: Consonance) -> None:
    await ensure(consonance, wanted(markdown="Old."))
    progress: dict[str, Any] = {}
    await ensure(consonance, wanted(), progress, steps=1)
    ours(consonance)[-1].external_text_markdown = "Mangled."
    actual_before = (await consonance.target.read([wanted()]))[RESOURCE]
    [verify] = consonance.target.steps(wanted(), actual_before, progress)
    [outcome] = await consonance.target.write([verify], asyncio.get_running_loop().time() + 5)
    assert outcome == Refused((FieldKey("markdown"),), "markdown read back differently from what was written")
    assert [t.external_text_markdown for t in ours(consonance)] == ["Old."]


async def test_an_old_text_that_will_not_go_is_dead_lettered_with_its_id(consonance: Consonance) -> None:
    await ensure(consonance, wanted())
    consonance.toggles.refuse = {"DeleteMarketingTextInput.id": "locked"}
    with pytest.raises(DeadLetter, match="locked"):
        await ensure(consonance, wanted(markdown="Better."))


async def test_texts_that_cannot_be_listed_are_not_taken_for_none(consonance: Consonance) -> None:
    consonance.toggles.override = {"Work.marketingTexts": None}
    with pytest.raises(Stop, match="marketingTexts is null"):
        await consonance.target.read([wanted()])


async def test_texts_of_many_works_are_read_in_one_request_each_for_itself(consonance: Consonance) -> None:
    many = [Ensure(Resource("consonance", "text", f"r{i}"), {**wanted(work_id=i).fields}, 6) for i in (1, 2, 3, 77)]
    many = [
        Ensure(d.resource, {**d.fields, FieldKey("product_ids"): [d.fields[FieldKey("work_id")] * 10]}, 6) for d in many
    ]
    for each in many[:2]:
        await ensure(consonance, each)
    found = await consonance.target.read(many)
    assert [found[d.resource] is not None for d in many] == [True, True, False, False]


@pytest.mark.parametrize(
    ("refuted", "why"),
    [
        ((), None),
        (("consonance.mutation-names",), "no mutation createMarketingText"),
    ],
)
async def test_capabilities_say_whether_texts_may_be_created(
    consonance: Consonance, refuted: Iterable[str], why: str | None
) -> None:
    consonance.toggles.refuted = list(refuted)
    found = (await consonance.target.capabilities()).creatable["text"]
    assert found is None if why is None else why in (found or "")


async def test_capabilities_list_variants_and_field_keys(consonance: Consonance) -> None:
    found = await consonance.target.capabilities()
    assert "SHORT_DESCRIPTION" in found.values["MarketingTextVariant"]
    assert "03" in found.values["ONIXContentAudienceCode"]
    assert found.fields["text"] >= {"markdown", "variant", "work_id"}


@pytest.mark.parametrize(
    "refuted",
    [
        ("consonance.payload-fields",),
        ("consonance.payload-errors",),
        ("consonance.marketing-text-fields",),
        ("consonance.delete-success",),
    ],
)
async def test_it_works_whatever_names_the_tenant_lacks(consonance: Consonance, refuted: tuple[str, ...]) -> None:
    consonance.toggles.refuted = list(refuted)
    assert await ensure(consonance, wanted(markdown="Old.")) == (["create", "verify"], None)
    assert await ensure(consonance, wanted()) == (["create", "verify", "delete"], None)
    assert len(ours(consonance)) == 1


async def test_an_expired_key_pauses_a_write(consonance: Consonance) -> None:
    await consonance.client.schema()
    consonance.toggles.graphql_unauthorized = "200-errors"
    consonance.toggles.key_expired = True
    with pytest.raises(Pause):
        await consonance.target.read([wanted()])


async def test_a_write_past_its_deadline_is_not_sent(consonance: Consonance) -> None:
    await consonance.client.schema()
    [step] = consonance.target.steps(wanted(), None, {})
    with pytest.raises(Retry, match="lease ran out"):
        await consonance.target.write([step], asyncio.get_running_loop().time() - 1)
    assert ours(consonance) == []
