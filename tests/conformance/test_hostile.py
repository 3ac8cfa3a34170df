"""The kit catches each of the hostile consumers, says by which rule, and leaves a good one alone."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.hostile import HOSTILE, Behaved, Twisted
from frontlist.testing import RULES, conformance, document, dossier, violations


@pytest.mark.parametrize(("rules", "consumer"), [pytest.param(*each, id=what) for what, *each in HOSTILE])
def test_a_consumer_that_breaks_a_rule_is_caught_by_that_rule(rules: str, consumer: Any) -> None:
    assert {each.rule for each in violations(consumer, mapping=["a mapping"])} == set(rules.split())


def test_every_rule_catches_somebody() -> None:
    assert {rules.split()[0] for _, rules, _ in HOSTILE} == set(RULES)


def test_a_good_consumer_breaks_none() -> None:
    assert violations(Behaved(), mapping=["a mapping"]) == []


def test_a_target_of_its_own_is_named_to_the_kit() -> None:
    [writes_elsewhere] = [each for what, _, each in HOSTILE if what == "writes elsewhere"]
    assert violations(writes_elsewhere, targets=["elsewhere"]) == []


def test_a_violation_says_which_rule_what_where_and_the_cure() -> None:
    [raises] = [each for what, _, each in HOSTILE if what == "raises where a field is null"]
    said = str(violations(raises)[0])
    assert said.splitlines()[0].startswith("behaved breaks `answers`: `plan` answers every well-formed dossier")
    assert "what: it raised KeyError: 'imprint' (conformance.hostile, line " in said
    assert "on:   the sample title, consonance.metadata without imprint" in said
    assert f"cure: {RULES['answers'].cure}" in said


def test_a_document_that_no_consumer_could_get_is_refused() -> None:
    broken = dossier("work:1", document("consonance", "metadata", {"title": "Emma"}))
    with pytest.raises(ValueError, match=r"given dossier 1 \(work:1\).*consonance.metadata: work_id.*Cure: start from"):
        violations(Behaved(), dossiers=[broken])


def test_each_rule_is_a_test_of_its_own() -> None:
    conforms = conformance(Twisted(lambda plan, dossier, context: None))
    [parameters] = [mark.args for mark in conforms.pytestmark]  # type: ignore[attr-defined]  # pytest puts it there
    assert parameters == ("rule", list(RULES))
    conforms("declares")
    with pytest.raises(pytest.fail.Exception, match=r"(?s)it answered a NoneType.*and \d+ more"):
        conforms("answers")
