"""The embedded servers are the real ones, reachable from here only, and leave nothing behind."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from frontlist.embedded import Databases, Kafka, Postgres, ServerError, bootstrap_servers, database_url, jars
from frontlist.embedded.kafka import new_cluster_id

# Its servers and files are made once: one worker does all of it.
pytestmark = pytest.mark.xdist_group("embedded")


@pytest.fixture(scope="module")
def own_kafka() -> Iterator[Kafka]:
    """For tests that kill it."""
    with Kafka() as kafka:
        yield kafka


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    with Postgres() as postgres:
        yield postgres


@pytest.fixture
async def producer(kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(
        bootstrap_servers=kafka_bootstrap, transactional_id=topic_prefix, max_request_size=8 * 1024 * 1024
    ) as producer:
        yield producer


async def create_topic(address: str, topic: str) -> str:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    return topic


async def read_one(address: str, topic: str) -> bytes | None:
    async with AIOKafkaConsumer(
        topic,
        bootstrap_servers=address,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=8 * 1024 * 1024,
    ) as consumer:
        record = await asyncio.wait_for(consumer.getone(), 20)
        value: bytes | None = record.value
        return value


async def test_a_reader_of_committed_records_never_sees_an_aborted_transaction(
    kafka_bootstrap: str, topic_prefix: str, producer: AIOKafkaProducer
) -> None:
    topic = await create_topic(kafka_bootstrap, f"{topic_prefix}.a")
    await producer.begin_transaction()
    await producer.send_and_wait(topic, b"aborted")
    await producer.abort_transaction()
    async with producer.transaction():
        await producer.send_and_wait(topic, b"committed")
    assert await read_one(kafka_bootstrap, topic) == b"committed"


async def test_a_record_of_almost_8_mib_passes(
    kafka_bootstrap: str, topic_prefix: str, producer: AIOKafkaProducer
) -> None:
    topic = await create_topic(kafka_bootstrap, f"{topic_prefix}.large")
    large = b"x" * (8 * 1024 * 1024 - 1024)
    async with producer.transaction():
        await producer.send_and_wait(topic, large)
    assert await read_one(kafka_bootstrap, topic) == large


async def test_no_topic_comes_into_being_by_being_written_to(kafka_bootstrap: str, topic_prefix: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, request_timeout_ms=1000) as producer:
        with pytest.raises(KafkaError):
            await producer.send_and_wait(topic_prefix, b"lost")
    async with AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap) as reader:
        assert topic_prefix not in await reader.topics()


def test_both_listen_on_this_machine_only(own_kafka: Kafka, own_postgres: Postgres) -> None:
    for server in (own_kafka, own_postgres):
        listening = [c for c in psutil.Process(server.pid).net_connections() if c.status == psutil.CONN_LISTEN]
        assert server.port in {connection.laddr.port for connection in listening}
        assert {connection.laddr.ip for connection in listening} <= {"127.0.0.1", "::ffff:127.0.0.1"}


async def test_a_killed_broker_comes_back_with_its_data_on_its_port(own_kafka: Kafka, topic_prefix: str) -> None:
    address = own_kafka.bootstrap_servers
    topic = await create_topic(address, f"{topic_prefix}.kept")
    async with AIOKafkaProducer(bootstrap_servers=address) as producer:
        await producer.send_and_wait(topic, b"kept")
    first = own_kafka.pid
    await asyncio.to_thread(own_kafka.kill)
    assert not psutil.pid_exists(first)
    await asyncio.to_thread(own_kafka.restart)
    assert (own_kafka.bootstrap_servers, await read_one(address, topic)) == (address, b"kept")


def test_a_killed_database_comes_back_with_what_was_committed(own_postgres: Postgres) -> None:
    database = Databases(own_postgres.create_database("kept"))
    database.execute("CREATE TABLE kept AS SELECT 7 AS number")
    own_postgres.kill()
    with pytest.raises(ServerError, match="refused"):
        database.execute("SELECT 1")
    own_postgres.restart()
    assert database.execute("SELECT number FROM kept") == "7"


def test_postgresql_is_18_and_durable_and_asks_for_the_password(postgres_server: Databases) -> None:
    assert postgres_server.execute("SHOW server_version").startswith("18")
    assert postgres_server.execute("SHOW fsync") == "on"


def test_a_wrong_password_is_refused_and_never_repeated(own_postgres: Postgres) -> None:
    stranger = Databases(own_postgres.url.replace("frontlist:", "frontlist:wrong", 1))
    with pytest.raises(ServerError, match="password authentication failed") as refusal:
        stranger.execute("SELECT 1")
    assert "wrong" not in str(refusal.value)


async def test_each_test_gets_an_empty_database(database_url: str) -> None:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE mine (id INTEGER)"))
        assert (await connection.execute(text("SELECT count(*) FROM mine"))).scalar_one() == 0
    await engine.dispose()


def test_stopping_leaves_neither_process_nor_files() -> None:
    postgres = Postgres()
    postgres.start()
    pid, home = postgres.pid, postgres.home
    postgres.stop()
    assert not psutil.pid_exists(pid)
    assert not home.exists()


@pytest.mark.parametrize("killed", ["parent", "guard"])
def test_a_server_ends_when_what_holds_it_is_killed(killed: str) -> None:
    program = (
        "import time; from frontlist.embedded import Postgres\n"
        "server = Postgres(); server.start(); print(server.pid, server.home, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, home = parent.stdout.readline().split()
        server = psutil.Process(int(pid))
        guard = psutil.Process(server.ppid())
        os.kill(parent.pid if killed == "parent" else guard.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs([server], timeout=10)
        parent.kill()
    psutil.wait_procs([guard], timeout=10)
    # Only the guard could have removed the files.
    assert (alive, Path(home).exists()) == ([], killed == "guard")
    shutil.rmtree(home, ignore_errors=True)


def test_the_environment_names_servers_that_run_already() -> None:
    with bootstrap_servers(environment={"FRONTLIST_KAFKA_BOOTSTRAP": "kafka.example:9092"}) as address:
        assert address == "kafka.example:9092"
    with database_url(environment={"FRONTLIST_DATABASE": "sqlite+aiosqlite:///x"}) as url:
        assert url == "sqlite+aiosqlite:///x"


@pytest.mark.parametrize("server", [Kafka, Postgres])
def test_a_server_that_cannot_start_shows_the_end_of_its_log(server: type[Kafka] | type[Postgres]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        second = server(port=held.getsockname()[1])
        with pytest.raises(ServerError, match=r"(?s)while it was starting.*Address already in use"):
            second.start()


def unreachable(coordinate: str, directory: Path) -> Path:
    raise ConnectionError("no route to host")


def truncated(coordinate: str, directory: Path) -> Path:
    file = directory / "cut.jar"
    file.write_bytes(b"PK")
    return file


@pytest.mark.parametrize(("fetch", "why"), [(unreachable, "no route to host"), (truncated, "SHA-256")])
def test_a_download_that_fails_says_the_cure(fetch: jars.Fetch, why: str, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=f"{why}.*FRONTLIST_KAFKA_BOOTSTRAP"):
        jars.jar_directory([].append, cache=tmp_path, fetch=fetch, pause=0)
    assert not (tmp_path / f"kafka-{jars.KAFKA}").exists()


@pytest.fixture(scope="module")
def downloaded(kafka_bootstrap: str) -> Path:
    """Where the jars are: this machine has them once a broker was started."""
    return jars.jar_directory([].append)


def test_a_download_that_was_cut_short_is_tried_again(downloaded: Path, tmp_path: Path) -> None:
    seen: set[str] = set()
    lines: list[str] = []

    def second_time_lucky(coordinate: str, directory: Path) -> Path:
        if coordinate not in seen:
            seen.add(coordinate)
            return truncated(coordinate, directory)
        return _copied(downloaded, coordinate, directory)

    directory = jars.jar_directory(lines.append, cache=tmp_path, fetch=second_time_lucky, pause=0)
    assert {file.name for file in directory.iterdir()} == {jar.file_name for jar in jars.locked_jars()}
    assert "downloading 53 files, 46 MB" in lines[0]


def test_two_that_download_at_once_fetch_each_file_once(downloaded: Path, tmp_path: Path) -> None:
    fetched: list[str] = []

    def counted(coordinate: str, directory: Path) -> Path:
        fetched.append(coordinate)
        return _copied(downloaded, coordinate, directory)

    threads = [threading.Thread(target=jars.jar_directory, args=([].append, tmp_path, counted)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fetched) == sorted(jar.coordinate for jar in jars.locked_jars())


def _copied(source: Path, coordinate: str, directory: Path) -> Path:
    _, artifact, version = coordinate.split(":")
    return Path(shutil.copy(source / f"{artifact}-{version}.jar", directory))


def test_no_new_cluster_is_taken_for_an_option_of_kafkas_tools() -> None:
    assert not any(new_cluster_id().startswith("-") for _ in range(2000))
