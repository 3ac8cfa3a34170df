"""The steps of a text, as the engine asks for them: pure."""

from collections.abc import Mapping
from typing import Any

import pytest

from frontlist.contract import Absent, Actual, Desired, Ensure, FieldKey, Resource
from frontlist.errors import Stop
from frontlist.systems.consonance import marker, texts
from frontlist.systems.consonance.client import Client
from frontlist.systems.consonance.target import ConsonanceTarget, work_of
from unit.consonance.works import SETTINGS

RESOURCE = Resource("consonance", "text", "6f7c")
FIELDS: dict[FieldKey, Any] = {
    FieldKey("work_id"): 1,
    FieldKey("variant"): "SHORT_DESCRIPTION",
    FieldKey("markdown"): "A *fine* tale.",
    FieldKey("audiences"): ["00", "03"],
}
WANTED = Ensure(RESOURCE, FIELDS, flow=6)
PRINT = texts.print_of(FIELDS)


def target() -> ConsonanceTarget:
    return ConsonanceTarget(Client.connect(SETTINGS))


def there(*found: tuple[int, str, str]) -> Actual | None:
    """Texts of ours as (id, fingerprint, markdown)."""
    extra = [{"id": i, "fingerprint": p, "fields": {**FIELDS, FieldKey("markdown"): m}} for i, p, m in found]
    return Actual(extra[-1]["fields"], extra) if extra else None


def steps(desired: Desired, actual: Actual | None, **progress: Any) -> list[tuple[str, Any]]:
    found = target().steps(desired, actual, progress)
    return [(step.name, step.payload.get("ids") or step.payload.get("id")) for step in found]


def made(id_: int, again: bool = False) -> Mapping[str, Any]:
    return {"id": id_, "print": PRINT, "again": again}


@pytest.mark.parametrize(
    ("actual", "progress", "next_steps"),
    [
        # nothing there: create, verify, done
        (there(), {}, [("create", None)]),
        (there(), {"create": made(7)}, [("verify", 7)]),
        (there(), {"create": made(7), "verify": {"id": 7, "missing": False}}, []),
        # an old one there: deleted last
        (there((3, "0" * 16, "Old.")), {}, [("create", None)]),
        (there((3, "0" * 16, "Old.")), {"create": made(7)}, [("verify", 7)]),
        (there((3, "0" * 16, "Old.")), {"create": made(7), "verify": {"id": 7, "missing": False}}, [("delete", [3])]),
        (
            there((3, "0" * 16, "Old.")),
            {"create": made(7), "verify": {"id": 7, "missing": False}, "delete": {"ids": [3]}},
            [],
        ),
        # as wanted: nothing, whatever HTML made of it
        (there((7, PRINT, "<p>A <i>fine</i>&nbsp;tale.</p>")), {}, []),
        # found again after a crash between create and remember: no second one
        (there((3, "0" * 16, "Old."), (7, PRINT, "A fine tale.")), {}, [("delete", [3])]),
        # two with the right fingerprint: one stays
        (there((7, PRINT, "A fine tale."), (8, PRINT, "A fine tale.")), {}, [("delete", [8])]),
        # edited there by a person: written anew
        (there((7, PRINT, "Edited.")), {}, [("create", None)]),
        # progress of another wording is not ours
        (there(), {"create": {"id": 5, "print": "0" * 16}}, [("create", None)]),
        # created, but taken away since: once more, and then refused
        (there(), {"create": made(7), "verify": {"id": 7, "missing": True}}, [("create", None)]),
        (there(), {"create": made(9, again=True), "verify": {"id": 7, "missing": True}}, [("verify", 9)]),
    ],
)
def test_create_verify_delete(actual: Actual | None, progress: dict[str, Any], next_steps: list[Any]) -> None:
    assert steps(WANTED, actual, **progress) == next_steps


@pytest.mark.parametrize(
    "desired",
    [
        Absent(Resource("consonance", "text", "1/6f7c"), 6, "withdrawn"),
        Ensure(RESOURCE, {**FIELDS, FieldKey("markdown"): None}, flow=6),
    ],
)
def test_a_text_that_shall_not_be_is_deleted_and_then_nothing(desired: Desired) -> None:
    assert steps(desired, there((3, PRINT, "A fine tale."))) == [("delete", [3])]
    assert steps(desired, there((3, PRINT, "A fine tale.")), delete={"ids": [3]}) == []
    assert steps(desired, None) == []


def test_a_text_whose_work_is_not_said_stops_with_the_cure() -> None:
    with pytest.raises(Stop, match="give work_id"):
        work_of(Absent(RESOURCE, 6, "withdrawn"))


@pytest.mark.parametrize(
    ("key", "desired", "actual", "same"),
    [
        ("markdown", "A *fine* tale.", "<p>A <em>fine</em> tale.</p>", True),
        ("markdown", "A fine tale.", "A fine tail.", False),
        ("audiences", ["03", "00"], ["_00", "_03"], True),
        ("audiences", None, [], True),
        ("product_ids", [10, 9], [9, 10], True),
        ("product_ids", [9], [9, 10], False),
        ("from_date", None, None, True),
        ("variant", "SHORT_DESCRIPTION", "MAIN_DESCRIPTION", False),
    ],
)
def test_what_means_the_same(key: str, desired: Any, actual: Any, same: bool) -> None:
    assert target().same(RESOURCE, FieldKey(key), desired, actual) is same


def test_the_fingerprint_ignores_order_and_spelling() -> None:
    again = {**FIELDS, FieldKey("audiences"): ["_03", "_00"]}
    assert texts.print_of(again) == PRINT != texts.print_of({**FIELDS, FieldKey("markdown"): "Other."})


@pytest.mark.parametrize(
    ("internal", "resource"),
    [
        (f"frontlist:6f7c:{PRINT}", "6f7c"),
        (f"Checked by Jo.\n\nfrontlist:1/6f7c:{PRINT} thanks", "1/6f7c"),
        (f"<p>frontlist\\:6f7c:{PRINT}</p>", "6f7c"),
        ("frontlist:6f7c:short", None),
        (None, None),
        ("A person's note about frontlist", None),
    ],
)
def test_only_a_text_with_our_marker_is_ours(internal: str | None, resource: str | None) -> None:
    found = marker.of_text(internal)
    assert (found.resource if found else None) == resource
