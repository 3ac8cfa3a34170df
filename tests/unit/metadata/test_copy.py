"""Flow 6: which texts go to Consonance, when, and for which products."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontlist.clock import chosen_id
from frontlist.contract import Capabilities, Document, Ensure, Plan
from frontlist.mapping import default_text, load
from unit.metadata.dossiers import (
    MAPPING,
    NOW,
    RECORD,
    blurb,
    cell,
    context,
    document,
    dossier,
    formats,
    keys,
    planned,
    portal,
    record,
)

QUIET = MAPPING.quiet
LATER = NOW + QUIET
ALL = chosen_id("house", "text", "1/short_description/en_GB")
OWN = chosen_id("house", "text", "1/short_description/en_GB/11")


def texts(result: Plan) -> dict[str, Any]:
    """The texts planned, by id: their markdown."""
    return {e.resource.id: e.fields["markdown"] for e in result.desired if isinstance(e, Ensure) and e.flow == 6}  # type: ignore[index]


def of(result: Plan, id: str) -> dict[str, Any]:
    (found,) = [each for each in result.desired if each.resource.id == id]
    assert isinstance(found, Ensure)
    return {str(key): value for key, value in found.fields.items()}


def own(*cells: dict[str, Any], product: int | None = 11, id: str = RECORD) -> dict[str, Any]:
    return record(*cells, module="product", id=id, product=product)


def test_a_released_and_quiet_text_becomes_a_marketing_text() -> None:
    result = planned(dossier(portal(record(*blurb("<p>A <b>fine</b> tale.</p>"))), formats=formats(11, 12)), now=LATER)
    assert of(result, ALL) == {
        "work_id": 1,
        "variant": "SHORT_DESCRIPTION",
        "language": "eng",
        "audiences": ["00"],
        "product_ids": [11, 12],
        "markdown": "A **fine** tale.",
    }


def test_a_text_needs_no_release_of_the_title() -> None:
    given_ = dossier(portal(record(*blurb("Early."))), milestones={"work_id": 1, "project_stage": None, "products": []})
    assert texts(planned(given_, now=LATER)) == {ALL: "Early."}


@pytest.mark.parametrize("state", ["draft", "in_review", "", None, 7, ["released"]])
def test_a_text_that_is_not_released_stays(state: Any) -> None:
    assert texts(planned(dossier(portal(record(*blurb("A tale.", state)))), now=LATER)) == {}


def test_a_text_whose_state_is_of_another_locale_stays() -> None:
    cells = [cell("description_short", "Eine Mär.", locale="de_DE"), *blurb("A tale.")]
    assert list(texts(planned(dossier(portal(record(*cells))), now=LATER))) == [ALL]


# -- quiet ----------------------------------------------------------------------------------------------------------


def test_a_text_waits_until_it_is_quiet() -> None:
    given_ = dossier(portal(record(*blurb("Half a"))))
    result = planned(given_, now=NOW + QUIET / 2)
    assert (texts(result), result.next_at) == ({}, LATER)
    assert texts(planned(given_, now=LATER, notes=result.notes)) == {ALL: "Half a"}


def test_a_change_begins_the_wait_anew() -> None:
    first = planned(dossier(portal(record(*blurb("Half a")))), now=NOW)
    edited = NOW + QUIET / 2
    given_ = dossier(portal(record(*blurb("Half a tale.")), at=edited))
    result = planned(given_, now=LATER, notes=first.notes)
    assert (texts(result), result.next_at) == ({}, edited + QUIET)


def test_another_change_of_the_title_does_not_begin_it_anew() -> None:
    first = planned(dossier(portal(record(*blurb("A tale.")))), now=NOW)
    later = portal(record(*blurb("A tale."), cell("keywords", ["x"], locale="en_GB")), at=NOW + QUIET / 2)
    assert texts(planned(dossier(later), now=LATER, notes=first.notes)) == {ALL: "A tale."}


def test_a_text_that_stood_for_long_goes_as_soon_as_it_is_released() -> None:
    first = planned(dossier(portal(record(*blurb("A tale.", "draft")))), now=NOW)
    released = dossier(portal(record(*blurb("A tale.")), at=LATER))
    assert texts(planned(released, now=LATER, notes=first.notes)) == {ALL: "A tale."}


EDITS = st.lists(st.tuples(st.integers(0, 900), st.sampled_from(["A", "B", "C"]), st.booleans()), max_size=8)


@given(EDITS)
def test_what_is_sent_has_always_been_quiet_and_released(edits: list[tuple[int, str, bool]]) -> None:
    now, notes, since, current = NOW, {}, NOW, None
    for seconds, text, released in edits:
        now += timedelta(seconds=seconds)
        since = now if text != current else since
        current = text
        result = planned(
            dossier(portal(record(*blurb(text, "released" if released else "draft")), at=now)), now=now, notes=notes
        )
        notes = dict(notes if result.notes is None else result.notes)
        assert texts(result) == ({ALL: text} if released and now - since >= QUIET else {})
        if released and now - since < QUIET:
            assert result.next_at == since + QUIET


# -- which products -------------------------------------------------------------------------------------------------


def test_a_product_with_a_text_of_its_own_does_not_get_the_titles() -> None:
    here = portal(record(*blurb("All.")), own(*blurb("Mine.")))
    result = planned(dossier(here, formats=formats(11, 12)), now=LATER)
    assert texts(result) == {OWN: "Mine.", ALL: "All."}
    assert (of(result, OWN)["product_ids"], of(result, ALL)["product_ids"]) == ([11], [12])


def test_a_draft_of_its_own_leaves_it_the_titles() -> None:
    here = portal(record(*blurb("All.")), own(*blurb("Mine.", "draft")))
    assert of(planned(dossier(here), now=LATER), ALL)["product_ids"] == [11]


def test_its_own_stays_its_own_while_it_is_edited() -> None:
    first = planned(dossier(portal(own(*blurb("Mine.")))), now=LATER)
    here = portal(record(*blurb("All.")), own(*blurb("Mine, new", "draft")))
    result = planned(dossier(here, formats=formats(11, 12)), now=LATER + QUIET, notes=first.notes)
    assert of(result, ALL)["product_ids"] == [12]


@pytest.mark.parametrize(
    "records", [portal(record(*blurb("All."))), document("fourallportal.metadata", None, state="gone")]
)
def test_the_text_of_a_product_that_left_the_title_goes_and_no_other(records: Document) -> None:
    here = portal(record(*blurb("All.")), own(*blurb("Mine.")))
    first = planned(dossier(here, formats=formats(11, 12)), now=LATER)
    result = planned(dossier(records, formats=formats(12)), now=LATER, notes=first.notes)
    assert of(result, OWN) == {"work_id": 1, "markdown": None}
    assert texts(result).get(ALL, "All.") == "All."
    again = planned(dossier(records, formats=formats(12)), now=LATER, notes=result.notes)
    assert (texts(again), again.notes) == (texts(result), None)


def test_a_product_that_comes_back_gets_the_titles_text_until_it_has_its_own_again() -> None:
    here = portal(record(*blurb("All.")), own(*blurb("Mine.")))
    first = planned(dossier(here, formats=formats(11, 12)), now=LATER)
    left = planned(dossier(portal(record(*blurb("All."))), formats=formats(12)), now=LATER, notes=first.notes)
    drafted = portal(record(*blurb("All.")), own(*blurb("Mine.", "draft")))
    back = planned(dossier(drafted, formats=formats(11, 12)), now=LATER, notes=left.notes)
    assert (texts(back), of(back, ALL)["product_ids"]) == ({ALL: "All."}, [11, 12])
    own_again = planned(dossier(here, formats=formats(11, 12)), now=LATER, notes=back.notes)
    assert texts(own_again) == {OWN: "Mine.", ALL: "All."}


@pytest.mark.parametrize("product", [None, 99])
def test_a_text_of_a_record_without_a_known_product_is_a_finding(product: int | None) -> None:
    result = planned(dossier(portal(own(*blurb("Whose?"), product=product))), now=LATER)
    assert texts(result) == {}
    assert f"product/{RECORD}" in keys(result)


def test_twins_that_differ_are_a_finding_and_none_is_sent() -> None:
    here = portal(own(*blurb("One.")), own(*blurb("Other."), id="twin"))
    result = planned(dossier(here), now=LATER)
    assert texts(result) == {}
    assert "twins/short_description/en_GB/11" in keys(result)


def test_twins_that_agree_are_sent_once() -> None:
    here = portal(own(*blurb("One.")), own(*blurb("One."), id="twin"))
    assert texts(planned(dossier(here), now=LATER)) == {OWN: "One."}


# -- taking away ----------------------------------------------------------------------------------------------------


def test_a_released_empty_text_empties_what_we_sent() -> None:
    first = planned(dossier(portal(record(*blurb("A tale.")))), now=LATER)
    emptied = dossier(portal(record(cell("copy_state", "released", locale="en_GB")), at=LATER))
    waiting = planned(emptied, now=LATER, notes=first.notes)
    assert (texts(waiting), waiting.next_at) == ({}, LATER + QUIET)
    assert texts(planned(emptied, now=LATER + QUIET, notes=waiting.notes)) == {ALL: None}


def test_a_released_empty_text_touches_nothing_that_we_did_not_send() -> None:
    assert texts(planned(dossier(portal(record(*blurb("<p> </p>")))), now=LATER)) == {}


def test_a_record_that_is_deleted_takes_nothing_away() -> None:
    first = planned(dossier(portal(record(*blurb("A tale.")))), now=LATER)
    assert texts(planned(dossier(portal(at=LATER)), now=LATER + QUIET, notes=first.notes)) == {}


# -- what is not sent -----------------------------------------------------------------------------------------------


def test_unsafe_html_is_taken_out_and_found() -> None:
    result = planned(dossier(portal(record(*blurb("<p>A<script>x()</script> tale.</p>")))), now=LATER)
    assert texts(result) == {ALL: "A tale."}
    (finding,) = [each for each in result.findings if each.kind == "html"]
    assert (finding.severity, "<script>" in finding.message) == ("high", True)


def test_a_text_over_its_length_is_not_sent_and_not_cut() -> None:
    result = planned(dossier(portal(record(*blurb("a" * 351)))), now=LATER)
    assert texts(result) == {}
    assert [each.kind for each in result.findings if "length" in each.key] == ["length"]


def test_a_channels_text_never_goes_anywhere() -> None:
    cells = [
        each
        for channel in ("web_shop", "trade")
        for each in (
            cell("channel_copy", "Buy!", locale="en_GB", channel=channel),
            cell("channel_copy_state", "released", locale="en_GB", channel=channel),
        )
    ]
    result = planned(dossier(portal(record(*cells), own(*cells))), now=LATER)
    assert texts(result) == {}
    assert [key for key in keys(result) if key.startswith("channel/")] == ["channel/trade", "channel/web_shop"]


KEYWORDS = [cell("keywords", ["tale", "ale"], locale="en_GB"), cell("copy_state", "released", locale="en_GB")]


def test_keywords_without_a_field_are_one_capability_finding() -> None:
    result = planned(dossier(portal(record(*KEYWORDS))), now=LATER)
    assert texts(result) == {}
    assert [key for key in keys(result) if key.startswith("capability")] == ["capability/keywords"]


def to_work(*cells: dict[str, Any], mapped: str = "keywords", **fields: Any) -> Plan:
    """A plan whose kinds go to fields of the work: `mapped` as "kind" or "kind=field"."""
    text = default_text()
    for each in mapped.split():
        kind, _, name = each.partition("=")
        text = text.replace(f"{{kind: {kind},", f"{{kind: {kind}, work_field: {name or kind},")
    has = {"consonance": Capabilities(fields={"UpdateWorkInput": frozenset({"keywords", "inHouseSubjects"})})}
    return planned(dossier(portal(record(*cells))), context(load(text), LATER, capabilities=has, **fields))


def of_work(result: Plan) -> list[dict[str, Any]]:
    found = [each for each in result.desired if each.resource.kind == "work"]
    assert all(isinstance(each, Ensure) and each.resource.id == "1" and not each.create for each in found)
    return [dict(each.fields) for each in found if isinstance(each, Ensure)]


def test_keywords_go_where_the_schema_has_a_field() -> None:
    assert of_work(to_work(*KEYWORDS)) == [{"keywords": ["tale", "ale"]}]


def test_all_fields_of_a_work_are_in_one_desired_state() -> None:
    bullets = cell("feature_bullets", ["With maps"], locale="en_GB")
    result = to_work(*KEYWORDS, bullets, mapped="keywords feature_bullets=inHouseSubjects")
    assert of_work(result) == [{"inHouseSubjects": ["With maps"], "keywords": ["tale", "ale"]}]


def bullets(*items: Any, **rule: Any) -> Plan:
    """A plan whose bullets go to the work's inHouseSubjects; `rule` adds to their line in the mapping."""
    line = "{kind: feature_bullets, "
    more = "".join(f"{key}: {value}, " for key, value in {"work_field": "inHouseSubjects", **rule}.items())
    has = {"consonance": Capabilities(fields={"UpdateWorkInput": frozenset({"inHouseSubjects"})})}
    cells = [cell("feature_bullets", list(items), locale="en_GB"), cell("copy_state", "released", locale="en_GB")]
    mapping = load(default_text().replace(line, line + more))
    return planned(dossier(portal(record(*cells))), context(mapping, LATER, capabilities=has))


