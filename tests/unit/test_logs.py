"""Log lines: no secret in any of them, and JSON where a machine reads."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from frontlist import logs
from frontlist.logs import Veil

KEY = "0123456789abcdef"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    kept, level = list(root.handlers), root.level
    yield
    logs.configure("error")
    root.handlers, root.level = kept, level


def test_a_known_secret_is_hidden_wherever_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", secrets=[KEY])
    log = structlog.get_logger("x")
    log.info(f"said {KEY}", deep={"list": [KEY, {"more": f"<{KEY}>"}]}, error=ValueError(KEY))
    logging.getLogger("library").warning("library said %s", KEY)
    try:
        raise RuntimeError(f"with {KEY}")
    except RuntimeError:
        log.exception("failed")
        logging.getLogger("library").exception("failed too")
    err = capsys.readouterr().err
    assert KEY not in err
    assert "library said ***" in err
    assert err.count("RuntimeError: with ***") == 2


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ('Token token="abcdef"', 'Token token="***"'),
        ("Authorization: Token token=abcdef", "Authorization: Token token=***"),
        ("postgresql://me:pa55@host/db", "postgresql://me:***@host/db"),
        ("?key=abc&page=2", "?key=***&page=2"),
        ("{'password': 'abc', 'a': 1}", "{'password': '***', 'a': 1}"),
        ('{"api_key": "abc"}', '{"api_key": "***"}'),
    ],
)
def test_what_looks_like_a_secret_is_hidden(said: str, shown: str) -> None:
    assert Veil().text(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        "the key was not accepted (401): HTTP Token: Access denied.",
        "work:61417 in https://web.consonance.app:443/works/1",
        "give a valid, unexpired key",
        "Basic metadata of isbn:9780000000002",
    ],
)
def test_prose_stays_as_it_is(said: str) -> None:
    assert Veil().text(said) == said


def test_fields_named_like_secrets_are_hidden_at_any_depth() -> None:
    event = {"event": "e", "consonance_key": "a", "headers": {"Authorization": "b"}, "key": None, "titles": 3}
    assert Veil()(None, "info", event) == {
        "event": "e",
        "consonance_key": "***",
        "headers": {"Authorization": "***"},
        "key": None,
        "titles": 3,
    }


def test_json_lines_are_one_object_a_line_for_libraries_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", json_lines=True)
    structlog.get_logger("x").warning("two\nlines", title="work:1", odd=object())
    logging.getLogger("library").warning("a %s", "warning")
    logging.getLogger("library").error("with a\ntrace", exc_info=ValueError("x"))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["two\nlines", "a warning", "with a\ntrace"]
    assert all({"level", "timestamp"} <= set(line) for line in lines)


def test_the_level_is_the_least_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("warning")
    structlog.get_logger("x").info("quiet")
    structlog.get_logger("x").warning("loud")
    captured = capsys.readouterr()
    assert ("quiet" in captured.err, "loud" in captured.err, captured.out) == (False, True, "")
