"""A database from an older backup is read back, an empty one rebuilt, topics that were re-created filled anew."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from aiokafka import TopicPartition
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import forgetting, joining
from frontlist.clock import DAY
from frontlist.due import all_due
from frontlist.errors import ConfigurationError
from frontlist.kafka import TopicState, read_to_end, reading
from frontlist.positions import cut
from frontlist.progress import Say, unsaid
from frontlist.restoring import Restoring
from frontlist.runtime import Installation, alone
from frontlist.state import captured, dossier, installation, outbox, recovered, settled, work
from frontlist.state.database import takes_long
from frontlist.storing import Storing
from frontlist_schemas import topics

log = structlog.get_logger(__name__)
#: Records of one topic after which a rebuild says how far it is.
SAID_EVERY = 10_000
#: The clocks of the database and of who writes to Kafka differ by less (microseconds).
CLOCKS = DAY


async def committed(it: Installation) -> Mapping[tuple[str, int], int]:
    """The offsets that intake told Kafka; 0 where it told none."""
    names = topics.compacted(it.settings.kafka.prefix, it.further)
    partitions = [TopicPartition(name, p) for name in names for p in range(it.settings.kafka.partitions_of(name))]
    async with reading(it.settings.kafka, group_id=it.settings.kafka.group) as consumer:
        offsets = await asyncio.gather(*map(consumer.committed, partitions))
    return {(at.topic, at.partition): offset or 0 for at, offset in zip(partitions, offsets, strict=True)}


async def restored(it: Installation, committed: Mapping[tuple[str, int], int]) -> bool:
    """Whether Kafka's committed offsets are ahead of the stored ones: the database comes from an older backup."""
    async with it.db.read() as c:
        stored = await dossier.offsets(c)
        behind = await installation.fact(c, installation.BEHIND) is not None  # somebody died while he read back
    return behind or any(committed.get(at, 0) > offset for at, (offset, _) in stored.items())


async def read_back(it: Installation, there: Mapping[str, TopicState]) -> None:
    """The database comes from an older backup: new numbers are larger than any on the topics, all else is in doubt.

    Nobody works before the dossiers know what the systems were told since.
    """
    log.warning("the database is older than what Kafka was told: all that it remembers is read back")
    stored, since = await nothing_is_sure(it)
    await _take_all(it, there, stored, since=since - CLOCKS)
    await forgetting.forget_again(it, since)
    async with it.db.begin() as c:
        now = await it.db.now(c)
        await recovered.none_newer(c, now)
        await it.db.raise_numbers(c)
        await installation.forget(c, installation.BEHIND)
        await installation.state(it.db, c, {installation.CAUGHT_UP: str(now)})


async def nothing_is_sure(it: Installation) -> tuple[dict[tuple[str, int], int], int]:
    """What is remembered is in doubt, what is in hand is free, every title is due.

    Answers where reading goes on, and when the backup was made (no later).
    """
    async with it.db.begin() as c:
        await takes_long(c)
        await it.db.raise_numbers(c)
        since = await backed_up_at(c)
        await installation.state(it.db, c, {installation.BEHIND: str(since)})
        everyone = await installation.registered(c)
        await work.mark(it.db, c, await all_due(it.db, c, everyone, await it.db.now(c), "restored"))
        # After the rows were marked: what was being claimed is claimed by now, or is not.
        await work.free_all(c)
        await recovered.doubt_all(c)
        return {at: offset for at, (offset, _) in (await dossier.offsets(c)).items()}, since


async def backed_up_at(c: AsyncConnection) -> int:
    """No later than the backup was made; whoever died while he read back has left what he found."""
    said = await installation.fact(c, installation.BEHIND)
    return await dossier.stored_at(c) if said in (None, installation.NOTICED) else int(said)


