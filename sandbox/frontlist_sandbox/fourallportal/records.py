"""Objects of the portal and the shelves that hold them, deleted ones apart."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from frontlist_sandbox.fourallportal.cells import Cells
from frontlist_sandbox.fourallportal.media import Content

KEPT = timedelta(days=30)
TICK = timedelta(milliseconds=1)


@dataclass(slots=True)
class Record:
    """One object of a module."""

    id: str
    module: str
    mod_time: datetime
    values: dict[str, Cells] = field(default_factory=dict)
    mod_time_img: datetime | None = None
    deleted_at: datetime | None = None
    content: Content | None = None
    type: str = "default"

    def touch(self, now: datetime) -> None:
        """Date a change; two changes of one object never carry the same time."""
        self.mod_time = max(now, self.mod_time + TICK)

    def first(self, name: str) -> object:
        """The value that holds without dimensions."""
        return self.values.get(name, {}).get(())


class Shelf:
    """The objects of one module in the order in which they appeared."""

    def __init__(self) -> None:
        self.visible: dict[str, Record] = {}
        self.deleted: dict[str, Record] = {}

    def page(self, offset: int, limit: int) -> Iterator[Record]:
        return islice(self.visible.values(), offset, offset + limit)

    def find(self, record_id: str) -> Record | None:
        return self.visible.get(record_id) or self.deleted.get(record_id)

    def put(self, record: Record) -> None:
        """File the record where its state says."""
        here, there = (self.deleted, self.visible) if record.deleted_at else (self.visible, self.deleted)
        there.pop(record.id, None)
        here[record.id] = record

    def purge(self, now: datetime) -> None:
        """Forget what was deleted 30 days ago."""
        for record in [r for r in self.deleted.values() if r.deleted_at and now - r.deleted_at >= KEPT]:
            del self.deleted[record.id]
