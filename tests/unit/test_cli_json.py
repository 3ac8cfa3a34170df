"""`--json`: one JSON value on standard output, of the shape that the page of commands shows, and nothing else."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypedDict

import pytest
import structlog
import typer
from rich.console import Console
from ruamel.yaml import YAML
from typer.testing import CliRunner

from answers import answer, faults
from frontlist import cli, logs
from frontlist.cli.answers import ANSWERS
from frontlist.cli.terminal import Progress
from frontlist.mapping import default_text

Call = Callable[..., tuple[str, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """The command in a folder of its own; answers standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("FRONTLIST_")]:
        monkeypatch.delenv(name)
    root = logging.getLogger()
    kept, level = list(root.handlers), root.level

    def run(*arguments: str) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["frontlist", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert not ended.value.code, said.err
        return said.out, said.err

    yield run
    logs.configure("error")
    root.handlers, root.level = kept, level


@pytest.fixture
def installation(tmp_path: Path, kafka_bootstrap: str, topic_prefix: str) -> None:
    (tmp_path / "mapping.yaml").write_text(default_text())
    away = "http://127.0.0.1:1"
    base: dict[str, Any] = {
        "tenant": "test",
        "database": f"sqlite:///{tmp_path / 'f.sqlite'}",
        "kafka": {"bootstrap": kafka_bootstrap, "prefix": topic_prefix, "partitions": 1},
        "consonance": {"url": away, "key": "c-hidden", "zone": "Europe/London"},
        "fourallportal": {"url": away, "key": "d-hidden", "locales": ["en_GB"]},
    }
    with (tmp_path / "frontlist.yaml").open("w") as out:
        YAML().dump(base, out)


@pytest.mark.usefixtures("installation")
def test_what_prepares_and_decides_answers_json_alone(call: Call, topic_prefix: str) -> None:
    def told(*words: str) -> Any:
        printed, said = call(*words, "--json")
        # Progress is for people. (Both systems are away: what is logged of that stays.)
        assert not [line for line in said.splitlines() if "warning" not in line]
        return answer(" ".join(word for word in words if word in NAMES), printed)

    upgraded = told("db", "upgrade")
    assert upgraded["schema"]
    assert upgraded["database"].endswith("f.sqlite")
    made = told("topics", "apply")["made"]
    assert f"{topic_prefix}.decisions.v1" in made
    assert told("topics", "apply") == {"made": []}
    assert {each["topic"] for each in told("topics", "list")} == set(made)
    assert told("mode", "set", "propose", "--flow", "1") == {"flow": "1", "imprint": "*", "mode": "propose"}
    assert told("mode", "list") == {"1/*": "propose"}
    assert set(told("rebuild")["records"].values()) == {0}
    assert told("republish")["titles"] == {"consonance": 0, "fourallportal": 0}
    assert told("status")["modes"] == {"1/*": "propose"}
    assert told("findings") == []
    assert "metadata" in {each["name"] for each in told("plugins")}


NAMES = {word for command in ANSWERS for word in command.split()}


@pytest.mark.usefixtures("installation")
def test_a_rebuild_says_topic_by_topic_how_far_it_is(call: Call, topic_prefix: str) -> None:
    call("db", "upgrade")
    call("topics", "apply")
    _, said = call("rebuild")
    lines = [line for line in said.splitlines() if line.startswith("topic ")]
    assert lines[0] == f"topic 1 of {len(lines)}, {topic_prefix}.decisions.v1: 0 records"
    assert lines[-1].startswith(f"topic {len(lines)} of {len(lines)}, ")
    _, said = call("republish")
    assert "0 titles of consonance are to be published anew" in said


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Every command that has `--json`."""
    if any("--json" in each.opts for each in group.params):
        yield " ".join(path)
    for name, each in getattr(group, "commands", {}).items():
        yield from commands(each, (*path, name))


def test_every_command_with_json_has_a_shape_and_every_shape_a_command() -> None:
    assert sorted(commands(typer.main.get_command(cli.app))) == sorted(ANSWERS)


PLUGIN = """\
import structlog
from frontlist.plugins import hookimpl

@hookimpl
def frontlist_consumers():
    structlog.get_logger("odd").warning("this is logged while a command answers")
    return []
"""


@pytest.fixture
def loud(tmp_path: Path) -> Iterator[None]:
    """An installed plugin that logs while commands run."""
    info = tmp_path / "site" / "frontlist_loud-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: frontlist_loud\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[frontlist]\nloud = frontlist_loud\n")
    (tmp_path / "site" / "frontlist_loud.py").write_text(PLUGIN)
    sys.path.insert(0, str(tmp_path / "site"))
    yield
    sys.path.remove(str(tmp_path / "site"))
    sys.modules.pop("frontlist_loud", None)
    logs.configure("error")


@pytest.mark.usefixtures("loud")
def test_nothing_is_logged_to_standard_output_however_the_application_is_called() -> None:
    structlog.reset_defaults()  # as in a process that has configured nothing: structlog then prints to standard output
    result = CliRunner().invoke(cli.app, ["plugins", "--json"])
    assert "loud" in {each["name"] for each in answer("plugins", result.stdout)}
    assert "this is logged while a command answers" in result.stderr


def test_logs_follow_standard_error_to_where_it_is_when_they_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    gone = io.StringIO()
    kept, sys.stderr = sys.stderr, gone
    try:
        logs.configure("warning")
    finally:
        sys.stderr = kept
        gone.close()
    structlog.get_logger("x").warning("ours")
    logging.getLogger("library").warning("theirs")
    logs.configure("error")
    said = capsys.readouterr().err
    assert "ours" in said
    assert "theirs" in said


# --- progress ------------------------------------------------------------------------------------------------------


def shown(*lines: str, as_json: bool = False, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=200)
    with Progress(as_json, console) as say:
        for line in lines:
            say(line)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_progress_is_lines_on_a_pipe() -> None:
    assert shown("one [of] two", "two") == "one [of] two\ntwo\n"


def test_progress_is_one_line_that_changes_and_goes_on_a_terminal() -> None:
    said = shown("one [of] two", terminal=True)
    assert "\x1b[2K" in said  # it is erased at the end
    assert said.count("\n") <= 1


@pytest.mark.parametrize("terminal", [True, False])
def test_there_is_no_progress_beside_json(terminal: bool) -> None:
    assert shown("one", as_json=True, terminal=terminal) == ""


# --- the checker itself --------------------------------------------------------------------------------------------


class Inner(TypedDict):
    name: str | None
    kind: Literal["a", "b"]


class Outer(TypedDict):
    items: list[Inner]
    counts: dict[str, int]
    ok: bool


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, None),
        ({"items": None}, "it.items is no list: None"),
        ({"items": [{"name": 1, "kind": "a"}]}, "it.items[0].name is 1"),
        ({"items": [{"name": None, "kind": "c"}]}, "it.items[0].kind is 'c'"),
        ({"counts": {"x": True}}, "it.counts.x is True, not int"),
        ({"counts": {"x": "1"}}, "it.counts.x is '1', not int"),
        ({"ok": 1}, "it.ok is 1, not bool"),
        ({"more": 1}, "it.more is shown on no page"),
    ],
)
def test_an_answer_of_another_shape_is_noticed(change: dict[str, Any], fault: str | None) -> None:
    value = {"items": [{"name": None, "kind": "b"}], "counts": {"x": 1}, "ok": False, **change}
    found = list(faults(Outer, json.loads(json.dumps(value))))
    assert found == [] if fault is None else found[0].startswith(fault)
