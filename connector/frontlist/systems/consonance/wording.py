"""What a text says, whatever markdown, HTML or an editor made of its form."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_SILENT = frozenset({"script", "style", "head", "title"})
_INLINE = frozenset(
    {"a", "abbr", "b", "cite", "code", "em", "i", "q", "s", "small", "span", "strong", "sub", "sup", "u"}
)
# What word processors and typographers change without a change of meaning; invisible characters say nothing.
_FOLD = str.maketrans(
    {"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "…": "...", "\u00a0": " ", "\u202f": " "}
    | dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff\u0000")
)


@lru_cache(maxsize=1024)
def normal(text: str) -> str:
    """The words of a markdown or HTML text: NFC, entities resolved, one blank between words."""
    speaker = _Speaker()
    # Markdown lets HTML through, so a text that is HTML already comes out as it is.
    speaker.feed(_markdown().render(text.replace("\u0000", "")))
    speaker.close()
    words = unicodedata.normalize("NFC", "".join(speaker.parts).translate(_FOLD))
    return re.sub(r"\s+", " ", words).strip()


@cache
def _markdown() -> MarkdownIt:
    """Loaded by the first text."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark")


class _Speaker(HTMLParser):
    """The text between tags; a block's end parts words, an inline tag does not."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._part(tag)
        self._silent += tag in _SILENT

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._part(tag)

    def handle_endtag(self, tag: str) -> None:
        self._part(tag)
        self._silent = max(0, self._silent - (tag in _SILENT))

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)

    def _part(self, tag: str) -> None:
        if tag not in _INLINE:
            self.parts.append(" ")
