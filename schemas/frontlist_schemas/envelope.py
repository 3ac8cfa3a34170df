"""The envelope of a document on its topic: CloudEvents 1.0 in Kafka's binary mode, and a value that says its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.exceptions import BaseCloudEventException, CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from frontlist_schemas.canonical import Json, canonical, parse_json

State = Literal["present", "gone", "unreadable", "erased"]
Headers = Sequence[tuple[str, bytes]]

#: The newest minor of v1.
SCHEMA_VERSION = "1.0"
#: The last revision of a document that could be read, and what it said.
Readable = tuple[int, Mapping[str, Json]]
#: Above this a value is published as unreadable; Kafka's own limit is set to 8 MiB.
LARGEST_VALUE = 7 * 1024 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UnreadableRecordError(ValueError):
    """A record that is no envelope of ours; the message says where and why."""


@dataclass(frozen=True)
class Envelope:
    """A document on its way. Revisions are microseconds since 1970.

    `last_readable` goes out with an unreadable document; give it with a present one too, in case that is too large.
    `siblings`: aspect -> revision of the title's other documents when this one was made.
    `traceparent`: CloudEvents' distributed tracing extension (W3C Trace Context), of a change that is traced.
    """

    system: str
    aspect: str
    title: str
    revision: int
    state: State
    body: Mapping[str, Json] | None = None
    siblings: Mapping[str, int] = field(default_factory=dict)
    reason: str | None = None
    last_readable: Readable | None = None
    merged_into: str | None = None
    schema_version: str = SCHEMA_VERSION
    traceparent: str | None = None


def encode(envelope: Envelope, tenant: str) -> tuple[list[tuple[str, bytes]], bytes | None]:
    """Headers and value of the record; the key is the title in UTF-8. None as value: erasure."""
    envelope, value = _fitted(envelope)
    attributes = {
        "id": f"{envelope.system}/{envelope.aspect}/{envelope.title}/{envelope.revision:020d}",
        "source": f"frontlist/{tenant}/{envelope.system}",
        "type": f"app.frontlist.{envelope.system}.{envelope.aspect}.v1",
        "subject": envelope.title,
        "time": _EPOCH + timedelta(microseconds=envelope.revision),
        "datacontenttype": "application/json",
        "sequence": f"{envelope.revision:020d}",
        "siblings": ",".join(f"{a}={r:020d}" for a, r in sorted(envelope.siblings.items())) or None,
        "schemaversion": envelope.schema_version,
        "traceparent": envelope.traceparent,
    }
    event = CloudEvent({k: v for k, v in attributes.items() if v is not None}, value)
    message = to_binary(event, JSONFormat())
    return sorted(message.headers.items()), None if value is None else message.value


def fitted(envelope: Envelope) -> Envelope:
    """The envelope as `encode` publishes it: one that is too large is unreadable and says so."""
    return _fitted(envelope)[0]


def payload(envelope: Envelope) -> dict[str, Json]:
    """The value that says its state."""
    if envelope.state == "present":
        return {"state": "present", "document": envelope.body}
    if envelope.state == "gone":
        return {"state": "gone", "reason": envelope.reason, "merged_into": envelope.merged_into}
    last = envelope.last_readable
    stated = None if last is None else {"revision": f"{last[0]:020d}", "document": last[1]}
    return {"state": "unreadable", "reason": envelope.reason, "last_readable": stated}


def _fitted(envelope: Envelope) -> tuple[Envelope, bytes | None]:
    if envelope.state == "erased":
        return envelope, None
    value = canonical(payload(envelope))
    if len(value) <= LARGEST_VALUE:
        return envelope, value
    if envelope.state == "unreadable":
        return _fitted(replace(envelope, last_readable=None, reason=(envelope.reason or "")[:1000]))
    size = f"the document has {len(value):,} bytes, more than the {LARGEST_VALUE:,} that fit a record"
    return _fitted(replace(envelope, state="unreadable", body=None, reason=size))


def decode(key: bytes | str | None, headers: Headers, value: bytes | None) -> Envelope:
    """The envelope of a record, or UnreadableRecordError. A null value is an erasure, with or without headers."""
    title = _title(key)
    if value is None:
        return _erased(title, headers)
    attributes, data = _event(headers, value)
    system, aspect = _kind(attributes)
    if attributes.get("subject") != title:
        raise UnreadableRecordError(f"the key says {title}, the header ce_subject {attributes.get('subject')}")
    try:
        return Envelope(
            system=system,
            aspect=aspect,
            title=title,
            revision=_revision(attributes.get("sequence"), "ce_sequence"),
            siblings=_siblings(attributes.get("siblings")),
            schema_version=_version(attributes.get("schemaversion")),
            # Whatever another writer put there never spoils a document.
            traceparent=attributes.get("traceparent") or None,
            **_stated(data),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableRecordError(f"the value of {title} is no statement of a document: {error}") from error


class _Plain(JSONFormat):
    """Leaves the value as bytes: ours is canonical JSON, which the library's parser would let floats into."""

    def read_data(self, body: bytes, datacontenttype: str | None) -> bytes:
        return body


