"""Texts of two systems compared as a person would: without case, accents, punctuation and articles in front."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

_WORDS = re.compile(r"\w+")
#: Below this likeness, and without a word in common, two titles are different books.
_ALIKE = 0.5


def plain(text: str) -> str:
    """The words alone, in lower case, without accents."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(_WORDS.findall(bare))


def strangers(ones: Iterable[str], others: Iterable[str]) -> bool:
    """Whether no title of the one resembles any of the other; False where one side has none."""
    left, right = ([plain(text) for text in texts if plain(text)] for texts in (ones, others))
    return bool(left and right) and not any(_resemble(one, other) for one in left for other in right)


def _resemble(one: str, other: str) -> bool:
    if _telling(one) & _telling(other):
        return True
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() >= _ALIKE


def _telling(text: str) -> set[str]:
    """Words that say something: "the" is in every second title."""
    return {word for word in text.split() if len(word) > 3 or not word.isascii()}
