"""Product forms: ONIX list 150 and 175 to Consonance's seven product types and to ONIX 2.1's list 7.

FACT: BB and BC are the same in both lists, an e-book is DG in ONIX 2.1. The rest of the mapping is an assumption.
"""

from __future__ import annotations

from collections.abc import Sequence

_DOWNLOADABLE_AUDIO = frozenset({"AJ", "AN", "AO"})
_BY_FIRST_LETTER = {
    "A": "PhysicalAudioProduct",
    "B": "PhysicalBookProduct",
    "E": "ElectronicBookProduct",
    "L": "ElectronicProduct",
    **dict.fromkeys("CDFMPSVXZ", "PhysicalProduct"),
}
_LIST_7 = {"EA": "DG", "EB": "DG", "ED": "DG", "EC": "DH", "LA": "DO", "LB": "DO", "LC": "DO"}


def typename(form: str | None, details: Sequence[str]) -> str:
    """The GraphQL type; digital content of unsaid kind (E*) is audio where its format (A1..) says so."""
    if not form:
        return "GenericProduct"
    if form in _DOWNLOADABLE_AUDIO or (form[0] == "E" and any(detail.startswith("A1") for detail in details)):
        return "ElectronicAudioProduct"
    return _BY_FIRST_LETTER.get(form[0], "GenericProduct")


def onix21(form: str | None) -> str | None:
    """The list 7 code, or None where that list has none of the kind."""
    if not form or form in ("AN", "AO"):
        return None
    if form[0] == "S":
        return "WW"
    return _LIST_7.get(form, form if form[0] in "ABCPVXZ" or form in ("DB", "DI", "DM", "DZ") else None)
