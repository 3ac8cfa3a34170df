"""Records of our topics: what each says, and which of a document's is the newest. Pure.

What nobody should have written raises an error of `frontlist.unreadable.BROKEN`; a document that names its title is
unreadable instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aiokafka import ConsumerRecord

from frontlist.contract import TitleKey
from frontlist.state import dossier, settled
from frontlist.tracing import context_of
from frontlist_schemas.canonical import parse_json
from frontlist_schemas.envelope import Envelope, UnreadableRecordError, decode

#: Above this the databases cannot hold a number.
LARGEST = 2**63


def newest_first(records: Sequence[ConsumerRecord]) -> Iterable[list[ConsumerRecord]]:
    """The records of each document by their revision, of equals the last one first."""
    found: dict[tuple[str, bytes | None], list[ConsumerRecord]] = {}
    for record in reversed(records):
        found.setdefault((record.topic, record.key), []).append(record)
    return [same if len(same) == 1 else sorted(same, key=_sequence, reverse=True) for same in found.values()]


def document_of(record: ConsumerRecord, refused: str | None) -> dossier.Stored:
    """`refused`: why the database did not take it as it is."""
    try:
        got = decode(record.key, record.headers, record.value)
        if refused:
            raise UnreadableRecordError(refused)
        return _stored(got, record)
    except UnreadableRecordError as error:
        system, aspect, title = _place(record)
        reason = str(error).replace("\x00", "\\0")
        return dossier.Stored(system, aspect, title, _sequence(record), "unreadable", reason=reason)


def _stored(got: Envelope, record: ConsumerRecord) -> dossier.Stored:
    system, aspect, title = _place(record)
    if got.revision >= LARGEST:
        raise UnreadableRecordError(f"ce_sequence {got.revision} is no time")
    last = got.last_readable
    return dossier.Stored(
        system=system,
        aspect=aspect,
        title=title,
        revision=got.revision or _sequence(record),
        state=got.state,
        body=got.body if last is None or got.state == "present" else last[1],
        reason=got.reason,
        last_readable=None if last is None else last[0],
        merged_into=got.merged_into,
        siblings=got.siblings,
        traceparent=got.traceparent if context_of(got.traceparent) else None,
    )


def _place(record: ConsumerRecord) -> tuple[str, str, TitleKey]:
    """What a record is about by its topic and key alone; raises ValueError where these do not say it."""
    parts = record.topic.rsplit(".", 3)
    title = (record.key or b"").decode()
    if not title or "\x00" in title:
        raise ValueError("it has no usable key, so its title is not known")
    return parts[-3], parts[-2], TitleKey(title)


def _sequence(record: ConsumerRecord) -> int:
    """The revision, where the header can be read; else the record's own time, so that the order holds."""
    found = dict(record.headers).get("ce_sequence", b"")
    stated = int(found) if found.isdigit() and len(found) <= 20 else LARGEST
    return stated if stated < LARGEST else int(record.timestamp) * 1000


def link_of(record: ConsumerRecord) -> settled.Link:
    body = parse_json(record.value)
    target, kind, source_id = _text(record.key.decode()).split("/", 2)
    id_ = None if body["id"] is None else _text(body["id"])
    role = _text(body["role"])
    return settled.Link(target, kind, source_id, id_, TitleKey(_text(body["title"])), role, _number(body["number"]))


def decision_of(record: ConsumerRecord) -> settled.Decision:
    body = parse_json(record.value)
    kind, _, key = _text(record.key.decode()).partition("/")
    return settled.Decision(kind, key, body["body"], _number(body["number"]))


def _text(found: object) -> str:
    if not isinstance(found, str) or not found or "\x00" in found:
        raise ValueError(f"{found!r} is no text that can be stored")
    return found


def _number(found: object) -> int:
    if not isinstance(found, int) or not 0 <= found < LARGEST:
        raise ValueError(f"{found!r} is no number of ours")
    return found
