"""What capture asks of a system that it reads: feeds that list raw objects, and how these make documents.

Capture calls `page` over and over, keeps every raw object in a mirror, and calls `assemble` with all raw objects of a
title in the transaction that takes the revision. Nothing here publishes or stores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from frontlist.contract import FieldKey, Json, Resource, TitleKey


@dataclass(frozen=True, order=True)
class RawKey:
    """A raw object: ("work", "61417"), ("contracts", "61417"), ("product", "<object id>")."""

    kind: str
    id: str


@dataclass(frozen=True)
class Raw:
    """A raw object as read. `body` None: the system says that it does not exist. `unreadable`: why it is no use.

    `watched`: what it shows of fields that are ours; no document is made of it, so it makes no title dirty.
    """

    key: RawKey
    body: Json | None
    unreadable: str | None = None
    watched: Json | None = None


@dataclass(frozen=True)
class Page:
    """One answer of a feed.

    `cursor`: given back next time; stored in the transaction that stores `raws`. `exhausted`: a pass is complete.
    `sweep`: this page belongs to a pass that lists everything, so what it never showed is asked for by id.
    `gone`: keys that the feed states to be deleted (they are asked for by id too, once).
    `again_in`: seconds until the feed is worth asking again; None = the feed's own interval if exhausted, else at once.
    """

    raws: tuple[Raw, ...]
    cursor: Json
    exhausted: bool
    sweep: bool = False
    gone: tuple[RawKey, ...] = ()
    again_in: float | None = None


@dataclass(frozen=True)
class Statement:
    """What one aspect of a title is now: `present` with its body, `gone` or `unreadable` with a reason."""

    state: Literal["present", "gone", "unreadable"]
    body: Json | None = None
    reason: str | None = None


class Feed(Protocol):
    """One cursor. `kinds`: the raw kinds it lists. `every`: seconds between passes."""

    name: str
    kinds: frozenset[str]
    every: float

    async def page(self, cursor: Json | None, now: datetime) -> Page:
        """The next page (cursor None: the first). DeliveryError is tried again; ConfigurationError stops this feed."""
        ...


class Source(Protocol):
    """A system as capture sees it. `aspects`: the documents that it makes of a title.

    `version`: changes when `title` or `assemble` would answer otherwise for the same objects (code or mapping), so that
    all titles are assembled anew. A statement's `reason` is stable: no time, no request id.
    """

    name: str
    version: str
    aspects: tuple[str, ...]
    feeds: Sequence[Feed]

    async def fetch(self, keys: Sequence[RawKey]) -> Sequence[Raw]:
        """Those objects by id, one Raw a key; body None where the system does not know the id."""
        ...

    def names(self, raw: Raw, who: str) -> bool:
        """Whether the object names a person by id ("contact:12"). Pure."""
        ...

    def omitted(self, raw: Raw, omit: frozenset[str]) -> Raw:
        """The object as the mirror may keep it: of persons erased on request (`omit`) no more than their ids. Pure."""
        ...

    def title(self, raw: Raw, links: Mapping[Resource, TitleKey]) -> TitleKey:
        """The title that a raw object belongs to: by link, by our marker in it, else its own `object:` key. Pure."""
        ...

    def assemble(self, title: TitleKey, raws: Mapping[RawKey, Raw], omit: frozenset[str]) -> Mapping[str, Statement]:
        """A statement for each of `aspects`, from all that the mirror holds of a title. Pure.

        `omit`: ids such as "contact:12" that must not appear (erased on request).
        """
        ...


@runtime_checkable
class Watching(Protocol):
    """A source whose raw objects show what we wrote, so that capture notices when somebody else changed it."""

    def contradicts(self, raw: Raw, fields: Mapping[FieldKey, Json]) -> frozenset[FieldKey]:
        """Those of the fields that we wrote to this object and that it shows with another value. Pure.

        Compared as the system's target compares. A field that the object does not show is never in it.
        """
        ...


@runtime_checkable
class Numbered(Protocol):
    """A source whose raw objects state ISBNs, by which a record that nobody linked yet is recognised."""

    def isbns(self, raw: Raw) -> frozenset[str]:
        """The keys (`frontlist.linking.isbn`) of all ISBNs that the object states. Pure."""
        ...
