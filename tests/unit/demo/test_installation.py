"""The demo's own installation: its waits, and whose database it empties."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from frontlist import mapping
from frontlist.clock import Clock
from frontlist.demo import installation
from frontlist.demo.installation import Addresses
from frontlist.demo.stage import absolute, alone, without_password
from frontlist.errors import ConfigurationError
from frontlist.settings import load
from frontlist.state import installation as state
from frontlist.state import schema
from frontlist.state.database import Database


async def filled(url: str, tenant: str) -> None:
    db = Database(url, Clock())
    await schema.upgrade(db)
    async with db.begin() as c:
        await state.state(db, c, {"tenant": tenant})
    await db.close()


async def tables(url: str) -> set[str]:
    db = Database(url, Clock())
    async with db.read() as c:
        found = set(await c.run_sync(lambda sync: sa.inspect(sync).get_table_names()))
    await db.close()
    return found


def test_the_configuration_is_one_that_frontlist_run_takes(tmp_path: Path) -> None:
    at = Addresses(
        "127.0.0.1:1", "demo", "sqlite:///x.sqlite", ("http://127.0.0.1:2", "k"), ("http://127.0.0.1:3", "k")
    )
    settings = installation.write(tmp_path, at)
    assert settings == load(tmp_path / "frontlist.yaml")
    assert settings.test
    found = mapping.load(settings.mapping)
    assert (found.quiet.total_seconds(), len(found.public_from)) == (installation.QUIET, 1)


async def test_an_earlier_demo_s_database_is_emptied(database_url: str) -> None:
    await filled(database_url, "demo")
    await installation.emptied(database_url)
    assert await tables(database_url) == set()
    await installation.emptied(database_url)


async def test_anybody_else_s_database_is_left_alone(database_url: str) -> None:
    await filled(database_url, "gaslamp")
    with pytest.raises(ConfigurationError, match="not an earlier demo's"):
        await installation.emptied(database_url)
    assert "fact" in await tables(database_url)


async def test_a_database_with_other_tables_is_left_alone(sqlite_url: str) -> None:
    await filled(sqlite_url, "demo")
    db = Database(sqlite_url, Clock())
    async with db.begin() as c:
        await c.exec_driver_sql("CREATE TABLE recipes (name TEXT)")
    await db.close()
    with pytest.raises(ConfigurationError):
        await installation.emptied(sqlite_url)


def test_two_demos_never_share_a_folder(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(ConfigurationError, match="another demo"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


def test_topics_noted_by_a_demo_on_a_kafka_that_is_gone_stop_nobody(tmp_path: Path) -> None:
    topics = installation.Topics(tmp_path)
    topics.note("127.0.0.1:1", "demo-1")
    assert topics.remove() == 0


def test_a_database_is_shown_without_its_password() -> None:
    assert "secret" not in without_password("postgresql://frontlist:secret@127.0.0.1:5432/x")


def test_a_sqlite_file_is_the_same_one_for_the_connector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("sqlite:///x.sqlite") == f"sqlite:///{tmp_path}/x.sqlite"
