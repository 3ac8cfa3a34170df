"""The configuration: what is wrong with it, on which line, and what cures it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from frontlist import settings
from frontlist.errors import ConfigurationError

GOOD = """\
tenant: acme
consonance:
  url: https://demo.consonance.app
  key: c-secret
  zone: Europe/London
fourallportal:
  url: https://sample.4allportal.com
  key: d-secret
  locales: [en_GB]
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [name for name in os.environ if name.startswith("FRONTLIST_")]:
        monkeypatch.delenv(name)
    return monkeypatch  # the environment is not ours, so it may be patched


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "frontlist.yaml"


def said(file: Path, text: str | bytes) -> ConfigurationError:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError) as raised:
        settings.load(file)
    return raised.value


def test_a_good_file_is_read_and_its_mapping_stands_beside_it(file: Path) -> None:
    file.write_text(GOOD)
    found = settings.load(file)
    assert (found.tenant, found.mapping) == ("acme", file.parent / "mapping.yaml")
    assert (found.consonance.calls_per_second, found.fourallportal.calls_per_second) == (2.0, 4.0)


def test_a_missing_file_names_itself_and_the_cure(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"nowhere\.yaml does not exist\. Cure: write one with `frontlist init`"
    ):
        settings.load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GOOD.replace("  key: c-secret", "\tkey: c-secret"), 4),
        (GOOD.replace("[en_GB]", "[en_GB"), 10),
        (GOOD + "tenant: twice\n", 10),
        (GOOD.replace("tenant: acme", "tenant: a: b"), 1),
    ],
)
def test_broken_yaml_names_the_line(file: Path, text: str, line: int) -> None:
    error = said(file, text)
    assert error.what.startswith(f"{file}:{line}: this is no YAML")
    assert error.cure


@pytest.mark.parametrize("text", ["", "- a list\n", "just text\n", b"\xff\xfe\x00", b"tenant: \x00\n"])
def test_a_file_that_is_no_configuration_says_so(file: Path, text: str | bytes) -> None:
    error = said(file, text)
    assert str(file) in error.what
    assert error.cure


@pytest.mark.parametrize(
    ("old", "new", "line", "place"),
    [
        ("tenant: acme", "tenant: Acme & Co", 1, "tenant"),
        ("zone: Europe/London", "zone: London", 5, "consonance.zone"),
        ("zone: Europe/London", "zone: Europe/London\n  colour: red", 6, "consonance.colour"),
        ("locales: [en_GB]", "locales: []", 9, "fourallportal.locales"),
        ("key: c-secret", "keys: c-secret", 4, "consonance.keys"),
        ("tenant: acme", "tenant: acme\nlog: {level: loud}", 2, "log.level"),
        ("tenant: acme", "tenant: acme\nkafka: {partitions: none}", 2, "kafka.partitions"),
        ("key: c-secret", "key: c-secret\n  calls_per_second: 0", 5, "consonance.calls_per_second"),
    ],
)
def test_a_wrong_value_names_line_place_and_variable(file: Path, old: str, new: str, line: int, place: str) -> None:
    error = said(file, GOOD.replace(old, new))
    assert f"{file}:{line}: {place}: " in error.what
    assert f"FRONTLIST_{place.upper().replace('.', '__')}" in error.cure


def test_a_wrong_value_of_a_secret_is_not_quoted(file: Path) -> None:
    error = said(file, GOOD.replace("key: c-secret", "key: c-secret\n  key_file: /run/c-secret"))
    assert "give either key or key_file" in error.what
    assert "c-secret" not in str(error)


def test_an_environment_variable_wins_over_the_file(file: Path, environment: pytest.MonkeyPatch) -> None:
    file.write_text(GOOD)
    environment.setenv("FRONTLIST_CONSONANCE__KEY", "from-outside")
    environment.setenv("FRONTLIST_KAFKA__PARTITIONS", "3")
    found = settings.load(file)
    assert found.consonance.secret() == "from-outside"
    assert found.kafka.partitions == 3


def test_the_bootstrap_variable_works_beside_an_empty_section(file: Path, environment: pytest.MonkeyPatch) -> None:
    file.write_text(GOOD + "kafka:\n")
    environment.setenv("FRONTLIST_KAFKA_BOOTSTRAP", "kafka:9092")
    assert settings.load(file).kafka.bootstrap == "kafka:9092"


@pytest.mark.parametrize(("name", "value"), [("KAFKA", "{broken"), ("KAFKA__PARTITIONS", "many")])
def test_a_wrong_variable_is_named(file: Path, environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(f"FRONTLIST_{name}", value)
    error = said(file, GOOD)
    assert "kafka" in error.what
    assert "FRONTLIST_KAFKA__" in error.cure


def test_the_file_may_be_named_by_a_variable(file: Path, environment: pytest.MonkeyPatch) -> None:
    file.write_text(GOOD)
    environment.setenv("FRONTLIST_CONFIG", str(file))
    assert settings.load().tenant == "acme"


@pytest.mark.parametrize("host", ["web.consonance.app", "WEB.Consonance.app:443", "web.consonance.app."])
def test_a_test_configuration_at_a_production_host_refuses(file: Path, host: str) -> None:
    text = GOOD.replace("demo.consonance.app", host)
    error = said(file, "test: true\n" + text)
    assert (error.where, "web.consonance.app" in error.what) == ("consonance.url", True)
    file.write_text(text)
    assert not settings.load(file).test


@pytest.mark.parametrize("url", ["nonsense", "postgresql//u:hidden@host", "postgresql://u:hidden@host:port/x"])
def test_a_wrong_database_address_says_the_form_and_quotes_no_password(file: Path, url: str) -> None:
    error = said(file, f"database: {url}\n{GOOD}")
    assert "postgresql://user:password@host/name" in error.cure
    assert "hidden" not in str(error)


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
@pytest.mark.parametrize("system", ["consonance", "fourallportal"])
def test_a_key_file_that_is_missing_or_empty_says_where_and_the_cure(
    file: Path, tmp_path: Path, system: str, content: bytes | None
) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content)
    letter = "c" if system == "consonance" else "d"
    file.write_text(GOOD.replace(f"key: {letter}-secret", f"key_file: {key}"))
    found = settings.load(file)
    with pytest.raises(ConfigurationError) as raised:
        found.consonance.secret() if system == "consonance" else found.fourallportal.api_key()
    assert raised.value.where.startswith(f"{system}.key_file")
    assert raised.value.cure


def test_all_secrets_are_known_for_the_log_even_where_a_key_file_is_missing(file: Path, tmp_path: Path) -> None:
    text = GOOD.replace("key: c-secret", f"key_file: {tmp_path / 'missing'}")
    file.write_text(f"database: postgresql://u:db-secret@host/x\nkafka: {{password: k-secret}}\n{text}")
    assert sorted(settings.load(file).secrets()) == ["d-secret", "db-secret", "k-secret"]
