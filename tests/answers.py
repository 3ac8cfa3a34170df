"""Holds what `--json` printed to the shape that the page of commands shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

from frontlist.cli.answers import ANSWERS


def answer(command: str, printed: str) -> Any:
    """The value; fails where standard output held anything else, or the value is of another shape."""
    found = json.loads(printed)
    wrong = "\n".join(faults(ANSWERS[command], found))
    assert not wrong, wrong
    return found


def faults(kind: Any, value: Any, at: str = "it") -> Iterator[str]:
    """Where a value is not of a type of `frontlist.cli.answers`."""
    arguments = get_args(kind)
    if kind is Any:
        return
    if is_typeddict(kind):
        yield from _keys(kind, value, at)
    elif get_origin(kind) is list:
        if not isinstance(value, list):
            yield f"{at} is no list: {value!r}"
            return
        for n, each in enumerate(value):
            yield from faults(arguments[0], each, f"{at}[{n}]")
    elif get_origin(kind) is dict:
        if not isinstance(value, dict):
            yield f"{at} is no object: {value!r}"
            return
        for name, each in value.items():
            yield from faults(arguments[1], each, f"{at}.{name}")
    elif get_origin(kind) is Literal:
        if value not in arguments:
            yield f"{at} is {value!r}, none of {arguments}"
    elif arguments:
        if all(list(faults(each, value)) for each in arguments):
            yield f"{at} is {value!r}, not {kind}"
    elif not _is(kind, value):
        yield f"{at} is {value!r}, not {kind.__name__}"


def _is(kind: type, value: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _keys(kind: Any, value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at} is no object: {value!r}"
        return
    hints = get_type_hints(kind)
    for name in sorted(value.keys() - hints.keys()):
        yield f"{at}.{name} is shown on no page"
    for name, each in hints.items():
        if name in value:
            yield from faults(each, value[name], f"{at}.{name}")
        elif name in kind.__required_keys__:
            yield f"{at}.{name} is missing"
