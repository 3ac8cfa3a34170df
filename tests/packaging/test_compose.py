"""compose.yaml and the image: right by the Compose specification, and fitting each other. They are not run here."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from docs.pages import fault
from frontlist import mapping, settings
from frontlist.embedded.jars import KAFKA

# Its servers and files are made once: one worker does all of it.
pytestmark = pytest.mark.xdist_group("packaging")

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples" / "compose" / "frontlist.yaml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"]
    return found


def specification() -> dict[str, Any]:
    """The Compose specification's schema, as check-jsonschema ships it."""
    place = files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json")
    found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    return found


def test_it_is_valid_by_the_compose_specification(compose: dict[str, Any]) -> None:
    jsonschema.validate(compose, specification())


def test_the_specification_refuses_what_is_wrong(compose: dict[str, Any]) -> None:
    wrong = {**compose, "services": {"kafka": {"image": "apache/kafka", "helthcheck": {}}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, specification())


def test_every_port_is_bound_to_this_machine(services: dict[str, Any]) -> None:
    ports = [port for each in services.values() for port in each.get("ports", ())]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_everything_that_stays_up_says_whether_it_is_well(services: dict[str, Any]) -> None:
    once = {name for name, each in services.items() if each.get("command") in (["db", "upgrade"], ["topics", "apply"])}
    assert len(once) == 2
    assert {name for name, each in services.items() if "healthcheck" not in each} == once


def test_the_connector_waits_for_all_others(services: dict[str, Any]) -> None:
    waits = {name: each["condition"] for name, each in services["connector"]["depends_on"].items()}
    assert waits == {
        "database": "service_completed_successfully",
        "topics": "service_completed_successfully",
        "consonance": "service_healthy",
        "fourallportal": "service_healthy",
    }
    assert list(services["database"]["depends_on"]) == ["postgres"]
    assert list(services["topics"]["depends_on"]) == ["kafka"]


def test_every_volume_is_declared_and_every_folder_there(compose: dict[str, Any], services: dict[str, Any]) -> None:
    sources = [volume.split(":")[0] for each in services.values() for volume in each.get("volumes", ())]
    assert {each for each in sources if not each.startswith(".")} == set(compose["volumes"])
    assert all((ROOT / each).is_dir() for each in sources if each.startswith("."))


def test_every_command_is_one_of_ours(services: dict[str, Any]) -> None:
    commands = [each["command"] for each in services.values() if "build" in each]
    asked = [each["healthcheck"]["test"] for each in services.values() if "healthcheck" in each]
    commands += [test[2:] for test in asked if test[:2] == ["CMD", "frontlist"]]
    assert [fault(command) for command in commands] == [None] * len(commands)


def test_kafka_is_the_version_that_is_tested(services: dict[str, Any]) -> None:
    assert services["kafka"]["image"] == f"apache/kafka:{KAFKA}"


def test_the_example_is_a_configuration_with_its_mapping() -> None:
    found = settings.load(EXAMPLE)
    assert mapping.load(found.mapping)
    assert found.database.startswith("postgresql://")


def test_the_example_fits_the_services(services: dict[str, Any]) -> None:
    found = settings.load(EXAMPLE)
    for name, system, option in (
        ("consonance", found.consonance, "--key"),
        ("fourallportal", found.fourallportal, "--dam-key"),
    ):
        command = services[name]["command"]
        port = command[command.index(f"--{name}") + 1].rpartition(":")[2]
        assert system.url == f"http://{name}:{port}"
        assert system.key is not None
        assert system.key.get_secret_value() == command[command.index(option) + 1]
    assert f"PLAINTEXT://{found.kafka.bootstrap}" in services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    user = services["postgres"]["environment"]
    assert f"{user['POSTGRES_USER']}:{user['POSTGRES_PASSWORD']}@postgres" in found.database


def test_the_image_is_small_and_not_root() -> None:
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)) == {"python:3.13-slim", "base"}
    stages = {stage.split("\n")[0].split(" AS ")[1]: stage for stage in re.split(r"^FROM ", DOCKERFILE, flags=re.M)[1:]}
    for name in ("connector", "sandbox"):
        assert re.search(r"^USER [1-9]\d*$", stages[name], re.M)
        assert f"deploy/requirements/{name}.txt" in stages[name]


def test_the_image_installs_only_what_is_hashed() -> None:
    installs = re.findall(r"pip install (.+)", DOCKERFILE)
    assert len(installs) == 5
    assert [each for each in installs if "--require-hashes" not in each and "--no-index" not in each] == []


def test_every_file_that_the_image_copies_exists_and_may_enter() -> None:
    copied = [word for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M) for word in line.split()[:-1]]
    assert [each for each in copied if not (ROOT / each).exists()] == []
    allowed = re.findall(r"^!(\S+)$", (ROOT / "deploy" / "Dockerfile.dockerignore").read_text(encoding="utf-8"), re.M)
    assert [each for each in copied if not any(each.startswith(way) for way in allowed)] == []
