"""What is wrong with a mapping: where, what, and what cures it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from frontlist.errors import ConfigurationError


@dataclass(frozen=True)
class Problem:
    """An `error` refuses to start; a `warning` is shown by `frontlist check`."""

    line: int
    what: str
    cure: str
    severity: Literal["error", "warning"] = "error"

    def at(self, file: str) -> str:
        return f"{file}:{self.line}: {self.what}. Cure: {self.cure}"


class MappingError(ConfigurationError):
    """All that is wrong with a mapping at once, in the order of its lines."""

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.file = file
        self.problems: Sequence[Problem] = tuple(sorted(problems, key=lambda each: (each.line, each.what)))
        first = self.problems[0]
        super().__init__(first.what, where=f"{file}:{first.line}", cure=first.cure)

    def __str__(self) -> str:
        return "\n".join(problem.at(self.file) for problem in self.problems)
