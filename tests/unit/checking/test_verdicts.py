"""What `frontlist check` says of keys, names and secrets."""

from __future__ import annotations

from datetime import date

import pytest

from frontlist.checking import Check, Report, Scratch, assumptions, keys
from frontlist.errors import ConfigurationError
from frontlist.systems.consonance.schema import Kind, Offered, Schema, Typed

TODAY = date(2027, 3, 1)
SCHEMA = Schema(
    {
        "RootQuery": Kind("OBJECT", fields={"contracts": Offered(Typed("Contract", False, True))}),
        "Variant": Kind("ENUM", values=frozenset({"MAIN"})),
        "Input": Kind("INPUT_OBJECT", inputs={"id": Typed("Int", True, False)}),
    },
    query="RootQuery",
)


@pytest.mark.parametrize(
    ("expires", "status"),
    [(date(2027, 2, 28), "warning"), (date(2027, 3, 31), "warning"), (date(2027, 4, 1), "ok"), (None, "unknown")],
)
def test_a_key_is_warned_of_thirty_days_before_its_end(expires: date | None, status: str) -> None:
    [found] = keys.expiry("4ALLPORTAL", "fourallportal.key_expires", expires, TODAY, limited=True)
    assert found.status == status


def test_nothing_is_said_of_keys_that_are_not_known_to_end() -> None:
    assert keys.expiry("Consonance", "consonance.key_expires", None, TODAY, limited=False) == []


@pytest.mark.parametrize("name", ["Variant", "Variant.MAIN", "Input.id", "Query.contracts"])
def test_types_members_and_roots_of_another_name_are_found(name: str) -> None:
    assert assumptions.offered(SCHEMA, name)


@pytest.mark.parametrize("name", ["Missing", "Variant.SHORT", "Mutation.createMarketingText"])
def test_what_the_schema_lacks_is_not_found(name: str) -> None:
    assert not assumptions.offered(SCHEMA, name)


def test_every_assumption_is_unknown_where_nobody_answers() -> None:
    assert {each.status for each in assumptions.settle(None, None, {})} == {"unknown"}


def test_secrets_are_struck_wherever_they_were_quoted() -> None:
    quoted = Check("x", "y", "failed", "got abcdefgh1234", "key: 9876543210", "use token=zzz")
    [shown] = Report((quoted,), ()).without(["abcdefgh1234"]).checks
    assert (shown.detail, shown.where, shown.cure) == ("got ***", "key: ***", "use token=***")


def test_a_report_fails_by_failed_checks_alone() -> None:
    assert not Report((Check("x", "y", "warning"), Check("x", "y", "unknown")), ()).failed
    assert Report((Check("x", "y", "failed"),), ()).failed


@pytest.mark.parametrize("text", ["product", "product/1", "product//field", "a/b/c/d"])
def test_a_scratch_field_is_named_in_full(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Scratch.of(text)
    assert caught.value.where == "--probe-writes"
