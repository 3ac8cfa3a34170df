from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from frontlist.errors import ConfigurationError
from frontlist.systems.consonance.settings import ConsonanceSettings

URL = "https://books.example"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "either key or key_file"),
        ({"key": "k", "key_file": "/there"}, "either key or key_file"),
        ({"key": "k", "zone": "Mars/Olympus"}, "no time zone"),
        ({"key": "k", "poll_interval": 0}, "greater than 0"),
        ({"key": "k", "polling": 5}, "Extra inputs"),
    ],
)
def test_contradictions_refuse_and_say_the_cure(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ConsonanceSettings(**{"url": URL, "zone": "Europe/London", **wrong})


def test_a_key_from_a_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    assert ConsonanceSettings(url=URL, zone="Europe/London", key_file=tmp_path / "key").secret() == "secret"


@pytest.mark.parametrize("content", [None, " \n"])
def test_a_missing_or_empty_key_file_names_the_setting(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "key").write_text(content)
    with pytest.raises(ConfigurationError, match=r"consonance\.key_file"):
        ConsonanceSettings(url=URL, zone="Europe/London", key_file=tmp_path / "key").secret()


def test_the_key_is_not_printed() -> None:
    assert "hush" not in repr(ConsonanceSettings(url=URL, zone="Europe/London", key="hush"))  # type: ignore[arg-type]
