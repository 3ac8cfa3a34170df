"""Whose turn it is: the most urgent first, and each tenth time who has waited longest, so that nothing starves."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
#: Each so manieth turn goes by age alone.
FAIR = 10


class Turns(Generic[T]):
    """A queue of (priority, item); the smaller priority is the more urgent."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []
        self._items: dict[int, tuple[int, T]] = {}  # by arrival, in order
        self._arrived = 0
        self._taken = 0
        self._by_priority: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return (item for _, item in self._items.values())

    def push(self, priority: int, item: T) -> None:
        self._arrived += 1
        self._items[self._arrived] = (priority, item)
        self._by_priority[priority] += 1
        heapq.heappush(self._heap, (priority, self._arrived))

    def at_least(self, priority: int) -> int:
        """How many wait that are as urgent as that, or more."""
        return sum(count for each, count in self._by_priority.items() if each <= priority)

    def head(self) -> int:
        """The priority of the most urgent one. Raises IndexError where nothing waits."""
        while self._heap[0][1] not in self._items:
            heapq.heappop(self._heap)
        return self._heap[0][0]

    def pop(self, *, urgent: bool = False) -> T:
        """`urgent`: the most urgent, also in a turn that goes by age. Raises IndexError where nothing waits."""
        self.head()
        self._taken += not urgent
        by_age = not urgent and self._taken % FAIR == 0
        return self._out(next(iter(self._items)) if by_age else self._heap[0][1])

    def remove(self, unwanted: set[T]) -> list[T]:
        """Those of them that waited; they wait no longer."""
        return [self._out(key) for key, (_, item) in list(self._items.items()) if item in unwanted]

    def _out(self, key: int) -> T:
        priority, item = self._items.pop(key)
        self._by_priority[priority] -= 1
        if not self._items:
            self._heap.clear()
        return item
