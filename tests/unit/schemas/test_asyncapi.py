"""The structure of AsyncAPI 3.0 as far as the generated file uses it, and that its references hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from frontlist_schemas import Envelope, encode, generate, topics
from unit.schemas.documents import BODIES

API = json.loads((generate.HERE / "asyncapi.json").read_text())
REFERENCE = {"type": "object", "required": ["$ref"], "additionalProperties": False, "properties": {"$ref": {}}}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STRUCTURE = {
    "type": "object",
    "required": ["asyncapi", "info", "servers", "channels", "operations", "components"],
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {"type": "object", "required": ["title", "version"]},
        "servers": {"additionalProperties": {"type": "object", "required": ["host", "protocol"]}},
        "channels": {
            "additionalProperties": {
                "type": "object",
                "required": ["address", "messages"],
                "properties": {"address": {"type": "string"}, "messages": {"additionalProperties": REFERENCE}},
            }
        },
        "operations": {
            "additionalProperties": {
                "required": ["action", "channel"],
                "properties": {"action": {"enum": ["send", "receive"]}, "channel": REFERENCE},
            }
        },
        "components": {
            "required": ["messages", "messageTraits"],
            "propertyNames": {"pattern": r"^[a-zA-Z]+$"},
            "additionalProperties": {"propertyNames": {"pattern": r"^[a-zA-Z0-9.\-_]+$"}},
        },
    },
}


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_it_has_the_structure_of_asyncapi_3() -> None:
    jsonschema.validate(API, STRUCTURE)


def test_every_topic_has_a_channel() -> None:
    addresses = {channel["address"] for channel in API["channels"].values()}
    assert addresses == {*topics.compacted(), topics.journal()}
    assert len(topics.changes()) == 10


@pytest.mark.parametrize("reference", sorted(set(references(API))))
def test_every_reference_holds(reference: str) -> None:
    if reference.startswith("./"):
        assert (generate.HERE / reference).is_file()
        return
    place = API
    for step in reference.removeprefix("#/").split("/"):
        place = place[step]


def test_headers_that_encode_writes_hold_against_the_header_schema() -> None:
    schema = API["components"]["messageTraits"]["document"]["headers"]
    headers, _ = encode(
        Envelope("consonance", "rights", "work:1", 5, "present", {}, {"formats": 4}, traceparent=TRACE), "acme"
    )
    jsonschema.validate({name: value.decode() for name, value in headers}, schema)
    assert {name for name, _ in headers} == set(schema["properties"])


@pytest.mark.parametrize("state", ["present", "gone", "unreadable"])
@pytest.mark.parametrize("document", sorted(BODIES))
def test_values_that_encode_writes_hold_against_the_payload_schema(document: tuple[str, str], state: Any) -> None:
    payload = json.loads(json.dumps(API["components"]["messages"][".".join(document)]["payload"]))
    body = BODIES[document] if state == "present" else None
    _, value = encode(Envelope(*document, "work:1", 5, state, body, reason="why"), "acme")
    schemas = generate.files()
    registry = jsonschema.validators.validator_for(payload)
    stated = next(s for s in payload["oneOf"] if s["properties"]["state"]["const"] == state)
    if state == "present":
        stated["properties"]["document"] = schemas[f"{'.'.join(document)}.json"]
        # The document's own definitions are looked up from the root.
        stated["$defs"] = stated["properties"]["document"].get("$defs", {})
    else:
        stated["properties"].pop("last_readable", None)
    registry(stated).validate(json.loads(value or b""))


def test_topic_names_are_read_back() -> None:
    for system in topics.SYSTEMS:
        for aspect in topics.ASPECTS:
            assert topics.parse("acme.books", topics.topic("acme.books", system, aspect)) == (system, aspect)
    assert topics.parse("frontlist", topics.journal()) is None
    assert topics.parse("frontlist", "other.consonance.rights.v1") is None
