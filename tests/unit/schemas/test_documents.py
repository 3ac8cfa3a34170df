"""The models, and what was ever released of them.

The goldens renew with `python -m frontlist_schemas.generate tests/unit/schemas/golden/1.0` until the first tagged
release; from then on they stay, and a new minor gets a folder of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from frontlist_schemas import DOCUMENTS, Envelope, UnreadableRecordError, encode, generate, parse, read
from frontlist_schemas.compatibility import breaks
from frontlist_schemas.fourallportal import Cell, Metadata, Record
from frontlist_schemas.registry import upcast
from unit.schemas.documents import BODIES

GOLDEN = Path(__file__).with_name("golden")
#: Not asyncapi.json: a new document is a new channel there, and breaks nobody.
RELEASED = sorted(path for path in GOLDEN.glob("*/*.json") if path.name != "asyncapi.json")


def test_every_document_has_an_example_here() -> None:
    assert set(BODIES) == set(DOCUMENTS)


@pytest.mark.parametrize("document", sorted(DOCUMENTS))
def test_a_document_comes_back_as_it_was_what_was_absent_stays_absent(document: tuple[str, str]) -> None:
    body = BODIES[document]
    parsed = parse(*document, body)
    assert parsed is not None
    assert parsed.body() == body


@pytest.mark.parametrize("document", sorted(DOCUMENTS))
def test_examples_hold_against_the_generated_schema(document: tuple[str, str]) -> None:
    schema = json.loads((generate.HERE / f"{'.'.join(document)}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(BODIES[document], schema)


def test_an_unknown_field_is_left_aside_as_a_newer_minor_may_bring_it() -> None:
    parsed = parse("consonance", "formats", {"work_id": 1, "products": [], "royalty": "12.5"})
    assert parsed is not None
    assert parsed.body() == {"work_id": 1, "products": []}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"products": []}, "work_id"),
        ({"work_id": "1"}, "work_id"),
        ({"work_id": True}, "work_id"),
        ({"work_id": 1, "products": None}, "products"),
        ({"work_id": 1, "products": [{"id": 1, "prices": [{"id": 1, "amount": "twelve"}]}]}, r"products\.0\.prices"),
    ],
)
def test_a_document_that_breaks_its_schema_is_unreadable_and_names_the_field(body: dict[str, Any], where: str) -> None:
    with pytest.raises(UnreadableRecordError, match=f"consonance.metadata: {where}"):
        parse("consonance", "metadata", body)


def test_a_record_on_the_wrong_topic_is_unreadable() -> None:
    record = encode(Envelope("consonance", "formats", "work:1", 1, "present", {"work_id": 1}), "acme")
    with pytest.raises(UnreadableRecordError, match=r"lies on consonance\.rights"):
        read("consonance", "rights", *record)


def test_a_system_that_a_plugin_adds_is_read_without_a_model() -> None:
    record = encode(Envelope("shop", "metadata", "work:1", 1, "present", {"any": ["thing"]}), "acme")
    assert read("shop", "metadata", *record).body == {"any": ["thing"]}


def test_an_older_minor_goes_through_every_step_and_a_newer_one_through_none() -> None:
    steps = {0: lambda body: {**body, "one": 1}, 1: lambda body: {**body, "two": body["one"] + 1}}
    assert upcast("shop", "metadata", "1.0", {}, steps) == {"one": 1, "two": 2}
    assert upcast("shop", "metadata", "1.7", {}, steps) == {}


def test_records_of_a_portal_have_one_order() -> None:
    cells = [Cell(field="b", value=1), Cell(field="a", dimensions={"locale": "fr"}, value=None)]
    one = Record(module="product", id="2", product=None, origin="theirs", cells=tuple(cells))
    other = Record(module="product", id="1", product=3, origin="ours", cells=tuple(reversed(cells)))
    body = Metadata.of([one, other]).body()
    assert [r["id"] for r in body["records"]] == ["1", "2"]
    assert [[c["field"] for c in r["cells"]] for r in body["records"]] == [["a", "b"], ["a", "b"]]


def test_the_generated_tree_is_what_the_models_say(tmp_path: Path) -> None:
    generate.generate(tmp_path)
    there = {p.name: p.read_text() for p in generate.HERE.iterdir()}
    assert there == {p.name: p.read_text() for p in tmp_path.iterdir()}, "run `python -m frontlist_schemas.generate`"


def test_every_schema_has_a_golden_and_every_released_one_is_still_there() -> None:
    assert {path.name for path in RELEASED} == generate.files().keys() - {"asyncapi.json"}


@pytest.mark.parametrize("path", RELEASED, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_nothing_released_within_v1_is_broken(path: Path) -> None:
    assert breaks(json.loads(path.read_text()), generate.files()[path.name]) == []


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*/records/*.json")), ids=lambda p: p.stem)
def test_records_of_every_released_minor_are_read(path: Path) -> None:
    golden = json.loads(path.read_text())
    headers = [(name, text.encode()) for name, text in golden["headers"].items()]
    envelope = read(*path.stem.split("."), headers, golden["value"].encode())
    assert envelope.body == golden["body"]


def test_there_is_a_golden_record_of_every_document() -> None:
    assert {tuple(p.stem.split(".")) for p in (GOLDEN / "1.0" / "records").glob("*.json")} == set(DOCUMENTS)
