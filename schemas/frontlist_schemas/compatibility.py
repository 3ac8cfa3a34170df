"""What v1 may not do any more: everything but adding an optional field breaks some reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
#: Says nothing about which documents are valid.
_PROSE = frozenset({"title", "description", "examples", "default", "$defs", "$schema", "$id"})


def breaks(old: Schema, new: Schema) -> list[str]:
    """What a reader or a record of `old` would stumble over in `new`, a line each; empty = a minor."""
    return list(_Comparison(old, new).at(old, new, "$"))


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self.old, self.new = old, new

    def at(self, old: Any, new: Any, path: str) -> Iterator[str]:
        old, new = _resolved(self.old, old), _resolved(self.new, new)
        if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
            if old != new:
                yield f"{path}: {old!r} became {new!r}"
            return
        yield from self._object(old, new, path)
        for keyword in sorted((old.keys() | new.keys()) - _PROSE - {"properties", "required"}):
            yield from self._keyword(keyword, old, new, path)

    def _object(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        was, now = old.get("properties", {}), new.get("properties", {})
        for name in sorted(was.keys() - now.keys()):
            yield f"{path}.{name}: property removed"
        for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield f"{path}.{name}: required added"
        for name in sorted(set(old.get("required", ())) - set(new.get("required", ()))):
            yield f"{path}.{name}: no longer required, readers rely on it"
        for name in sorted(was.keys() & now.keys()):
            yield from self.at(was[name], now[name], f"{path}.{name}")

    def _keyword(self, keyword: str, old: Schema, new: Schema, path: str) -> Iterator[str]:
        was, now = old.get(keyword), new.get(keyword)
        if keyword == "enum" and was is not None and now is not None:
            yield from (f"{path}: enum value {value!r} removed" for value in was if value not in now)
            yield from (
                f"{path}: enum value {value!r} added, readers do not know it" for value in now if value not in was
            )
        elif keyword == "type" and was != now:
            yield f"{path}: type changed from {was!r} to {now!r}"
        elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
            for index, (one, other) in enumerate(zip(was, now, strict=True)):
                yield from self.at(one, other, f"{path}/{keyword}[{index}]")
        elif keyword == "discriminator":
            return  # its mapping only names definitions; the variants are compared under oneOf
        else:
            yield from self.at(was, now, f"{path}/{keyword}")


def _resolved(root: Schema, schema: Any) -> Any:
    while isinstance(schema, Mapping) and "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return schema
