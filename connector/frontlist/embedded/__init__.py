"""Real Kafka and real PostgreSQL on this machine, with nothing installed but Python."""

from frontlist.embedded.choice import bootstrap_servers, database_url
from frontlist.embedded.kafka import Kafka
from frontlist.embedded.postgres import Databases, Postgres
from frontlist.embedded.server import Progress, Server, ServerError

__all__ = [
    "Databases",
    "Kafka",
    "Postgres",
    "Progress",
    "Server",
    "ServerError",
    "bootstrap_servers",
    "database_url",
]
