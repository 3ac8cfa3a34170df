"""What a person meets at the command line: exit code, what happened, where, and the cure; never a traceback."""

from __future__ import annotations

import fcntl
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from sqlalchemy import create_engine, make_url, text

from frontlist import cli, logs
from frontlist.mapping import default_text

Call = Callable[..., tuple[int, str]]
PLUGIN = """\
import typer
from frontlist.errors import ConfigurationError, Retry
from frontlist.plugins import hookimpl

app = typer.Typer(name="odd")

@app.command()
def together():
    raise ExceptionGroup("parts", [ExceptionGroup("more", [ConfigurationError("it broke", where="here", cure="mend")])])

@app.command()
def away():
    raise Retry("nobody answers", where="there", cure="look")

@hookimpl
def frontlist_commands():
    return [app]
"""


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str]]]:
    """The command in a folder of its own; answers exit code and stderr without line breaks."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    kept, level = list(root.handlers), root.level

    def run(*arguments: str) -> tuple[int, str]:
        for name in [name for name in os.environ if name.startswith("FRONTLIST_")]:
            monkeypatch.delenv(name)
        monkeypatch.setattr(sys, "argv", ["frontlist", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), " ".join(capsys.readouterr().err.split())

    yield run
    logs.configure("error")
    root.handlers, root.level = kept, level


def written(folder: Path, **changes: Any) -> None:
    """A configuration whose systems and Kafka do not exist."""
    (folder / "mapping.yaml").write_text(default_text())
    away = "http://127.0.0.1:1"
    base: dict[str, Any] = {
        "tenant": "test",
        "database": f"sqlite:///{folder / 'f.sqlite'}",
        "kafka": {"bootstrap": "127.0.0.1:1"},
        "consonance": {"url": away, "key": "c-hidden", "zone": "Europe/London"},
        "fourallportal": {"url": away, "key": "d-hidden", "locales": ["en_GB"]},
        "health": {"listen": "off"},
    }
    with (folder / "frontlist.yaml").open("w") as out:
        YAML().dump({**base, **changes}, out)


def test_without_a_configuration_the_cure_is_init(call: Call) -> None:
    code, said = call("status")
    assert code == 2
    assert "frontlist.yaml does not exist cure: write one with `frontlist init`" in said


def test_broken_yaml_names_the_line(call: Call, tmp_path: Path) -> None:
    (tmp_path / "frontlist.yaml").write_text("tenant: acme\nkafka: [\n")
    code, said = call("status")
    assert (code, "frontlist.yaml:3: this is no YAML" in said) == (2, True)


def test_an_invalid_mapping_names_line_and_cure(call: Call, tmp_path: Path) -> None:
    written(tmp_path)
    good = default_text()
    line = good[: good.index("\nzone:")].count("\n") + 2
    (tmp_path / "mapping.yaml").write_text(good.replace("zone: Europe/London", "zone: Nowhere/Atall"))
    for command in (["status"], ["run"], ["topics", "apply"]):
        code, said = call(*command)
        assert code == 2
        assert f"'Nowhere/Atall' is no time zone where: mapping.yaml:{line} cure: " in said
        assert "use a name such as Europe/London" in said


def test_a_missing_mapping_is_named(call: Call, tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "mapping.yaml").unlink()
    code, said = call("status")
    assert (code, "mapping.yaml" in said, "cure:" in said) == (2, True, True)


def test_a_test_configuration_at_a_production_host_refuses(call: Call, tmp_path: Path) -> None:
    url = {"url": "https://web.consonance.app", "key": "c-hidden", "zone": "Europe/London"}
    written(tmp_path, test=True, consonance=url)
    code, said = call("run")
    assert (code, "production host web.consonance.app where: consonance.url cure:" in said) == (2, True)


def test_a_missing_key_file_is_named(call: Call, tmp_path: Path) -> None:
    written(tmp_path, consonance={"url": "http://127.0.0.1:1", "key_file": "/nowhere/key", "zone": "Europe/London"})
    code, said = call("run")
    assert (code, "where: consonance.key_file" in said, "/nowhere/key" in said) == (2, True, True)


def test_an_unknown_part_lists_what_there_is(call: Call, tmp_path: Path) -> None:
    written(tmp_path)
    assert call("db", "upgrade")[0] == 0
    code, said = call("run", "--only", "capture,wrok")
    assert code == 2
    assert "nothing is called wrok where: --only cure: choose of capture, intake, work, metadata" in said


# --- the database --------------------------------------------------------------------------------------------------


def test_an_empty_database_says_the_cure(call: Call, tmp_path: Path) -> None:
    written(tmp_path)
    code, said = call("status")
    assert (code, "the database is empty" in said, "cure: frontlist db upgrade" in said) == (2, True, True)
    assert call("db", "upgrade")[0] == 0
    assert call("status")[0] == 0


@pytest.mark.parametrize("command", [["status"], ["run"], ["db", "upgrade"]])
def test_a_newer_database_is_left_alone(call: Call, tmp_path: Path, command: list[str]) -> None:
    written(tmp_path)
    call("db", "upgrade")
    with create_engine(f"sqlite:///{tmp_path / 'f.sqlite'}").begin() as c:
        c.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    code, said = call(*command)
    assert code == 2
    assert "the schema 9999, which this version of Frontlist does not know" in said
    assert "cure: run the version of Frontlist that upgraded it, or a newer one" in said


@pytest.mark.parametrize("command", [["status"], ["run"], ["db", "upgrade"], ["mode", "list"]])
@pytest.mark.parametrize("url", ["postgresql://me:db-hidden@127.0.0.1:1/x", "sqlite:///mapping.yaml"])
def test_an_unreachable_database_says_so_and_no_password(
    call: Call, tmp_path: Path, url: str, command: list[str]
) -> None:
    written(tmp_path, database=url)
    code, said = call(*command)
    assert (code, "the database does not answer" in said, "cure: check `database`" in said) == (2, True, True)
    assert "db-hidden" not in said


@pytest.mark.parametrize("command", [["status"], ["db", "upgrade"]])
@pytest.mark.parametrize(
    "wrong", [{"database": "no_such_database"}, {"username": "nobody_known", "password": "db-hidden"}]
)
def test_a_database_that_refuses_us_is_unreachable_too(
    call: Call, tmp_path: Path, postgres_server: Any, command: list[str], wrong: dict[str, str]
) -> None:
    url = make_url(postgres_server.url).set(**wrong)  # type: ignore[arg-type]  # the names are its own
    written(tmp_path, database=url.render_as_string(hide_password=False))
    code, said = call(*command)
    assert (code, "the database does not answer" in said, "cure: check `database`" in said) == (2, True, True)
    assert f'"{next(iter(wrong.values()))}"' in said
    assert "db-hidden" not in said


def test_a_sqlite_file_in_no_folder_is_named(call: Call, tmp_path: Path) -> None:
    written(tmp_path, database="sqlite:////nowhere/at/all.sqlite")
    code, said = call("db", "upgrade")
    assert (code, "the folder /nowhere/at does not exist where: database cure: make it" in said) == (2, True)


def test_a_second_process_on_the_same_sqlite_file_refuses(call: Call, tmp_path: Path) -> None:
    written(tmp_path)
    call("db", "upgrade")
    with (tmp_path / "f.sqlite.lock").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        code, said = call("run")
    assert (code, "another process runs on this SQLite file" in said) == (2, True)
    assert "for several replicas use PostgreSQL" in said


# --- Kafka ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["run"], ["topics", "list"]])
def test_an_unreachable_kafka_is_named_with_its_cure(call: Call, tmp_path: Path, command: list[str]) -> None:
    written(tmp_path)
    call("db", "upgrade")
    code, said = call(*command)
    assert "Connect call failed" in said or "refused" in said
    assert (code, "Kafka does not answer" in said, "where: 127.0.0.1:1 cure: check kafka.bootstrap" in said) == (
        2,
        True,
        True,
    )


def test_a_decision_needs_no_kafka_and_waits_in_the_database_for_its_topic(call: Call, tmp_path: Path) -> None:
    written(tmp_path)
    call("db", "upgrade")
    assert call("mode", "set", "off")[0] == 0
    with create_engine(f"sqlite:///{tmp_path / 'f.sqlite'}").begin() as c:
        assert c.execute(text("SELECT key, body FROM decision")).all() == [("*/*", '"off"')]
        assert c.execute(text("SELECT key FROM outbox")).scalars().all() == ["mode/*/*"]


@pytest.mark.parametrize("command", [["run"], ["rebuild"]])
def test_missing_topics_say_the_cure_and_are_not_made_by_the_way(
    call: Call, tmp_path: Path, kafka_bootstrap: str, topic_prefix: str, command: list[str]
) -> None:
    written(tmp_path, kafka={"bootstrap": kafka_bootstrap, "prefix": topic_prefix})
    call("db", "upgrade")
    code, said = call(*command)
    assert (code, "topics are missing" in said, "cure: frontlist topics apply" in said) == (2, True, True)


@pytest.mark.parametrize("command", [["run"], ["topics", "apply"]])
def test_another_number_of_partitions_is_refused(
    call: Call, tmp_path: Path, kafka_bootstrap: str, topic_prefix: str, command: list[str]
) -> None:
    kafka = {"bootstrap": kafka_bootstrap, "prefix": topic_prefix}
    written(tmp_path, kafka={**kafka, "partitions": 1})
    call("db", "upgrade")
    assert call("topics", "apply") == (0, "")
    written(tmp_path, kafka={**kafka, "partitions": 2})
    code, said = call(*command)
    assert code == 2
    assert "has 1 partitions, the configuration says 2 where: kafka.partitions cure: set kafka.partitions back" in said


def test_a_database_of_another_tenant_is_refused(
    call: Call, tmp_path: Path, kafka_bootstrap: str, topic_prefix: str
) -> None:
    kafka = {"bootstrap": kafka_bootstrap, "prefix": topic_prefix, "partitions": 1}
    written(tmp_path, kafka=kafka)
    call("db", "upgrade")
    call("topics", "apply")
    assert call("rebuild")[0] == 0
    written(tmp_path, kafka=kafka, tenant="other")
    code, said = call("run")
    assert code == 2
    assert "belongs to installation 'test', the configuration says 'other' where: tenant" in said


def test_a_database_that_is_not_empty_is_not_rebuilt(
    call: Call, tmp_path: Path, kafka_bootstrap: str, topic_prefix: str
) -> None:
    written(tmp_path, kafka={"bootstrap": kafka_bootstrap, "prefix": topic_prefix})
    call("db", "upgrade")
    call("topics", "apply")
    assert call("rebuild")[0] == 0
    code, said = call("rebuild")
    assert (code, "this database is not empty" in said, "cure: point `database` at an empty one" in said) == (
        2,
        True,
        True,
    )


@pytest.mark.parametrize("command", [["run"], ["status"], ["republish"], ["mode", "set", "off"]])
def test_half_a_rebuild_is_refused_with_its_cure(call: Call, tmp_path: Path, command: list[str]) -> None:
    written(tmp_path)
    call("db", "upgrade")
    with create_engine(f"sqlite:///{tmp_path / 'f.sqlite'}").begin() as c:
        c.execute(text("INSERT INTO fact (name, value) VALUES ('rebuilding', '1')"))
    code, said = call(*command)
    assert (code, "was interrupted" in said, "say `frontlist rebuild` again" in said) == (2, True, True)


# --- plugins -------------------------------------------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Install a module as a distribution with one plugin."""
    folder = tmp_path / "site"
    sys.path.insert(0, str(folder))

    def install(module: str) -> None:
        info = folder / "frontlist_cli_odd-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: frontlist_cli_odd\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[frontlist]\nodd = frontlist_cli_odd\n")
        (folder / "frontlist_cli_odd.py").write_text(module)

    yield install
    sys.path.remove(str(folder))
    sys.modules.pop("frontlist_cli_odd", None)


def test_a_plugin_that_fails_to_import_is_named_with_its_cure(call: Call, installed: Callable[[str], None]) -> None:
    installed("import no_such_library\n")
    code, said = call("plugins")
    assert code == 2
    assert "plugin odd cannot be loaded: ModuleNotFoundError: No module named 'no_such_library'" in said
    assert "cure: upgrade or uninstall frontlist_cli_odd" in said


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("together", 2, "error: it broke where: here cure: mend"),
        ("away", 3, "error: nobody answers where: there cure: look"),
    ],
)
def test_what_parts_raise_side_by_side_is_one_paragraph_too(
    call: Call, installed: Callable[[str], None], command: str, code: int, said: str
) -> None:
    installed(PLUGIN)
    assert call("odd", command) == (code, said)
