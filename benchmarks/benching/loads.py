"""Logs of proper Frontlist documents on a real topic."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from confluent_kafka import Producer

from frontlist_schemas.envelope import Envelope, encode
from frontlist_schemas.topics import topic

TENANT = "benchmark"
#: Value bytes of a small record.
SMALL = 110
#: How many records the client takes before it has to send some.
PENDING = 50_000


@dataclass(frozen=True)
class Change:
    """A document of a title at a revision; `size`: bytes of its value, about."""

    title: str
    revision: int
    aspect: str = "assets"
    size: int = SMALL


def now_us() -> int:
    return time.time_ns() // 1000


def distinct(count: int, *, first: int = 0, aspect: str = "assets", size: int = SMALL) -> list[Change]:
    """One record a title."""
    began = now_us()
    return [Change(f"work:{first + i}", began + i, aspect, size) for i in range(count)]


def repeated(count: int, titles: int, seed: int = 1) -> list[Change]:
    """`count` records over `titles`, uniform by chance; the same for the same seed."""
    chance, began = random.Random(seed), now_us()  # noqa: S311  a load, nothing secret
    return [Change(f"work:{chance.randrange(titles)}", began + i) for i in range(count)]


def latest(changes: Iterable[Change]) -> dict[str, int]:
    """What each title says in the end."""
    return {each.title: each.revision for each in changes}


def producer(bootstrap: str) -> Producer:
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            # As the product's own producer and the JVM's clients place keys.
            "partitioner": "murmur2_random",
            "linger.ms": 20,
            "compression.type": "zstd",
            "queue.buffering.max.messages": PENDING * 4,
        }
    )


def publish(bootstrap: str, prefix: str, changes: Iterable[Change], by: Producer | None = None) -> int:
    """Puts them on their topics, in order; answers how many. `by`: a producer that is connected already."""
    said: list[str] = []
    by = by or producer(bootstrap)
    count = 0
    for name, key, value, headers in _records(prefix, changes):
        by.produce(name, value, key, headers=headers, on_delivery=lambda e, _: said.append(str(e)) if e else None)
        count += 1
        if count % PENDING == 0:
            by.flush(60)
        by.poll(0)
    left = by.flush(60)
    if left or said:
        raise SystemExit(f"{left + len(said)} records could not be published: {said[:1]}")
    return count


def _records(
    prefix: str, changes: Iterable[Change]
) -> Iterator[tuple[str, bytes, bytes | None, list[tuple[str, str | bytes | None]]]]:
    chance = random.Random(7)  # noqa: S311  filling, nothing secret
    for each in changes:
        body = {"name": f"{each.title} {chance.randrange(10**6)}", "text": ""}
        filling = max(0, each.size - 60 - len(body["name"]))
        body["text"] = "".join(chance.choices("abcdefghij klmnopqrstuvwxyz", k=filling))
        headers, value = encode(
            Envelope("consonance", each.aspect, each.title, each.revision, "present", body=body), TENANT
        )
        yield topic(prefix, "consonance", each.aspect), each.title.encode(), value, list(headers)
