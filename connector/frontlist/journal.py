"""What was done, as it goes to the journal topic (schema: `frontlist_schemas.journal`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from frontlist.contract import FieldKey, Json


def line(
    *, was: Mapping[FieldKey, Json], becomes: Mapping[FieldKey, Json], read: Collection[FieldKey], **said: Any
) -> Json:
    """A record's value. `was`: the fields that were written, with what stood there; `read`: of which that is known."""
    fields = {key: {"was": old, "is": becomes.get(key), "read": key in read} for key, old in was.items()}
    return {**said, "fields": fields}
