"""Markdown as written, HTML as read, and plain text where `stripHtml` asks for it."""

from __future__ import annotations

from functools import lru_cache
from html.parser import HTMLParser

from markdown_it import MarkdownIt

RUBBISH = (
    '<p class="MsoNormal"><o:p>&nbsp;</o:p><span style="mso-fareast-font-family:Arial">\u0000<b>unclosed &bogus; '
    '<script>alert(1)</script><a href="javascript:alert(2)">link</p></div>'
)
_BLOCKS = frozenset({"p", "br", "li", "div", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "tr"})
_markdown = MarkdownIt("commonmark")


@lru_cache(maxsize=4096)
def html(markdown: str) -> str:
    """CommonMark with HTML let through."""
    return str(_markdown.render(markdown)).strip()


def plain(markup: str) -> str:
    """The text of an HTML fragment, a line a block."""
    stripper = _Stripper()
    stripper.feed(markup)
    stripper.close()
    lines = (" ".join(line.split()) for line in "".join(stripper.parts).split("\n"))
    return "\n".join(line for line in lines if line)


class _Stripper(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self.parts.append("\n")
