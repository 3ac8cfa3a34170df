"""Undo: what was overwritten is put back by pins, after a plan that a person has seen (docs/decisions/0005).

Nothing is written here. A pin takes the planned value's place until source or mapping changes it, and the engine
brings it about like any plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import pins, runtime
from frontlist.contract import Ensure, FieldKey, Json, Resource, TitleKey
from frontlist.decisions import decide
from frontlist.orders import left_to
from frontlist.pins import Pin, Pins
from frontlist.previewing import Looked, Preview
from frontlist.state import work
from frontlist.state.database import CHUNK, load, takes_long
from frontlist.state.images import CREATED, HAS_RUN, before_table

Verdict = Literal["put back", "taken away", "changed since", "already so", "no longer planned", "not undoable"]
#: Of a field that the plan leaves alone.
NOT_NAMED: Json = object()


@dataclass(frozen=True)
class Image:
    """One overwritten value; `chosen`: it belongs to what is to be undone."""

    number: int
    field: FieldKey
    was: Json
    becomes: Json
    chosen: bool


@dataclass(frozen=True)
class Cell:
    """What is to become of one field, or of a resource as a whole (`field` "")."""

    consumer: str
    title: TitleKey
    resource: Resource
    field: FieldKey
    verdict: Verdict
    why: str = ""
    is_: Json = None
    becomes: Json = None

    def as_json(self) -> dict[str, Json]:
        return {
            "consumer": self.consumer,
            "title": self.title,
            "resource": str(self.resource),
            "field": self.field,
            "verdict": self.verdict,
            "why": self.why,
            "is": self.is_,
            "becomes": self.becomes,
        }


@dataclass(frozen=True)
class Undo:
    """A plan: what a person sees, and the pins that it would make."""

    cells: tuple[Cell, ...]
    pins: Mapping[tuple[str, Resource], Pins]
    titles: frozenset[tuple[str, TitleKey]]

    def counts(self) -> dict[str, int]:
        out: dict[str, int] = {}
        for each in self.cells:
            out[each.verdict] = out.get(each.verdict, 0) + 1
        return out


@dataclass(frozen=True)
class Selection:
    """Which writes; what is empty does not restrict."""

    title: str = ""
    run: str = ""
    since: int = 0


def judge(
    images: Sequence[Image], stands: Json, says: Json, same: Callable[[Json, Json], bool]
) -> tuple[Verdict, str, Json]:
    """(verdict, why, what is put back) for one field. `images`: all of it that are kept, some of them chosen.

    Put back is what stood before the first chosen write, only where nothing else came after the last chosen one:
    neither a later write of ours, nor another word of the plan (`says`, or NOT_NAMED), nor somebody's edit of what
    `stands` there.
    """
    ordered = sorted(images, key=lambda each: each.number)
    chosen = [each for each in ordered if each.chosen]
    first, last = chosen[0], chosen[-1]
    if any(each.number > first.number and not each.chosen for each in ordered):
        return "changed since", "another write of ours came after it", None
    if says is not NOT_NAMED and not same(last.becomes, says):
        return "changed since", "source or mapping says something else now", None
    if same(first.was, stands):
        return "already so", "what stood there before stands there now", first.was
    if not same(last.becomes, stands):
        return "changed since", "what stands there is not what was written", None
    return "put back", "", first.was


async def plan(it: runtime.Installation, selection: Selection, say: Callable[[int], None] = lambda _: None) -> Undo:
    """What an undo would do; everything is read back first, nothing is decided."""
    async with it.db.read() as c:
        await takes_long(c)
        images = await _images(c, selection)
        standing = {
            name: await pins.of(c, name, [resource for consumer, resource in images if consumer == name])
            for name in {consumer for consumer, _ in images}
        }
    by_title: dict[str, set[TitleKey]] = {}
    for (consumer, _), (title, _found) in images.items():
        by_title.setdefault(consumer, set()).add(title)
    looked: dict[tuple[str, Resource], Looked] = {}
    preview = Preview(it, work.Priority.METADATA)
    for consumer, titles in by_title.items():
        if consumer in it.plugins.consumers:
            async for each in preview.looked(consumer, sorted(titles), say):
                looked[consumer, each.resource] = each
    cells: list[Cell] = []
    made: dict[tuple[str, Resource], Pins] = {}
    for (consumer, resource), (title, found) in sorted(images.items()):
        one = _Resource(it, consumer, title, resource, found, looked.get((consumer, resource)))
        cells += one.cells
        old = standing[consumer].get(resource, Pins())
        new = one.pinned(old)
        if new != old:
            made[consumer, resource] = new
    touched = frozenset((consumer, images[consumer, resource][0]) for consumer, resource in made)
    return Undo(tuple(cells), made, touched)


async def apply(it: runtime.Installation, undo: Undo) -> str:
    """Decides the pins under a run of its own and marks the titles due; answers the run."""
    run = f"undo/{it.clock.new_id()[:8]}"
    made = {(pins.KIND, pins.name(*place)): _under(found, run).as_json() for place, found in undo.pins.items()}
    async with it.db.begin() as c:
        await takes_long(c)
        now = await it.db.now(c)
        dues = [work.Due(name, title, now, work.Priority.METADATA, run) for name, title in sorted(undo.titles)]
        await work.mark(it.db, c, dues)
        await decide(it.db, c, it.decisions, made)
    return run


#: In place of a run until the undo has one.
_NEW = "undo/"


def _under(found: Pins, run: str) -> Pins:
    return Pins({k: Pin(pin.planned, pin.value, run) if pin.run == _NEW else pin for k, pin in found.fields.items()})


class _Resource:
    """One resource of which something is to be undone."""

    def __init__(
        self,
        it: runtime.Installation,
        consumer: str,
        title: TitleKey,
        resource: Resource,
        images: Sequence[Image],
        looked: Looked | None,
    ) -> None:
        self.consumer, self.title, self.resource, self.looked = consumer, title, resource, looked
        self.target = it.targets.get(resource.target)
        #: The field that, empty, takes the whole resource away.
        self.emptied: FieldKey | None = getattr(self.target, "emptied", {}).get(resource.kind)
        self.cells: list[Cell] = []
        self.back: dict[FieldKey, Json] = {}
        by_field: dict[FieldKey, list[Image]] = {}
        for each in images:
            by_field.setdefault(each.field, []).append(each)
        created = any(each.chosen for each in by_field.get(CREATED, ()))
        if looked is None or self.target is None:
            self._say(CREATED, "no longer planned", "no plan of today names it")
        elif (another := left_to(looked.planned, looked.have, looked.title)) is not None:
            self._say(CREATED, "no longer planned", f"{another} has it now")
        elif created and self.emptied is not None:
            self._created(looked, by_field[CREATED])
        else:
            if created:
                self._say(CREATED, "not undoable", "it was created then; records are marked withdrawn, never deleted")
            for key, some in sorted(by_field.items()):
                if key != CREATED and any(each.chosen for each in some):
                    self._field(looked, key, some)

    def _say(self, key: FieldKey, verdict: Verdict, why: str = "", is_: Json = None, becomes: Json = None) -> None:
        self.cells.append(Cell(self.consumer, self.title, self.resource, key, verdict, why, is_, becomes))

    def _created(self, looked: Looked, images: Sequence[Image]) -> None:
        if looked.actual is None:
            self._say(CREATED, "already so", "it is not there")
        elif any(not each.chosen and each.number > min(i.number for i in images) for each in images):
            self._say(CREATED, "changed since", "it was made again since")
        elif self.emptied is not None:
            self.back[self.emptied] = None
            self._say(CREATED, "taken away", "it was created then", dict(looked.actual.fields))

    def _field(self, looked: Looked, key: FieldKey, images: Sequence[Image]) -> None:
        stands = looked.actual.fields.get(key) if looked.actual else None
        wanted = looked.put.desired.fields if isinstance(looked.put.desired, Ensure) else {}
        says = wanted.get(key, NOT_NAMED)
        verdict, why, value = judge(images, stands, says, lambda one, other: self._same(key, one, other))
        self._say(key, verdict, why, stands, value)
        if verdict in ("put back", "already so") and not self._as_planned(looked, key, value):
            self.back[key] = value

    def _as_planned(self, looked: Looked, key: FieldKey, value: Json) -> bool:
        """Whether the plan by itself says so, or leaves the field alone and it is so."""
        fields = dict(looked.planned.fields) if isinstance(looked.planned, Ensure) else {}
        if key not in fields:
            stands = looked.actual.fields.get(key) if looked.actual else None
            return self._same(key, value, stands)
        return self._same(key, value, fields[key])

    def _same(self, key: FieldKey, one: Json, other: Json) -> bool:
        if one is None or other is None:
            return one is None and other is None
        assert self.target is not None
        return self.target.same(self.resource, key, one, other)

    def pinned(self, old: Pins) -> Pins:
        """The pins of the resource afterwards; one whose value the plan has by itself is taken back."""
        if self.looked is None:
            return old
        fields = dict(self.looked.planned.fields) if isinstance(self.looked.planned, Ensure) else {}
        settled_ = {each.field for each in self.cells if each.verdict in ("put back", "already so")}
        lifted = [key for key in old.fields if key in settled_ and key not in self.back]
        new = {key: Pin(pins.printed(fields, key), value, _NEW) for key, value in self.back.items()}
        return old.without(lifted).with_fields(new)


async def _images(c: AsyncConnection, selection: Selection) -> dict[tuple[str, Resource], tuple[TitleKey, list[Image]]]:
    """All images of the resources of which some are chosen."""
    b = before_table.c
    chosen = sa.select(before_table).where(b.at >= selection.since)
    chosen = chosen.where(b.title == selection.title) if selection.title else chosen
    chosen = chosen.where(HAS_RUN, b.run == selection.run) if selection.run else chosen
    rows = (await c.execute(chosen.order_by(b.number))).all()
    numbers = {row.number for row in rows}
    title = {_place(row): TitleKey(row.title) for row in rows}
    out: dict[tuple[str, Resource], tuple[TitleKey, list[Image]]] = {place: (t, []) for place, t in title.items()}
    for row in await _all_of(c, {(r.target, r.kind, r.id) for r in rows}):
        if (found := out.get(_place(row))) is not None:
            image = Image(row.number, FieldKey(row.field), load(row.was), load(row.becomes), row.number in numbers)
            found[1].append(image)
    return out


async def _all_of(c: AsyncConnection, resources: Iterable[tuple[str, str, str]]) -> list[Any]:
    b, keys = before_table.c, sorted(resources)
    out: list[Any] = []
    for start in range(0, len(keys), CHUNK):
        where = sa.tuple_(b.target, b.kind, b.id).in_(keys[start : start + CHUNK])
        out += (await c.execute(sa.select(before_table).where(where))).all()
    return out


def _place(row: Any) -> tuple[str, Resource]:
    return row.consumer, Resource(row.target, row.kind, row.id)
