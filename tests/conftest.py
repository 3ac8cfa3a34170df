"""Fixtures that every test may ask for; a server starts only when a test needs it."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import tenants
from frontlist import logs
from frontlist.embedded import Databases
from frontlist.memory import collect_rarely
from servers.shared import Servers, asking

SERVERS = pytest.StashKey[Servers]()
LISTENING = pytest.StashKey[tuple[str, str]]()
ASK = pytest.StashKey[Callable[[str], str]]()
#: They name the run's servers. In the environment of a test they would win over its own database and topics.
NAMED = ("FRONTLIST_DATABASE", "FRONTLIST_KAFKA_BOOTSTRAP")


# How fast an example runs says nothing on a machine that others use too.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


def pytest_configure(config: pytest.Config) -> None:
    logs.configure("error")  # an installation in the test's own process would write into what commands print
    environment = dict(os.environ)
    for name in NAMED:
        os.environ.pop(name, None)
    if (given := getattr(config, "workerinput", None)) is not None:
        config.stash[ASK] = asking(given["servers_address"], given["servers_key"])
        return
    servers = config.stash[SERVERS] = Servers(lambda line: _say(config, line), environment)
    config.stash[ASK] = servers.address


def pytest_collection_finish() -> None:
    collect_rarely()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Runs after Ctrl-C too; after a kill the servers end by themselves."""
    if servers := config.stash.get(SERVERS, None):
        servers.stop()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """pytest-xdist: tell each worker where to ask."""
    config, given = node.config, node.workerinput  # type: ignore[attr-defined]  # xdist has no type for it
    if LISTENING not in config.stash:
        config.stash[LISTENING] = config.stash[SERVERS].listen()
    given["servers_address"], given["servers_key"] = config.stash[LISTENING]


def _say(config: pytest.Config, line: str) -> None:
    if reporter := config.pluginmanager.get_plugin("terminalreporter"):
        reporter.write_line(line)


@pytest.fixture(scope="session")
def kafka_bootstrap(pytestconfig: pytest.Config) -> str:
    """`HOST:PORT` of the run's one broker. Others use it too: keep to topics under your `topic_prefix`."""
    return pytestconfig.stash[ASK]("kafka")


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Databases:
    """The run's one PostgreSQL server: `.url`, `.create(name)`, `.drop(name)`, `.execute(sql)`."""
    return Databases(pytestconfig.stash[ASK]("postgres"))


@pytest.fixture
def topic_prefix() -> str:
    """Unique to the test; good for groups and transactional ids too."""
    return f"t{secrets.token_hex(6)}"


@pytest.fixture
def postgresql_url(postgres_server: Databases) -> Iterator[str]:
    """A fresh, empty PostgreSQL database for SQLAlchemy: `postgresql+asyncpg://...`."""
    name = f"t{secrets.token_hex(6)}"
    yield postgres_server.create(name).replace("postgresql://", "postgresql+asyncpg://", 1)
    postgres_server.drop(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A fresh, empty SQLite database for SQLAlchemy: `sqlite+aiosqlite:///...`."""
    return f"sqlite+aiosqlite:///{tmp_path / 'frontlist.sqlite'}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module that says `WHOLE = True` runs whole installations: `make test-faults` alone plays it on SQLite too."""
    for item in items:
        whole = isinstance(item, pytest.Function) and getattr(item.module, "WHOLE", False)
        if whole and hasattr(item, "callspec") and item.callspec.params.get("database_url") == "sqlite":
            item.add_marker(pytest.mark.matrix)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The test runs once on each database, each time on a fresh, empty one."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def pair() -> Iterator[tenants.Pair]:
    """Both sandboxes with the bundled catalogue."""
    with tenants.pair() as both:
        yield both
