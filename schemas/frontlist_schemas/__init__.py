"""What Frontlist's topics carry: documents, envelope, canonical form, names. Needs nothing else of Frontlist.

A reader needs `read(system, aspect, headers, value)`; a writer `encode(envelope, tenant)`.
"""

from frontlist_schemas.canonical import CanonicalError, canonical, fingerprint
from frontlist_schemas.envelope import Envelope, Readable, UnreadableRecordError, decode, encode
from frontlist_schemas.registry import DOCUMENTS, parse, read
from frontlist_schemas.topics import topic

__all__ = [
    "DOCUMENTS",
    "CanonicalError",
    "Envelope",
    "Readable",
    "UnreadableRecordError",
    "canonical",
    "decode",
    "encode",
    "fingerprint",
    "parse",
    "read",
    "topic",
]
