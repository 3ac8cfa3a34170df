"""What a test or a person may switch while the sandbox runs, by POST /sandbox/toggles."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Toggles(BaseModel):
    """Behaviours that a real tenant may or may not have; the defaults are the documented or likelier ones.

    `fail`, `override` and `refuse` are keyed by coordinate: `Work.imprint`, or `Work#12.imprint` for one object.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    today: date | None = Field(default=None, description="the tenant's date; null is the real one in UTC")
    page_size: int = Field(default=50, ge=1, description="rows of works, products, contracts; and per_page")
    blind_to_contracts: bool = Field(default=True, description="a contract-only edit leaves changedSince alone")
    over_report: bool = Field(default=True, description="a changed product reports its work and siblings")
    key_expired: bool = Field(default=False, description="the right key gets what a wrong one gets")
    graphql_unauthorized: Literal["401-json", "401-text", "200-errors"] = "401-json"
    errors_in_payload: bool = Field(default=True, description="false: mutation errors are top-level errors")
    html_rubbish: bool = Field(default=False, description="texts read as HTML carry Word's leavings and U+0000")
    rest_prices_as: Literal["number", "string"] = "string"
    fail: dict[str, str] = Field(default_factory=dict, description="coordinate -> GraphQL error beside data")
    override: dict[str, Any] = Field(
        default_factory=dict, description="coordinate -> value answered instead: null, an unknown code, rubbish"
    )
    refuse: dict[str, str] = Field(
        default_factory=dict, description="coordinate of an input field -> message that a mutation refuses with"
    )
    refuted: list[str] = Field(default_factory=list, description="ids of assumptions whose names leave the schema")

    def day(self) -> date:
        return self.today or datetime.now(UTC).date()
