"""`frontlist init`: two files that load, fitted to what the tenants show."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

import tenants
from frontlist import mapping, settings
from frontlist.errors import ConfigurationError
from frontlist.mapping import FieldMapping
from frontlist.starting import Access, Answers, Modules, locales, start
from frontlist_sandbox.fourallportal.server import KEY as DAM_KEY

# Its servers and files are made once: one worker does all of it.
pytestmark = pytest.mark.xdist_group("starting")


@pytest.fixture(scope="module")
def shared():
    with tenants.pair() as both:
        yield both


@pytest.fixture
def pair(shared: tenants.Pair) -> tenants.Pair:
    """As at the start."""
    shared.dam.send("POST", "/sandbox/reset")
    shared.consonance.send("DELETE", "/sandbox/toggles")
    return shared


def answers(pair: tenants.Pair, folder: Path) -> Answers:
    keys = {"consonance": tenants.KEY, "fourallportal": DAM_KEY}
    files = {name: folder / f"{name}.key" for name in keys}
    for name, file in files.items():
        file.write_text(keys[name])
    return Answers(
        tenant="acme",
        zone="Australia/Sydney",
        locales={"en_GB": "eng", "de_DE": "ger"},
        currencies=("GBP", "AUD"),
        consonance=Access(pair.consonance.url, files["consonance"]),
        fourallportal=Access(pair.dam.url, files["fourallportal"]),
    )


def mapped(found: FieldMapping, role: str = "product") -> dict[str, str]:
    module = {"product": found.product, "title": found.title}[role]
    return {rule.canonical: rule.cell.field for rule in module.fields} if module else {}


async def test_both_files_load_and_say_what_was_answered(pair: tenants.Pair, tmp_path: Path) -> None:
    made = await start(answers(pair, tmp_path), tmp_path / "frontlist.yaml")
    loaded = settings.load(made.configuration)
    assert (loaded.tenant, loaded.consonance.zone, loaded.fourallportal.locales) == (
        "acme",
        "Australia/Sydney",
        ("en_GB", "de_DE"),
    )
    fields = mapping.load(loaded.mapping)
    assert (fields.zone.key, fields.currencies) == ("Australia/Sydney", {"GBP", "AUD"})
    assert [price.currency for price in fields.product.prices] == ["GBP", "AUD"]
    assert fields.gate.stages == {4}


async def test_no_key_stands_in_the_files_unless_asked(pair: tenants.Pair, tmp_path: Path) -> None:
    plain = answers(pair, tmp_path)
    made = await start(plain, tmp_path / "frontlist.yaml")
    assert tenants.KEY not in made.configuration.read_text()
    asked = replace(plain, consonance=Access(pair.consonance.url, key=tenants.KEY, write_key=True))
    await start(asked, made.configuration, force=True)
    assert tenants.KEY in made.configuration.read_text()
    assert stat.S_IMODE(made.configuration.stat().st_mode) == 0o600


async def test_without_key_files_the_keys_come_from_the_environment(
    pair: tenants.Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = replace(
        answers(pair, tmp_path), consonance=Access(pair.consonance.url), fourallportal=Access(pair.dam.url)
    )
    made = await start(without, tmp_path / "frontlist.yaml")
    with pytest.raises(ConfigurationError):
        settings.load(made.configuration)
    monkeypatch.setenv("FRONTLIST_CONSONANCE__KEY", tenants.KEY)
    monkeypatch.setenv("FRONTLIST_FOURALLPORTAL__KEY", DAM_KEY)
    assert settings.load(made.configuration).consonance.secret() == tenants.KEY


async def test_nothing_is_overwritten_without_force(pair: tenants.Pair, tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"mapping\.yaml already exists"):
        await start(answers(pair, tmp_path), tmp_path / "frontlist.yaml")
    assert (tmp_path / "mapping.yaml").read_text() == "mine"
    assert not (tmp_path / "frontlist.yaml").exists()
    await start(answers(pair, tmp_path), tmp_path / "frontlist.yaml", force=True)
    assert (tmp_path / "mapping.yaml").read_text() != "mine"


async def test_only_what_the_tenant_has_is_mapped_and_the_rest_is_commented(pair: tenants.Pair, tmp_path: Path) -> None:
    for name in ("season", "pub_date", "price_gbp", "description_short", "author_line"):
        pair.dam.send("DELETE", f"/sandbox/schema/product/fields/{name}")
    pair.dam.send("PUT", "/sandbox/schema/product/fields/publication_date", {"type": "CEDate"})
    pair.dam.send("PUT", "/sandbox/schema/product/fields/author_line", {"type": "CEBoolean"})
    made = await start(answers(pair, tmp_path), tmp_path / "frontlist.yaml")
    fields, text = mapping.load(made.mapping), made.mapping.read_text()
    assert "season" not in mapped(fields)
    assert "season" in mapped(fields, "title")
    assert "      # season: season  # the module product has no field 'season'" in text
    assert mapped(fields)["publication_date"] == "publication_date"
    assert "authorship" not in mapped(fields)
    assert [price.currency for price in fields.product.prices] == ["AUD"]
    assert {rule.role for rule in fields.copy if rule.kind == "short_description"} == {"title"}
    assert len(made.left_out) >= 4


async def test_a_module_that_is_named_is_taken_with_its_own_connector(pair: tenants.Pair, tmp_path: Path) -> None:
    named = replace(answers(pair, tmp_path), modules=Modules(product="title", title=None))
    made = await start(named, tmp_path / "frontlist.yaml")
    fields = mapping.load(made.mapping)
    assert (fields.product.module, fields.product.connector) == ("title", "frontlist_title")
    assert fields.title is None
    assert "isbn" not in mapped(fields)


async def test_a_refuted_variant_is_left_out(pair: tenants.Pair, tmp_path: Path) -> None:
    pair.consonance.send("PATCH", "/sandbox/toggles", {"refuted": ["consonance.marketing-text-variants"]})
    made = await start(answers(pair, tmp_path), tmp_path / "frontlist.yaml")
    variants = {rule.variant for rule in mapping.load(made.mapping).copy}
    assert "SHORT_DESCRIPTION" in variants
    assert "MAIN_DESCRIPTION" not in variants


async def test_unreachable_tenants_give_the_default_and_a_note(pair: tenants.Pair, tmp_path: Path) -> None:
    away = replace(
        answers(pair, tmp_path),
        consonance=Access("http://127.0.0.1:9", key="x" * 32),
        fourallportal=Access("http://127.0.0.1:9", key="x" * 32),
    )
    made = await start(away, tmp_path / "frontlist.yaml")
    assert mapped(mapping.load(made.mapping)) == mapped(mapping.load(mapping.default_text()))
    assert [note.partition(" ")[0] for note in made.notes] == ["Consonance", "4ALLPORTAL", "mapping.yaml"]
    assert "x" * 32 not in str(made)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"tenant": "Acme Ltd"}, "--tenant"),
        ({"zone": "London"}, "--zone"),
        ({"currencies": ("POUND",)}, "--currency"),
        ({"modules": Modules("product", "product")}, "--title-module"),
        ({"consonance": Access("consonance.app")}, "--consonance-url"),
    ],
)
async def test_a_wrong_answer_is_refused_before_anything_is_written(
    pair: tenants.Pair, tmp_path: Path, change: dict[str, object], where: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await start(replace(answers(pair, tmp_path), **change), tmp_path / "frontlist.yaml")
    assert caught.value.where == where
    assert not (tmp_path / "frontlist.yaml").exists()


def test_the_language_of_a_locale_is_looked_up() -> None:
    assert locales(["en_GB", "de_DE", "fr_CA=fre"]) == {"en_GB": "eng", "de_DE": "ger", "fr_CA": "fre"}
    with pytest.raises(ConfigurationError, match="no ONIX language"):
        locales(["de_DE=deu"])
