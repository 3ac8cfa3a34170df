"""A text of which the words are refused or held is left as it is: to be without words has to be said."""

from __future__ import annotations

from typing import Any, cast

from frontlist import Absent, Actual, Ensure, FieldKey, Resource
from frontlist.systems.consonance.client import Client
from frontlist.systems.consonance.target import ConsonanceTarget

TEXT = Resource("consonance", "text", "61001/5a0ad5a3-6a7f-5f0e-9d54-3b7c1e0f6e11")
THERE = Actual({FieldKey("markdown"): "words"}, [{"id": 7, "fingerprint": "0" * 16, "fields": {"markdown": "words"}}])


def steps(desired: Any) -> list[str]:
    target = ConsonanceTarget(cast(Client, None))
    return [each.name for each in target.steps(desired, THERE, {})]


def wish(**fields: Any) -> Ensure:
    return Ensure(TEXT, {FieldKey(key): value for key, value in fields.items()}, 6)


def test_a_text_whose_words_are_not_named_is_left_alone() -> None:
    assert steps(wish(work_id=61001)) == []
    assert steps(wish(work_id=61001, variant="SHORT_DESCRIPTION")) == []


def test_a_text_whose_words_are_empty_is_taken_away() -> None:
    assert steps(wish(work_id=61001, markdown=None)) == ["delete"]
    assert steps(Absent(TEXT, 6, "gone")) == ["delete"]
