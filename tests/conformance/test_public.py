"""What plugin authors may import: documented, complete, and light."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

import frontlist
from frontlist import contract, testing

PUBLIC = [(module, name) for module in (frontlist, testing) for name in module.__all__]
HEAVY = {"aiokafka", "sqlalchemy", "pydantic", "httpx", "faststream", "structlog", "typer", "pytest", "frontlist.state"}


def own_docstring(value: Any) -> str:
    """What its author wrote: a dataclass without one gets its signature, an instance its class's."""
    if not (inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value)):
        return ""
    # Not `getattr`: a class would answer for its base.
    text = (vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__) or ""
    return "" if text.startswith(f"{value.__name__}(") else text


@pytest.mark.parametrize(("module", "name"), PUBLIC, ids=lambda each: getattr(each, "__name__", each))
def test_every_public_name_is_explained(module: ModuleType, name: str) -> None:
    # What can have no docstring of its own, such as a NewType, the module's explains.
    assert own_docstring(getattr(module, name)) or f"`{name}`" in str(module.__doc__)


def test_every_name_of_the_contract_is_public() -> None:
    brought = {"annotations", "Mapping", "Sequence", "dataclass", "field", "datetime", "StrEnum"}
    typing = {"Any", "Literal", "NewType", "Protocol"}
    assert {name for name in vars(contract) if not name.startswith("_")} - brought - typing <= set(frontlist.__all__)


@pytest.mark.parametrize("module", [frontlist, testing], ids=lambda each: each.__name__)
def test_the_names_are_sorted_and_there(module: ModuleType) -> None:
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    assert len(set(module.__all__)) == len(module.__all__)


def loaded(module: str) -> set[str]:
    """The modules that a fresh interpreter has after importing one."""
    code = f"import sys, {module}; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    return set(said.split())


def test_importing_it_loads_nothing_heavy() -> None:
    assert loaded("frontlist") & HEAVY == set()


def test_the_kit_can_be_imported_where_pytest_is_not() -> None:
    assert loaded("frontlist.testing") & {"pytest", "hypothesis", "aiokafka", "sqlalchemy"} == set()
