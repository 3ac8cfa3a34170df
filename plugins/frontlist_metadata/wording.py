"""From a cell's text to what Consonance takes, markdown or plain text: nothing unsafe passes, nothing is cut."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from typing import Any, Literal
from urllib.parse import quote

import nh3
from markdown_it import MarkdownIt
from markdownify import MarkdownConverter

_TAGS = """
    a b blockquote br dd div dl dt em h1 h2 h3 h4 h5 h6 hr i li ol p s span strong sub sup
    table tbody td th thead tr u ul
"""
#: Tags that only carry layout, or that Word and browsers leave behind: dropping them loses no word and harms nobody.
_HARMLESS = """
    abbr address article aside big body caption center cite code col colgroup del dfn figcaption figure font footer
    head header html ins kbd main mark o:p pre q samp section small style tfoot title tt var wbr
"""
_ACTIVE = """
    applet base button embed form frame frameset iframe input link math meta noscript object portal script select svg
    template textarea
"""
TAGS, ACTIVE = frozenset(_TAGS.split()), frozenset(_ACTIVE.split())
HARMLESS = TAGS | frozenset(_HARMLESS.split())
#: Tags within a line; any other begins a new one.
INLINE = frozenset({"a", "b", "em", "i", "span", "strong", "sub", "sup", "u"})
SCHEMES = frozenset({"http", "https", "mailto"})
_SCHEME = re.compile(r"([a-z][a-z0-9+.\-]*):", re.IGNORECASE)
_BLANK = re.compile(r"[\x00-\x20\x7f-\x9f]+")
#: What HTML takes for a blank; a no-break space is a character.
_SPACE = re.compile(r"[ \t\n\f\r]+")
_MARKUP = re.compile(r"([\\`*_\[\]<>~|])|&(?=#?\w+;)")
_ADDRESS = re.compile(r"[^\w:/?#@!$&*+,;=%.~\-]")
_LINE_START = re.compile(r"^(\s*)(#{1,6}(?=\s|$)|[+\-=](?=\s|$|[\-=]))", re.MULTILINE)
_NUMBERED = re.compile(r"^(\s*\d+)([.)])(?=\s|$)", re.MULTILINE)


@dataclass(frozen=True)
class Wording:
    """`text`: what a reader sees, lines apart. `unsafe`: what could have done harm; `dropped`: what else is lost."""

    markdown: str
    text: str
    unsafe: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    links: bool = False

    @property
    def length(self) -> int:
        return len(self.text)


def worded(text: str, format: Literal["html", "markdown", "plain"]) -> Wording:
    """Sanitises and turns into markdown. ValueError where the text is beyond reading."""
    source = _RENDER[format](text)
    looked, seen = _Look(), _Seen()
    try:
        looked.feed(source)
        looked.close()
        clean = nh3.clean(source, tags=set(TAGS), attributes={"a": {"href"}}, url_schemes=set(SCHEMES), link_rel=None)
        markdown = _Converter(heading_style="ATX", bullets="-", autolinks=False).convert(f"<div>{clean}</div>").strip()
    except (RecursionError, AssertionError) as error:
        raise ValueError("its markup is nested or broken beyond reading") from error
    seen.feed(clean)
    seen.close()
    # Markup without a word (<p></p>, a rule) says nothing.
    return Wording(
        markdown if seen.text else "",
        seen.text,
        tuple(sorted(looked.unsafe)),
        tuple(sorted(looked.dropped)),
        seen.links,
    )


def unmarked(text: str, format: Literal["html", "markdown", "plain"]) -> Wording:
    """As `worded`, where only `text` is of use: a field without markup cannot keep a link's address.

    ValueError also where the text would show markup to whoever reads it as HTML: there is no way to escape it that
    such a field is known to understand.
    """
    found = worded(text, format)
    # Nobody knows what will follow it: a `<` at its end must not begin a tag there.
    followed = found.text + "x"
    if _folded(html.unescape(nh3.clean(followed, tags=set()))) != _folded(html.unescape(followed)):
        raise ValueError("without markup it says something that would be read as HTML")
    return replace(found, dropped=(*found.dropped, *("<a>",) * found.links))


class _Converter(MarkdownConverter):
    """Escapes what markdown would take for markup; markdownify itself lets `&lt;script&gt;` become `<script>`."""

    def escape(self, text: str, parent_tags: Any) -> str:
        text = _MARKUP.sub(lambda found: "\\" + found[0], text or "")
        text = _LINE_START.sub(r"\1\\\2", text)
        return _NUMBERED.sub(r"\1\\\2", text)

    def convert_a(self, el: Any, text: str, parent_tags: Any) -> str:
        # A bracket or blank in an address would end the link, and what follows could be markup.
        if el.get("href"):
            el["href"] = _ADDRESS.sub(lambda found: quote(found[0], safe=""), el["href"])
        return str(super().convert_a(el, text, parent_tags))  # type: ignore[misc]  # its hints leave it out


class _Look(HTMLParser):
    """Notes what sanitising will take away."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.unsafe: set[str] = set()
        self.dropped: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ACTIVE:
            self.unsafe.add(f"<{_short(tag)}>")
        elif tag not in HARMLESS:
            self.dropped.add(f"<{_short(tag)}>")
        for name, value in attrs:
            if name.startswith("on"):
                self.unsafe.add(f"{_short(name)}=")
            elif name in ("href", "src", "action", "formaction", "xlink:href"):
                self._link(value or "")

    def _link(self, value: str) -> None:
        scheme = _SCHEME.match(_BLANK.sub("", value))
        if scheme is not None and scheme[1].lower() not in SCHEMES:
            self.unsafe.add(f"{_short(scheme[1].lower())}:")


class _Seen(HTMLParser):
    """What a reader sees of clean HTML: a line a block, one blank between words."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links = False
        self._parts: list[str] = []

    @property
    def text(self) -> str:
        lines = "".join(self._parts).split("\n")
        return "\n".join(line for each in lines if (line := _folded(each)))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._break(tag)
        self.links |= any(name == "href" for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        self._break(tag)

    def handle_data(self, data: str) -> None:
        self._parts.append(_SPACE.sub(" ", data))

    def _break(self, tag: str) -> None:
        if tag not in INLINE:
            self._parts.append("\n")


def _folded(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def _short(name: str) -> str:
    return name[:20]


def _plain(text: str) -> str:
    paragraphs = re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip())
    return "".join(f"<p>{html.escape(each, quote=False)}</p>".replace("\n", "<br>") for each in paragraphs)


def _markdown(text: str) -> str:
    return str(MarkdownIt("commonmark", {"html": True}).render(text))


def _html(text: str) -> str:
    return text


_RENDER = {"html": _html, "markdown": _markdown, "plain": _plain}
