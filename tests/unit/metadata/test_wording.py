"""HTML, markdown and plain text to markdown: safe, and with every word."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from frontlist_metadata.wording import Wording, unmarked, worded

RENDER = MarkdownIt("commonmark", {"html": True}).enable("table").render
DANGER = re.compile(r"<\s*(script|iframe|img|svg|object|style|form)\b|<[^>]*\son\w+\s*=|javascript:", re.IGNORECASE)
TEXTS = [
    ("<p>A <b>fine</b> <i>tale</i>.</p>", "A **fine** *tale*."),
    ("<p>one</p><p>two<br>three</p>", "one\n\ntwo  \nthree"),
    ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
    ("<h2>Head</h2><p>x</p>", "## Head\n\nx"),
    ('<a href="https://x.org/a_b?c=1">z</a>', "[z](https://x.org/a_b?c=1)"),
    ("<span style='x'>A</span>&nbsp;&amp; B", "A\u00a0& B"),
    ("5 &lt; 6 * 7_8 [x]", "5 \\< 6 \\* 7\\_8 \\[x\\]"),
    ("<p># 1</p><p>1. x</p><p>- y</p>", "\\# 1\n\n1\\. x\n\n\\- y"),
    ("&lt;script&gt;x&lt;/script&gt;", "\\<script\\>x\\</script\\>"),
    ("<!-- note --><p>x</p><style>p{}</style>", "x"),
    ("<p><b>unclosed <i>rubbish", "**unclosed *rubbish***"),
    ("<p> </p><br>", ""),
]


@pytest.mark.parametrize(("source", "markdown"), TEXTS)
def test_html_becomes_markdown(source: str, markdown: str) -> None:
    assert worded(source, "html").markdown == markdown


UNSAFE = [
    ("<script>x</script>a", "<script>"),
    ("<a href='java\nscript:x'>a</a>", "javascript:"),
    ("<a href='&#106;avascript:x'>a</a>", "javascript:"),
    ("<p onclick='x'>a</p>", "onclick="),
    ("<iframe src='https://x'></iframe>a", "<iframe>"),
    ("<svg><a href='x'>a</a></svg>", "<svg>"),
    ("<a href='data:text/html,x'>a</a>", "data:"),
]


@pytest.mark.parametrize(("source", "unsafe"), UNSAFE)
def test_what_could_do_harm_is_named_and_not_passed_on(source: str, unsafe: str) -> None:
    found = worded(source, "html")
    assert unsafe in found.unsafe
    assert not DANGER.search(RENDER(found.markdown))


def test_an_image_that_is_lost_is_named() -> None:
    assert worded("<p>a<img src='https://x/y.png'></p>", "html").dropped == ("<img>",)


def test_plain_text_says_what_it_says() -> None:
    found = worded("a *b* <c>\nd\n\ne", "plain")
    assert found == Wording("a \\*b\\* \\<c\\>  \nd\n\ne", "a *b* <c>\nd\ne")


def test_markdown_keeps_its_form_and_loses_its_html() -> None:
    found = worded("**a** [b](https://c.d)\n\n<script>x</script>\n\n- e", "markdown")
    assert (found.markdown, found.unsafe) == ("**a** [b](https://c.d)\n\n- e", ("<script>",))


def test_length_is_what_a_reader_sees() -> None:
    assert worded("<p>a&amp;b</p>\n\n<p><b>c</b></p>", "html").length == 5
    assert worded("<p>a&amp;b</p><p><b>c</b></p>", "html").length == 5


def test_markup_beyond_reading_is_said_to_be_so() -> None:
    with pytest.raises(ValueError, match="beyond reading"):
        worded("<b>" * 5000 + "x", "html")


PIECES = st.lists(
    st.sampled_from(
        [
            *("<script>", "</script>", "<p>", "</p>", "<a href='", "'>", "</a>", "<b>", "<pre>", "<code>", "</code>"),
            *("```", "`", "[", "](", ")", "javascript:", "&lt;", "&gt;", "&#60;", "<", ">", "!", "\\", "\n", " ", '"'),
            *(
                "img src=x onerror=x",
                "&amp;lt;",
                "x",
                "|",
                "<table><tr><td>",
                "https://x/",
                "<svg",
                "<![",
                "<!--",
                "-->",
            ),
        ]
    ),
    max_size=12,
).map("".join)


@given(PIECES, st.sampled_from(["html", "markdown", "plain"]))
def test_no_text_renders_as_something_active(source: str, format: str) -> None:
    try:
        found = worded(source, format)  # type: ignore[arg-type]
    except ValueError:
        return
    rendered = RENDER(found.markdown)
    tags = re.sub(r">[^<]*<", "><", rendered)
    assert not DANGER.search(tags), rendered


@given(PIECES, st.sampled_from(["html", "markdown", "plain"]))
def test_no_unmarked_text_shows_a_tag_whoever_reads_it(source: str, format: str) -> None:
    try:
        text = unmarked(source, format).text  # type: ignore[arg-type]
    except ValueError:
        return
    seen: list[str] = []
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, attrs: seen.append(tag)  # type: ignore[method-assign]
    reader.feed(f"<p>{text}x</p>")
    reader.close()
    assert seen == ["p"], text


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=40))
def test_a_plain_text_reads_back_word_for_word(source: str) -> None:
    found = worded(source, "plain")
    shown = html.unescape(re.sub(r"<[^>]+>", " ", RENDER(found.markdown)))
    assert "".join(shown.split()) == "".join(source.split())
