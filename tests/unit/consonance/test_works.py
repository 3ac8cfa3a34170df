"""Fields of a work as the engine asks for them: pure."""

from typing import Any

import pytest

from frontlist.contract import Absent, Actual, Ensure, FieldKey, Resource
from frontlist.errors import Stop
from frontlist.systems.consonance import capabilities, works
from frontlist.systems.consonance.client import Client
from frontlist.systems.consonance.schema import Kind, Offered, Schema, Typed
from frontlist.systems.consonance.target import ConsonanceTarget
from unit.consonance.works import SETTINGS

RESOURCE = Resource("consonance", "work", "1")
TEXT, TEXTS = Typed("String", False, False), Typed("String", False, True)
INPUTS = {"id": Typed("Int", True, False), "clientMutationId": TEXT, "subtitle": TEXT, "inHouseSubjects": TEXTS}
NESTED = {"products": Typed("UpdateProductInput", False, True)}


def schema(*mutations: str) -> Schema:
    return Schema(
        {
            "UpdateWorkInput": Kind("INPUT_OBJECT", inputs={**INPUTS, **NESTED}),
            "UpdateProductInput": Kind("INPUT_OBJECT"),
            "String": Kind("SCALAR"),
            "Mutation": Kind("OBJECT", {name: Offered(Typed("Payload", False, False)) for name in mutations}),
        },
        mutation="Mutation",
    )


def target() -> ConsonanceTarget:
    return ConsonanceTarget(Client.connect(SETTINGS))


def wanted(**fields: Any) -> Ensure:
    return Ensure(RESOURCE, {FieldKey(key): value for key, value in fields.items()}, 6, create=False)


def there(**fields: Any) -> Actual:
    return Actual({FieldKey(key): value for key, value in fields.items()})


def steps(desired: Ensure, actual: Actual | None, **progress: Any) -> list[tuple[str, Any]]:
    return [(step.name, step.payload["fields"]) for step in target().steps(desired, actual, progress)]


STEPS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[Any]]] = [
    # wanted, there, written before, what is left
    ({"a": ["x"], "b": "y"}, {"a": ["x"], "b": "z"}, {}, [("update", {"b": "y"})]),
    ({"a": ["x"], "b": "y"}, {"a": ["x"], "b": "y"}, {}, []),
    ({"a": ["x", "z"]}, {"a": ["z", "x"]}, {}, [("update", {"a": ["x", "z"]})]),
    # not readable: written once
    ({"a": ["x"]}, {}, {}, [("update", {"a": ["x"]})]),
    ({"a": ["x"]}, {}, {"a": ["x"]}, []),
    ({"a": ["x"]}, {}, {"a": ["w"]}, [("update", {"a": ["x"]})]),
    # emptied only where asked
    ({"a": None}, {"a": ["x"], "b": "y"}, {}, [("update", {"a": None})]),
    ({"a": None}, {"a": []}, {}, []),
    ({"a": None}, {}, {}, [("update", {"a": None})]),
    ({}, {"a": ["x"]}, {}, []),
]


@pytest.mark.parametrize(("fields", "actual", "written", "left"), STEPS)
def test_one_update_with_only_what_differs(fields: Any, actual: Any, written: Any, left: Any) -> None:
    progress = {"update": {"fields": written}} if written else {}
    assert steps(wanted(**fields), there(**actual), **progress) == left


@pytest.mark.parametrize(
    ("desired", "actual", "same"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a", "b"], ["b", "a"], False),
        (["a "], ["a"], True),
        (["a"], "a", True),
        (["a", "b"], "a", False),
        (None, [], True),
        (None, "", True),
        ([], None, True),
        ("A", "a", False),
    ],
)
def test_what_means_the_same(desired: Any, actual: Any, same: bool) -> None:
    assert target().same(RESOURCE, FieldKey("any"), desired, actual) is same


def test_an_update_may_be_repeated_so_it_waits_for_no_second_look() -> None:
    assert works.UPDATE not in target().once


def test_a_work_is_never_taken_away() -> None:
    with pytest.raises(Stop, match="never taken away"):
        target().steps(Absent(RESOURCE, 6, "gone"), there(), {})


def test_only_plain_fields_can_be_written_and_none_without_the_mutation() -> None:
    assert works.writable(schema("updateWork")) == {"subtitle", "inHouseSubjects"}
    assert capabilities.of(schema()).fields["UpdateWorkInput"] == frozenset()
