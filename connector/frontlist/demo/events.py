"""A Kafka consumer like anyone's: it reads every change topic from the beginning."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer

from frontlist_schemas import topics


@dataclass(frozen=True)
class Event:
    """A change; `title` is the record's key."""

    system: str
    aspect: str
    title: str


class Listener:
    """Collects the events of all change topics while the block runs."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self._bootstrap, self._prefix = bootstrap, prefix
        self._events: list[Event] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="demo-listener", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join(5)

    @property
    def count(self) -> int:
        return len(self._events)

    def since(self, count: int, system: str, title: str) -> list[Event]:
        """Of one system and title, without the first `count` of all."""
        return [each for each in self._events[count:] if (each.system, each.title) == (system, title)]

    def _listen(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": f"{self._prefix}-demo-{secrets.token_hex(4)}",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "log_level": 0,
            }
        )
        consumer.subscribe(list(topics.changes(self._prefix)))
        try:
            while not self._stopping.is_set():
                self._take(consumer)
        finally:
            consumer.close()

    def _take(self, consumer: Consumer) -> None:
        message = consumer.poll(0.2)
        if message is None or message.error():
            return
        source = topics.parse(self._prefix, message.topic() or "")
        if source:
            self._events.append(Event(*source, (message.key() or b"").decode()))
