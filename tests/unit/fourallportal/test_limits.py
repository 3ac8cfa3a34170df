"""What is refused before anything is sent."""

from typing import Any

import pytest

from frontlist.contract import FieldKey
from frontlist.systems.fourallportal import limits
from frontlist.systems.fourallportal.modules import MetricKind, Module, ModuleField

MODULE = Module(
    name="product",
    fields=(
        ModuleField(name="isbn", type="CEVarchar", length=20),
        ModuleField(name="author_line", type="CEVarchar"),
        ModuleField(name="copy", type="CEText", dimensions=("locale",)),
        ModuleField(name="status", type="CEEnum", option_key="publishing_status"),
        ModuleField(name="unlisted", type="CEEnum", option_key="nobody_knows"),
        ModuleField(name="pages", type="CEInteger"),
        ModuleField(name="price", type="CEDouble"),
        ModuleField(name="sold", type="CEBoolean"),
        ModuleField(name="published", type="CEDate"),
        ModuleField(name="seen", type="CETimestamp"),
        ModuleField(name="themes", type="CEVarcharList", length=5),
        ModuleField(name="cover", type="CEExternalId"),
        ModuleField(name="height", type="CEMetric", metric=MetricKind(name="length", default_unit="mm")),
        ModuleField(name="odd", type="CEOfTomorrow"),
    ),
)
OPTIONS = {"publishing_status": frozenset({"02", "04"})}

FIT: list[tuple[str, Any]] = [
    ("isbn", "9780000000000"),
    ("isbn", None),
    ("copy[locale=en_GB]", "x" * 10_000),
    ("status", "04"),
    ("unlisted", "anything"),
    ("pages", "320"),
    ("price", "19.99"),
    ("sold", "true"),
    ("published", "2026-05-01"),
    ("seen", "2026-05-01T10:00:00Z"),
    ("themes", ["FBA"]),
    ("height", {"value": "210", "unit": "mm"}),
    ("height", "210"),
    ("odd", {"who": "knows"}),
]
UNFIT: list[tuple[str, Any, str]] = [
    ("isbn", "9" * 21, "21 characters, field isbn holds 20"),
    ("author_line", "a" * 451, "holds 450"),
    ("status", "99", "'99' is no value option"),
    ("pages", "many", "no value of field pages"),
    ("pages", 2**31, "no value of field pages"),
    ("pages", "1.5", "no value of field pages"),
    ("price", "NaN", "no value of field price"),
    ("sold", "perhaps", "no value of field sold"),
    ("published", "May 2026", "no value of field published"),
    ("seen", "yesterday", "no value of field seen"),
    ("themes", ["toolong"], "holds 5"),
    ("cover", "x" * 37, "holds 36"),
    ("height", {"value": "tall", "unit": "mm"}, "no value of field height"),
    ("gone", "x", "has no field gone"),
    ("isbn[locale=en_GB]", "x", "has no dimension locale"),
]


@pytest.mark.parametrize(("key", "value"), FIT)
def test_a_value_that_fits_has_no_fault(key: str, value: Any) -> None:
    assert limits.fault(FieldKey(key), value, MODULE, OPTIONS) is None


@pytest.mark.parametrize(("key", "value", "reason"), UNFIT)
def test_a_value_that_does_not_fit_says_why(key: str, value: Any, reason: str) -> None:
    assert reason in (limits.fault(FieldKey(key), value, MODULE, OPTIONS) or "")


def test_faults_name_the_cells_that_do_not_fit_alone() -> None:
    cells = {FieldKey("isbn"): "9" * 21, FieldKey("sold"): True}
    assert set(limits.faults(cells, MODULE, OPTIONS)) == {"isbn"}
