"""Kafka or the database goes away in the midst of a command: what, where, and the cure, whatever it was doing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aiokafka.errors import KafkaConnectionError

import tenants
from faults.proxy import between
from frontlist import recovering, runtime
from frontlist.clock import Clock
from frontlist.errors import FrontlistError
from frontlist.kafka import reading
from frontlist.settings import Settings
from frontlist.state import installation, schema
from frontlist.state.database import Database

Work = Callable[[runtime.Installation], Coroutine[Any, Any, object]]
AWAY = "127.0.0.1:1"


async def reads(it: runtime.Installation) -> None:
    async with it.db.read() as c:
        await installation.fact(c, "tenant")


async def asks_kafka(it: runtime.Installation) -> None:
    await recovering.committed(it)


def beside(*works: Work) -> Work:
    async def both(it: runtime.Installation) -> None:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work(it))

    return both


async def breaks(it: runtime.Installation) -> None:
    raise LookupError("a mistake of ours")


@pytest.fixture
def settings(tmp_path: Path, postgresql_url: str, topic_prefix: str, pair: tenants.Pair) -> Settings:
    """Of an installation whose Kafka is not there."""
    return tenants.settings(tmp_path, postgresql_url, AWAY, topic_prefix, pair)


@pytest.mark.parametrize("work", [reads, beside(reads, reads)])
async def test_a_database_that_goes_away_is_said_with_its_cure(settings: Settings, work: Work) -> None:
    url = sa.make_url(settings.database)
    await upgraded(settings)
    with between(int(url.port or 0)) as proxy:
        through = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)

        async def goes_away(it: runtime.Installation) -> None:
            proxy.refuse()
            await work(it)

        refused = await refusal(settings.model_copy(update={"database": through}), goes_away)
    assert "the database went away" in refused.what
    assert (f":{proxy.port}/" in refused.where, str(url.password) in str(refused)) == (True, False)
    assert "say the command again" in refused.cure


@pytest.mark.parametrize("work", [asks_kafka, beside(asks_kafka, asks_kafka)])
async def test_a_kafka_that_goes_away_is_said_with_its_cure(settings: Settings, work: Work) -> None:
    await upgraded(settings)
    refused = await refusal(settings, work)
    assert ("Kafka went away" in refused.what, refused.where) == (True, AWAY)
    assert "say the command again" in refused.cure


async def test_nothing_is_left_open_where_kafka_is_away(settings: Settings) -> None:
    unclosed: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, said: unclosed.append(said["message"]))
    for _ in range(3):
        with pytest.raises(KafkaConnectionError):
            async with reading(settings.kafka):
                raise AssertionError("it was reached")
    gc.collect()
    assert unclosed == []


async def test_a_mistake_of_ours_is_not_taken_for_a_kafka_that_is_away(settings: Settings) -> None:
    await upgraded(settings)
    with pytest.raises(ExceptionGroup) as broken:
        async with runtime.opened(settings) as it:
            await beside(asks_kafka, breaks)(it)
    assert broken.value.subgroup(LookupError) is not None


async def locked(it: runtime.Installation) -> None:
    async with it.db.begin() as c, it.db.begin() as other:
        await c.execute(sa.text("LOCK TABLE installation"))
        await other.execute(sa.text("SET LOCAL lock_timeout = '10ms'"))
        await installation.fact(other, "tenant")


async def misnamed(it: runtime.Installation) -> None:
    async with it.db.read() as c:
        await c.execute(sa.text("SELECT nothing FROM installation"))


async def late(it: runtime.Installation) -> None:
    raise TimeoutError("a plugin's own")


@pytest.mark.parametrize("work", [locked, misnamed, late])
async def test_a_database_that_did_answer_is_not_said_to_be_away(settings: Settings, work: Work) -> None:
    await upgraded(settings)
    with pytest.raises((sa.exc.DBAPIError, TimeoutError)):
        async with runtime.opened(settings) as it:
            await work(it)


async def refusal(settings: Settings, work: Work) -> FrontlistError:
    with pytest.raises(FrontlistError) as refused:
        async with runtime.opened(settings) as it:
            await work(it)
    return refused.value


async def upgraded(settings: Settings) -> None:
    db = Database(settings.database, Clock())
    await schema.upgrade(db)
    await db.close()
