"""Drafts: what titles say now, assembled from their raw objects and reserved under a revision before it is published.

What a brake holds is not among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog
from aiokafka import ConsumerRecord
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.brakes import Brakes
from frontlist.contract import TitleKey
from frontlist.errors import said
from frontlist.source import Raw, RawKey, Source, Statement
from frontlist.state import captured, mirror, settled
from frontlist.state.database import Database, dump, load
from frontlist.vanishing import Drafted, hold, without
from frontlist_schemas.canonical import fingerprint
from frontlist_schemas.envelope import Envelope, decode, fitted

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Draft:
    """A document about to be published, and the fingerprint by which it is compared."""

    envelope: Envelope
    fingerprint: str

    @property
    def title(self) -> TitleKey:
        return TitleKey(self.envelope.title)

    @property
    def published(self) -> captured.Published:
        """As it is remembered once it is on the topic."""
        said, last = self.envelope, self.envelope.last_readable
        if said.state == "present":
            readable: tuple[int, str] | None = (said.revision, dump(said.body))
        else:
            readable = None if last is None else (last[0], dump(last[1]))
        return captured.Published(
            said.aspect, self.title, said.revision, self.fingerprint, readable, gone=said.state == "gone"
        )


class Drafts:
    """Those of one system. `braking`: the brakes on what vanishes; `decisions`: the topic of what people decided."""

    def __init__(self, source: Source, db: Database, braking: Brakes | None, decisions: str) -> None:
        self.source, self.db, self.braking, self.decisions = source, db, braking, decisions
        self.system = source.name

    async def reserve(self, c: AsyncConnection, titles: Sequence[TitleKey]) -> list[Draft]:
        """What differs from what was confirmed, and whatever may be on the topic already."""
        raws = await mirror.raws_of(c, self.system, titles)
        known = await captured.captured(c, self.system, titles)
        omit = frozenset(await settled.decisions(c, "forget"))
        new: dict[tuple[TitleKey, str], Draft] = {}
        for title in titles:
            merged = await mirror.moved_to(c, self.system, title) if not raws[title] else None
            for aspect, statement in self._statements(title, raws[title], omit).items():
                old = known.get((title, aspect))
                draft = self._draft(title, aspect, statement, merged, old)
                fresh = old is None or (old.revision == 0 and old.reserved is None)
                if fresh and statement.state == "gone":
                    continue  # never published, so nobody has to be told
                if old is None or fresh or old.reserved is not None or old.fingerprint != draft.fingerprint:
                    new[title, aspect] = draft
        for place in await self._held_back(c, titles, new, known, omit):
            del new[place]
            old = known.get(place)
            if old is not None and old.fingerprint is None and old.readable_body is not None:
                # Nothing of it counts as published (another topic, a person erased): as it last was.
                last = Statement("present", without(load(old.readable_body), omit))
                new[place] = self._draft(*place, last, None, None)
        revisions = await captured.reserve(
            self.db, c, self.system, [(t, a, d.fingerprint) for (t, a), d in new.items()]
        )
        return [self._revised(draft, revisions, known) for draft in new.values()]

    async def _held_back(
        self,
        c: AsyncConnection,
        titles: Sequence[TitleKey],
        new: Mapping[tuple[TitleKey, str], Draft],
        known: Mapping[tuple[TitleKey, str], captured.Captured],
        omit: frozenset[str],
    ) -> set[tuple[TitleKey, str]]:
        """What a brake holds."""
        if self.braking is None:
            return set()
        drafts = [
            Drafted(title, aspect, said.state, said.body, said.merged_into is not None, draft.fingerprint)
            for (title, aspect), draft in new.items()
            for said in [draft.envelope]
        ]
        return await hold(self.braking, c, self.system, titles, drafts, known, omit, self.decisions)

    def _draft(
        self,
        title: TitleKey,
        aspect: str,
        statement: Statement,
        merged: TitleKey | None,
        old: captured.Captured | None,
    ) -> Draft:
        last = None
        if old is not None and old.readable_revision is not None:
            last = (old.readable_revision, load(old.readable_body))
        envelope = fitted(
            Envelope(
                system=self.system,
                aspect=aspect,
                title=title,
                revision=0,
                state=statement.state,
                body=statement.body,
                reason=statement.reason,
                last_readable=last,
                merged_into=merged,
            )
        )
        if envelope.state != "unreadable":
            envelope = replace(envelope, last_readable=None)
        return Draft(envelope, _print(envelope))

    def _revised(
        self,
        draft: Draft,
        revisions: Mapping[tuple[TitleKey, str], int],
        known: Mapping[tuple[TitleKey, str], captured.Captured],
    ) -> Draft:
        siblings = {a: each.revision for (t, a), each in known.items() if t == draft.title and each.revision}
        siblings |= {a: revision for (t, a), revision in revisions.items() if t == draft.title}
        revision = siblings.pop(draft.envelope.aspect)
        return replace(draft, envelope=replace(draft.envelope, revision=revision, siblings=siblings))

    def _statements(self, title: TitleKey, raws: Mapping[RawKey, Raw], omit: frozenset[str]) -> Mapping[str, Statement]:
        if not raws:
            return {
                aspect: Statement("gone", reason="no object makes this title any more")
                for aspect in self.source.aspects
            }
        try:
            return self.source.assemble(title, raws, omit)
        except Exception as error:  # one title that we cannot read never stops the others
            log.exception("capture: a title cannot be assembled", system=self.system, title=title)
            reason = f"cannot be assembled: {type(error).__name__}: {error}"
            return {aspect: Statement("unreadable", reason=reason) for aspect in self.source.aspects}


def published(batch: Iterable[ConsumerRecord]) -> Iterator[captured.Published]:
    """What records of our own topics say."""
    for record in batch:
        try:
            got = decode(record.key, record.headers, record.value)
        except ValueError as error:
            log.warning("capture: a record on our own topic cannot be read", error=said(error))
            continue
        yield Draft(got, _print(got)).published


def _print(envelope: Envelope) -> str:
    return fingerprint([envelope.state, envelope.body, envelope.reason, envelope.merged_into])
