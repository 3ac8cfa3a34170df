"""ISBNs as people type them, brought to one key."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from stdnum import ean
from stdnum import isbn as isbns

_PREFIX = re.compile(r"^(?:urn:)?(?:e-?)?isbn(?:-?1[03])?[:\s]*", re.IGNORECASE)
_NOISE = re.compile(r"[^0-9X]")
_BOOKLAND = ("978", "979")


@dataclass(frozen=True)
class Isbn:
    """`key`: the first twelve digits of the ISBN-13, which a wrong check digit does not touch; `right`: it is right."""

    key: str
    right: bool

    @property
    def isbn13(self) -> str:
        """With the check digit that it should have."""
        return self.key + ean.calc_check_digit(self.key)


def read(stated: str) -> Isbn | None:
    """The ISBN that a text means; None where it means none ("No ISBN", an EAN of something else, a stub)."""
    text = unicodedata.normalize("NFKC", stated).strip()
    digits = _NOISE.sub("", _PREFIX.sub("", text).upper())
    if len(digits) == 13 and digits.isdigit() and digits.startswith(_BOOKLAND):
        return Isbn(digits[:12], ean.is_valid(digits))
    if len(digits) == 10 and digits[:9].isdigit():
        return Isbn("978" + digits[:9], bool(isbns.is_valid(digits)))
    # Spreadsheets drop the zero in front of an ISBN-10; only a right check digit tells that one from a stub.
    if len(digits) == 9 and isbns.is_valid("0" + digits):
        return Isbn("9780" + digits[:8], False)
    return None
