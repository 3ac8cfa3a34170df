"""What goes to the journal is what its schema says, and times are read as people type them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from frontlist import FieldKey
from frontlist.cli.times import time
from frontlist.errors import ConfigurationError
from frontlist.journal import line
from frontlist_schemas.journal import Journal

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_a_line_is_what_the_schema_says() -> None:
    said = line(
        at=1,
        title="work:1",
        consumer="metadata",
        flow=1,
        resource="shelf/record/1",
        effect="changed",
        claim=7,
        reason="consonance.metadata",
        run="",
        vector={"activation": 3},
        was={FieldKey("title"): "A"},
        becomes={FieldKey("title"): "B", FieldKey("other"): 1},
        read={FieldKey("title")},
    )
    assert said["fields"] == {"title": {"was": "A", "is": "B", "read": True}}
    assert Journal.model_validate(said).model_dump(by_alias=True) == said
    assert set(said) == set(Journal.model_fields)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T10:00", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00+02:00", datetime(2026, 11, 20, 8, tzinfo=UTC)),
        ("2026-11-20T10:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("3d", datetime(2026, 11, 22, 12, tzinfo=UTC)),
        ("90m", datetime(2026, 11, 25, 10, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_people_type_it(text: str, expected: datetime) -> None:
    assert time(text, NOW, "--since") == expected.timestamp() * 1_000_000


@pytest.mark.parametrize("text", ["", "yesterday", "3w", "-1d", "2026-13-01"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no time"):
        time(text, NOW, "--since")
