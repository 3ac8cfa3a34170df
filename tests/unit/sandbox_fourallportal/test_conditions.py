"""4APQL, as far as connector conditions use it."""

from datetime import UTC, datetime

import pytest

from frontlist_sandbox.fourallportal.conditions import compile_condition
from frontlist_sandbox.fourallportal.records import Record

FILE = Record(
    "1",
    "file",
    datetime(2026, 5, 1, tzinfo=UTC),
    {
        "mimetype": {(): "image/jpeg"},
        "mount": {(): "data"},
        "parent_path": {(): "flyer_/a"},
        "rating": {(): 4.0},
        "credit_required": {(): True},
        "channels": {(): ["web", "print"]},
        "caption": {(("locale", "de_DE"),): "Hallo", (("locale", "en_GB"),): "O'Hara"},
    },
)

HOLDS = [
    "",
    "mimetype = 'image/jpeg'",
    "mimetype LIKE 'image/%'",
    "mount = 'data' AND (parent_path = 'flyer_24' OR parent_path LIKE 'flyer_/%')",
    "mount = 'x' AND mount = 'data' OR mount = 'data'",
    "mod_time > '2023-05-01T10:10:01.803Z'",
    "mount IN ('x', 'data')",
    "mount NOT IN ('x', 'y')",
    "mimetype NOT LIKE '%png'",
    "mount != 'x'",
    "rating >= 4 and rating < 4.5",
    "credit_required = true",
    "channels = 'print'",
    "caption = 'O''Hara'",
    "approval_state IS NULL",
    "mount IS NOT NULL",
    "module = 'file'",
]
FAILS = [
    "mimetype = 'image/png'",
    "mimetype LIKE 'image'",
    "mount = 'data' AND (parent_path = 'flyer_24' OR parent_path = 'x')",
    "mount != 'data'",
    "approval_state = 'approved'",
    "approval_state != 'approved'",
    "approval_state NOT IN ('approved')",
    "rating > 4",
    "rating = '4'",
    "credit_required = false",
    "mount IS NULL",
]
UNREADABLE = [
    "mount",
    "mount =",
    "mount = data",
    "(mount = 'x'",
    "mount = 'x' mount",
    "mount ~ 'x'",
    "caption[de] = 'x'",
]


@pytest.mark.parametrize("condition", HOLDS)
def test_a_condition_holds(condition: str) -> None:
    assert compile_condition(condition)(FILE)


@pytest.mark.parametrize("condition", FAILS)
def test_a_condition_fails(condition: str) -> None:
    assert not compile_condition(condition)(FILE)


@pytest.mark.parametrize("condition", UNREADABLE)
def test_what_is_no_condition_is_refused_with_its_text(condition: str) -> None:
    with pytest.raises(ValueError, match="condition"):
        compile_condition(condition)
