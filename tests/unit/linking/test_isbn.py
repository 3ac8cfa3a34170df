"""ISBNs as they stand in hand-made records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean
from stdnum import isbn as isbns

from frontlist.linking import isbn

KEY = "978030640615"
bodies = st.integers(0, 10**9 - 1).map(lambda n: f"978{n:09d}")


@pytest.mark.parametrize(
    "stated",
    [
        "9780306406157",
        "978-0-306-40615-7",
        " 978 0 306 40615 7 ",
        "978\u20110\u2011306\u201140615\u20117",
        "ISBN-13: 978-0-306-40615-7",
        "urn:isbn:9780306406157",
        "0-306-40615-2",
        "ISBN 0306406152",
        "９７８０３０６４０６１５７",
    ],
)
def test_every_spelling_of_an_isbn_is_the_same_isbn(stated: str) -> None:
    assert isbn.read(stated) == isbn.Isbn(KEY, True)


@pytest.mark.parametrize("stated", ["9780306406158", "0306406153", "030640615X"])
def test_a_wrong_check_digit_keeps_the_key_and_is_not_right(stated: str) -> None:
    assert isbn.read(stated) == isbn.Isbn(KEY, False)


def test_the_check_digit_x_may_be_written_small() -> None:
    assert isbn.read("0-8044-2957-x") == isbn.read("080442957X") == isbn.Isbn("978080442957", True)


def test_an_isbn_that_lost_its_leading_zero_is_known_again_but_not_right() -> None:
    assert isbn.read("306406152") == isbn.Isbn(KEY, False)


@pytest.mark.parametrize("stated", ["", "No ISBN", "tbc", "4006381333931", "97803064", "306406153", "B00ABCDEFG"])
def test_what_is_no_isbn_is_none(stated: str) -> None:
    assert isbn.read(stated) is None


@given(bodies)
def test_isbn_10_and_13_of_one_book_have_one_key(body: str) -> None:
    thirteen = body + ean.calc_check_digit(body)
    ten = isbns.to_isbn10(thirteen)
    assert isbn.read(isbns.format(thirteen)) == isbn.read(ten) == isbn.Isbn(body, True)
    assert isbn.Isbn(body, True).isbn13 == thirteen


@given(bodies, st.integers(0, 9))
def test_a_check_digit_is_right_or_wrong_as_stdnum_says(body: str, digit: int) -> None:
    read = isbn.read(f"{body}{digit}")
    assert read is not None
    assert (read.key, read.right) == (body, ean.is_valid(f"{body}{digit}"))


@given(st.text(max_size=40))
def test_any_text_can_be_read(text: str) -> None:
    read = isbn.read(text)
    assert read is None or (len(read.key) == 12 and read.key.isdigit())
