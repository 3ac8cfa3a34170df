"""The mapping file: what is read, and what refuses to start with line and cure."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontlist.errors import ConfigurationError
from frontlist.mapping import Cell, FieldMapping, MappingError, default_text, load, module_uses

SMALL = """\
version: 1
zone: Europe/London
locales: {en_GB: eng, de_DE: ger}
currencies: [GBP, USD]
release: {stages: [4], statuses: ["04"]}
modules:
  product:
    module: product
    connector: products
    marker: {work: work_id, product: product_id, origin: origin}
    fields:
      title: name
      withdrawn: gone
    prices:
      - {currency: GBP, type: "02", field: price_gbp}
copy:
  release: {field: state, released: [done]}
  texts:
    - kind: short_description
      field: blurb
      dimensions: {locale: "*"}
      variant: SHORT_DESCRIPTION
"""


def changed(old: str, new: str) -> str:
    assert old in SMALL
    return SMALL.replace(old, new)


def refused(text: str) -> str:
    with pytest.raises(MappingError) as caught:
        load(text, "m.yaml")
    assert isinstance(caught.value, ConfigurationError)
    assert all(problem.cure and problem.line > 0 for problem in caught.value.problems)
    return str(caught.value)


def test_the_default_mapping_has_nothing_to_complain_of() -> None:
    mapping = load(default_text())
    assert mapping.warnings == ()
    assert mapping.quiet == timedelta(minutes=10)
    assert mapping.gate.stages == {4}


def test_a_file_is_called_by_its_path_in_errors(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text("version: 2\n")
    with pytest.raises(MappingError, match=r"ours\.yaml:1"):
        load(path)


def test_a_file_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="frontlist init"):
        load(tmp_path / "none.yaml")


def test_every_locale_becomes_a_cell_with_its_language_and_state() -> None:
    rules = load(SMALL).copy
    assert [(rule.locale, rule.language) for rule in rules] == [("de_DE", "ger"), ("en_GB", "eng")]
    assert rules[1].cell.key == "blurb[locale=en_GB]"
    assert rules[1].state == Cell("state", (("locale", "en_GB"),))


def test_a_state_may_have_fewer_dimensions_than_its_text() -> None:
    text = changed("{field: state, released: [done]}", "{field: state, released: [done], dimensions: []}")
    assert {rule.state for rule in load(text).copy} == {Cell("state")}


def test_a_module_use_owns_the_texts_and_their_states() -> None:
    (use,) = module_uses(load(SMALL))
    assert use.owned == {"blurb", "state"}
    assert use.markers == {"work_id", "product_id", "origin"}


def test_a_field_may_have_two_owners_once_patch_is_known() -> None:
    text = changed("title: name", "title: {field: blurb, dimensions: {locale: fr_FR}}")
    text = text.replace("de_DE: ger}", "de_DE: ger, fr_FR: fre}").replace('{locale: "*"}', "{locale: en_GB}")
    assert "blurb has cells of two owners" in refused(text)
    assert load(text.replace("version: 1", "version: 1\npatch: merges")).patch == "merges"


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_lines() -> None:
    text = changed("zone: Europe/London\n", "").replace("title: name", "titel: name")
    lines = [line for line in refused(text).splitlines() if line.startswith("m.yaml:")]
    assert len(lines) == 2
    assert "did you mean title?" in lines[1]


def test_a_mapping_that_cannot_mark_the_withdrawn_is_warned_of() -> None:
    (warning,) = load(changed("      withdrawn: gone\n", "")).warnings
    assert warning.severity == "warning"
    assert "withdrawn" in warning.cure


REFUSALS = [
    # old, new, the line it is found in, what is said
    ("zone: Europe/London\n", "", 1, "`zone` is missing"),
    ("Europe/London", "London", 2, "no time zone"),
    ("currencies: [GBP, USD]\n", "", 1, "`currencies` is missing"),
    ("[GBP, USD]", "[GBP, XXQ]", 4, "'XXQ' is no currency"),
    ("locales: {en_GB: eng, de_DE: ger}\n", "", 1, "`locales` is missing"),
    ("de_DE: ger", "de_DE: deu", 3, "write ger"),
    ("de_DE: ger", "de_DE: null", 3, "de_DE has no ONIX language"),
    ('{locale: "*"}', "{locale: fr_FR}", 21, "fr_FR has no language"),
    ('release: {stages: [4], statuses: ["04"]}', "release: {}", 5, "nothing is ever released"),
    ('statuses: ["04"]', 'statuses: ["14"]', 5, "'14' is no publishing status"),
    ('statuses: ["04"]', "statuses: [04]", 5, "in quotes"),
    ("stages: [4]", "stages: [1.5]", 5, "is no project stage"),
    ("title: name", "titel: name", 12, "'titel' is no canonical field"),
    ("title: name", "title: name\n      subtitle: name", 13, "product.name is given twice"),
    ("title: name", "title: work_id", 12, "is given twice"),
    ("title: name", "title: {field: name, ownr: consonance}", 12, "did you mean owner?"),
    ("title: name", "title: {field: name, owner: both}", 12, "`owner` is 'both'"),
    ("title: name", "project_stage: {field: stage, owner: fourallportal}", 12, "releases titles and would be written"),
    ("title: name", "title: {field: state, dimensions: {locale: en_GB}}", 19, "is also written by us"),
    ("title: name", "title: {field: blurb, dimensions: {locale: en_GB}}", 19, "has two owners"),
    ("title: name", "title: price_gbp", 15, "product.price_gbp is given twice"),
    ("title: name", "product_records: name", 12, "has no meaning here"),
    ("title: name", 'title: {field: name, join: "; "}', 12, "title is no list"),
    ('type: "02"', 'type: ["01", "02"]', 15, "mixes the price types 01 and 02"),
    ('type: "02"', 'type: "99"', 15, "'99' is no ONIX price type"),
    ('type: "02", ', "", 15, "`type` is missing"),
    ('type: "02"', 'type: "02", qualifier: "77"', 15, "'77' is no ONIX price qualifier"),
    ("currency: GBP", "currency: EUR", 15, "EUR is none of the publisher's currencies"),
    ("  release: {field: state, released: [done]}\n", "", 18, "has no release state"),
    ("variant: SHORT_DESCRIPTION", "format: html", 19, "has no `variant`"),
    ("variant: SHORT_DESCRIPTION", "variant: A\n      module: title", 19, "title's module, which is not mapped"),
    ("kind: short_description", "kind: channel_copy", 22, "may not have a variant"),
    ('{locale: "*"}', "{locale: en_GB, channel: web}", 19, "Consonance has no channel axis"),
    ('dimensions: {locale: "*"}', "max_length: 3", 19, "the text has no locale"),
    ("kind: short_description", "kind: keywords", 22, "keywords is no marketing text"),
    ("copy:\n", "copy:\n  quiet: soon\n", 17, "not a time"),
    ("    connector: products\n", "", 7, "write the connector"),
    ("    marker: {work: work_id, product: product_id, origin: origin}\n", "", 7, "no marker fields"),
    ("version: 1\n", "version: 1\npublic_from: [someday]\n", 2, "no source of `public_from`"),
    ("version: 1\n", "version: 1\npublic_from: [{field: name}]\n", 2, "is also written by us"),
    ("version: 1", "version: 1\nversion: 1", 2, "not valid YAML"),
    ("version: 1", "version: [1", 2, "not valid YAML"),
]


@pytest.mark.parametrize(("old", "new", "line", "said"), REFUSALS)
def test_what_contradicts_refuses_and_names_its_line(old: str, new: str, line: int, said: str) -> None:
    message = refused(changed(old, new))
    assert any(each.startswith(f"m.yaml:{line}:") and said in each for each in message.splitlines()), message


def to_work(kind: str, field: str) -> str:
    return changed(
        """    - kind: short_description
      field: blurb
      dimensions: {locale: "*"}
      variant: SHORT_DESCRIPTION
