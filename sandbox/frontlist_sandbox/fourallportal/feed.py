"""Connectors and their event queues: what happened to the objects of a module, by rising id."""

import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from typing import TypeAlias

from frontlist_sandbox.fourallportal.clock import stamp
from frontlist_sandbox.fourallportal.conditions import Predicate, compile_condition
from frontlist_sandbox.fourallportal.errors import Refusal
from frontlist_sandbox.fourallportal.records import Record
from frontlist_sandbox.fourallportal.schema import ConnectorConfig, Schema
from frontlist_sandbox.fourallportal.toggles import Toggles

BATCH = 1000
DELETED, UPDATED, CREATED = 0, 1, 2
BEAN, DERIVATE, BOTH = 0, 1, 2
# A code of the vendor's legacy API, which clients of the modern one still know.
PARAMETER_NOT_SET = 1


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a queue, named as on the wire."""

    id: int
    mod_time: str
    object_id: str
    object_type: int
    event_type: int


@dataclass(slots=True)
class Rebuild:
    """A replay under way: shown whole once its calls and seconds are over."""

    calls_left: int
    ready_at: datetime
    replayed: int
    read: bool = False

    def under_way(self, now: datetime) -> bool:
        return self.calls_left > 0 or now < self.ready_at


@dataclass(slots=True)
class Connector:
    """One connector with its queue."""

    config: ConnectorConfig
    matches: Predicate
    events: list[Event] = field(default_factory=list)
    rebuild: Rebuild | None = None

    def sees(self, record: Record) -> bool:
        """Whether the object is in this connector's scope."""
        return record.module == self.config.module and record.deleted_at is None and self.matches(record)

    def field_names(self, schema: Schema) -> list[str]:
        """The fields that objects carry here."""
        known = schema.module(self.config.module).fields
        chosen = self.config.fields
        return list(known) if chosen is None else [name for name in chosen if name in known]

    def hash(self, schema: Schema) -> str:
        """A digest of the configuration and of the fields as they are now."""
        fields = schema.module(self.config.module).fields
        described = [fields[name].as_json() for name in self.field_names(schema)]
        text = json.dumps([asdict(self.config), described], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def as_json(self, schema: Schema) -> dict[str, object]:
        """What `GET /api/connectors/{name}` answers."""
        return {
            "connector_name": self.config.name,
            "module_name": self.config.module,
            "fields": self.field_names(schema),
            "conditions": [self.config.condition] if self.config.condition else [],
            "hash": self.hash(schema),
        }


Watch: TypeAlias = list[tuple[Connector, bool]]


class Feed:
    """All connectors; ids of events rise over all of them together, so that one queue has gaps."""

    def __init__(self, configs: Iterable[ConnectorConfig]) -> None:
        self.connectors: dict[str, Connector] = {}
        self._last = 0
        for config in configs:
            self.configure(config)

    def configure(self, config: ConnectorConfig) -> None:
        """Define a connector, or change one: its queue stays until somebody asks for a rebuild."""
        predicate = compile_condition(config.condition)
        old = self.connectors.get(config.name)
        kept = old.events if old and old.config.module == config.module else []
        self.connectors[config.name] = Connector(config, predicate, kept)

    def connector(self, name: str) -> Connector:
        """The connector, or the 404 that the API answers."""
        if name not in self.connectors:
            raise Refusal(404, f"connector '{name}' does not exist")
        return self.connectors[name]

    def watch(self, record: Record) -> Watch:
        """Which connectors see the object now; taken before a change and given to `note` after it."""
        of_module = (c for c in self.connectors.values() if c.config.module == record.module)
        return [(connector, connector.sees(record)) for connector in of_module]

    def note(self, watch: Watch, record: Record, object_type: int, moment: datetime) -> None:
        """Append an event to each queue whose connector saw the object before the change or sees it after."""
        for connector, before in watch:
            after = connector.sees(record)
            if before or after:
                kind = DELETED if not after else UPDATED if before else CREATED
                connector.events.append(self._event(record, object_type, kind, moment))

    def events(
        self, connector: Connector, start: int, records: Iterable[Record], toggles: Toggles, now: datetime
    ) -> list[Event]:
        """Up to 1,000 events from an id on; 0 sets off the rebuild, whose first answers tell less than all."""
        rebuild = connector.rebuild
        if start == 0 and (rebuild is None or rebuild.read):
            rebuild = connector.rebuild = self._rebuild(connector, records, toggles, now)
        queue = connector.events
        if rebuild and rebuild.under_way(now):
            rebuild.calls_left = max(0, rebuild.calls_left - 1)
            queue = queue[: rebuild.replayed // 2] if toggles.rebuild_shows == "half" else []
        elif rebuild and start > 0:
            rebuild.read = True
        first = bisect_left(queue, start, key=attrgetter("id"))
        return queue[first : first + BATCH]

    def _rebuild(self, connector: Connector, records: Iterable[Record], toggles: Toggles, now: datetime) -> Rebuild:
        seen = (record for record in records if connector.sees(record))
        connector.events = [self._event(record, BOTH, CREATED, record.mod_time) for record in seen]
        ready_at = now + timedelta(seconds=toggles.rebuild_seconds)
        return Rebuild(toggles.rebuild_calls, ready_at, len(connector.events))

    def _event(self, record: Record, object_type: int, event_type: int, moment: datetime) -> Event:
        self._last += 1
        return Event(self._last, stamp(moment), record.id, object_type, event_type)
