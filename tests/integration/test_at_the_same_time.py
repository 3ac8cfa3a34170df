"""Two transactions at the same time: a statement sees what stood as it began; of a row it locks, what came since.

PostgreSQL alone: SQLite has one transaction that writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from aiokafka import ConsumerRecord

import tenants
from frontlist import joining, recovering
from frontlist.capture import lease_of
from frontlist.cli.deciding import decide
from frontlist.clock import Clock
from frontlist.contract import TitleKey
from frontlist.due import TITLES
from frontlist.forgetting import forget
from frontlist.source import Raw, RawKey
from frontlist.state import installation, mirror, processes, schema, settled, work
from frontlist.state.database import Database, load
from frontlist.storing import Storing
from frontlist_schemas.envelope import Envelope, encode
from integration.test_ensure import KEY, Place, Shelf, Wishes

TOPIC = "t.decisions.v1"
FIRST, SECOND = TitleKey("work:1"), TitleKey("work:2")


@pytest.fixture
async def place(postgresql_url: str) -> AsyncIterator[Place]:
    """The consumer observes."""
    clock = Clock()
    db = Database(postgresql_url, clock)
    await schema.upgrade(db)
    async with db.begin() as c:
        await installation.register(db, c, {"wishes": (frozenset({KEY}), "1")})
        row = {"number": 1, "fingerprint": "f", "text": "", "at": 0}
        await c.execute(installation.activation_table.insert(), [row])
    yield Place(db, clock, Shelf(), Wishes())
    await db.close()


async def waiting(db: Database) -> int:
    """Transactions that wait for another one."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with db.read() as c:
        return int((await c.exec_driver_sql(query)).scalar_one())


async def wait_for(db: Database, count: int, *unless: asyncio.Task[Any]) -> None:
    """Until so many transactions wait, or one of these is done."""

    async def so() -> bool:
        return any(each.done() for each in unless) or await waiting(db) == count

    await tenants.until(so, what=f"{count} transactions wait")


def document(title: TitleKey) -> ConsumerRecord:
    headers, value = encode(Envelope("consonance", "metadata", title, 1_790_000_000_000_000, "present", {}), "test")
    return ConsumerRecord("t.consonance.metadata.v1", 0, 0, 0, 0, title.encode(), value, None, 0, 0, tuple(headers))


async def test_a_title_that_comes_while_a_mode_is_set_is_worked_in_that_mode(place: Place) -> None:
    await place.wish(FIRST, title="A")
    await place.work()
    place.wishes.fields[SECOND] = {"title": "B"}
    it: Any = SimpleNamespace(db=place.db, decisions=TOPIC)
    async with place.db.begin() as c:
        # Who sets the mode has listed all titles by the time that it waits for this one.
        await c.execute(work.work_table.select().with_for_update())
        setting = asyncio.create_task(decide(it, "mode", "*/*", "apply"))
        await wait_for(place.db, 1, setting)
        coming = asyncio.create_task(Storing(place.db, "t").take([document(SECOND)]))
        await wait_for(place.db, 2, coming)
        await place.work()
    await asyncio.gather(setting, coming)
    await place.work()
    assert place.shelf.held == {FIRST: {"title": "A"}, SECOND: {"title": "B"}}


async def test_a_claim_beside_which_another_mapping_becomes_active_takes_nothing(place: Place) -> None:
    """What that mapping made due would be planned by the old one, and done where that has nothing to write."""
    it: Any = SimpleNamespace(db=place.db, decisions=TOPIC, mapping=SimpleNamespace(text="another"))
    await place.wish(FIRST, title="A")
    await place.work()
    worker = place.worker()
    async with place.db.begin() as c:
        await c.execute(sa.update(work.work_table).values(claimed_by=worker.process))
    async with place.db.begin() as c:
        await c.execute(work.work_table.select().with_for_update())
        activating = asyncio.create_task(joining.activate(it))
        await wait_for(place.db, 1, activating)
        # The worker has asked which mapping is active by the time that it lets go of what it has not in hand.
        claiming = asyncio.create_task(worker.once())
        await wait_for(place.db, 2, claiming)
    await activating
    assert await claiming == 0
    async with place.db.begin() as c:
        assert len(await work.claim(place.db, c, "another", await place.db.now(c), 10, ["wishes"])) == 1


async def test_a_title_that_comes_while_a_pause_is_lifted_is_not_put_off_by_it(place: Place) -> None:
    it: Any = SimpleNamespace(db=place.db, decisions=TOPIC)
    await decide(it, "mode", "*/*", "apply")
    await decide(it, "pause", "shelf/*", {"why": "an upgrade"})
    await place.wish(FIRST, title="A")
    await place.work()
    assert place.shelf.held == {}
    place.wishes.fields[SECOND] = {"title": "B"}
    async with place.db.begin() as c:
        await c.execute(work.work_table.select().with_for_update())
        lifting = asyncio.create_task(decide(it, "pause", "shelf/*", None))
        await wait_for(place.db, 1, lifting)
        await Storing(place.db, "t").take([document(SECOND)])
        await place.work()
    await lifting
    await place.work()
    assert place.shelf.held == {FIRST: {"title": "A"}, SECOND: {"title": "B"}}