async def _take_all(
    it: Installation,
    there: Mapping[str, TopicState],
    stored: Mapping[tuple[str, int], int],
    say: Say = unsaid,
    *,
    since: int = 0,
) -> dict[str, int]:
    """What the topics hold from these offsets to their present ends; decisions and links first, the journal last.

    `since`: what was written before that is known; 0: nothing is, as in a rebuild.
    """
    storing = Storing(it.db, it.settings.kafka.prefix, further=it.further)
    storing.positions.know(there)
    counts: dict[str, int] = {}
    names = [it.decisions, it.links, *topics.changes(it.settings.kafka.prefix, it.further), it.journal]
    for place, name in enumerate(names, 1):
        counts[name] = 0
        journal = name == it.journal
        taking = await Restoring.begin(it.db, it.settings.keep) if journal else storing
        async for batch, _ in read_to_end(it.settings.kafka, [name], stored, since if journal else 0):
            await taking.take(batch)
            before, counts[name] = counts[name], counts[name] + len(batch)
            if before // SAID_EVERY != counts[name] // SAID_EVERY:
                say(f"topic {place} of {len(names)}, {name}: {counts[name]:,} records so far")
        say(f"topic {place} of {len(names)}, {name}: {counts[name]:,} records")
    return counts


async def rebuild(it: Installation, say: Say = unsaid) -> dict[str, int]:
    """An empty database from the topics: decisions and links first, so that nothing is created twice; the journal last.

    One that was interrupted is begun again; until it is done, nothing else works on the database. Answers topic ->
    records; `say` gets a line at each topic's end, and one at every SAID_EVERY records.
    """
    with alone(it.db):
        async with it.db.alone("frontlist/rebuild") as mine:
            if not mine:
                raise ConfigurationError(
                    "another process is rebuilding this database",
                    where=it.db.name,
                    cure="wait for it; should it be interrupted, say `frontlist rebuild` again",
                )
            return await _rebuild(it, say)


async def _rebuild(it: Installation, say: Say) -> dict[str, int]:
    there = await it.check_topics()
    await joining.identify(it, there, rebuilding=True)
    await joining.register(it)
    async with it.db.begin() as c:
        await takes_long(c)
        await recovered.clear(c)  # what one that was interrupted has left
    counts = await _take_all(it, there, {}, say)
    async with it.db.begin() as c:
        await takes_long(c)
        now = await it.db.now(c)
        await it.db.raise_numbers(c)
        await recovered.none_newer(c, now)
        before = await settled.decision(c, "mapping", "active")
        if before is not None:
            await installation.activate(it.db, c, before["fingerprint"], before["text"])
        await installation.forget(c, installation.REBUILDING)
    return counts


@dataclass(frozen=True)
class Republished:
    """`topics` will be read from their beginning; `records`: links and decisions; `titles` by system."""

    topics: int
    records: int
    titles: Mapping[str, int]


async def republish(it: Installation, say: Say = unsaid) -> Republished:
    """After a topic was re-created or cut: everything that we know is published on it anew, under new revisions.

    Links and decisions come from the database; documents are read from their systems again by the next `run`.
    """
    with alone(it.db):
        there = await it.check_topics()
        async with it.db.begin() as c:
            await takes_long(c)
            await it.db.raise_numbers(c)
            lost = await cut(it.settings.kafka, await dossier.offsets(c))
            ids = {name: "" if name in lost else state.id for name, state in there.items()}
            forgotten = await dossier.forget_offsets(c, ids)
            links, decisions = await settled.everything(c)
            records = [(it.links, each.key, each.body) for each in links]
            records += [(it.decisions, f"{each.kind}/{each.key}", each.value) for each in decisions]
            await outbox.post(it.db, c, records)
            say(f"{len(records):,} links and decisions are to be published anew")
            titles: dict[str, int] = {}
            for name in it.sources:
                titles[name] = await captured.forget_published(it.db, c, name)
                say(f"{titles[name]:,} titles of {name} are to be published anew")
    return Republished(forgotten, len(records), titles)
