"""Builds documents, dossiers and contexts as the engine hands them to `plan`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from frontlist.clock import microseconds
from frontlist.contract import (
    Capabilities,
    Context,
    Document,
    DocumentKey,
    Dossier,
    Json,
    Resource,
    Revision,
    State,
    TitleKey,
)
from frontlist.testing.samples import BODIES

#: The time of a context that names none: a Monday noon, after all sample documents were made.
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
#: A day before: old enough for rules that wait until a text is quiet.
MADE = Revision(microseconds(NOW) - 86_400_000_000)


def document(
    system: str,
    aspect: str,
    body: Mapping[str, Json] | None = None,
    *,
    state: State | None = None,
    revision: int = MADE,
    **fields: Any,
) -> Document:
    """One document; present where it has a body, else unseen. `fields`: further ones of `Document`."""
    stands: State = state or ("unseen" if body is None else "present")
    # `dossier` puts the title in.
    return Document(DocumentKey(system, aspect), TitleKey("work:1"), stands, Revision(revision), body, **fields)


def sample(system: str, aspect: str, **changes: Json) -> Document:
    """A well-formed document of a made-up title; `changes`: other values for fields at the top of its body."""
    key = DocumentKey(system, aspect)
    if key not in BODIES:
        raise ValueError(f"there is no sample of {key}; there are {', '.join(map(str, sorted(BODIES)))}")
    return document(system, aspect, {**copy.deepcopy(BODIES[key]), **changes})


def dossier(title: str, *documents: Document) -> Dossier:
    """The latest documents of "work:<id>", or of "object:<module>/<id>", which no title claims yet."""
    name = TitleKey(title)
    return Dossier(name, {each.key: replace(each, title=name) for each in documents})


def context(
    *,
    now: datetime = NOW,
    tenant: str = "acme",
    mapping: Any = None,
    links: Mapping[Resource, str] | None = None,
    decisions: Mapping[str, Json] | None = None,
    capabilities: Mapping[str, Capabilities] | None = None,
    notes: Mapping[str, Json] | None = None,
) -> Context:
    """What a plan may look at beside the dossier; `now` is aware, UTC."""
    return Context(now, tenant, mapping, links or {}, decisions or {}, capabilities or {}, notes or {})
