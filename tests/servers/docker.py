"""The same two servers as containers, where the user asks for Docker (FRONTLIST_TEST_SERVERS=docker)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from frontlist.embedded.kafka import KAFKA, MAX_MESSAGE_BYTES, cluster_id
from frontlist.embedded.server import HOST, free_port


@contextmanager
def kafka() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer

    port = free_port()
    container = DockerContainer(f"apache/kafka:{KAFKA}").with_bind_ports(9092, (HOST, port))
    settings = {
        "NODE_ID": "1",
        "PROCESS_ROLES": "broker,controller",
        "LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "ADVERTISED_LISTENERS": f"PLAINTEXT://{HOST}:{port}",
        "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "AUTO_CREATE_TOPICS_ENABLE": "false",
        "MESSAGE_MAX_BYTES": str(MAX_MESSAGE_BYTES),
        "REPLICA_FETCH_MAX_BYTES": str(MAX_MESSAGE_BYTES),
        "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    }
    for key, value in settings.items():
        container = container.with_env(f"KAFKA_{key}", value)
    with container:
        address = f"{HOST}:{port}"
        _wait(address)
        yield address


def _wait(address: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while cluster_id(address) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the Kafka container did not answer at {address} within {seconds:.0f} s")
        time.sleep(0.2)


@contextmanager
def postgres() -> Iterator[str]:
    from testcontainers.postgres import PostgresContainer

    container = PostgresContainer("postgres:18", driver=None).with_bind_ports(5432, (HOST, free_port()))
    with container:
        yield container.get_connection_url()
