"""Each rule of working names the tests that fail when it is taken out."""

from __future__ import annotations

import re

from docs.pages import ROOT
from docs.test_matrix import found_below
from taken_out import CODE, TAKEN_OUT

RULES = (ROOT / "docs" / "decisions" / "0004-the-engine.md").read_text(encoding="utf-8")
ROWS = [line for line in RULES.partition("## Each rule has a test")[2].splitlines() if line.startswith("| ")][1:]


def test_every_rule_names_tests_that_exist() -> None:
    there = found_below(".")
    assert len(ROWS) > 40
    for row in ROWS:
        named = re.findall(r"`(test_\w+)`", row)
        assert named, row
        assert [name for name in named if name not in there] == [], row


def test_every_rule_is_taken_out_of_the_code_as_it_is() -> None:
    """`make test-rules` takes it out and sees the tests fail; here only that it could."""
    named = set(re.findall(r"`(test_\w+)`", "\n".join(ROWS)))
    assert {test for each in TAKEN_OUT for test in each.tests} == named
    for name, stands, instead in (edit for each in TAKEN_OUT for edit in each.edits):
        text = (CODE / name).read_text(encoding="utf-8")
        assert (text.count(stands), stands != instead) == (1, True), f"{name}: {stands}"


def test_every_test_of_the_rules_stands_in_a_row() -> None:
    named = set(re.findall(r"`(test_\w+)`", "\n".join(ROWS)))
    text = (ROOT / "tests" / "integration" / "test_rules.py").read_text(encoding="utf-8")
    assert set(re.findall(r"^(?:async )?def (test_\w+)", text, re.M)) - named == set()


def test_the_page_says_what_no_client_can_exclude() -> None:
    page = " ".join((ROOT / "docs" / "delivery.md").read_text(encoding="utf-8").split())
    assert "Neither vendor offers a conditional write" in page
    assert "there is a gap that no client can close" in page


def test_the_first_paragraph_of_the_page_is_the_promise() -> None:
    first = (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8").split("\n\n")[1]
    for said in ("Nothing is lost", "the last state wins", "second record", "no client can exclude"):
        assert said in " ".join(first.split())
