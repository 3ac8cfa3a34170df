"""Settings: one key, from one place, never shown."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from frontlist.errors import ConfigurationError
from frontlist.systems.fourallportal.modules import ModuleUse, by_module
from frontlist.systems.fourallportal.settings import FourallportalSettings


def settings(**given: object) -> FourallportalSettings:
    return FourallportalSettings.model_validate({"url": "http://localhost", "locales": ["en_GB"], **given})


@pytest.mark.parametrize("given", [{}, {"key": "k", "key_file": "f"}])
def test_no_key_and_two_keys_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="exactly one of"):
        settings(**given)


def test_a_key_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    assert settings(key_file=tmp_path / "key").api_key() == "secret"


def test_a_missing_key_file_names_itself(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"key_file .*nowhere"):
        settings(key_file=tmp_path / "nowhere").api_key()


def test_an_empty_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n")
    with pytest.raises(ConfigurationError, match="empty"):
        settings(key_file=tmp_path / "key").api_key()


def test_the_key_is_not_shown() -> None:
    assert "very-secret" not in repr(settings(key="very-secret"))


@pytest.mark.parametrize(("module", "connector"), [("product", "d"), ("file", "c")])
def test_a_module_or_connector_used_twice_is_refused(module: str, connector: str) -> None:
    one = ModuleUse("product", "c", frozenset(), "w", None, "o")
    with pytest.raises(ConfigurationError, match="used twice"):
        by_module([one, ModuleUse(module, connector, frozenset(), "w", None, "o")])