def said(result: Plan) -> list[tuple[str, str]]:
    return [(each.kind, each.severity) for each in result.findings if each.kind in ("html", "length")]


def test_unsafe_html_is_taken_out_of_each_item_and_found() -> None:
    result = bullets("<script>alert(1)</script>With <b>maps</b>", "<p>R&amp;D</p>", "<script>x</script>")
    assert of_work(result) == [{"inHouseSubjects": ["With maps", "R&D"]}]
    assert said(result) == [("html", "high")]
    (finding,) = [each for each in result.findings if each.kind == "html"]
    assert "<script>" in finding.message
    assert "feature_bullets" in finding.where


def test_items_are_plain_text_and_a_link_that_is_lost_is_found() -> None:
    result = bullets("**Fine** <a href='https://x.org'>maps</a>", format="markdown")
    assert of_work(result) == [{"inHouseSubjects": ["Fine maps"]}]
    assert said(result) == [("html", "low")]


@pytest.mark.parametrize("format", ["html", "markdown", "plain"])
@pytest.mark.parametrize("item", ["AT&T", "*nix_or 5 < 6", "I <3 maps", "“ale”"])
def test_an_item_without_markup_is_sent_as_it_is(item: str, format: str) -> None:
    result = bullets(item, format=format)
    assert of_work(result) == [{"inHouseSubjects": [item]}]
    assert said(result) == []