def _event(headers: Headers, value: bytes) -> tuple[dict[str, Any], Json]:
    try:
        event = from_binary(KafkaMessage(dict(headers), None, value), _Plain(), CloudEvent)
        # The library makes up a missing id; ours always states one.
        if "ce_id" not in dict(headers):
            raise UnreadableRecordError("the header ce_id is missing")
        return dict(event.get_attributes()), parse_json(value)
    except UnreadableRecordError:
        raise
    except CloudEventValidationError as error:
        missing = ", ".join(f"{name}: {problems[0]}" for name, problems in error.errors.items())
        raise UnreadableRecordError(f"the headers are no CloudEvent: {missing}") from error
    except (BaseCloudEventException, ValueError, RecursionError) as error:
        raise UnreadableRecordError(f"the record is no CloudEvent with a JSON value: {error}") from error


def _stated(data: Json) -> dict[str, Any]:
    state = data["state"]
    if state == "present":
        return {"state": state, "body": _document(data["document"])}
    if state == "gone":
        return {"state": state, "reason": data["reason"], "merged_into": data.get("merged_into")}
    if state == "unreadable":
        last = data.get("last_readable")
        readable = last and (_revision(last["revision"], "last_readable"), _document(last["document"]))
        return {"state": state, "reason": data["reason"], "last_readable": readable}
    raise UnreadableRecordError(f"the state {state!r} is not known; a newer version may have written it")


def _document(body: Json) -> Mapping[str, Json]:
    if not isinstance(body, dict):
        raise UnreadableRecordError(f"a document is an object, this is {type(body).__name__}")
    return body


def _erased(title: str, headers: Headers) -> Envelope:
    found = {name.removeprefix("ce_"): value.decode("utf-8", "replace") for name, value in headers}
    system, aspect = _kind(found) if "type" in found else ("", "")
    revision = _revision(found["sequence"], "ce_sequence") if "sequence" in found else 0
    return Envelope(system, aspect, title, revision, "erased")


def _title(key: bytes | str | None) -> str:
    if not key:
        raise UnreadableRecordError("the record has no key, so its title is not known")
    try:
        return key.decode("utf-8") if isinstance(key, bytes) else key
    except UnicodeDecodeError as error:
        raise UnreadableRecordError(f"the record's key is no UTF-8: {error}") from error


def _kind(attributes: Mapping[str, Any]) -> tuple[str, str]:
    parts = str(attributes.get("type", "")).split(".")
    if len(parts) != 5 or parts[:2] != ["app", "frontlist"] or parts[4] != "v1":
        raise UnreadableRecordError(f"the header ce_type is {attributes.get('type')!r}, not app.frontlist.*.*.v1")
    return parts[2], parts[3]


def _revision(text: Any, where: str) -> int:
    if not (isinstance(text, str) and text.isascii() and text.isdigit()):
        raise UnreadableRecordError(f"{where} is {text!r}, not a revision of 20 digits")
    return int(text)


def _version(text: Any) -> str:
    major, _, minor = str(text).partition(".")
    if major != "1" or not minor.isdigit():
        raise UnreadableRecordError(f"the header ce_schemaversion is {text!r}, this reader knows 1.x")
    return str(text)


def _siblings(text: Any) -> dict[str, int]:
    pairs = (pair.partition("=") for pair in str(text).split(",")) if text else ()
    return {aspect: _revision(revision, "ce_siblings") for aspect, _, revision in pairs}
