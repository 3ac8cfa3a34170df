"""Which record is which product: pure, and the same for the same input in any order.

| class | when |
|---|---|
| settled | linked already, or made by us |
| sure | one product and one record, each the other's only candidate, by right ISBNs or by our marker |
| doubtful | twins, one ISBN on two products, a wrong check digit, by fields alone, or another title altogether |
| missing | a product that no record fits |
| foreign | a record that fits no product, or one whose product has another record already |
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from frontlist.linking import isbn
from frontlist.linking.wording import plain, strangers

MARKER, ISBN, WRONG_ISBN = "our marker", "the same ISBN", "the same ISBN but for a wrong check digit"
REFERENCE, FIELDS = "their records refer to each other", "the same"
STRONG = frozenset({MARKER, ISBN, REFERENCE})


@dataclass(frozen=True)
class Source:
    """A product, or a title, of Consonance. `names`: its titles; `fields`: canonical field -> value."""

    id: str
    title: str
    isbns: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """A living record. `claims`: source id -> why the record itself says to be that one's."""

    id: str
    isbns: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class Pair:
    """A source and a record that may be the same, and why; `doubts`: why it is not sure."""

    source: str
    record: str
    reasons: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class Doubt:
    """A source whose record a person has to name."""

    source: str
    pairs: tuple[Pair, ...]

    @property
    def records(self) -> tuple[str, ...]:
        return tuple(pair.record for pair in self.pairs)


@dataclass(frozen=True, order=True)
class Foreign:
    """`twin_of`: the sources that it fits, which have another record already."""

    record: str
    twin_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Classified:
    """Every source is in one of the first four, every record in one of the others than `missing`; all sorted."""

    settled: tuple[Pair, ...]
    sure: tuple[Pair, ...]
    doubtful: tuple[Doubt, ...]
    missing: tuple[str, ...]
    foreign: tuple[Foreign, ...]

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(getattr(self, name)) for name in ("settled", "sure", "doubtful", "missing", "foreign")}


def classify(
    sources: Iterable[Source],
    records: Iterable[Record],
    *,
    settled: Mapping[str, str] | None = None,
    refused: AbstractSet[tuple[str, str]] = frozenset(),
    by: Sequence[str] = (),
) -> Classified:
    """`settled`: source id -> record id that stands. `refused`: pairs that a person ruled out. `by`: the canonical
    fields that must all agree where no ISBN decides.
    """
    known = {each.id: each for each in sources}
    found = {each.id: each for each in records}
    standing = {source: record for source, record in (settled or {}).items() if source in known}
    # A settled link may name a record that is gone: its product still has its answer.
    taken = set((settled or {}).values())
    edges = _edges(known, found, by)
    open_ = {
        (source, record): why
        for (source, record), why in edges.items()
        if source not in standing and record not in taken and (source, record) not in refused
    }
    sure, doubtful = _judged(open_, known, found)
    busy = {record for _, record in open_} | taken
    return Classified(
        settled=tuple(sorted(Pair(source, record) for source, record in standing.items())),
        sure=tuple(sorted(sure)),
        doubtful=tuple(sorted(doubtful)),
        missing=tuple(sorted(set(known) - set(standing) - {source for source, _ in open_})),
        foreign=tuple(_foreign(record, edges, standing) for record in sorted(set(found) - busy)),
    )


def _foreign(record: str, edges: Mapping[tuple[str, str], list[str]], standing: Mapping[str, str]) -> Foreign:
    return Foreign(record, tuple(sorted(s for s, r in edges if r == record and s in standing)))


Edges = Mapping[tuple[str, str], list[str]]


