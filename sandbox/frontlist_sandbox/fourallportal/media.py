"""File contents and their renditions: real, tiny grey JPEGs in the proportions of the original."""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

ORIGINAL = "Original"
# The longer edge in pixels.
RENDITIONS = {"WebAll": 1600, "small": 160, "medium": 640, "large": 1280}
USAGES = (ORIGINAL, *RENDITIONS)
BOOK = (1600, 2400)


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes behind an object, with name and type."""

    name: str
    mimetype: str
    data: bytes

    def rendition(self, usage: str) -> "Content":
        """The derivate for a usage; it changes whenever the original does."""
        if usage == ORIGINAL:
            return self
        width, height = dimensions(self.data) or BOOK
        scale = min(1.0, RENDITIONS[usage] / max(width, height))
        note = f"{usage} of sha256 {hashlib.sha256(self.data).hexdigest()}"
        small = jpeg(max(1, round(width * scale)), max(1, round(height * scale)), note)
        return Content(f"{PurePosixPath(self.name).stem}.jpg", "image/jpeg", small)


@lru_cache(maxsize=256)
def jpeg(width: int, height: int, note: str = "") -> bytes:
    """A valid grey baseline JPEG; the note goes into its comment segment."""
    one_code = b"\x01" + bytes(15) + b"\x00"  # a Huffman table with one code of one bit
    blocks = -(-width // 8) * -(-height // 8)
    bits = 2 * blocks  # per block: "no DC difference", "end of block", a zero bit each
    scan = bytearray(-(-bits // 8))
    if bits % 8:
        scan[-1] = (1 << (8 - bits % 8)) - 1  # the last byte is filled up with ones
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
            _segment(0xFE, note.encode()),
            _segment(0xDB, b"\x00" + b"\x01" * 64),
            _segment(0xC0, struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"),
            _segment(0xC4, b"\x00" + one_code),
            _segment(0xC4, b"\x10" + one_code),
            _segment(0xDA, b"\x01\x01\x00\x00\x3f\x00"),
            bytes(scan),
            b"\xff\xd9",
        )
    )


def dimensions(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG or JPEG; None where the bytes are neither."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return (width, height) if width and height else None
    for marker, body in _segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(body) >= 5:
            height, width = struct.unpack(">HH", body[1:5])
            return (width, height) if width and height else None
    return None


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 2 if data.startswith(b"\xff\xd8") else len(data)
    while at + 4 <= len(data) and data[at] == 0xFF:
        length = struct.unpack(">H", data[at + 2 : at + 4])[0]
        yield data[at + 1], data[at + 4 : at + 2 + length]
        at += 2 + length
