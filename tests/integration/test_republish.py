"""Topics that were re-created: refused with the cure, and the cure works."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

import tenants
from frontlist import recovering, runtime
from frontlist.errors import ConfigurationError


async def test_topics_that_were_recreated_are_refused_and_republish_fills_them_again(
    tmp_path: Path, database_url, kafka_bootstrap, topic_prefix, pair
) -> None:
    found = tenants.settings(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)
    async with tenants.prepared(found), tenants.running(found) as it:
        await tenants.settled(it)
        names, before = list(it.topics.names), {each.id for each in (await it.topics.states()).values()}
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    for future in admin.delete_topics(names, operation_timeout=10).values():
        future.result(10)
    it = runtime.Installation(found)
    await tenants.until(lambda: made(it, before), what="topics made again")
    await it.close()
    with pytest.raises(ConfigurationError, match="frontlist republish"):
        async with tenants.running(found):
            pass
    pair.dam.forget_calls()
    async with runtime.opened(found) as it:
        done = await recovering.republish(it)
    assert done.titles["consonance"] == 13
    async with tenants.running(found) as it:
        await tenants.settled(it)
        assert (len(pair.records()), pair.dam.writes()) == (27, 0)
        pair.consonance.send("PATCH", "/sandbox/works/61001", {"authorship_description": "after it"})
        await tenants.until(lambda: pair.dam.writes() > 0, what="a change after it")


async def made(it: runtime.Installation, before: set[str]) -> bool:
    """Deletion takes the broker a moment, for which it still shows the old ones."""
    try:
        await it.topics.apply()
    except ConfigurationError:
        return False
    there = await it.topics.states()
    return len(there) == len(before) and not before & {each.id for each in there.values()}
