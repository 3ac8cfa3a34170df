"""Which servers to use: those that the environment names, else embedded ones for as long as the block runs."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from frontlist.embedded.kafka import Kafka
from frontlist.embedded.postgres import Postgres
from frontlist.embedded.server import Progress

KAFKA_VARIABLE = "FRONTLIST_KAFKA_BOOTSTRAP"
DATABASE_VARIABLE = "FRONTLIST_DATABASE"


@contextmanager
def bootstrap_servers(
    progress: Progress | None = None,
    *,
    data_dir: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[str]:
    """Kafka's `HOST:PORT`: from `FRONTLIST_KAFKA_BOOTSTRAP`, else of an embedded broker."""
    if named := environment.get(KAFKA_VARIABLE):
        yield named
        return
    with Kafka(data_dir, progress=progress) as kafka:
        yield kafka.bootstrap_servers


@contextmanager
def database_url(*, data_dir: Path | None = None, environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """A database's URL: `FRONTLIST_DATABASE` as it stands, else `postgresql://...` of an embedded server."""
    if named := environment.get(DATABASE_VARIABLE):
        yield named
        return
    with Postgres(data_dir) as postgres:
        yield postgres.url
