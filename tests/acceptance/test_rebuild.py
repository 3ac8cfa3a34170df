"""A lost database: refused beside a history, rebuilt from the topics, and nothing is created twice."""

from __future__ import annotations

from pathlib import Path

import pytest

import tenants
from acceptance.test_crashes import edit, ours
from frontlist import runtime
from frontlist.errors import ConfigurationError
from frontlist.state import schema


@pytest.fixture
def pair():
    with tenants.pair() as both:
        yield both


async def test_a_lost_database_is_rebuilt_and_nothing_is_created_twice(
    tmp_path: Path, database_url, kafka_bootstrap, topic_prefix, pair
) -> None:
    first = tenants.settings(tmp_path, f"sqlite:///{tmp_path}/first.sqlite", kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(first), tenants.running(first) as it:
        await tenants.settled(it)
        edit(pair, 61001, "the words")
        await tenants.until(lambda: ours(pair, 61001) == ["the words"], what="the text")
        await tenants.settled(it)
    records, texts = pair.records(), ours(pair, 61001)
    second = tenants.settings(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(second, mode=None):
        with pytest.raises(ConfigurationError, match="frontlist rebuild"):
            async with tenants.running(second):
                pass
        async with runtime.opened(second) as it:
            counts = await runtime.rebuild(it)
        assert counts[f"{topic_prefix}.consonance.metadata.v1"] >= 13
        pair.dam.forget_calls()
        pair.consonance.forget_calls()
        async with tenants.running(second) as it:
            await tenants.settled(it)
            edit(pair, 61002, "after the rebuild")
            await tenants.until(lambda: ours(pair, 61002) == ["after the rebuild"], what="a change after the rebuild")
            await tenants.settled(it)
    assert len(pair.records()) == len(records)
    assert ours(pair, 61001) == texts


async def test_another_tenants_database_is_refused(
    tmp_path: Path, sqlite_url, kafka_bootstrap, topic_prefix, pair
) -> None:
    found = tenants.settings(tmp_path, sqlite_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(found), tenants.running(found):
        pass
    other = found.model_copy(update={"tenant": "another"})
    with pytest.raises(ConfigurationError, match="belongs to installation 'test'"):
        async with tenants.running(other):
            pass


async def test_the_schema_is_upgraded_twice_without_harm(database_url) -> None:
    from frontlist.clock import Clock
    from frontlist.state.database import Database

    db = Database(database_url, Clock())
    await schema.upgrade(db)
    await schema.upgrade(db)
    await schema.check(db)
    await db.close()
