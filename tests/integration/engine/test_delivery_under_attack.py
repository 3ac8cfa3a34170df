"""Any order of changes, crashes, zombies, lost and late requests: the newest arrives, once, and it is known.

The real worker and delivery against systems in memory whose calls the story holds (`attacking`).
`ATTACK_EXAMPLES=500 pytest tests/integration/engine/test_delivery_under_attack.py` plays so many new stories, without
it the same few each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from frontlist import settling
from frontlist.contract import TitleKey
from frontlist.state import applied, dead, processes, sweeps, work

from .attacking import LATE_MOST, POINTS, READS, SECOND, SYSTEMS, WRITES, Loop, Object, Replica, Stage, Vault, opened

EXAMPLES = int(os.environ.get("ATTACK_EXAMPLES", "0"))
TITLES = ("work:1", "work:2", "work:3")
DAY = 86_400.0
#: A title whose next look is further away than this has nothing to do now.
SOON = 7200.0
HELD = ("shelf", "ledger")
WHICH = st.integers(0, 11)
T = TypeVar("T")


class Attack(RuleBasedStateMachine):
    """`loop`, `open` and `skews` (seconds, of each replica's clock) are set by the test."""

    loop: Loop
    open: Callable[[], Stage]
    skews: tuple[float, ...]

    def __init__(self) -> None:
        super().__init__()
        self.stage = type(self).open()
        self.edited: set[tuple[str, str]] = set()
        self.maybe_removed: set[tuple[str, str]] = set()
        self.wrong = False

    def do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(what)

    @initialize(claim=st.sampled_from([1, 2, 1000]))
    def start(self, claim: int) -> None:
        self.do(self.stage.reset())
        self.claim = claim
        self.stage.replicas = [Replica(self.stage, skew, claim) for skew in type(self).skews]
        for title in TITLES:
            self.do(self.stage.revise(title, 40))

    # --- changes ---------------------------------------------------------------------------------------------------

    @rule(title=st.sampled_from(TITLES), priority=st.sampled_from([10, 40, 90]))
    def a_new_revision_arrives(self, title: str, priority: int) -> None:
        self.do(self.stage.revise(title, priority))

    @rule(which=WHICH, mode=st.sampled_from(["propose", "observe", "off"]), stop_at=st.sampled_from([None, *POINTS]))
    def the_mode_is_lowered_for_a_while(self, which: int, mode: str, stop_at: str | None) -> None:
        self.do(self.stage.decide(mode))
        self.a_worker_takes_a_claim(which, stop_at, restarted=True)
        self.time_passes(3.0)
        self.do(self.stage.decide("apply"))

    @rule()
    def a_mapping_is_activated(self) -> None:
        self.do(self.stage.activate())

    @rule(title=st.sampled_from(TITLES), system=st.sampled_from(HELD), key=st.sampled_from(["n", "extra"]))
    def a_person_edits(self, title: str, system: str, key: str) -> None:
        for each in self.stage.vaults[system].of(title).values():
            each.fields[key] = -1
            self.edited.add((system, title))

    @rule(title=st.sampled_from(TITLES[:1]), system=st.sampled_from(HELD))
    def a_person_deletes(self, title: str, system: str) -> None:
        vault = self.stage.vaults[system]
        surely = self.do(self._certain(title, system))
        if vault.of(title) and (surely or system == "shelf"):
            for id_ in vault.of(title):
                del vault.objects[id_]
            self.maybe_removed.add((system, title))
            if surely:
                vault.removed.add(title)

    # --- processes -------------------------------------------------------------------------------------------------

    @rule(which=WHICH, stop_at=st.sampled_from([None, None, *POINTS]), restarted=st.booleans())
    def a_worker_takes_a_claim(self, which: int, stop_at: str | None, restarted: bool) -> None:
        for replica in _one(which, [each for each in self.stage.replicas if each.idle]):
            if restarted:
                replica.activation = self.stage.activation
            replica.begin(stop_at)
            self.do(self.stage.rest())

    @rule(which=WHICH, again_at=st.sampled_from([None, None, *POINTS]))
    def a_frozen_worker_goes_on(self, which: int, again_at: str | None) -> None:
        for replica in _one(which, [each for each in self.stage.replicas if each.frozen and not each.dead]):
            replica.stop_at = again_at
            replica.thaw()
            self.do(self.stage.rest())

    @rule(which=WHICH)
    def a_worker_is_killed(self, which: int) -> None:
        for replica in _one(which, [each for each in self.stage.replicas if self._may_die(each)]):
            self._die(replica)

    def _die(self, replica: Replica) -> None:
        replica.kill()
        skew = type(self).skews[len(self.stage.replicas) % len(type(self).skews)]
        self.stage.replicas.append(Replica(self.stage, skew, self.claim))

    def _may_die(self, replica: Replica) -> bool:
        """Not with a call that was on its way for longer than the second look waits: nobody would ever know of it."""
        age = max((self.loop.time() - each.sent_at for each in replica.sent), default=0.0)
        return replica.busy and not replica.dead and age < LATE_MOST

    # --- what is worth trying more often than chance does ------------------------------------------------------------

    @rule(title=st.sampled_from(TITLES), system=st.sampled_from(sorted(SYSTEMS)), how=st.sampled_from(WRITES))
    def a_change_meets_a_fault(self, title: str, system: str, how: str) -> None:
        self.a_new_revision_arrives(title, 10)
        self.stage.vaults[system].script.append(how)
        self.a_worker_takes_a_claim(0, None, restarted=True)

    @rule(title=st.sampled_from(TITLES), point=st.sampled_from(POINTS))
    def a_change_meets_a_crash(self, title: str, point: str) -> None:
        self.a_new_revision_arrives(title, 10)
        self.a_worker_takes_a_claim(0, point, restarted=True)
        for replica in [each for each in self.stage.replicas if each.frozen and self._may_die(each)]:
            self._die(replica)

    @rule(title=st.sampled_from(TITLES), point=st.sampled_from(POINTS), seconds=st.sampled_from([3.0, 60.0, 2 * DAY]))
    def a_change_meets_a_zombie(self, title: str, point: str, seconds: float) -> None:
        self.a_new_revision_arrives(title, 10)
        self.a_worker_takes_a_claim(0, point, restarted=True)
        self.time_passes(seconds)
        self.a_new_revision_arrives(title, 10)
        self.a_worker_takes_a_claim(0, None, restarted=True)
        self.time_passes(2.0)
        self.a_worker_takes_a_claim(0, None, restarted=True)
        self.a_frozen_worker_goes_on(0, None)

    # --- calls and time --------------------------------------------------------------------------------------------

    @rule(system=st.sampled_from(sorted(SYSTEMS)), how=st.lists(st.sampled_from(WRITES), min_size=1, max_size=3))
    def the_next_writes_become(self, system: str, how: list[str]) -> None:
        self.stage.vaults[system].script.extend(how)

    @rule(system=st.sampled_from(HELD), how=st.sampled_from(READS))
    def the_next_read_becomes(self, system: str, how: str) -> None:
        self.stage.vaults[system].reads.append(how)

    @rule(which=WHICH, how=st.sampled_from(["answered", "lost", "failed", "field refused"]))
    def what_hangs_is_released(self, which: int, how: str) -> None:
        for request in _one(which, self.stage.hanging):
            if not request.done and not request.answer.done():
                request.answer.set_result(how)
            self.do(self.stage.rest())

    @rule(which=WHICH)
    def a_request_is_carried_out_late(self, which: int) -> None:
        for request in _one(which, self.stage.late):
            before = len(self.stage.stale)
            self.stage.carry_out_late(request)
            for step in request.steps if len(self.stage.stale) > before else ():
                assert self.do(self._uncertain(step.resource.id, request.vault.name)), f"nobody doubts {step.resource}"

    @rule(seconds=st.sampled_from([1.0, 3.0, 20.0, 60.0, 950.0, 2 * DAY]))
    def time_passes(self, seconds: float) -> None:
        self.do(self.stage.move(seconds))

    @invariant()
    def nothing_was_seen_that_must_not_be(self) -> None:
        self.wrong = bool(self.stage.errors)
        assert not self.stage.errors, self.stage.errors

    # --- the end ---------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            if not self.wrong and self.stage.replicas:
                self.do(self._all_is_released())
                self.do(self._until_nothing_is_due())
                self.do(self._check())
        finally:
            self.do(self.stage.close())

    async def _all_is_released(self) -> None:
        stage = self.stage
        for vault in stage.vaults.values():
            vault.script.clear()
            vault.reads.clear()
        for request in stage.hanging:
            if not request.done and not request.answer.done():
                request.answer.set_result("answered")
        for each in stage.replicas:
            if not each.dead:
                each.stop_at = None
                each.thaw()
        await stage.rest()
        for request in list(stage.late):
            stage.carry_out_late(request)
        assert not [each for each in stage.replicas if each.busy and not each.dead], "a worker never ends"
        await stage.decide("apply")
        self.last = Replica(stage, 0.0, 1000)
        stage.replicas.append(self.last)

    async def _until_nothing_is_due(self) -> None:
        await self.stage.move(3.0)  # those that were killed are known to be dead
        await self._work()
        async with self.stage.db.begin() as c:
            titles = sorted({TitleKey(title) for _, title in self.edited})
            await sweeps.begin(self.stage.db, c, "s", "reconcile", {}, {"wishes": titles})
            now = await self.stage.db.now(c)
            again = await sweeps.next_titles(c, "s", 100, now)
            dues = [work.Due(name, title, now, work.Priority.SWEEP, "reconcile/s") for name, title in again]
            await work.mark(self.stage.db, c, dues)
            letters = await dead.find(c, dead.Filter())
        await settling.let_through(self.stage.db, letters)
        await self._work()
        await self.stage.move(DAY + 60.0)  # what was refused is tried daily
        await self._work()

    async def _work(self) -> None:
        for _ in range(200):
            self.last.begin(None)
            await self.stage.rest()
            assert self.last.task is not None
            if self.last.task.result():
                continue
            async with self.stage.db.read() as c:
                due, now = await work.next_due(c, ["wishes"]), await self.stage.db.now(c)
            if due is None or due > now + SOON * SECOND:
                return
            await self.stage.move(max(10.0, (due - now) / SECOND + 0.01))
        async with self.stage.db.read() as c:
            rows = (await c.execute(sa.select(work.work_table))).all()
        raise AssertionError(f"there is always something due: {rows}")

    async def _check(self) -> None:
        stage = self.stage
        assert not stage.errors, stage.errors
        async with stage.db.read() as c:
            now = await stage.db.now(c)
            rows = (await c.execute(sa.select(work.work_table))).all()
            leases = (await c.execute(sa.select(processes.lease_table))).all()
            known = await applied.of_titles(c, "wishes", [TitleKey(title) for title in TITLES])
        assert not leases, f"leases are left: {leases}"
        for row in rows:
            assert row.claimed_by is None, f"{row.title} stays claimed"
            assert row.due_at is None or row.due_at > now, f"{row.title} is still due: {row}"
        for vault in stage.vaults.values():
            for title in TITLES:
                self._holds_the_newest(vault, title)
        for resource, each in known.items():
            found = stage.vaults[resource.target].actual(resource.id)
            if found is not None:
                assert not each.in_doubt(now), f"{resource} stays in doubt"
                assert each.look_again_at is None, f"{resource} is never looked at again"
                assert (each.present, each.fields) == (True, found.fields), f"applied is wrong about {resource}"
            else:
                assert (resource.target, resource.id) in self.maybe_removed
        for request in stage.stale:
            if request.answered and not request.replica.dead:
                assert request.replica.delivery.stale_writes, f"a stale write was not counted: {request}"

    def _holds_the_newest(self, vault: Vault, title: str) -> None:
        found: list[Object] = list(vault.of(title).values())
        if not found:
            assert (vault.name, title) in self.maybe_removed, f"{vault.name} has nothing of {title}"
            return
        assert len(found) == 1, f"{vault.name} holds {title} {len(found)} times"
        n = self.stage.numbers[title]
        newest = {"n": n, "extra": n, "mapping": self.stage.activation}
        assert found[0].fields == newest, f"{vault.name} holds {found[0].fields} of {title}, the newest is {newest}"

    # --- looking ---------------------------------------------------------------------------------------------------

    async def _applied(self, title: str, system: str) -> tuple[applied.Applied | None, int]:
        async with self.stage.db.read() as c:
            rows = await applied.of_titles(c, "wishes", [TitleKey(title)])
            return next((each for each in rows.values() if each.resource.target == system), None), (
                await self.stage.db.now(c)
            )

    async def _uncertain(self, title: str, system: str) -> bool:
        row, now = await self._applied(title, system)
        return row is not None and (row.in_doubt(now) or row.look_again_at is not None)

    async def _certain(self, title: str, system: str) -> bool:
        """It is known to stand there, and nothing of ours is on its way."""
        row, _ = await self._applied(title, system)
        quiet = not any(each.busy for each in self.stage.replicas) and not self.stage.late
        return quiet and row is not None and row.present and not await self._uncertain(title, system)


def _one(which: int, choices: Sequence[T]) -> list[T]:
    """That one, if there is any. What a story draws never depends on how it went, so that it can be told again."""
    return [choices[which % len(choices)]] if choices else []


def play(url: str, skews: tuple[float, ...], stories: int) -> None:
    loop = Loop()
    try:
        db = loop.run_until_complete(opened(url))
        machine = type("Attacked", (Attack,), {"loop": loop, "open": lambda: Stage(loop, db), "skews": skews})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=EXAMPLES or stories,
                stateful_step_count=50,
                derandomize=not EXAMPLES,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        loop.run_until_complete(db.close())
        loop.close()


@pytest.mark.timeout(0 if EXAMPLES else 300)
def test_the_newest_arrives_once_and_is_known_on_postgresql(postgresql_url: str) -> None:
    """Three processes, the clocks of two set wrong."""
    play(postgresql_url, (0.0, 240.0, -45.0), stories=20)


@pytest.mark.timeout(0 if EXAMPLES else 300)
def test_the_newest_arrives_once_and_is_known_on_sqlite(sqlite_url: str) -> None:
    play(sqlite_url, (0.0, 0.0), stories=20)
