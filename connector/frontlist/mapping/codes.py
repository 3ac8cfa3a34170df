"""Codes that a mapping may name (EDItEUR ONIX code lists, issue 70; ISO 639-2/B and 4217)."""

from __future__ import annotations

from typing import Any

import pycountry

#: List 64; code 14 does not exist there.
PUBLISHING_STATUSES = frozenset(f"{number:02}" for number in range(19) if number != 14)
#: List 58.
PRICE_TYPES = frozenset(
    f"{number:02}" for number in (*range(1, 10), *range(11, 16), 17, *range(21, 26), 27, *range(31, 38), 41, 42)
)
#: List 59, as Consonance's enum has it (_00 to _16).
PRICE_QUALIFIERS = frozenset(f"{number:02}" for number in range(17))

_COMMON = """
    afr ara chi cze dan dut eng fin fre ger gre heb hin hun ita jpn kor nor pol por rum rus spa swe tur ukr wel
"""
#: Right for sure: pycountry's list of 8,000 languages takes longer to read than a mapping, at every start.
COMMON_LANGUAGES = frozenset(_COMMON.split())

_LANGUAGES: Any = pycountry.languages
_CURRENCIES: Any = pycountry.currencies


def language_cure(code: str) -> str:
    """What to write instead of a language code; empty where it is right (List 74 is ISO 639-2/B: ger, not deu)."""
    if code in COMMON_LANGUAGES:
        return ""
    if len(code) != 3 or not code.islower():
        return "write the three letters of the language, e.g. eng or ger"
    if _LANGUAGES.get(bibliographic=code) is not None:
        return ""
    found = _LANGUAGES.get(alpha_3=code)
    if found is None:
        return "write the three letters of the language, e.g. eng or ger"
    bibliographic = getattr(found, "bibliographic", code)
    return "" if bibliographic == code else f"write {bibliographic}"


def is_currency(code: str) -> bool:
    return _CURRENCIES.get(alpha_3=code) is not None
