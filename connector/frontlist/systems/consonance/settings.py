"""Where a Consonance tenant is and how gently it is read."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from frontlist.errors import ConfigurationError


class ConsonanceSettings(BaseModel):
    """One tenant of Consonance; times in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="where you normally connect, e.g. https://web.consonance.app")
    key: SecretStr | None = Field(default=None, description="API key; give this or key_file")
    key_file: Path | None = Field(
        default=None, description="file that holds the API key, read again when the key is refused"
    )
    key_expires: date | None = Field(default=None, description="last day of the key, where it has one: check warns")
    zone: str = Field(description="the publisher's time zone, e.g. Europe/London: dates of Consonance are days there")
    timeout: float = Field(default=30.0, gt=0, description="for an answer (seconds)")
    connect_timeout: float = Field(default=10.0, gt=0, description="for a connection (seconds)")
    connections: int = Field(default=4, ge=1, description="open at a time")
    calls_per_second: float = Field(default=2.0, gt=0, description="at most, over all replicas, reads included")
    poll_interval: float = Field(default=60.0, gt=0, description="between questions for what changed (seconds)")
    full_sweep_interval: float = Field(
        default=24 * 3600.0, gt=0, description="between passes over all works: deletions are not reported (seconds)"
    )
    contract_sweep_interval: float = Field(
        default=24 * 3600.0, gt=0, description="between passes over all contracts: their edits need not show (seconds)"
    )
    look_back_days: int = Field(
        default=1, ge=1, description="days before the last pass that are asked for again: changedSince is a date"
    )
    rest_token: Literal["unquoted", "quoted"] = Field(
        default="unquoted", description="how REST v4's Authorization header spells the key"
    )

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{zone!r} is no time zone; give one like Europe/London") from error
        return zone

    @model_validator(mode="after")
    def _one_key(self) -> ConsonanceSettings:
        if (self.key is None) == (self.key_file is None):
            raise ValueError("give either key or key_file")
        return self

    def secret(self) -> str:
        """The key; raises ConfigurationError where the file is missing or empty."""
        if self.key is not None:
            return self.key.get_secret_value()
        assert self.key_file is not None
        try:
            found = self.key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"the key cannot be read: {error}", where="consonance.key_file", cure="mount the secret there"
            ) from error
        if not found:
            raise ConfigurationError("the key file is empty", where="consonance.key_file", cure="write the key into it")
        return found
