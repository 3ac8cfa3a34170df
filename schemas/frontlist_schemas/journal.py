"""A record of the journal topic: one write that was done. Its key is the title."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Written(BaseModel):
    """A field that was written; null = empty."""

    model_config = ConfigDict(extra="ignore")

    was: Any = Field(
        description="what stood there; null also where it could not be read or may name a person who was erased"
    )
    is_: Any = Field(alias="is", description="what stands there now")
    read: bool | None = Field(None, description="whether `was` is what was read there; null: the line does not say")


class Journal(BaseModel):
    """One write to one resource. Times are microseconds since 1970."""

    model_config = ConfigDict(extra="ignore")

    at: int = Field(description="when it was remembered, by the database's clock")
    title: str = Field(description="the title that it was done for")
    consumer: str
    flow: int
    resource: str = Field(description="<target>/<kind>/<id>")
    effect: Literal["created", "changed", "removed"]
    reason: str = Field(description="what marked the title due last: a document, a link, a mode, a run")
    run: str = Field(description="what set it off, where that has a name: replay/<id>, undo/<id>, mapping/<number>")
    claim: int = Field(description="the number of the claim; larger ones are newer")
    vector: dict[str, int] = Field(description="mapping activation, and the revision of each document")
    fields: dict[str, Written]
