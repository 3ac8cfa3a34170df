"""Stories that random attacks told, each as short as it can be told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa

from frontlist.contract import TitleKey
from frontlist.state import applied, work

from .attacking import LEASE, LOOK_AGAIN, SECOND, Loop, Replica, Request, Stage, opened

ONE = "work:1"
DAY = 86_400.0


class Story:
    """One title, as many replicas as it takes."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def replica(self) -> Replica:
        self.stage.replicas.append(Replica(self.stage, 0.0, 1000))
        return self.stage.replicas[-1]

    async def change(self) -> None:
        await self.stage.revise(ONE, 40)

    async def work(self, replica: Replica | None = None, stop_at: str | None = None) -> Replica:
        """One claim; stopped there, where that is said."""
        replica = replica or self.replica()
        replica.begin(stop_at)
        await self.stage.rest()
        assert stop_at is None or replica.frozen
        return replica

    async def stops_with(self, sends: Callable[[Request], bool]) -> Replica:
        """A replica that is frozen while such a call of it is on its way."""
        replica = self.replica()
        replica.stop_with = sends
        await self.work(replica)
        assert replica.frozen
        return replica

    async def goes_on(self, replica: Replica) -> None:
        replica.thaw()
        await self.stage.rest()

    async def until_nothing_is_due(self, turns: int = 40) -> int:
        """Answers how many claims that took; what is due within the hour counts."""
        replica, claims = self.replica(), 0
        for _ in range(turns):
            await self.work(replica)
            assert replica.task is not None
            claims += replica.task.result()
            row = await self.row()
            async with self.stage.db.read() as c:
                now = await self.stage.db.now(c)
            if row.due_at is None or row.due_at > now + 3600 * SECOND:
                return claims
            await self.stage.move(max(1.0, (max(row.due_at, row.not_before) - now) / SECOND + 0.01))
        raise AssertionError(f"there is always something due: {row}")

    async def row(self) -> Any:
        async with self.stage.db.read() as c:
            return (await c.execute(sa.select(work.work_table).where(work.work_table.c.title == ONE))).one()

    async def applied(self, system: str) -> applied.Applied:
        async with self.stage.db.read() as c:
            rows = await applied.of_titles(c, "wishes", [TitleKey(ONE)])
        return next(each for each in rows.values() if each.resource.target == system)

    def remove(self, system: str) -> None:
        """By a person."""
        vault = self.stage.vaults[system]
        for id_ in vault.of(ONE):
            del vault.objects[id_]

    def holds(self, system: str) -> list[dict[str, int]]:
        return [each.fields for each in self.stage.vaults[system].of(ONE).values()]

    @property
    def newest(self) -> dict[str, int]:
        n = self.stage.numbers[ONE]
        return {"n": n, "extra": n, "mapping": self.stage.activation}


def told(url: str, story: Callable[[Story], Awaitable[None]]) -> None:
    loop = Loop()

    async def played() -> None:
        db = await opened(url)
        stage = Stage(loop, db)
        await stage.reset()
        try:
            await story(Story(stage))
            assert stage.errors == []
        finally:
            await stage.close()
            await db.close()

    try:
        loop.run_until_complete(played())
    finally:
        loop.close()


def test_a_record_that_a_person_removed_while_it_was_in_doubt_comes_to_rest(database_url: str) -> None:
    async def story(it: Story) -> None:
        await it.change()
        await it.until_nothing_is_due()
        await it.change()
        (await it.work(stop_at="written")).kill()
        it.remove("shelf")
        await it.stage.move(LEASE + 5)
        assert await it.until_nothing_is_due() < 10
        assert it.holds("shelf") == []
        assert not (await it.applied("shelf")).in_doubt(it.stage.clock.now_us())

    told(database_url, story)


def test_what_is_settled_while_the_mode_is_low_is_not_made_again_after_a_person_removed_it(database_url: str) -> None:
    async def story(it: Story) -> None:
        await it.change()
        await it.until_nothing_is_due()
        await it.change()
        (await it.work(stop_at="written")).kill()
        it.remove("shelf")
        await it.stage.decide("off")
        await it.stage.move(LEASE + 5)
        await it.until_nothing_is_due()
        await it.stage.decide("apply")
        await it.until_nothing_is_due()
        assert it.holds("shelf") == []

    told(database_url, story)


def test_a_create_that_a_zombie_sends_long_after_leaves_no_twin(database_url: str) -> None:
    """It has another step to do, and its lease is gone."""

    async def story(it: Story) -> None:
        await it.change()
        zombie = await it.stops_with(lambda request: request.steps[0].name == "create")
        await it.stage.move(2 * DAY)
        await it.until_nothing_is_due()
        assert len(it.holds("ledger")) == 1
        await it.goes_on(zombie)
        await it.stage.move(3.0)
        await it.until_nothing_is_due()
        assert it.holds("ledger") == [it.newest]

    told(database_url, story)


def test_a_zombie_that_writes_field_by_field_is_found_too(database_url: str) -> None:
    """A refusal that names no field is narrowed down by calls; the last one comes too late to be sent."""

    async def story(it: Story) -> None:
        await it.change()
        it.stage.vaults["shelf"].script.extend(["refused", "refused"])
        zombie = await it.stops_with(
            lambda request: request.vault.name == "shelf" and len(request.steps[0].payload["fields"]) == 1
        )
        await it.stage.move(2 * DAY)
        await it.change()
        await it.until_nothing_is_due()
        assert it.holds("shelf") == [it.newest]
        await it.goes_on(zombie)
        assert it.holds("shelf") != [it.newest], "the zombie wrote"
        await it.stage.move(LOOK_AGAIN)
        await it.until_nothing_is_due()
        assert it.holds("shelf") == [it.newest]

    told(database_url, story)


def test_a_zombie_that_wrote_nothing_is_no_stale_write(database_url: str) -> None:
    async def story(it: Story) -> None:
        await it.change()
        zombie = await it.stops_with(lambda request: request.vault.name == "shelf")
        await it.stage.move(2 * DAY)
        await it.change()
        await it.until_nothing_is_due()
        it.stage.vaults["shelf"].script.append("503")
        await it.goes_on(zombie)
        assert zombie.delivery.stale_writes == len([each for each in it.stage.stale if each.replica is zombie])

    told(database_url, story)
