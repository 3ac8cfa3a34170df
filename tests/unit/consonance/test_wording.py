import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from frontlist.systems.consonance.wording import normal


@pytest.mark.parametrize(
    "rewritten",
    [
        "A *fine* tale & more.\n\nSecond one’s “quote”…",
        "<p>A <em>fine</em> tale &amp; more.</p>\n<p>Second one's &quot;quote&quot;...</p>",
        "<div class='x'><p>A&nbsp;<i>fine</i>\n tale &#38; more.</p><br/>Second one&rsquo;s “quote”&hellip;</div>",
        'A fi\u00adne\u200b tale & more. Second one\'s "quote"...\u0000',
        "<p>A <span style='mso:x'>fi</span>ne tale &amp; more.</p><script>alert(1)</script>Second one's \"quote\"...",
    ],
)
def test_rewriting_does_not_change_what_a_text_says(rewritten: str) -> None:
    assert normal(rewritten) == 'A fine tale & more. Second one\'s "quote"...'


@pytest.mark.parametrize("other", ["A fine tail", "A fine tale.", "A  fine tale of two", ""])
def test_other_words_are_another_text(other: str) -> None:
    assert normal(other) != normal("A fine tale")


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert normal("caf\u00e9") == normal("cafe\u0301")


@given(st.lists(st.text("abcäöü,.;!?' ", min_size=1), max_size=5).map("\n\n".join))
def test_prose_read_back_as_html_says_the_same(markdown: str) -> None:
    assert normal(MarkdownIt("commonmark").render(markdown)) == normal(markdown)