@pytest.mark.parametrize(
    ("item", "format"),
    [
        ("<script>x</script>", "plain"),
        ("a <b>c</b>", "plain"),
        ("&lt;script&gt;x&lt;/script&gt;", "html"),
        ("`<img src=x onerror=x>`", "markdown"),
        ("<b>" * 5000 + "x", "html"),
    ],
)
def test_an_item_that_would_be_read_as_html_is_not_sent_and_found(item: str, format: str) -> None:
    result = bullets(item, "With maps", format=format)
    assert of_work(result) == [{"inHouseSubjects": ["With maps"]}]
    assert said(result) == [("html", "high")]


def test_an_item_over_its_length_is_not_sent_and_not_cut() -> None:
    result = bullets("<b>1234567890</b>", "12345678901", max_length=10)
    assert of_work(result) == [{"inHouseSubjects": ["1234567890"]}]
    (finding,) = [each for each in result.findings if each.kind == "length"]
    assert "item 2 over 10 characters" in finding.message


def test_where_no_item_may_be_sent_what_stands_there_is_left_alone() -> None:
    assert of_work(bullets("12345678901", max_length=10)) == []


def test_items_of_markup_without_a_word_are_empty() -> None:
    assert of_work(bullets("<p> </p>")) == []
    notes = {"sent": ["work/keywords"]}
    empty = [cell("keywords", ["<p> </p>"], locale="en_GB"), KEYWORDS[1]]
    assert of_work(to_work(*empty, notes=notes)) == [{"keywords": None}]


