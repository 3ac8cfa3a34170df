"""Which model a document has, and how an older minor of v1 becomes the newest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pydantic import ValidationError

from frontlist_schemas import consonance, fourallportal
from frontlist_schemas.canonical import Json, canonical
from frontlist_schemas.document import Part
from frontlist_schemas.envelope import Envelope, UnreadableRecordError, decode

Body = Mapping[str, Json]
Upcast = Callable[[Body], Body]

DOCUMENTS: Mapping[tuple[str, str], type[Part]] = {
    **{("consonance", aspect): model for aspect, model in consonance.DOCUMENTS.items()},
    **{("fourallportal", aspect): model for aspect, model in fourallportal.DOCUMENTS.items()},
}
#: (system, aspect) -> minor -> what makes its body one of the next minor. Empty while 1.0 is the only one.
UPCASTS: Mapping[tuple[str, str], Mapping[int, Upcast]] = {}


def read(
    system: str,
    aspect: str,
    headers: Sequence[tuple[str, bytes]],
    value: bytes | None,
    *,
    key: bytes | str | None = None,
) -> Envelope:
    """The record of a topic with its body in the newest minor's form, checked.

    `key`: the record's; without it the header ce_subject is taken (an erasure may come without headers).
    Raises UnreadableRecordError. A system that a plugin adds has no model here: its body is handed on as it is.
    """
    envelope = decode(key or dict(headers).get("ce_subject"), headers, value)
    if envelope.state != "erased" and (envelope.system, envelope.aspect) != (system, aspect):
        raise UnreadableRecordError(f"a {envelope.system}.{envelope.aspect} document lies on {system}.{aspect}'s topic")
    if envelope.body is None:
        return envelope
    body = upcast(system, aspect, envelope.schema_version, envelope.body)
    parse(system, aspect, body)
    return replace(envelope, body=body)


def upcast(system: str, aspect: str, version: str, body: Body, upcasts: Mapping[int, Upcast] | None = None) -> Body:
    """Applies each step from the body's minor on; a minor newer than ours is left as it is (fields only came in)."""
    steps = UPCASTS.get((system, aspect), {}) if upcasts is None else upcasts
    minor = int(version.partition(".")[2])
    while minor in steps:
        body, minor = steps[minor](body), minor + 1
    return body


def parse(system: str, aspect: str, body: Body) -> Part | None:
    """The typed document, None where no model is known here; raises UnreadableRecordError naming the field."""
    model = DOCUMENTS.get((system, aspect))
    if model is None:
        return None
    try:
        # By way of JSON: there lists are what tuples are, and numbers stay strict.
        return model.model_validate_json(canonical(body))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise UnreadableRecordError(f"{system}.{aspect}: {where}: {first['msg']}") from error
