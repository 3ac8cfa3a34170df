"""Registers the consumer `shop` and the system `shop` that it writes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from acme_shop import plan
from acme_shop.target import ShopTarget
from frontlist import Api, Consumer, Context, DocumentKey, Dossier, Opened, Plan, System, Writes, hookimpl


class ShopSettings(BaseModel):
    """`systems.shop` in frontlist.yaml."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(description="address of the shop")
    key: SecretStr = Field(description="the shop's key")
    calls_per_second: float = Field(10.0, gt=0, description="calls a second at most")


class Shop:
    """Flow 110: every title in the shop."""

    name = "shop"
    wants = frozenset({DocumentKey("consonance", "metadata")})
    flows = frozenset({plan.FLOW})

    def writes(self, mapping: Any) -> Writes:
        return {("shop", "title"): plan.FIELDS}

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        return plan.plan(dossier, context)


class ShopSystem:
    """The shop is only written."""

    name = "shop"
    settings = ShopSettings

    def open(self, settings: ShopSettings, tenant: str) -> Opened:
        key = {"Authorization": f"Bearer {settings.key.get_secret_value()}"}
        api = Api(self.name, settings.url, key, calls_per_second=settings.calls_per_second)
        return Opened(target=ShopTarget(api), close=api.close, api=api)


@hookimpl
def frontlist_consumers() -> Sequence[Consumer]:
    return [Shop()]


@hookimpl
def frontlist_systems() -> Sequence[System]:
    return [ShopSystem()]
