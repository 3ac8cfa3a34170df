"""What an empty value empties: what we filled, for whichever title, and what a person adopted."""

from __future__ import annotations

from typing import Any

import pytest

from frontlist import Absent, Ensure, FieldKey, Resource, TitleKey
from frontlist.ordering import without_first_erasures
from frontlist.state.applied import Applied

RECORD = Resource("shelf", "record", "1")
OURS = {"a": "filled", "b": None}


def row(title: str = "work:1") -> Applied:
    return Applied(RECORD, "wishes", TitleKey(title), 1, None, 1, {FieldKey(k): v for k, v in OURS.items()}, True)


@pytest.mark.parametrize(
    ("have", "adopted", "emptied"),
    [
        (None, None, ""),
        (row(), None, "a"),
        (row("work:2"), None, "a"),
        (None, {"all": True}, "abc"),
        (None, {"fields": ["c"]}, "c"),
        (row(), {"fields": ["c"]}, "ac"),
        (row(), {"fields": "abc"}, "a"),
        (row(), {"all": "yes"}, "a"),
        (row(), "nonsense", "a"),
    ],
    ids=range(9),
)
def test_an_empty_value_empties_what_we_filled_and_what_was_adopted(have: Any, adopted: Any, emptied: str) -> None:
    wish = Ensure(RECORD, {FieldKey(key): None for key in "abc"} | {FieldKey("d"): 1, FieldKey("e"): False}, 1)
    kept = without_first_erasures(wish, have, adopted)
    assert isinstance(kept, Ensure)
    assert kept.fields == {**dict.fromkeys(emptied), "d": 1, "e": False}


def test_what_shall_not_be_there_is_left_as_it_is() -> None:
    gone = Absent(RECORD, 1, "gone")
    assert without_first_erasures(gone, None, None) is gone