def test_records_that_differ_in_one_field_of_the_work_are_a_finding_and_none_is_sent() -> None:
    line = "- {kind: keywords, work_field: keywords, module: MODULE, field: keywords, dimensions: {locale: en_GB}}"
    title, product = (line.replace("MODULE", each) for each in ("title", "product"))
    usual = title.replace(" work_field: keywords,", "")
    assert usual in default_text()
    mapping = load(default_text().replace(usual, f"{title}\n    {product}"))
    has = {"consonance": Capabilities(fields={"UpdateWorkInput": frozenset({"keywords"})})}
    other = own(cell("keywords", ["other"], locale="en_GB"), KEYWORDS[1])
    result = planned(dossier(portal(record(*KEYWORDS), other)), context(mapping, LATER, capabilities=has))
    assert of_work(result) == []
    assert "twins/keywords/en_GB/all" in keys(result)


def test_released_empty_keywords_empty_only_what_we_sent() -> None:
    empty = [cell("keywords", [], locale="en_GB"), KEYWORDS[1]]
    assert of_work(to_work(*empty)) == []
    notes = {"sent": (to_work(*KEYWORDS).notes or {})["sent"]}
    result = to_work(*empty, notes=notes)
    assert of_work(result) == [{"keywords": None}]
    assert of_work(to_work(*empty, notes=result.notes or {})) == [{"keywords": None}]


