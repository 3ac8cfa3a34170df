"""A YAML section that knows its lines, so that every complaint names the place."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from frontlist.mapping.problems import MappingError, Problem


def parse(text: str, file: str) -> Section:
    """The whole file as a section; raises MappingError where it is no YAML or no mapping."""
    try:
        data = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise MappingError(file, [Problem(line, f"not valid YAML: {error.problem}", "correct the line")]) from error
    except (YAMLError, ValueError) as error:
        raise MappingError(file, [Problem(1, f"not valid YAML: {error}", "correct the file")]) from error
    if not isinstance(data, CommentedMap):
        cure = "start from the mapping that `frontlist init` writes"
        raise MappingError(file, [Problem(1, "the mapping is no YAML mapping", cure)])
    return Section(data, 1, [])


class Section:
    """Reads keys by their kind; what does not fit is noted in `problems` and read as absent."""

    def __init__(self, data: CommentedMap, line: int, problems: list[Problem]) -> None:
        self.data, self.line, self.problems = data, line, problems
        self.known: set[str] = set()

    def at(self, key: str) -> int:
        """The line of a key; of the section where the key is not there."""
        self.known.add(key)
        position = self.data.lc.data or {}
        return int(position[key][0]) + 1 if key in position else self.line

    def problem(self, key: str | None, what: str, cure: str) -> None:
        self.problems.append(Problem(self.at(key) if key else self.line, what, cure))

    def has(self, key: str) -> bool:
        self.known.add(key)
        return self.data.get(key) is not None

    def raw(self, key: str) -> Any:
        self.known.add(key)
        return self.data.get(key)

    def text(self, key: str, *, required: str = "") -> str | None:
        """A string. `required`: the cure if it is missing."""
        value = self.raw(key)
        if value is None:
            if required:
                self.problem(key, f"`{key}` is missing", required)
            return None
        return self._string(key, value)

    def _string(self, key: str, value: object) -> str | None:
        if isinstance(value, str) and value:
            return str(value)
        cure = f'write it in quotes: "{value}"' if isinstance(value, int) else "write one text"
        self.problem(key, f"`{key}` is {_kind(value)}, not a text", cure)
        return None

    def texts(self, key: str) -> list[str]:
        """A list of strings; one string is a list of one."""
        value = self.raw(key)
        if value is None:
            return []
        found = [self._string(key, each) for each in (value if isinstance(value, CommentedSeq) else [value])]
        return [each for each in found if each is not None]

    def choice(self, key: str, allowed: Sequence[str], default: str) -> str:
        value = self.text(key)
        if value is None or value in allowed:
            return value or default
        self.problem(key, f"`{key}` is '{value}'", f"use one of {', '.join(allowed)}{nearest(value, allowed)}")
        return default

    def whole(self, key: str) -> int | None:
        value = self.raw(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
            return None if value is None else int(value)
        self.problem(key, f"`{key}` is {_kind(value)}, not a whole number", "write a number from 0")
        return None

    def section(self, key: str) -> Section | None:
        value = self.raw(key)
        if value is None:
            return None
        if isinstance(value, CommentedMap):
            return Section(value, self.at(key), self.problems)
        self.problem(key, f"`{key}` is {_kind(value)}, not a section", "indent its keys below it")
        return None

    def sections(self, key: str) -> list[Section]:
        """A list of sections; one section is a list of one."""
        value = self.raw(key)
        if value is None:
            return []
        if isinstance(value, CommentedMap):
            return [Section(value, self.at(key), self.problems)]
        if isinstance(value, CommentedSeq):
            return list(self._items(key, value))
        self.problem(key, f"`{key}` is {_kind(value)}, not a list of sections", "begin each with a dash")
        return []

    def _items(self, key: str, items: CommentedSeq) -> Iterator[Section]:
        for index, item in enumerate(items):
            line = int(items.lc.item(index)[0]) + 1
            if isinstance(item, CommentedMap):
                yield Section(item, line, self.problems)
            else:
                self.problems.append(Problem(line, f"an item of `{key}` is {_kind(item)}", "write `key: value` pairs"))

    def keys(self) -> list[str]:
        """All keys, each taken as known; one that is no text is a problem."""
        for key in self.data:
            if not isinstance(key, str):
                self.problem(None, f"the key {key!r} is {_kind(key)}, not a text", f'write "{key}" in quotes')
        names = [str(key) for key in self.data if isinstance(key, str)]
        self.known.update(names)
        return names

    def finish(self) -> None:
        """Complains of keys that nobody read."""
        for key in self.data:
            if key not in self.known:
                cure = f"remove it or use one of {', '.join(sorted(self.known))}{nearest(str(key), sorted(self.known))}"
                self.problem(str(key), f"`{key}` is no setting here", cure)


def nearest(word: str, words: Sequence[str]) -> str:
    """` (did you mean x?)`, or nothing."""
    near = difflib.get_close_matches(word, words, 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text"}
    if isinstance(value, CommentedMap):
        return "a section"
    if isinstance(value, CommentedSeq):
        return "a list"
    if value is None or value == "":
        return "empty"
    return next((name for kind, name in names.items() if isinstance(value, kind)), type(value).__name__)
