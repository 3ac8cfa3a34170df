"""Each row of the failure matrix names tests that exist, and each test of it stands in a row."""

from __future__ import annotations

import re

from docs.pages import ROOT

PAGE = (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.partition("## The failure matrix")[2].splitlines() if line.startswith("| ")][1:]
TEST = re.compile(r"^(?:async )?def (test_\w+)", re.M)


def found_below(folder: str) -> dict[str, str]:
    """Each test with what stands before it, back to the test before."""
    found = {}
    for file in (ROOT / "tests" / folder).rglob("test_*.py"):
        parts = TEST.split(file.read_text(encoding="utf-8"))
        found |= {name: before for before, name in zip(parts[::2], parts[1::2], strict=False)}
    return found


def test_every_row_names_tests_that_exist() -> None:
    there = found_below(".")
    assert len(ROWS) > 20
    for row in ROWS:
        named = re.findall(r"`(test_\w+)`", row)
        assert named, row
        assert [name for name in named if name not in there] == [], row


def test_every_test_of_a_fault_stands_in_a_row() -> None:
    named = set(re.findall(r"`(test_\w+)`", "\n".join(ROWS)))
    assert set(found_below("faults")) - named == set()


def test_the_star_says_what_only_the_whole_matrix_plays() -> None:
    only = {name for name, before in found_below("faults").items() if "\n@pytest.mark.matrix\n" in before}
    starred = {name for row in ROWS if "*" in row.split("|")[1] for name in re.findall(r"`(test_\w+)`", row)}
    assert starred == only
