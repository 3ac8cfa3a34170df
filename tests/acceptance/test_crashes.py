"""kill -9 at each point between reserve and outcome, then start again: no second record, no lost change.

While the connector is dead, one half of the edits is taken back (A -> B -> A must end at A), in both directions.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import tenants
from frontlist.settings import load
from frontlist.step import NAMES

WHOLE = True

CHILD = Path(tenants.__file__).with_name("crashing.py")
STAYS, RETURNS, BUSY = 61001, 61003, 61002
LOCALE = {"locale": "en_GB"}


@pytest.fixture
def file(tmp_path: Path, database_url, kafka_bootstrap, topic_prefix, pair) -> Path:
    quick = {"session": 2.0}  # a killed member holds its partitions for so long
    found = tenants.configuration(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair, intake=quick)
    path = tmp_path / "frontlist.yaml"
    path.write_text(json.dumps(found))
    return path


def record(pair: tenants.Pair, work: int) -> dict[str, Any]:
    [found] = [each for each in pair.records("title") if tenants.value(each, "consonance_work_id") == work]
    return found


def edit(pair: tenants.Pair, work: int, words: str) -> None:
    """The same words on both sides: an author line in Consonance, a released description in 4ALLPORTAL."""
    pair.consonance.send("PATCH", f"/sandbox/works/{work}", {"authorship_description": words})
    cells = {
        "description_long": [{"value": f"<p>{words}</p>", "dimensions": LOCALE}],
        "copy_state": [{"value": "released", "dimensions": LOCALE}],
    }
    pair.dam.send("POST", "/sandbox/objects/title", {"id": record(pair, work)["id"], **cells})


def ours(pair: tenants.Pair, work: int) -> list[str]:
    texts = pair.tenant.works[work].marketing_texts
    return [each.external_text_markdown for each in texts if "frontlist" in (each.internal_text_markdown or "")]


def arrived(pair: tenants.Pair, work: int, words: str) -> bool:
    return tenants.value(record(pair, work), "author_line") == words and ours(pair, work) == [words]


def right(pair: tenants.Pair, round_: int) -> bool:
    return arrived(pair, STAYS, f"after {round_}") and arrived(pair, RETURNS, "always")


async def crash(file: Path, pair: tenants.Pair, name: str, nth: int) -> None:
    """Run until the child has killed itself; a third title is edited meanwhile, so that every step comes again."""
    command = [sys.executable, str(CHILD), str(file), name, str(nth)]
    child = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    ended = asyncio.create_task(child.communicate())
    for turn in range(120):
        done, _ = await asyncio.wait({ended}, timeout=1.0)
        if done:
            break
        if any(tenants.value(each, "consonance_work_id") == BUSY for each in pair.records("title")):
            await asyncio.to_thread(edit, pair, BUSY, f"{name} {turn}")
    else:
        child.kill()
        raise AssertionError(f"never passed {name} {nth} times")
    _, said = await ended
    assert child.returncode == -9, said.decode()[-2000:]


@pytest.mark.fault
@pytest.mark.timeout(600)
async def test_after_a_kill_at_each_step_both_sides_end_right(file: Path, pair: tenants.Pair) -> None:
    async with tenants.prepared(load(file)):
        await crash(file, pair, "written", 1)
        async with tenants.running(load(file)) as it:
            await tenants.settled(it)
            edit(pair, RETURNS, "always")
            await tenants.until(lambda: arrived(pair, RETURNS, "always"), what="the first words")
            await tenants.settled(it)
        for round_, name in enumerate(NAMES):
            for work in (STAYS, RETURNS):
                edit(pair, work, f"after {round_}")
            await crash(file, pair, name, 1 + round_ % 2)
            edit(pair, RETURNS, "always")
            async with tenants.running(load(file)) as it:
                await tenants.until(lambda r=round_: right(pair, r), what=f"right after {name}")
                await tenants.settled(it)
            assert right(pair, round_), name
        products = [tenants.value(each, "consonance_product_id") for each in pair.records()]
        assert len(products) == len(set(products)) == 27
        assert len(pair.records("title")) == 9
