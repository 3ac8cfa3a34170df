"""Codes that a mapping may name."""

from __future__ import annotations

import pycountry
import pytest

from frontlist.mapping.codes import COMMON_LANGUAGES, language_cure


def test_what_counts_as_a_language_without_a_look_is_one_under_its_bibliographic_code() -> None:
    known = {getattr(each, "bibliographic", each.alpha_3) for each in pycountry.languages}
    assert COMMON_LANGUAGES - known == set()


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        ("ger", ""),
        ("gle", ""),
        ("deu", "write ger"),
        ("GER", "write the three letters of the language, e.g. eng or ger"),
        ("en", "write the three letters of the language, e.g. eng or ger"),
        ("xxx", "write the three letters of the language, e.g. eng or ger"),
    ],
)
def test_a_code_that_is_none_of_the_list_says_what_to_write(code: str, cure: str) -> None:
    assert language_cure(code) == cure
