"""Stopped while it hangs at each named step: the process ends, and the next one goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import tenants
from faults.scene import some_works
from frontlist import process, runtime
from frontlist.step import NAMES

#: One for each part of the process; the others are played by `make test-faults`.
SOME = ("reserved", "stored", "intended")


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=[] if each in SOME else [pytest.mark.matrix]) for each in NAMES]
)
async def test_what_hangs_at_a_step_is_given_up_and_the_next_process_goes_on(
    tmp_path: Path, sqlite_url: str, kafka_bootstrap: str, topic_prefix: str, name: str
) -> None:
    stopping = asyncio.Event()

    async def hanging(passed: str) -> None:
        if passed == name:
            stopping.set()
            await asyncio.Event().wait()

    with tenants.pair(some_works()) as pair:
        shutdown = {"shutdown": {"grace": 2.0}}
        found = tenants.settings(tmp_path, sqlite_url, kafka_bootstrap, topic_prefix, pair, **shutdown)
        async with tenants.prepared(found), asyncio.timeout(120):
            async with runtime.opened(found, step=hanging) as it:
                await process.run(it, stopping)
            async with tenants.running(found) as it:
                await tenants.until(lambda: len(pair.records()) == len(pair.tenant.products), what="every record")
                await tenants.settled(it)
            products = [tenants.value(each, "consonance_product_id") for each in pair.records()]
            assert sorted(products) == sorted(pair.tenant.products)