async def test_titles_that_come_at_the_same_time_do_not_wait_for_each_other(place: Place) -> None:
    async with place.db.begin() as c:
        await place.db.lock(c, TITLES, shared=True)
        await asyncio.wait_for(Storing(place.db, "t").take([document(FIRST)]), 20)


async def test_what_is_being_claimed_as_a_backup_is_noticed_is_free_too(place: Place) -> None:
    await place.wish(FIRST, title="A")
    it: Any = SimpleNamespace(db=place.db)
    async with place.db.begin() as c:
        claims = await work.claim(place.db, c, "p", await place.db.now(c), 10, ["wishes"])
        noticing = asyncio.create_task(recovering.nothing_is_sure(it))
        await wait_for(place.db, 1, noticing)
    await noticing
    async with place.db.begin() as c:
        assert (len(claims), await work.still_mine(c, "p", claims)) == (1, set())


async def test_what_was_claimed_before_a_backup_was_noticed_writes_nothing(place: Place) -> None:
    """Its claim began before, and ended after everything was freed."""
    await place.wish(FIRST, title="A")
    async with place.db.begin() as c:
        await settled.save_decisions(place.db, c, [settled.Decision("mode", "*/*", "apply", 1)])
    worker = place.worker()

    async def step(name: str) -> None:
        if name == "claimed":
            async with place.db.begin() as c:
                await installation.state(place.db, c, {installation.BEHIND: "1"})

    worker.step = step
    assert await worker.once() == 1
    assert place.shelf.writes == []
    async with place.db.begin() as c:
        await installation.forget(c, installation.BEHIND)
    await place.work()
    assert place.shelf.held == {FIRST: {"title": "A"}}


# --- forgetting ------------------------------------------------------------------------------------------------------


class Credits:
    """A source whose objects say who made them."""

    def omitted(self, raw: Raw, omit: frozenset[str]) -> Raw:
        by = [each for each in raw.body["by"] if f"contact:{each['contact_id']}" not in omit]
        return Raw(raw.key, {**raw.body, "by": by}, raw.unreadable)

    def names(self, raw: Raw, who: str) -> bool:
        return self.omitted(raw, frozenset({who})).body != raw.body


async def store(db: Database, c: Any, began: int, said: Sequence[tuple[TitleKey, str, list[Any]]]) -> None:
    raws = {
        (key := RawKey("work", title.partition(":")[2])): (Raw(key, {"title": name, "by": by}), title)
        for title, name, by in said
    }
    await mirror.store_raws(db, c, "consonance", raws, began, 1)


async def test_what_is_captured_while_a_person_is_forgotten_is_neither_older_again_nor_names_them(place: Place) -> None:
    db, her = place.db, [{"contact_id": 12, "name": "Imogen Harrow"}]
    it: Any = SimpleNamespace(
        db=db, sources={"consonance": Credits()}, decisions=TOPIC, journal="t.journal.v1", clock=place.clock
    )
    async with db.begin() as c:
        await store(db, c, 1, [(FIRST, "As it was", her)])
        leases = await processes.acquire(db, c, [(lease_of("consonance"), "me")], 60.0)
    async with db.begin() as c:
        assert await processes.held(c, list(leases.values()))
        await store(db, c, 2, [(FIRST, "As it is", []), (SECOND, "New", her)])
        forgetting = asyncio.create_task(forget(it, "contact:12"))
        await wait_for(db, 1, forgetting)
    done = await forgetting
    async with db.read() as c:
        found = (await c.execute(sa.select(mirror.raw_table.c.body).order_by(mirror.raw_table.c.id))).scalars()
        assert [load(each) for each in found] == [{"title": "As it is", "by": []}, {"title": "New", "by": []}]
    assert done.titles == [SECOND]


async def test_who_captures_goes_on_once_a_person_is_forgotten(place: Place) -> None:
    """With the lease that it had; and nobody's is free for the next one."""
    names = [lease_of(each) for each in ("consonance", "fourallportal")]
    async with place.db.begin() as c:
        mine = await processes.acquire(place.db, c, [(names[0], "me")], 60.0)
    async with place.db.begin() as c:
        await processes.hold_up(place.db, c, names)
        async with place.db.begin() as other:
            assert await processes.acquire(place.db, other, [(names[0], "another")], 60.0) == {}
    async with place.db.begin() as c:
        assert await processes.held(c, list(mine.values())) == {names[0]}
        assert set(await processes.acquire(place.db, c, [(name, "another") for name in names], 60.0)) == {names[1]}
