"""The behaviours that public material leaves open, each a switch of the sandbox."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class Toggles:
    """How this tenant behaves where nobody outside the vendor knows; the first choice is the default."""

    values: Literal["typed", "strings"] = "typed"
    dimensions: Literal["empty", "null", "absent"] = "empty"
    empty_fields: Literal["absent", "array", "null"] = "absent"
    envelope: Literal["none", "legacy"] = "none"
    cells: Literal["replace", "merge"] = "replace"
    # atomic: nothing written; partial: the good ones written, answer 400; silent: the same, answer 200.
    arrays: Literal["atomic", "partial", "silent"] = "atomic"
    error_detail: Literal["named", "vague"] = "named"
    # swallow: answers 200, and the object stays deleted.
    deleted_ids: Literal["revive", "fail", "swallow"] = "revive"
    answer_order: Literal["input", "sorted"] = "input"
    unchanged_write: Literal["touches", "ignored"] = "touches"
    references: Literal["loose", "checked"] = "loose"
    max_batch: int = 100
    default_limit: int = 25
    max_limit: int = 1000
    rendering: Literal["ready", "missing", "accepted", "empty"] = "ready"
    # 0 = for as long as the toggle stands; else only so long after the content changed.
    rendering_seconds: float = 0
    wrong_hash: Literal["refuse", "empty", "ignore"] = "refuse"
    rebuild_shows: Literal["nothing", "half"] = "nothing"
    rebuild_calls: int = 1
    rebuild_seconds: float = 0
    key_enabled: bool = True
    mounts_need_system_key: bool = False

    def changed(self, changes: dict[str, object]) -> "Toggles":
        """A copy with some switches set; an unknown name or choice is a ValueError that lists what there is."""
        hints = get_type_hints(Toggles)
        read = {name: _read(name, hints.get(name), value) for name, value in changes.items()}
        return replace(self, **read)

    def as_json(self) -> dict[str, object]:
        """Every switch with its present position."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def _read(name: str, hint: object, value: object) -> Any:
    if hint is None:
        raise ValueError(f"no toggle {name!r}: there are {', '.join(f.name for f in fields(Toggles))}")
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ValueError(f"toggle {name}: {value!r} is none of {', '.join(get_args(hint))}")
        return value
    if hint is bool:
        if not isinstance(value, bool):
            raise ValueError(f"toggle {name}: expected true or false, not {value!r}")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"toggle {name}: expected a number >= 0, not {value!r}")
    return int(value) if hint is int else float(value)
