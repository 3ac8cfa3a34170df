"""What a consumer is tried on: dossiers, and variants of them in which one thing is otherwise."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from frontlist.contract import Context, Document, DocumentKey, Dossier, Json, State
from frontlist.testing.building import dossier, sample
from frontlist.testing.samples import BODIES
from frontlist_schemas import UnreadableRecordError, parse


@dataclass(frozen=True)
class Case:
    """One input of `plan`; `label` says in words what is special about it."""

    label: str
    dossier: Dossier
    context: Context

    def at(self, **changes: Any) -> Case:
        """The same with other fields of the context."""
        return replace(self, context=replace(self.context, **changes))

    def instead(self, what: str, *documents: Document) -> Case:
        """The same with these documents in place of those that it has."""
        found = {**self.dossier.documents, **{each.key: each for each in documents}}
        return replace(self, label=f"{self.label}, {what}", dossier=replace(self.dossier, documents=found))

    def only(self, keys: Collection[DocumentKey]) -> Case:
        """The same with no documents but these."""
        left = {key: each for key, each in self.dossier.documents.items() if key in keys}
        return replace(self, dossier=replace(self.dossier, documents=left))

    def bodies(self) -> Iterator[tuple[Document, Mapping[str, Json]]]:
        """The present documents."""
        return ((each, each.body) for each in self.dossier.documents.values() if each.present and each.body is not None)


def cases(given: Iterable[Dossier], context: Context) -> list[Case]:
    """Those given, our samples, a title of which nothing is known, and an object that no title claims."""
    whole = [sample(key.system, key.aspect) for key in BODIES]
    found = [Case(f"the given dossier {i} ({each.title})", each, context) for i, each in enumerate(given, 1)]
    found.append(Case("the sample title", dossier("work:1", *whole), context))
    found.append(Case("a title of which nothing is known", dossier("work:2"), context))
    lone = sample("fourallportal", "metadata")
    found.append(Case("an object that no title claims", dossier("object:product/41", lone), context))
    for case in found:
        for each, body in case.bodies():
            _well_formed(case, each, body)
    return found


def _well_formed(case: Case, document: Document, body: Mapping[str, Json]) -> None:
    try:
        parse(document.key.system, document.key.aspect, body)
    except UnreadableRecordError as error:
        raise ValueError(
            f"{case.label}: no such document reaches a consumer: {error}. "
            f"Cure: start from `sample({document.key.system!r}, {document.key.aspect!r}, ...)`"
        ) from error


def unknown(case: Case) -> Iterator[Case]:
    """Each document unseen, and unreadable with and without what was last readable."""
    for each, _ in case.bodies():
        yield replace(case.only(case.dossier.documents.keys() - {each.key}), label=f"{case.label}, {each.key} unseen")
        yield _stated(case, each, "unreadable", reason="not to be parsed", last_readable=each.revision)
        yield _stated(case, each, "unreadable", body=None, reason="not to be parsed")


def gone(case: Case) -> Iterator[Case]:
    """Each document gone, then all of them."""
    for each, _ in case.bodies():
        yield _stated(case, each, "gone", body=None, reason="deleted")
    every = [replace(each, state="gone", body=None, reason="deleted") for each, _ in case.bodies()]
    yield case.instead("all documents gone", *every)


def _stated(case: Case, document: Document, state: State, **fields: Any) -> Case:
    how = " without a body" if state == "unreadable" and "body" in fields else ""
    return case.instead(f"{document.key} {state}{how}", replace(document, state=state, **fields))


def slimmed(case: Case) -> Iterator[Case]:
    """Each field, at the top of a body or in the first entry of a list, left out, null or empty where it may be."""
    for each, body in case.bodies():
        for where, other in _slimmer(body):
            if _may_be(each.key, other):
                yield case.instead(f"{each.key} {where}", replace(each, body=other))


def _slimmer(body: Mapping[str, Json]) -> Iterator[tuple[str, dict[str, Json]]]:
    for name, value in body.items():
        yield f"without {name}", {key: each for key, each in body.items() if key != name}
        if value is not None:
            yield f"with {name} = null", {**body, name: None}
        if value != []:
            yield f"with {name} = []", {**body, name: []}
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            for where, inner in _slimmer(value[0]):
                yield f"{where} in {name}[0]", {**body, name: [inner, *value[1:]]}


def _may_be(key: DocumentKey, body: Mapping[str, Json]) -> bool:
    try:
        return parse(key.system, key.aspect, body) is not None
    except UnreadableRecordError:
        return False


def renamed(case: Case) -> Case:
    """Other titles and other (right) ISBNs for the same works and products."""
    numbers = count(1)
    return case.instead(
        "renamed and with other ISBNs", *(replace(each, body=_renamed(body, numbers)) for each, body in case.bodies())
    )


def _renamed(value: Json, numbers: Iterator[int], name: str = "") -> Json:
    if isinstance(value, Mapping):
        return {key: _renamed(each, numbers, key) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_renamed(each, numbers, name) for each in value]
    if not isinstance(value, str) or not value:
        return value
    if "isbn" in name and sum(sign.isdigit() for sign in value) == 13:
        return _isbn(next(numbers))
    return f"{value}, renamed" if name.endswith("title") else value


def _isbn(number: int) -> str:
    digits = f"978{1_000_000 + number:09d}"
    total = sum(int(digit) * (3 if i % 2 else 1) for i, digit in enumerate(digits))
    return f"{digits}{-total % 10}"
