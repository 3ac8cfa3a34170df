"""The one form of a document that is hashed, compared and published."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

#: str, int, bool, None, lists and string-keyed mappings of these.
Json = Any
_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


class CanonicalError(ValueError):
    """A value that has no canonical form; `path` says where it stands."""

    def __init__(self, what: str, path: str) -> None:
        super().__init__(f"{what} at {path or 'the top'}")
        self.path = path


def canonical(value: Json) -> bytes:
    """UTF-8 JSON, keys sorted, no blanks, no floats (amounts are decimal strings)."""
    return _JSON.encode(_checked(value, "")).encode("utf-8")


def fingerprint(value: Json) -> str:
    """The SHA-256 of the canonical form, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def parse_json(text: str | bytes) -> Json:
    """JSON without floats; raises CanonicalError for one, ValueError for what is no JSON."""
    return json.loads(text, parse_float=_refuse, parse_constant=_refuse)


def _refuse(text: str) -> Json:
    raise CanonicalError(f"the number {text} is a float; amounts are decimal strings", "")


def _checked(value: Json, path: str) -> Json:
    # isinstance in order of frequency: this runs over every value of every document.
    if isinstance(value, str):
        return _encodable(value, path)
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, Mapping):
        return {_key(k, path): _checked(v, f"{path}.{k}" if path else str(k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_checked(v, f"{path}[{i}]") for i, v in enumerate(value)]
    raise CanonicalError(f"a {type(value).__name__} has no canonical form", path)


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise CanonicalError(f"the key {key!r} is no string", path)
    return _encodable(key, path)


def _encodable(text: str, path: str) -> str:
    """Half a surrogate pair is valid in JSON's escapes, not in UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise CanonicalError("text holds half a surrogate pair", path) from None
    return text
