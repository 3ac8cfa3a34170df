"""A further system's section in frontlist.yaml: validated by its plugin, and refused with its place and a cure."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr

from frontlist.errors import ConfigurationError
from frontlist.opening import open_all
from frontlist.system import Opened, System


class ShopSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: str
    key: SecretStr


class Shop(System):
    name = "shop"
    settings: type[BaseModel] = ShopSettings

    def __init__(self, **opens: Any) -> None:
        self.opens, self.got = opens, list[Any]()

    def open(self, settings: Any, tenant: str) -> Opened:
        self.got.append((settings, tenant))
        return Opened(**self.opens)


SECTION = {"url": "http://127.0.0.1:1", "key": "hush"}


def refused(said: dict[str, dict[str, Any]], shop: Shop | None = None) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as raised:
        open_all({"shop": shop or Shop()}, said, "acme")
    assert raised.value.cure
    return raised.value


def test_a_section_is_validated_and_handed_to_its_system_once() -> None:
    shop = Shop(target=SimpleNamespace(name="shop"))
    assert list(open_all({"shop": shop}, {"shop": SECTION}, "acme")) == ["shop"]
    assert [(got.url, got.key.get_secret_value(), tenant) for got, tenant in shop.got] == [
        ("http://127.0.0.1:1", "hush", "acme")
    ]


def test_a_system_without_a_section_stays_closed() -> None:
    assert open_all({"shop": Shop()}, {}, "acme") == {}


def test_a_section_that_no_plugin_brings_is_refused() -> None:
    assert (refused({"till": {}}).what, refused({"till": {}}).where) == (
        "no plugin brings a system named 'till'",
        "systems.till",
    )


@pytest.mark.parametrize(
    ("section", "place"),
    [({"url": "x"}, "systems.shop.key: "), ({**SECTION, "uri": "x"}, "systems.shop.uri: ")],
)
def test_a_wrong_field_is_named_by_its_place(section: dict[str, Any], place: str) -> None:
    error = refused({"shop": section})
    assert error.what.startswith(place)
    assert "FRONTLIST_SYSTEMS__SHOP__" in error.cure


def test_a_secret_does_not_stand_in_the_error() -> None:
    assert "hush" not in str(refused({"shop": {"key": "hush", "uri": "x"}}))


@pytest.mark.parametrize("part", ["target", "source"])
def test_a_target_or_source_of_another_name_is_refused(part: str) -> None:
    odd = Shop(**{part: SimpleNamespace(name="till", aspects=())})
    assert refused({"shop": SECTION}, odd).what == "the system 'shop' opened a SimpleNamespace named 'till'"


def test_a_source_of_an_unknown_aspect_is_refused() -> None:
    odd = Shop(source=SimpleNamespace(name="shop", aspects=("assets", "stock")))
    assert refused({"shop": SECTION}, odd).what.endswith("unknown aspects: stock")