def _judged(edges: Edges, known: Mapping[str, Source], found: Mapping[str, Record]) -> tuple[list[Pair], list[Doubt]]:
    of_source: dict[str, list[str]] = defaultdict(list)
    of_record: dict[str, list[str]] = defaultdict(list)
    for source, record in sorted(edges):
        of_source[source].append(record)
        of_record[record].append(source)
    sure: list[Pair] = []
    doubtful: list[Doubt] = []
    for source, candidates in of_source.items():
        pairs = [
            Pair(source, record, tuple(edges[source, record]), _doubts(known[source], found[record], edges, of_record))
            for record in candidates
        ]
        if len(pairs) == 1 and not pairs[0].doubts:
            sure.append(pairs[0])
        else:
            doubtful.append(Doubt(source, tuple(pairs)))
    return sure, doubtful


def _doubts(source: Source, record: Record, edges: Edges, of_record: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Why this pair is not sure; that the source has several records is seen from the doubt itself."""
    why = edges[source.id, record.id]
    others = [each for each in of_record[record.id] if each != source.id]
    said = [f"the record also fits {', '.join(others[:3])}{' and more' if len(others) > 3 else ''}"] if others else []
    if not STRONG & set(why):
        said += [reason for reason in why if reason not in STRONG]
    if MARKER not in why and strangers(source.names, record.names):
        said.append(f"another title: {source.names[0]!r} and {record.names[0]!r}")
    if MARKER in why and _contradicts(source, record):
        said.append("our marker is on it, but it has the ISBN of another product")
    return tuple(said)


def _contradicts(source: Source, record: Record) -> bool:
    ours, theirs = _right(source.isbns), _right(record.isbns)
    return bool(ours and theirs) and not ours & theirs


def _edges(known: Mapping[str, Source], found: Mapping[str, Record], by: Sequence[str]) -> Edges:
    """Every pair that something speaks for."""
    edges: dict[tuple[str, str], list[str]] = defaultdict(list)
    for record in found.values():
        for source_id, reason in record.claims.items():
            if source_id in known:
                edges[source_id, record.id].append(reason)
    for source_id, record_id, right in _by_isbn(known.values(), found.values()):
        edges[source_id, record_id].append(ISBN if right else WRONG_ISBN)
    for pair in _by_fields(known.values(), found.values(), by):
        if pair not in edges:
            edges[pair].append(f"{FIELDS} {', '.join(by)}")
    return edges


def _by_isbn(sources: Iterable[Source], records: Iterable[Record]) -> list[tuple[str, str, bool]]:
    """(source, record, whether both state it rightly), each pair once."""
    by_key: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for source in sources:
        for key, right in _keys(source.isbns).items():
            by_key[key].append((source.id, right))
    best: dict[tuple[str, str], bool] = {}
    for record in records:
        for key, right in _keys(record.isbns).items():
            for source_id, source_right in by_key.get(key, ()):
                pair = (source_id, record.id)
                best[pair] = best.get(pair, False) or (right and source_right)
    return [(source, record, right) for (source, record), right in best.items()]


def _by_fields(sources: Iterable[Source], records: Iterable[Record], by: Sequence[str]) -> list[tuple[str, str]]:
    """Only where one side has no right ISBN: two right ones that differ are two products, whatever they are called."""
    if not by:
        return []
    by_value: dict[tuple[str, ...], list[Source]] = defaultdict(list)
    for source in sources:
        if (value := _value(source.fields, by)) is not None:
            by_value[value].append(source)
    return [
        (source.id, record.id)
        for record in records
        if (value := _value(record.fields, by)) is not None
        for source in by_value.get(value, ())
        if not (_right(source.isbns) and _right(record.isbns))
    ]


def _value(fields: Mapping[str, str], by: Sequence[str]) -> tuple[str, ...] | None:
    """The fields in one form; None where one is empty, since two empty fields have nothing in common."""
    value = tuple(plain(fields.get(name) or "") for name in by)
    return value if all(value) else None


def _keys(stated: Iterable[str]) -> dict[str, bool]:
    keys: dict[str, bool] = {}
    for text in stated:
        if (read := isbn.read(text)) is not None:
            keys[read.key] = keys.get(read.key, False) or read.right
    return keys


def _right(stated: Iterable[str]) -> set[str]:
    return {key for key, right in _keys(stated).items() if right}
