"""What matching needs: products and titles from the dossiers, records from the tenant as they are now.

The mirror of raw objects holds the fields that 4ALLPORTAL owns; ISBN and title of a record are Consonance's cells, so
they are read from the tenant (100 records a call).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from frontlist import runtime
from frontlist.clock import chosen_id
from frontlist.contract import DocumentKey, Json, Resource, TitleKey
from frontlist.errors import ConfigurationError, UnreadableError
from frontlist.linking.facts import product_facts, work_facts
from frontlist.linking.matching import MARKER, Record, Source
from frontlist.mapping import Cell, FieldRule, ModuleRule
from frontlist.progress import Say
from frontlist.state import dossier, feeds, mirror, settled
from frontlist.state.database import takes_long
from frontlist.systems.fourallportal import values
from frontlist.systems.fourallportal.client import ApiObject
from frontlist.systems.fourallportal.modules import Module
from frontlist.systems.fourallportal.records import field_cells

TARGET = "fourallportal"
ISBNS = ("isbn", "isbn_dashes")
NAMES = ("title", "work_title")
#: What must agree where no ISBN decides, as far as the mapping has it; of the last ones the first.
BY: Mapping[str, tuple[str, ...]] = {"product": ("title", "imprint"), "title": ("work_title", "authorship", "imprint")}
BY_FORM = ("in_house_format", "product_form", "product_kind")
CHUNK = 500


@dataclass(frozen=True)
class Compared:
    """A field of the module and the canonical field that it is compared with."""

    canonical: str
    cell: Cell
    values: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Options:
    """`by`: module field=canonical field, or a canonical field that the mapping has; `isbn`: further fields."""

    by: tuple[str, ...] = ()
    isbn: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gathered:
    """All that is known of one module. `settled`: source -> record; `refused`: pairs that a person ruled out."""

    role: str
    module: str
    sources: Mapping[str, Source]
    records: Mapping[str, Record]
    settled: Mapping[str, str]
    refused: frozenset[tuple[str, str]]
    by: tuple[str, ...]
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


async def ready(it: runtime.Installation) -> None:
    """Refuses while one of the systems has not been read through: what is not known yet would look missing."""
    async with it.db.read() as c:
        for name, source in it.sources.items():
            known = await feeds.states(c, name)
            waiting = [
                feed.name for feed in source.feeds if feed.name not in known or not known[feed.name].completed_at
            ]
            if waiting:
                raise ConfigurationError(
                    f"{name} has not been read through yet ({', '.join(waiting)})",
                    where=it.db.name,
                    cure="let `frontlist run` finish its first pass; `frontlist status` shows it",
                )


async def gather(it: runtime.Installation, module: ModuleRule, options: Options, say: Say) -> Gathered:
    """Sources of the dossiers, and records as the tenant shows them now."""
    compared = list(_compared(module, options))
    sources = {each.id: each for each in await _sources(it, module, compared)}
    described = await it.fourallportal.module(module.module)
    records: dict[str, Record] = {}
    references: dict[str, tuple[str, ...]] = {}
    reader = _Reader(module, described, compared, options)
    async for shown in _living(it, module.module, described, reader.fields, say):
        record = reader.record(shown)
        records[record.id], references[record.id] = record, reader.references(shown)
    standing = await _settled(it, module.module, sources.values(), records)
    refused = await _refused(it, module.module)
    by = tuple(each.canonical for each in compared)
    return Gathered(module.role, module.module, sources, records, standing, refused, by, references)


def _compared(module: ModuleRule, options: Options) -> Iterator[Compared]:
    rules = {rule.canonical: rule for rule in module.fields}
    if options.by and module.role == "product":
        for said in options.by:
            yield _configured(said, rules)
        return
    form = next((name for name in BY_FORM if name in rules), None) if module.role == "product" else None
    names = [name for name in (*BY[module.role], form) if name is not None and name in rules]
    # A title alone is no match: half of all publishers have a "Selected Poems".
    if len(names) > 1:
        yield from (Compared(name, rules[name].cell, rules[name].values) for name in names)


def _configured(said: str, rules: Mapping[str, FieldRule]) -> Compared:
    name, sign, canonical = said.partition("=")
    known = {*product_facts({}, {}, {}, {}), *rules}
    wanted = canonical if sign else name
    if wanted not in product_facts({}, {}, {}, {}) or (not sign and wanted not in rules):
        raise ConfigurationError(
            f"records cannot be compared by {said!r}",
            where="--by",
            cure=f"write field=canonical, or a mapped canonical field; there are {', '.join(sorted(known))}",
        )
    rule = rules.get(wanted)
    values_ = rule.values if rule is not None and (not sign or rule.cell.field == name) else None
    return Compared(wanted, Cell(name) if sign else rules[name].cell, values_)


# --- Consonance -----------------------------------------------------------------------------------------------------


async def _sources(it: runtime.Installation, module: ModuleRule, compared: Sequence[Compared]) -> list[Source]:
    found: list[Source] = []
    async with it.db.read() as c:
        await takes_long(c)
        titles = await dossier.titles(c, [DocumentKey("consonance", "formats")])
        for start in range(0, len(titles), CHUNK):
            dossiers = await dossier.dossiers(c, titles[start : start + CHUNK], {})
            for title, each in dossiers.items():
                bodies = {
                    aspect: _body(each.get("consonance", aspect)) for aspect in ("metadata", "formats", "milestones")
                }
                found += _of_title(title, bodies, module, compared)
    return found


def _body(document: Any) -> Mapping[str, Json]:
    """An unreadable document's last readable body too: its records must not look foreign meanwhile."""
    return document.body if document.state in ("present", "unreadable") and document.body else {}