""",
        f"""    - kind: {kind}
      field: blurb
      dimensions: {{locale: en_GB}}
      work_field: {field}
""",
    )


#: What UpdateWorkInput takes of a work and Consonance owns (its documentation), and what a tenant may add.
OWNED = [
    *("id", "title", "subtitle", "acronym", "alternativeTitles", "projectStageId", "workTypeId", "seasonId", "isbn"),
    *("marketingTierId", "themas", "bisacs", "bics", "nurs", "onixEditionTypeCodes", "products", "clientMutationId"),
    *("identifyingDoi", "publicationDate", "prices", "audience", "audienceDescription", "imprintId", "keywordsCount"),
]


@pytest.mark.parametrize("kind", ["keywords", "audience_segments", "feature_bullets"])
@pytest.mark.parametrize("field", OWNED)
def test_a_field_that_consonance_owns_is_refused_with_its_line_and_cure(kind: str, field: str) -> None:
    message = refused(to_work(kind, field))
    assert message.startswith(f"m.yaml:22: {kind} may not be written into the work's {field}: ")
    assert "Cure: name a field that is there for them" in message


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("keywords", "keywords"),
        ("keywords", "seoKeywords"),
        ("keywords", "inHouseSubjects"),
        ("audience_segments", "audienceSegments"),
        ("audience_segments", "marketingSegments"),
        ("feature_bullets", "featureBullets"),
        ("feature_bullets", "sellingPoints"),
        ("feature_bullets", "inHouseSubjects"),
    ],
)
def test_a_field_that_is_there_for_the_kind_may_be_written(kind: str, field: str) -> None:
    assert {rule.work_field for rule in load(to_work(kind, field)).copy} == {field}


@given(st.text(max_size=60) | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists).map(repr))
def test_rubbish_is_refused_and_nothing_else_is_raised(text: str) -> None:
    with pytest.raises(MappingError):
        load(text)


@given(st.integers(0, len(SMALL.splitlines()) - 1), st.sampled_from(["", "- a", "x: [", "  7", "? {}", "fields: 3"]))
def test_a_damaged_line_is_refused_or_read(line: int, damage: str) -> None:
    lines = SMALL.splitlines()
    lines[line] = lines[line][: len(lines[line]) - len(lines[line].lstrip())] + damage
    try:
        read: FieldMapping | None = load("\n".join(lines))
        problems = ()
    except MappingError as error:
        read, problems = None, tuple(error.problems)
    assert read is not None or problems
    assert all(problem.line > 0 and problem.cure for problem in problems)
