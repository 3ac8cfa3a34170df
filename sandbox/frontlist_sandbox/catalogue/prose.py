"""Texts of a catalogue as the markdown in which Consonance keeps them."""

from __future__ import annotations

import html
import re

from lxml import etree
from markdownify import markdownify

# ONIX list 153 -> MarketingTextVariant. Only SHORT_DESCRIPTION is attested; see `assumed`.
VARIANTS = {
    "02": "SHORT_DESCRIPTION",
    "03": "MAIN_DESCRIPTION",
    "04": "TABLE_OF_CONTENTS",
    "05": "BACK_COVER_COPY",
    "06": "REVIEW_QUOTE",
    "09": "ENDORSEMENT",
    "10": "PROMOTIONAL_HEADLINE",
    "11": "FEATURE",
    "12": "BIOGRAPHICAL_NOTE",
    "14": "EXCERPT",
}
_MARKUP_FORMATS = frozenset({"02", "03", "05"})
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|&(?:[A-Za-z]+|#\d+);")
_HIDDEN = re.compile(r"<(script|style)\b.*?(</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_PARAGRAPHS = re.compile(r"\n\s*\n")


def markdown(element: etree._Element) -> str:
    """A `Text` as markdown, whether its markup is XHTML elements, CDATA or escaped once, or there is none."""
    children = [child for child in element if isinstance(child.tag, str)]
    content = _inner(element) if children else words(element)
    declared = element.get("textformat") in _MARKUP_FORMATS
    if not children and not declared and not _TAG.search(content):
        content = "".join(f"<p>{html.escape(part, quote=False)}</p>" for part in _PARAGRAPHS.split(content))
    return _from_html(content)


def words(element: etree._Element | None) -> str:
    """The text of an element; entities that HTML knows are resolved, others are dropped."""
    if element is None:
        return ""
    parts = [element.text or ""]
    for child in element:
        if not isinstance(child.tag, str):
            parts.append(_entity(child))
        parts.append(child.tail or "")
    return "".join(parts).strip()


def _entity(node: etree._Element) -> str:
    reference = str(node.text or "")
    resolved = html.unescape(reference)
    return "" if resolved == reference else resolved


def _inner(element: etree._Element) -> str:
    parts = [html.escape(element.text or "", quote=False)]
    for child in element:
        if isinstance(child.tag, str):
            parts.append(etree.tostring(child, encoding="unicode", with_tail=True))
        else:
            parts.append(html.escape(_entity(child) + (child.tail or ""), quote=False))
    return "".join(parts)


def _from_html(content: str) -> str:
    shown = _HIDDEN.sub("", content)
    try:
        text = str(markdownify(shown, heading_style="ATX", bullets="-"))
    except RecursionError:
        # Thousands of tags within each other: the words are worth more than the markup.
        text = html.unescape(_TAG.sub(" ", shown))
    return re.sub(r"\n{3,}", "\n\n", text).strip()
