"""Which records are products of the same work.

WorkRelation 01 with the same id; else the closure of the product relations 06, 13 and 27 in both directions, also
over a product that only relations name; else a product is a work by itself. A bundle joins its parts (01, 02,
ProductPart) only where they bear its title: several formats sold together are one title, a boxed set is not.
Records with different work ids are never joined by a product relation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from frontlist_sandbox.catalogue.drafts import Draft
from frontlist_sandbox.catalogue.values import is_sound

_Node = int | str


def groups(drafts: Sequence[Draft]) -> list[list[Draft]]:
    """The drafts by work, works and products in the order of the drafts."""
    union = _Union(drafts)
    union.by_work_id()
    union.by_relation()
    union.by_bundle()
    found: dict[_Node, list[Draft]] = {}
    for index, draft in enumerate(drafts):
        found.setdefault(union.root(index), []).append(draft)
    return list(found.values())


class _Union:
    """Disjoint sets over drafts (by index) and numbers that relations name."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        self._drafts = drafts
        self._parents: dict[_Node, _Node] = {}
        self._named: dict[_Node, bool] = {index: bool(draft.work_keys) for index, draft in enumerate(drafts)}
        # An unsound number is a placeholder: it identifies nothing.
        self._owners = {n: i for i, draft in enumerate(drafts) for n in draft.numbers if is_sound(n)}

    def root(self, node: _Node) -> _Node:
        while (parent := self._parents.get(node, node)) != node:
            self._parents[node] = node = self._parents.get(parent, parent)
        return node

    def by_work_id(self) -> None:
        first: dict[tuple[str, str], int] = {}
        for index, draft in enumerate(self._drafts):
            for key in draft.work_keys:
                self._join(index, first.setdefault(key, index))

    def by_relation(self) -> None:
        for index, draft in enumerate(self._drafts):
            for number in self._sound(draft.same_work):
                self._join_unless_other_work(index, self._owners.get(number, number))

    def by_bundle(self) -> None:
        for index, draft in enumerate(self._drafts):
            for number in self._sound(draft.bundles):
                other = self._owners.get(number)
                if other is not None and _title(self._drafts[other]) == _title(draft):
                    self._join_unless_other_work(index, other)

    def _sound(self, numbers: Iterable[str]) -> list[str]:
        return [number for number in numbers if is_sound(number)]

    def _join_unless_other_work(self, index: int, other: _Node) -> None:
        mine, its = self.root(index), self.root(other)
        if mine != its and self._named.get(mine) and self._named.get(its):
            self._drafts[index].note("a relation to a product of another work id does not join their works")
            return
        self._join(index, other)

    def _join(self, one: _Node, other: _Node) -> None:
        into, gone = self.root(one), self.root(other)
        if into != gone:
            self._parents[gone] = into
            self._named[into] = bool(self._named.get(into) or self._named.get(gone))


def _title(draft: Draft) -> str:
    return " ".join(draft.product.full_title.casefold().split())