def _of_title(
    title: TitleKey, bodies: Mapping[str, Mapping[str, Json]], module: ModuleRule, compared: Sequence[Compared]
) -> Iterator[Source]:
    if not bodies["formats"] or not title.startswith("work:"):
        return
    metadata = bodies["metadata"]
    if module.role == "title":
        facts = work_facts(metadata)
        yield Source(title.removeprefix("work:"), title, (), _names(facts), _fields(facts, compared))
        return
    by_id = {aspect: _by_id(bodies[aspect]) for aspect in bodies}
    for id_, one in by_id["formats"].items():
        facts = product_facts(metadata, by_id["metadata"].get(id_, {}), one, by_id["milestones"].get(id_, {}))
        isbns = tuple(text for text in (facts["isbn"],) if text)
        yield Source(str(id_), title, isbns, _names(facts), _fields(facts, compared))


def _by_id(body: Mapping[str, Json]) -> dict[int, Mapping[str, Json]]:
    return {each["id"]: each for each in body.get("products") or () if isinstance(each, Mapping) and "id" in each}


def _names(facts: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(facts[name] for name in NAMES if facts.get(name)))


def _fields(facts: Mapping[str, str], compared: Sequence[Compared]) -> dict[str, str]:
    """As the record would hold them: through the value options of the mapping."""
    found = {each.canonical: facts.get(each.canonical, "") for each in compared}
    return {each.canonical: (each.values or {}).get(found[each.canonical], found[each.canonical]) for each in compared}


async def _settled(
    it: runtime.Installation, module: str, sources: Iterable[Source], records: Mapping[str, Record]
) -> dict[str, str]:
    """By link, else made by us: only we can have derived that id."""
    known = {each.id: TitleKey(each.title) for each in sources}
    own = {id_: chosen_id(it.settings.tenant, module, id_) for id_ in known}
    standing = {id_: record for id_, record in own.items() if record in records}
    titles = sorted(set(known.values()))
    async with it.db.read() as c:
        await takes_long(c)
        for start in range(0, len(titles), CHUNK):
            found = await settled.links_of(c, titles[start : start + CHUNK])
            for links in found.values():
                standing |= {r.id: id_ for r, id_ in links.items() if (r.target, r.kind) == (TARGET, module)}
    return standing


async def _refused(it: runtime.Installation, module: str) -> frozenset[tuple[str, str]]:
    async with it.db.read() as c:
        found = await settled.decisions(c, "unlinked")
    mine = {Resource(*key.split("/", 2)): body for key, body in found.items() if key.count("/") >= 2}
    return frozenset((at.id, record) for at, body in mine.items() if at.kind == module for record in body["records"])


# --- 4ALLPORTAL -----------------------------------------------------------------------------------------------------


