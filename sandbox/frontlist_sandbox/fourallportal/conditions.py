"""The part of 4APQL that connector conditions need: comparisons, IN, LIKE, IS NULL, AND, OR, parentheses.

A comparison holds if any cell of the field, or any item of a list, meets it; against no value at all only
`IS NULL` holds, as in SQL. Full text (MATCH) and dimensions in brackets are refused: their text is not public.
"""

import operator
import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from frontlist_sandbox.fourallportal.clock import stamp
from frontlist_sandbox.fourallportal.records import Record

Predicate: TypeAlias = Callable[[Record], bool]
Literal: TypeAlias = str | float | bool

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)\b"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<sign><=|>=|!=|[<>=(),]))"
)
_COMPARE: dict[str, Callable[[object, object], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,  # type: ignore[dict-item]  # both sides were brought to one type before
    ">": operator.gt,  # type: ignore[dict-item]
    "<=": operator.le,  # type: ignore[dict-item]
    ">=": operator.ge,  # type: ignore[dict-item]
}


def compile_condition(text: str) -> Predicate:
    """The condition as a function; no text holds always. Raises ValueError that names the place."""
    if not text.strip():
        return lambda record: True
    reader = _Reader(text)
    predicate = reader.either()
    reader.end()
    return predicate


class _Reader:
    """Recursive descent by the vendor's order of precedence."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0

    def either(self) -> Predicate:
        parts = [self._both()]
        while self._take("OR"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda record: any(part(record) for part in parts)

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self._error("the end")

    def _both(self) -> Predicate:
        parts = [self._term()]
        while self._take("AND"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else lambda record: all(part(record) for part in parts)

    def _term(self) -> Predicate:
        if self._take("("):
            inner = self.either()
            self._need(")")
            return inner
        kind, name = self._next("a field name")
        if kind != "word":
            raise self._error("a field name", back=1)
        return self._comparison(name)

    def _comparison(self, name: str) -> Predicate:
        if self._take("IS"):
            wanted = not self._take("NOT")
            self._need("NULL")
            return lambda record: (not any(True for _ in _values(record, name))) is wanted
        negated = self._take("NOT")
        if self._take("IN"):
            return _tested(name, _one_of(self._list()), negated)
        if self._take("LIKE"):
            return _tested(name, _like(str(self._literal())), negated)
        sign = self._next("an operator")[1]
        if negated or sign not in _COMPARE:
            raise self._error("an operator", back=1)
        return _compared(name, sign, self._literal())

    def _list(self) -> list[Literal]:
        self._need("(")
        items = [self._literal()]
        while self._take(","):
            items.append(self._literal())
        self._need(")")
        return items

    def _literal(self) -> Literal:
        kind, token = self._next("a value")
        if kind == "text":
            return token[1:-1].replace("''", "'")
        if kind == "number":
            return float(token)
        if token.lower() in ("true", "false"):
            return token.lower() == "true"
        raise self._error("a value", back=1)

    def _take(self, wanted: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at][1].upper() == wanted
        self._at += found
        return found

    def _need(self, wanted: str) -> None:
        if not self._take(wanted):
            raise self._error(wanted)

    def _next(self, wanted: str) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise self._error(wanted)
        self._at += 1
        return self._tokens[self._at - 1]

    def _error(self, wanted: str, back: int = 0) -> ValueError:
        at = self._at - back
        found = self._tokens[at][1] if at < len(self._tokens) else "the end"
        return ValueError(f"condition {self._text!r}: expected {wanted}, found {found!r}")


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at, text = 0, text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise ValueError(f"condition {text!r}: cannot read from {text[at:].strip()!r} on")
        yield found.lastgroup, found[found.lastgroup]
        at = found.end()


def _values(record: Record, name: str) -> Iterator[object]:
    if name in ("id", "module", "type"):
        yield getattr(record, name)
    elif name in ("mod_time", "mod_time_img"):
        moment = getattr(record, name)
        yield from [stamp(moment)] if moment else []
    for value in record.values.get(name, {}).values():
        yield from value if isinstance(value, list) else [value]


def _tested(name: str, test: Callable[[object], bool], negated: bool) -> Predicate:
    def predicate(record: Record) -> bool:
        found = [test(value) for value in _values(record, name)]
        return bool(found) and any(found) is not negated

    return predicate


def _compared(name: str, sign: str, literal: Literal) -> Predicate:
    compare = _COMPARE["=" if sign == "!=" else sign]

    def test(value: object) -> bool:
        left = _alike(value, literal)
        return left is not None and compare(left, literal)

    return _tested(name, test, negated=sign == "!=")


def _one_of(literals: list[Literal]) -> Callable[[object], bool]:
    return lambda value: any(_alike(value, literal) == literal for literal in literals)


def _like(pattern: str) -> Callable[[object], bool]:
    wild = {"%": ".*", "_": "."}
    compiled = re.compile("".join(wild.get(sign) or re.escape(sign) for sign in pattern), re.DOTALL)
    return lambda value: compiled.fullmatch(str(value)) is not None


def _alike(value: object, literal: Literal) -> Literal | None:
    """The value in the literal's type; None where the two cannot be compared."""
    if isinstance(literal, bool):
        return value if isinstance(value, bool) else None
    if isinstance(literal, float):
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    return value if isinstance(value, str) else None
