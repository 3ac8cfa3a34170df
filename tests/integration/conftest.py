"""An installation between the two sandboxes, for modules that run it whole."""

from __future__ import annotations

from pathlib import Path

import pytest

import tenants
from frontlist.settings import Settings


@pytest.fixture
def installation(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    database_url: str,
    kafka_bootstrap: str,
    topic_prefix: str,
    pair: tenants.Pair,
) -> Settings:
    """With what the module says in `SAID`."""
    said = getattr(request.module, "SAID", {})
    return tenants.settings(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair, **said)
