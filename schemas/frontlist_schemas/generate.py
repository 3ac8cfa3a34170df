"""`python -m frontlist_schemas.generate [DIRECTORY]`: JSON Schemas and AsyncAPI from the models."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from frontlist_schemas import topics
from frontlist_schemas.document import Part
from frontlist_schemas.envelope import SCHEMA_VERSION
from frontlist_schemas.journal import Journal
from frontlist_schemas.registry import DOCUMENTS

HERE = Path(__file__).with_name("v1")


def generate(directory: Path = HERE) -> None:
    """Writes the tree; what stands there under other names is left."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
        (directory / name).write_text(f"{text}\n", encoding="utf-8")


def files() -> dict[str, dict[str, Any]]:
    """File name -> content of everything that is generated."""
    schemas = {
        f"{system}.{aspect}.json": schema(model, system, aspect) for (system, aspect), model in DOCUMENTS.items()
    }
    return {**schemas, "journal.json": journal(), "asyncapi.json": asyncapi()}


def journal() -> dict[str, Any]:
    """The journal's records; links and decisions are our own business."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**dialect, **Journal.model_json_schema(), "title": "journal v1"}


def schema(model: type[Part], system: str, aspect: str) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(),
        "title": f"{system} {aspect} v1",
    }


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.0: every topic, its key, headers and value."""
    changes = [(s, a) for s in topics.SYSTEMS for a in topics.ASPECTS]
    others = {"links": topics.links(), "decisions": topics.decisions(), "journal": topics.journal()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Frontlist", "version": SCHEMA_VERSION, "description": _INFO},
        "defaultContentType": "application/json",
        "servers": {"kafka": {"host": "{bootstrap}", "protocol": "kafka", "variables": {"bootstrap": _BOOTSTRAP}}},
        "channels": {
            **{f"{s}.{a}": _channel(topics.topic(topics.PREFIX, s, a), f"{s}.{a}") for s, a in changes},
            **{name: _channel(address, name) for name, address in others.items()},
        },
        "operations": {
            f"receive.{channel}": {"action": "receive", "channel": {"$ref": f"#/channels/{channel}"}}
            for channel in [*(f"{s}.{a}" for s, a in changes), *others]
        },
        "components": {
            "messages": {
                **{f"{s}.{a}": _message(s, a) for s, a in changes},
                **{name: {"name": name, "payload": {"type": "object"}} for name in ("links", "decisions")},
                "journal": {
                    "name": "journal",
                    "contentType": "application/json",
                    "payload": {"$ref": "./journal.json"},
                    "bindings": {"kafka": {"key": _KEY}},
                },
            },
            "messageTraits": {"document": {"headers": _HEADERS, "bindings": {"kafka": {"key": _KEY}}}},
        },
    }


_INFO = (
    "Changes of titles as two systems state them. The prefix `frontlist` is configurable. A Kafka null is an erasure "
    "on request. Within v1 only optional fields are added. Objects without properties are not part of v1 yet."
)
_BOOTSTRAP = {"description": "host:port of a broker", "default": "localhost:9092"}
_KEY = {"type": "string", "description": "the title", "examples": ["work:61417", "object:product/<id>"]}
_REVISION = {"type": "string", "pattern": r"^\d{20}$", "description": "microseconds since 1970"}
_HEADERS = {
    "type": "object",
    "required": [
        "ce_id",
        "ce_source",
        "ce_specversion",
        "ce_type",
        "ce_subject",
        "ce_time",
        "ce_sequence",
        "ce_schemaversion",
        "content-type",
    ],
    "properties": {
        "ce_id": {"type": "string", "description": "<system>/<aspect>/<title>/<sequence>"},
        "ce_source": {"type": "string", "description": "frontlist/<tenant>/<system>"},
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_type": {"type": "string", "description": "app.frontlist.<system>.<aspect>.v1"},
        "ce_subject": {"type": "string", "description": "the title"},
        "ce_time": {"type": "string", "format": "date-time", "description": "the revision as a time"},
        "ce_sequence": _REVISION,
        "ce_siblings": {"type": "string", "description": "aspect=revision,... of the title's other documents"},
        "ce_schemaversion": {"type": "string", "pattern": r"^1\.\d+$"},
        "ce_traceparent": {
            "type": "string",
            "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
            "description": "W3C Trace Context (CloudEvents' distributed tracing extension) of a change that is traced",
        },
        "content-type": {"type": "string", "const": "application/json"},
    },
}


def _channel(address: str, message: str) -> dict[str, Any]:
    return {"address": address, "messages": {message: {"$ref": f"#/components/messages/{message}"}}}


def _message(system: str, aspect: str) -> dict[str, Any]:
    known = (system, aspect) in DOCUMENTS
    document: dict[str, Any] = {"$ref": f"./{system}.{aspect}.json"} if known else {"type": "object"}
    return {
        "name": f"app.frontlist.{system}.{aspect}.v1",
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/document"}],
        "payload": {"oneOf": [_present(document), _GONE, _unreadable(document)]},
    }


def _present(document: dict[str, Any]) -> dict[str, Any]:
    return _statement("present", {"document": document}, ["document"])


def _unreadable(document: dict[str, Any]) -> dict[str, Any]:
    last = {
        "type": ["object", "null"],
        "required": ["revision", "document"],
        "properties": {"revision": _REVISION, "document": document},
    }
    return _statement("unreadable", {"reason": {"type": "string"}, "last_readable": last}, ["reason", "last_readable"])


def _statement(state: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["state", *required],
        "properties": {"state": {"const": state}, **properties},
    }


_GONE = _statement(
    "gone",
    {
        "reason": {"type": "string"},
        "merged_into": {"type": ["string", "null"], "description": "the title that its content moved to"},
    },
    ["reason", "merged_into"],
)

if __name__ == "__main__":
    generate(*(Path(argument) for argument in sys.argv[1:2]))
