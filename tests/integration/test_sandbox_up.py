"""`frontlist sandbox up` as a process: what it prints, what it serves, and how it refuses."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from answers import answer

MAIN = "from frontlist.cli import main; main()"
FREE = ("--consonance", "127.0.0.1:0", "--fourallportal", "127.0.0.1:0")
ONIX = """<ONIXMessage release="3.0">
<Product><RecordReference>good.1</RecordReference><NotificationType>03</NotificationType>
<DescriptiveDetail><ProductForm>BC</ProductForm><TitleDetail><TitleType>01</TitleType><TitleElement>
<TitleElementLevel>01</TitleElementLevel><TitleText>A good one</TitleText></TitleElement></TitleDetail>
</DescriptiveDetail></Product>
<Product><RecordReference>bad.2</RecordReference><NotificationType>03</NotificationType></Product>
</ONIXMessage>"""


def command(*arguments: str, main: str = MAIN) -> list[str]:
    return [sys.executable, "-c", main, "sandbox", "up", *arguments]


@contextmanager
def up(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The running process and what it printed as JSON."""
    process = subprocess.Popen(command("--json", *FREE, *arguments), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        text = ""
        while not text.endswith("\n}\n"):
            line = process.stdout.readline()
            assert line, f"it ended: {text}"
            text += line
        yield process, answer("sandbox up", text)
    finally:
        process.kill()
        process.communicate()


def refused(*arguments: str, main: str = MAIN) -> str:
    done = subprocess.run(command(*arguments, main=main), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    assert "cure:" in done.stderr
    return " ".join(done.stderr.split())


def test_both_answer_to_their_keys_until_sigterm() -> None:
    with up("--key", "k1", "--dam-key", "k2", "--page-size", "3") as (process, said):
        ours, theirs = said["sandboxes"]["consonance"], said["sandboxes"]["fourallportal"]
        query = {"query": "{ works { id } }"}
        answer = httpx.post(f"{ours['url']}/graphql", json=query, headers={"Authorization": "Bearer k1"})
        assert len(answer.json()["data"]["works"]) == 3
        module = f"{theirs['url']}/api/modules/product"
        assert httpx.get(module).status_code == 401
        assert httpx.get(module, headers={"Authorization": "Bearer k2"}).status_code == 200
        assert httpx.get(ours["controls"]).json()["counts"]["works"] == said["works"] == 13
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(ours["controls"])


def test_ctrl_c_ends_it_as_well() -> None:
    with up() as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.mark.parametrize("name", ["consonance", "fourallportal"])
def test_one_of_them_comes_alone(name: str) -> None:
    with up("--only", name) as (_, said):
        assert list(said["sandboxes"]) == [name]


def test_what_a_file_gave_is_said_record_by_record(tmp_path: Path) -> None:
    (tmp_path / "some.xml").write_text(ONIX)
    process = subprocess.Popen(
        command(*FREE, "--catalogue", str(tmp_path / "some.xml")), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = []
    while not lines or not lines[-1].startswith("Ctrl-C"):
        lines.append(process.stdout.readline())
    process.terminate()
    process.communicate(timeout=20)
    said = "".join(lines)
    assert "1 works, 1 products; records rejected: 1" in said
    assert "some.xml:6 bad.2: " in said


def test_a_taken_port_is_an_error_with_its_cure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused("--consonance", f"127.0.0.1:{port}")
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "choose another port" in said


def test_a_file_that_is_not_there_is_an_error_with_its_cure(tmp_path: Path) -> None:
    assert "does not exist" in refused("--catalogue", str(tmp_path / "nowhere.xml"))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "this is a folder" in refused("--catalogue", str(tmp_path))


def test_a_file_in_which_nothing_can_be_used_is_an_error_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "letter.xml").write_text("Dear colleague, the file follows tomorrow.")
    assert "not well-formed XML" in refused("--catalogue", str(tmp_path / "letter.xml"))


@pytest.mark.parametrize("wrong", [("--only", "hubspot"), ("--consonance", "nowhere"), ("--consonance", "x:99999")])
def test_a_wrong_option_says_what_is_right(wrong: tuple[str, str]) -> None:
    assert wrong[0] in refused(*wrong)


def test_without_the_extra_it_says_how_to_install_it() -> None:
    missing = f"import sys; sys.modules['ariadne'] = None; {MAIN}"
    assert "pip install 'frontlist[sandbox]'" in refused(*FREE, main=missing)


@pytest.mark.parametrize(
    "words",
    [
        ("--catalogue", "a.xml", "b.xml", "c.xml"),
        ("--catalogue", "a.xml", "--catalogue", "b.xml", "--catalogue", "c.xml"),
        ("--catalogue=a.xml", "b.xml", "--page-size", "5", "--catalogue", "c.xml"),
    ],
)
def test_several_files_make_one_catalogue_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        (tmp_path / f"{name}.xml").write_text(ONIX.replace("good.1", f"good.{name}").replace("A good", f"{name} good"))
    with up(*words) as (_, said):
        assert (said["works"], [each["file"] for each in said["rejected"]]) == (3, ["a.xml", "b.xml", "c.xml"])
        titles = httpx.post(
            f"{said['sandboxes']['consonance']['url']}/graphql",
            json={"query": "{ works { title } }"},
            headers={"Authorization": f"Bearer {said['sandboxes']['consonance']['key']}"},
        )
        found = {each["title"] for each in titles.json()["data"]["works"]}
        assert found == {"a good one", "b good one", "c good one"}


@pytest.mark.parametrize("words", [("a.xml",), ("--catalogue", "a.xml", "--page-size", "5", "b.xml")])
def test_a_file_that_no_option_takes_is_refused(words: tuple[str, ...]) -> None:
    done = subprocess.run(command(*words), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "unexpected extra argument" in done.stderr.lower()
