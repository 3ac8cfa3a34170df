"""Kafka: is it there, are the topics ours, and are they as they were made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from frontlist.checking.verdict import Check, failed
from frontlist.errors import FrontlistError
from frontlist.kafka import MAX_BYTES, Topics, TopicState
from frontlist.settings import Settings

AREA = "Kafka"


async def look(settings: Settings, read: Mapping[str, str]) -> list[Check]:
    """`read`: topic -> the id under which intake read it last."""
    topics = Topics(settings.kafka)
    try:
        there = await topics.states()
    except FrontlistError as error:
        return [failed(AREA, "brokers", error)]
    found = [Check(AREA, "brokers", "ok", "answer", settings.kafka.bootstrap)]
    found += [_topic(settings, name, there.get(name), read.get(name, "")) for name in topics.names]
    names = [name for name in topics.names if name in there]
    for name, stated in zip(names, await asyncio.gather(*map(topics.configuration, names)), strict=True):
        found += _configured(name, stated)
    return found


def _topic(settings: Settings, name: str, state: TopicState | None, id_: str) -> Check:
    what = f"topic {name}"
    if state is None:
        return Check(AREA, what, "failed", "is missing", settings.kafka.bootstrap, "frontlist topics apply")
    wanted = settings.kafka.partitions_of(name)
    detail = f"{state.partitions} partitions, id {state.id}"
    if state.partitions != wanted:
        cure = "set kafka.partitions back; growing means copying to new topics"
        return Check(AREA, what, "failed", f"{detail}; the configuration says {wanted}", "kafka.partitions", cure)
    if id_ and id_ != state.id:
        cure = "frontlist republish, which publishes every document anew"
        return Check(AREA, what, "failed", f"was re-created since it was read ({detail}, read as {id_})", name, cure)
    return Check(AREA, what, "ok", detail)


def _configured(name: str, found: Mapping[str, str]) -> Iterator[Check]:
    """What would lose documents: a topic that forgets, or one that takes no large ones."""
    what = f"settings of {name}"
    if not name.endswith(".journal.v1") and found.get("cleanup.policy") != "compact":
        cure = f"set cleanup.policy of {name} to compact; documents older than its retention are lost meanwhile"
        yield Check(AREA, what, "failed", f"cleanup.policy is {found.get('cleanup.policy')}", name, cure)
    size = found.get("max.message.bytes", "")
    if size.isdigit() and int(size) < MAX_BYTES:
        cure = f"set max.message.bytes of {name} to {MAX_BYTES}; larger documents are published as unreadable"
        yield Check(AREA, what, "warning", f"max.message.bytes is {size}", name, cure)