def test_a_variant_that_the_tenant_lacks_is_a_capability_finding() -> None:
    has = {"consonance": Capabilities(values={"MarketingTextVariant": frozenset({"MAIN_DESCRIPTION"})})}
    result = planned(dossier(portal(record(*blurb("A tale.")))), now=LATER, capabilities=has)
    assert texts(result) == {}
    assert "capability/SHORT_DESCRIPTION" in keys(result)


def test_where_no_marker_can_stand_no_text_is_created() -> None:
    has = {"consonance": Capabilities(creatable={"text": "no internal text"})}
    result = planned(dossier(portal(record(*blurb("A tale.")))), now=LATER, capabilities=has)
    assert not any(each.create for each in result.desired if isinstance(each, Ensure) and each.flow == 6)
    assert "creation/text" in keys(result)


@pytest.mark.parametrize("state", ["unreadable", "gone"])
def test_while_the_records_cannot_be_read_nothing_is_said_of_texts(state: str) -> None:
    first = planned(dossier(portal(record(*blurb("A tale.")))), now=LATER)
    bad = document("fourallportal.metadata", None, state=state, reason="too large")
    result = planned(dossier(bad), now=LATER, notes=first.notes)
    assert texts(result) == {}
    assert result.notes is None


def test_dates_come_from_their_fields() -> None:
    rules = tuple(replace(rule, from_cell=replace(rule.cell, field="use_from", dimensions=())) for rule in MAPPING.copy)
    here = portal(record(*blurb("A tale."), cell("use_from", "2027-01-01T00:00:00.000Z")))
    result = planned(dossier(here), context(replace(MAPPING, copy=rules), LATER))
    assert of(result, ALL)["from_date"] == "2027-01-01"
    assert "until_date" not in of(result, ALL)


def test_the_same_input_gives_the_same_plan_and_then_no_new_notes() -> None:
    given_ = dossier(portal(record(*blurb("All.")), own(*blurb("Mine."))), formats=formats(11, 12))
    first = planned(given_, now=LATER)
    again = planned(given_, now=LATER, notes=first.notes)
    assert (again.desired, again.findings, again.notes) == (first.desired, first.findings, None)


def test_revision_zero_is_long_ago() -> None:
    old = portal(record(*blurb("A tale.")), at=datetime.fromtimestamp(0, NOW.tzinfo))
    assert texts(planned(dossier(old), now=NOW)) == {ALL: "A tale."}
