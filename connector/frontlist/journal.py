"""What was done, as it goes to the journal topic (schema: `frontlist_schemas.journal`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frontlist.contract import FieldKey, Json


def line(*, was: Mapping[FieldKey, Json], becomes: Mapping[FieldKey, Json], **said: Any) -> Json:
    """A record's value. `was`: the fields that were written, with what stood there."""
    return {**said, "fields": {key: {"was": old, "is": becomes.get(key)} for key, old in was.items()}}