class _Reader:
    """What one module's objects say."""

    def __init__(self, module: ModuleRule, described: Module, compared: Sequence[Compared], options: Options) -> None:
        rules = {rule.canonical: rule.cell for rule in module.fields}
        self.described, self.compared = described, compared
        self.marker = module.markers.product if module.role == "product" else module.markers.work
        wanted = [rules[name].field for name in ISBNS if name in rules] if module.role == "product" else []
        self.isbns = [*wanted, *(options.isbn if module.role == "product" else ())]
        self.names = [rules[name].field for name in NAMES if name in rules]
        refers = "title_record" if module.role == "product" else "product_records"
        self.refers = rules[refers].field if refers in rules else None
        marker = [self.marker] if self.marker else []
        asked = {*self.isbns, *self.names, *marker, *(each.cell.field for each in compared)}
        self.fields = sorted(asked | ({self.refers} if self.refers else set()))
        unknown = sorted({*options.isbn, *(each.cell.field for each in compared)} - set(described.by_name))
        if unknown and module.role == "product":
            raise ConfigurationError(
                f"module {module.module} has no field {', '.join(unknown)}",
                where="--by, --isbn",
                cure="name fields that the module has: `frontlist check`",
            )

    def record(self, shown: ApiObject) -> Record:
        id_ = str(shown["id"])
        stated = values.normal(next(iter(self._texts(shown, self.marker)), None), "CELong") if self.marker else None
        claims = {str(stated): MARKER} if isinstance(stated, int) and stated > 0 else {}
        return Record(
            id=id_,
            isbns=tuple(dict.fromkeys(text for name in self.isbns for text in self._texts(shown, name))),
            names=tuple(dict.fromkeys(text for name in self.names for text in self._texts(shown, name))),
            fields={each.canonical: self._value(shown, each.cell) for each in self.compared},
            claims=claims,
        )

    def references(self, shown: ApiObject) -> tuple[str, ...]:
        """The records that this one refers to."""
        return tuple(self._texts(shown, self.refers)) if self.refers else ()

    def _texts(self, shown: ApiObject, name: str) -> list[str]:
        """All values of a field, of every locale and channel, as texts."""
        return [text for cell in self._cells(shown, name) for text in _listed(cell[1])]

    def _value(self, shown: ApiObject, cell: Cell) -> str:
        found = dict(self._cells(shown, cell.field))
        value = found.get(cell.dimensions, found.get(()))
        return " ".join(_listed(value))

    def _cells(self, shown: ApiObject, name: str) -> list[tuple[tuple[tuple[str, str], ...], Json]]:
        try:
            return [(cell.dimensions, cell.value) for cell in field_cells(shown, self.described, name)]
        except UnreadableError:
            return []  # no evidence; capture reports what is wrong with the record


def _listed(value: Json) -> list[str]:
    """Text, numbers and lists of them; others are no evidence."""
    items = value if isinstance(value, list) else [value]
    return [str(item) for item in items if isinstance(item, str | int) and not isinstance(item, bool)]


async def _living(it: runtime.Installation, module: str, described: Module, fields: Sequence[str], say: Say) -> Any:
    """The records of a sweep; those that the mirror knows and the sweep missed are asked for by id."""
    has = [name for name in fields if name in described.by_name]
    seen: set[str] = set()
    async for shown in it.fourallportal.objects(module, ["id", *has]):
        id_ = str(shown["id"])
        if id_ not in seen:
            seen.add(id_)
            if len(seen) % 500 == 0:
                say(f"{module}: {len(seen)} records read")
            yield shown
    async with it.db.read() as c:
        await takes_long(c)
        mirrored = await _mirrored(c, module)
    for id_ in sorted(mirrored - seen):
        alone = await it.fourallportal.get(module, id_, has)
        if alone is not None:
            yield alone
    say(f"{module}: {len(seen)} records read")


async def _mirrored(connection: Any, module: str) -> set[str]:
    titles = await mirror.titles(connection, TARGET)
    keys = []
    for start in range(0, len(titles), CHUNK):
        raws = await mirror.raws_of(connection, TARGET, titles[start : start + CHUNK])
        keys += [key for found in raws.values() for key, raw in found.items() if raw.body is not None]
    return {key.id for key in keys if key.kind == module}
