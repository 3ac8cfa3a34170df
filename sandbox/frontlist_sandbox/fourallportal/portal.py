"""The portal itself: objects of all modules, written, deleted and fed to connectors, in memory.

No method awaits anything, so that each call is whole however many requests run at once.
"""

import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from frontlist_sandbox.fourallportal import cells, drafts
from frontlist_sandbox.fourallportal.clock import Clock, stamp
from frontlist_sandbox.fourallportal.drafts import Draft
from frontlist_sandbox.fourallportal.errors import Refusal
from frontlist_sandbox.fourallportal.feed import BEAN, DERIVATE, Event, Feed, Watch
from frontlist_sandbox.fourallportal.media import ORIGINAL, USAGES, Content
from frontlist_sandbox.fourallportal.records import TICK, Record, Shelf
from frontlist_sandbox.fourallportal.schema import Module, Schema
from frontlist_sandbox.fourallportal.toggles import Toggles


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of an array: ids in the order of the answer, and why the rest was refused."""

    ids: list[str]
    refused: list[Refusal]


class Portal:
    """One tenant."""

    def __init__(self, load: Callable[[], Schema], toggles: Toggles, clock: Clock, seed: int = 0) -> None:
        self.clock = clock
        self._start = load, toggles, seed
        self.reset()

    def reset(self) -> None:
        """Begin anew: schema, connectors, toggles, ids and time as at the start, no objects and no events."""
        load, self.toggles, seed = self._start
        self.clock.reset()
        self.schema = load()
        self.feed = Feed(self.schema.connectors)
        self.shelves = {name: Shelf() for name in self.schema.modules}
        self.writes: dict[str, Counter[str]] = {name: Counter() for name in self.schema.modules}
        self._ids = random.Random(seed)

    # -- reading ---------------------------------------------------------------------------------

    def page(self, module: str, offset: int, limit: int) -> tuple[list[Record], int]:
        """Visible objects in the order in which they appeared, and how many there are."""
        shelf = self.shelf(module)
        return list(shelf.page(offset, limit)), len(shelf.visible)

    def get(self, module: str, record_id: str) -> Record:
        """A visible object, or the 404."""
        found = self.shelf(module).visible.get(record_id)
        if found is None:
            raise Refusal(404, f"module '{module}' has no object '{record_id}'")
        return found

    def seen(self, connector: str, ids: Sequence[str]) -> Iterator[Record]:
        """The objects that the connector sees among these ids; the others are left out without a word."""
        one = self.feed.connector(connector)
        visible = self.shelf(one.config.module).visible
        return (visible[i] for i in dict.fromkeys(ids) if i in visible and one.sees(visible[i]))

    def events(self, connector: str, start: int, pinned: str | None) -> list[Event]:
        """The connector's queue from an id on."""
        one = self.feed.connector(connector)
        if pinned != one.hash(self.schema) and self.toggles.wrong_hash != "ignore":
            if self.toggles.wrong_hash == "empty":
                return []
            raise Refusal(409, f"connector '{connector}' has another hash by now: read it and its fields again")
        records = self.shelf(one.config.module).visible.values()
        return self.feed.events(one, start, records, self.toggles, self.clock.now())

    def media(self, module: str, record_id: str, usage: str) -> Content | None:
        """A rendition; None while it is still being made and the tenant answers 202 meanwhile."""
        record = self.get(module, record_id)
        if usage not in USAGES or record.content is None:
            raise Refusal(404, f"object '{record_id}' has no media '{usage}'")
        if usage == ORIGINAL or not self._still_rendering(record):
            return record.content.rendition(usage)
        if self.toggles.rendering == "missing":
            raise Refusal(404, f"media '{usage}' of object '{record_id}' is not there yet")
        return None if self.toggles.rendering == "accepted" else Content(record.content.name, "image/jpeg", b"")

    def _still_rendering(self, record: Record) -> bool:
        if self.toggles.rendering == "ready" or record.mod_time_img is None:
            return False
        seconds = self.toggles.rendering_seconds
        return not seconds or self.clock.now() < record.mod_time_img + timedelta(seconds=seconds)

    # -- writing ---------------------------------------------------------------------------------

    def upsert(self, module: str, items: Sequence[object]) -> Reply:
        """An array of PATCH, as the toggles have it."""
        definition = self.schema.module(module)
        if len(items) > self.toggles.max_batch:
            raise Refusal(400, f"{len(items)} objects in one call, at most {self.toggles.max_batch}")
        checked, refused = self._checked(definition, items)
        if refused and self.toggles.arrays == "atomic":
            return Reply([], refused)
        written = [self._write(definition, draft, "api", self.toggles) for draft in checked]
        return Reply(sorted(written) if self.toggles.answer_order == "sorted" else written, refused)

    def edit(self, module: str, raw: Mapping[str, object], author: str = "person") -> str:
        """What a person does in the user interface: cells are edited one by one, deleted objects come back."""
        definition = self.schema.module(module)
        draft = drafts.read(self.schema, definition, drafts.by_hand(raw))
        person = replace(self.toggles, cells="merge", deleted_ids="revive", unchanged_write="touches")
        return self._write(definition, draft, author, person)

    def delete(self, module: str, record_id: str, author: str = "api") -> None:
        """Soft: gone from all answers, kept for 30 days."""
        record = self.get(module, record_id)
        watch = self.feed.watch(record)
        record.touch(self.clock.now())
        record.deleted_at = record.mod_time
        self._settle(record, watch, BEAN, f"{author}.deleted")

    def forget(self, module: str, record_id: str) -> None:
        """Purge at once, without an event."""
        shelf = self.shelf(module)
        if not (shelf.visible.pop(record_id, None) or shelf.deleted.pop(record_id, None)):
            raise Refusal(404, f"module '{module}' has no object '{record_id}'")

    def set_content(self, module: str, record_id: str, content: Content, author: str = "person") -> None:
        """New bytes behind an object."""
        record = self.get(module, record_id)
        watch = self.feed.watch(record)
        record.content = content
        now = self.clock.now()
        record.mod_time_img = max(now, record.mod_time_img + TICK) if record.mod_time_img else now
        self._settle(record, watch, DERIVATE, f"{author}.media")

    def remove_field(self, module: str, name: str) -> None:
        """Drop a field and all its values."""
        self.schema.remove_field(module, name)
        shelf = self.shelf(module)
        for record in (*shelf.visible.values(), *shelf.deleted.values()):
            record.values.pop(name, None)

    def shelf(self, module: str) -> Shelf:
        """The objects of a module, less what was deleted 30 days ago; 404 for an unknown one."""
        self.schema.module(module)
        shelf = self.shelves[module]
        shelf.purge(self.clock.now())
        return shelf

    def _checked(self, module: Module, items: Sequence[object]) -> tuple[list[Draft], list[Refusal]]:
        checked: list[Draft] = []
        refused: list[Refusal] = []
        beside = {item.get("id") for item in items if isinstance(item, dict)}
        for number, item in enumerate(items, 1):
            try:
                checked.append(self._check(module, item, beside))
            except Refusal as refusal:
                told = f"object {number} of {len(items)}: {refusal.message}"
                vague = "the request cannot be processed"
                named = self.toggles.error_detail == "named"
                refused.append(Refusal(refusal.status, told if named else vague))
        return checked, refused

    def _check(self, module: Module, item: object, beside: set[object]) -> Draft:
        draft = drafts.read(self.schema, module, item)
        shelf = self.shelf(module.name)
        if draft.id in shelf.deleted and self.toggles.deleted_ids == "fail":
            raise Refusal(409, f"object '{draft.id}' was deleted")
        if self.toggles.references == "checked":
            drafts.check_references(
                module, draft, lambda name, i: i in self.shelf(name).visible or (name == module.name and i in beside)
            )
        return draft

    def _write(self, module: Module, draft: Draft, author: str, how: Toggles) -> str:
        record = self.shelf(module.name).find(draft.id) if draft.id else None
        if record is None:
            return self._create(module, draft, author)
        watch = self.feed.watch(record)
        revived = record.deleted_at is not None and how.deleted_ids == "revive"
        changed = _apply(record, draft, how) or revived
        if not changed:
            self.writes[module.name][f"{author}.unchanged"] += 1
            if how.unchanged_write == "ignored":
                return record.id
        record.touch(self.clock.now())
        if revived:
            record.deleted_at = None
        self._settle(record, watch, BEAN, f"{author}.{'revived' if revived else 'updated'}")
        return record.id

    def _create(self, module: Module, draft: Draft, author: str) -> str:
        now = self.clock.now()
        record = Record(draft.id or self._fresh_id(), module.name, now)
        for name, value in (("created_time", stamp(now)), ("created_by", author)):
            if name in module.fields:
                record.values[name] = {(): value}
        watch = self.feed.watch(record)
        _apply(record, draft, self.toggles)
        self._settle(record, [(connector, False) for connector, _ in watch], BEAN, f"{author}.created")
        return record.id

    def _fresh_id(self) -> str:
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))

    def _settle(self, record: Record, watch: Watch, object_type: int, counted: str) -> None:
        self.shelves[record.module].put(record)
        self.writes[record.module][counted] += 1
        moment = record.mod_time_img if object_type == DERIVATE and record.mod_time_img else record.mod_time
        self.feed.note(watch, record, object_type, moment)


def _apply(record: Record, draft: Draft, how: Toggles) -> bool:
    """Write the draft's cells into the record; whether anything became different."""
    changed = False
    for name, written in draft.writes.items():
        present = record.values.get(name, {})
        after = cells.applied(present, written, how.cells)
        changed = changed or after != present
        if after:
            record.values[name] = after
        else:
            record.values.pop(name, None)
    return changed
