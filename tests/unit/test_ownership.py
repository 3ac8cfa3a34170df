"""One field has one owner: what is said where two consumers, or a consumer and 4ALLPORTAL, would write it."""

from __future__ import annotations

from typing import Any

import pytest

from frontlist import ownership
from frontlist.contract import EVERY_FIELD, Consumer, Context, DocumentKey, Dossier, Plan, Writes
from frontlist.errors import ConfigurationError
from frontlist.mapping import default_text, load
from frontlist_metadata.plugin import Metadata

MAPPING = load(default_text())
PRODUCT, SHELF = ("fourallportal", "product"), ("fourallportal", "shelf")


class Writer(Consumer):
    """Declares what it is given; a callable is called."""

    wants, flows = frozenset({DocumentKey("consonance", "metadata")}), frozenset({99})

    def __init__(self, name: str, writes: Any) -> None:
        self.name, self.declared = name, writes

    def writes(self, mapping: Any) -> Writes:
        return self.declared() if callable(self.declared) else self.declared  # type: ignore[no-any-return]  # any

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        return Plan()


def contests(*consumers: Consumer) -> list[ConfigurationError]:
    found = ownership.contests({each.name: each for each in consumers}, MAPPING)
    assert all(each.cure and each.where for each in found)
    return found


def fields(*names: str) -> frozenset[str]:
    return frozenset(names)


@pytest.mark.parametrize(
    ("ours", "theirs", "shared"),
    [
        ({SHELF: fields("title", "day")}, {SHELF: fields("day", "place")}, "fourallportal/shelf: day"),
        ({SHELF: fields(EVERY_FIELD)}, {SHELF: fields("day")}, "fourallportal/shelf: day"),
        ({SHELF: fields("day")}, {SHELF: fields(EVERY_FIELD)}, "fourallportal/shelf: day"),
        ({SHELF: fields(EVERY_FIELD)}, {SHELF: fields(EVERY_FIELD)}, "fourallportal/shelf: every field"),
        ({SHELF: fields(*"abcdefg")}, {SHELF: fields(*"abcdefg")}, "fourallportal/shelf: a, b, c, d, e and 2 more"),
    ],
)
def test_two_consumers_of_one_field_are_named_with_it(ours: Writes, theirs: Writes, shared: str) -> None:
    [found] = contests(Writer("first", ours), Writer("second", theirs))
    assert found.what == f"consumers 'first' and 'second' both write {shared}"


def test_fields_of_other_kinds_and_targets_are_no_contest() -> None:
    ours, theirs = {SHELF: fields("day"), PRODUCT: fields("mine")}, {("consonance", "shelf"): fields("day")}
    assert contests(Writer("first", ours), Writer("second", theirs), Metadata()) == []


@pytest.mark.parametrize("field", ["title", "price_gbp", "frontlist_origin", "distributable"])
def test_what_the_metadata_consumer_writes_is_taken(field: str) -> None:
    [found] = contests(Metadata(), Writer("other", {PRODUCT: fields(field)}))
    assert found.what == f"consumers 'metadata' and 'other' both write fourallportal/product: {field}"


def test_what_the_mapping_gives_to_4allportal_is_taken_with_its_line() -> None:
    [found] = contests(Writer("other", {PRODUCT: fields("description_long")}))
    assert "'other' writes fourallportal/product: description_long" in found.what
    assert "gives to 4ALLPORTAL (long_description)" in found.what
    line = int(found.where.rpartition(":")[2])
    assert "kind: long_description" in default_text().splitlines()[line - 1]


def test_a_field_with_cells_of_both_systems_is_left_to_the_rules_of_the_mapping() -> None:
    text = default_text().replace("patch: unknown", "patch: merges").replace("{en_GB: eng,", "{fr_FR: fre, en_GB: eng,")
    text = text.replace("subtitle: subtitle", "subtitle: {field: keywords, dimensions: {locale: fr_FR}}")
    mapping = load(text.replace('{locale: "*"}', "{locale: en_GB}"))
    assert ownership.contests({"metadata": Metadata()}, mapping) == []


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (None, "answered a NoneType"),
        ({SHELF: ["day"]}, "not a frozenset"),
        ({SHELF: fields("day[locale=en_GB]")}, "name its field, without dimensions"),
        ({"shelf": fields("day")}, "'shelf' is no (target, kind)"),
        (lambda: 1 / 0, "it raised ZeroDivisionError"),
    ],
)
def test_a_declaration_that_cannot_be_read_names_its_consumer(said: Any, fault: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        ownership.check({"odd": Writer("odd", said)}, MAPPING)
    assert raised.value.what.startswith("consumer 'odd' does not say what it writes: ")
    assert fault in raised.value.what
