"""What all documents have in common."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Date = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="ISO date", examples=["2026-11-23"])]
Amount = Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?$", description="decimal, never a float", examples=["12.99"])]


class Part(BaseModel):
    """A piece of a document. A field that was never set is absent: the tenant's schema does not offer it."""

    # A reader of 1.0 meets fields of 1.1: it leaves them aside. Built by the first who reads one: a document is made
    # of many parts, and most programs that load them need few.
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, defer_build=True)

    def body(self) -> dict[str, Any]:
        """As JSON; what was not set stays away, what was set to None is null."""
        return self.model_dump(mode="json", exclude_unset=True)


class Unseen(Part):
    """A part with its own feed, of which nothing was read yet."""

    state: Literal["unseen"]
