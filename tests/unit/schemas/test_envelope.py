from dataclasses import replace

import pytest

from frontlist_schemas import envelope as e
from frontlist_schemas.envelope import Envelope, Readable, UnreadableRecordError, decode, encode

PRESENT = Envelope(
    system="consonance",
    aspect="rights",
    title="work:61417",
    revision=1_790_000_000_123_456,
    state="present",
    body={"work_id": 61417, "contracts": {"state": "unseen"}},
    siblings={"metadata": 1_790_000_000_123_455, "formats": 7},
)
GONE = replace(PRESENT, state="gone", body=None, reason="linked", merged_into="work:2")
LAST: Readable = (5, {"work_id": 61417})
UNREADABLE = replace(PRESENT, state="unreadable", body=None, reason="a null where a list was", last_readable=LAST)
ERASED = replace(PRESENT, state="erased", body=None, siblings={})


TRACED = replace(PRESENT, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


@pytest.mark.parametrize("envelope", [PRESENT, GONE, UNREADABLE, replace(UNREADABLE, last_readable=None), TRACED])
def test_what_was_encoded_is_decoded(envelope: Envelope) -> None:
    headers, value = encode(envelope, "acme")
    assert decode(b"work:61417", headers, value) == envelope


def test_headers_are_cloudevents_in_binary_mode_as_decision_0001_lists_them() -> None:
    headers, value = encode(PRESENT, "acme")
    assert dict(headers) == {
        "ce_id": b"consonance/rights/work:61417/00001790000000123456",
        "ce_source": b"frontlist/acme/consonance",
        "ce_specversion": b"1.0",
        "ce_type": b"app.frontlist.consonance.rights.v1",
        "ce_subject": b"work:61417",
        "ce_time": b"2026-09-21T14:13:20.123456Z",
        "ce_sequence": b"00001790000000123456",
        "ce_siblings": b"formats=00000000000000000007,metadata=00001790000000123455",
        "ce_schemaversion": b"1.0",
        "content-type": b"application/json",
    }
    assert value == b'{"document":{"contracts":{"state":"unseen"},"work_id":61417},"state":"present"}'


def test_the_context_of_a_traced_change_is_a_header_of_its_own_and_whatever_stands_there_spoils_nothing() -> None:
    headers, value = encode(TRACED, "acme")
    assert dict(headers)["ce_traceparent"] == str(TRACED.traceparent).encode()
    wrong = [(name, b"garbage" if name == "ce_traceparent" else each) for name, each in headers]
    assert decode(b"work:61417", wrong, value) == replace(PRESENT, traceparent="garbage")


def test_a_kafka_null_is_an_erasure_with_and_without_headers() -> None:
    headers, value = encode(ERASED, "acme")
    assert value is None
    assert decode(b"work:61417", headers, None) == ERASED
    assert decode(b"work:61417", [], None) == Envelope("", "", "work:61417", 0, "erased")


def test_a_document_above_seven_mebibytes_is_unreadable_with_its_size_and_the_last_readable_one() -> None:
    large = replace(PRESENT, body={"text": "x" * e.LARGEST_VALUE}, last_readable=LAST)
    read = decode(large.title, *encode(large, "acme"))
    assert (read.state, read.last_readable, read.body) == ("unreadable", LAST, None)
    assert read == e.fitted(large)
    assert "7,340,0" in (read.reason or "")


def test_a_last_readable_document_that_does_not_fit_is_left_out() -> None:
    heavy = replace(UNREADABLE, last_readable=(5, {"text": "x" * e.LARGEST_VALUE}))
    assert decode(heavy.title, *encode(heavy, "acme")) == replace(UNREADABLE, last_readable=None)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"{", "no CloudEvent with a JSON value"),
        (b"\xff", "no CloudEvent with a JSON value"),
        (b"[]", "no statement of a document"),
        (b'{"state":"present"}', "no statement of a document"),
        (b'{"state":"present","document":[]}', "a document is an object"),
        (b'{"state":"present","document":{"amount":1.5}}', "a float"),
        (b'{"state":"paused"}', "not known"),
        (b'{"state":"unreadable","reason":"x","last_readable":{"revision":5}}', "last_readable is 5"),
        (b"[" * 100_000, "no CloudEvent with a JSON value"),
    ],
)
def test_a_value_that_says_nothing_is_unreadable_and_says_why(value: bytes, why: str) -> None:
    headers, _ = encode(PRESENT, "acme")
    with pytest.raises(UnreadableRecordError, match=why):
        decode(b"work:61417", headers, value)


@pytest.mark.parametrize(
    ("header", "content", "why"),
    [
        ("ce_type", None, "type"),
        ("ce_type", b"com.example", "ce_type is 'com.example'"),
        ("ce_id", None, "ce_id"),
        ("ce_sequence", b"12x", "ce_sequence is '12x'"),
        ("ce_sequence", None, "ce_sequence is None"),
        ("ce_siblings", b"metadata", "ce_siblings"),
        ("ce_schemaversion", b"2.0", "this reader knows 1.x"),
        ("ce_subject", b"work:1", "the key says work:61417"),
        ("ce_subject", b"\xff", "no CloudEvent"),
        ("ce_time", b"yesterday", "no CloudEvent"),
    ],
)
def test_wrong_headers_are_unreadable_and_say_which(header: str, content: bytes | None, why: str) -> None:
    headers, value = encode(PRESENT, "acme")
    wrong = [(n, v) for n, v in headers if n != header] + ([(header, content)] if content is not None else [])
    with pytest.raises(UnreadableRecordError, match=why):
        decode(b"work:61417", wrong, value)


@pytest.mark.parametrize("key", [None, b"", b"\xff"])
def test_a_record_without_a_usable_key_is_unreadable(key: bytes | None) -> None:
    with pytest.raises(UnreadableRecordError, match="key"):
        decode(key, *encode(PRESENT, "acme"))
