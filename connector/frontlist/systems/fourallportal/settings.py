"""Where the tenant is, and how patiently it is asked."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from frontlist.errors import ConfigurationError
from frontlist.http import Api

SYSTEM = "fourallportal"


class FourallportalSettings(BaseModel):
    """One tenant of 4ALLPORTAL; exactly one of `key` and `key_file` is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="address of the tenant without /api, e.g. https://sample.4allportal.com")
    key: SecretStr | None = Field(None, description="API key; prefer key_file")
    key_file: Path | None = Field(None, description="file that holds the API key, read again when the key is refused")
    key_expires: date | None = Field(None, description="last day of the key, which no API tells: check warns")
    locales: tuple[str, ...] = Field(min_length=1, description="the tenant's values of the dimension locale")
    timeout: float = Field(60.0, gt=0, description="seconds until an answer must be complete")
    connect_timeout: float = Field(10.0, gt=0, description="seconds until a connection must stand")
    connections: int = Field(8, gt=0, description="connections kept open at most")
    calls_per_second: float = Field(4.0, gt=0, description="calls a second at most, over all replicas, reads included")
    concurrency: int = Field(4, gt=0, description="single objects read at the same time")
    poll_seconds: float = Field(15.0, gt=0, description="seconds between two questions to a drained event feed")
    rebuild_pause: float = Field(10.0, ge=0, description="seconds between two questions while a feed is being rebuilt")
    rebuild_empties: int = Field(3, ge=1, description="empty answers in a row after which a rebuilt feed is drained")
    rebuild_seconds: float = Field(
        30.0, ge=0, description="seconds without an event, at least, until a rebuilt feed is drained"
    )
    rebuild_rest: float = Field(
        3600.0, ge=0, description="seconds between two rebuilds for lost events, so that no odd feed causes one a poll"
    )
    through_connector: bool = Field(
        True, description="read many objects through the connector where it carries their fields, the rest one by one"
    )

    @model_validator(mode="after")
    def _one_key(self) -> FourallportalSettings:
        if (self.key is None) == (self.key_file is None):
            raise ValueError("give exactly one of fourallportal.key and fourallportal.key_file")
        return self

    def api_key(self) -> str:
        """The key; a file is read anew each time, so that a renewed secret takes effect."""
        if self.key is not None:
            return self.key.get_secret_value()
        assert self.key_file is not None
        try:
            key = self.key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"the API key cannot be read: {getattr(error, 'strerror', None) or 'it is no text in UTF-8'}",
                where=f"fourallportal.key_file {self.key_file}",
                cure="mount the secret there or change the path",
            ) from error
        if not key:
            raise ConfigurationError(
                "the file of the API key is empty",
                where=f"fourallportal.key_file {self.key_file}",
                cure="write the key into it",
            )
        return key

    def api(self) -> Api:
        """The tenant's HTTP address with its key."""
        return Api(
            SYSTEM,
            self.url,
            lambda: {"Authorization": f"Bearer {self.api_key()}"},
            timeout=self.timeout,
            connect_timeout=self.connect_timeout,
            connections=self.connections,
            calls_per_second=self.calls_per_second,
        )
