"""Processes that die, freeze, leave and join while both sides are edited."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from faults.scene import Load, Replica, Scene
from frontlist.capture import CaptureSettings
from frontlist.ensure import EnsureSettings
from frontlist.intake import IntakeSettings

#: Leases and session as an installation has them; the other rows have shorter ones.
AS_SHIPPED = {
    "ensure": {"lease": EnsureSettings().lease},
    "capture": {"lease": CaptureSettings().lease},
    "intake": {"session": IntakeSettings().session},
}
#: Calls in flight to a target that a death leaves in doubt, each with the records of its titles.
IN_FLIGHT = 20


@pytest.mark.parametrize("sqlite", [pytest.param(False, marks=pytest.mark.matrix), True], ids=["postgresql", "sqlite"])
def test_after_a_kill_9_the_next_one_goes_on(make: Callable[..., Scene], sqlite: bool) -> None:
    scene = make(sqlite=sqlite)
    one = scene.runs()
    with scene.load() as load:
        load.edits(40)
        one.kill()
        load.edits(20)
        scene.run()
        load.edits(40)
    scene.ends_right(repeats=IN_FLIGHT)


@pytest.mark.matrix
def test_sigterm_in_mid_pass_finishes_the_calls_and_repeats_nothing(scene: Scene) -> None:
    one = scene.runs()
    with scene.load() as load:
        for _ in range(2):
            load.edits(30)
            one.stop()
            assert one.process.returncode == 0, one.said()
            one = scene.run()
            scene.until(lambda: "work: done" in one.said(10_000), what="the next one works")  # noqa: B023
        load.edits(30)
    scene.ends_right(repeats=0)


@pytest.mark.parametrize("side", [pytest.param("consonance", marks=pytest.mark.matrix), "dam"])
def test_sigterm_while_a_target_hangs_ends_in_time(scene: Scene, side: str) -> None:
    one = scene.runs()
    sandbox = getattr(scene.pair, side)
    with scene.load() as load:
        load.edits(20)
        sandbox.fault(kind="hang")
        scene.until(lambda: bool(sandbox.get("/sandbox/faults")[0]["fired"]), what="a call that hangs")
        load.edits(20)
        one.stop()
        sandbox.heal()
        scene.run()
        load.edits(20)
    scene.ends_right(repeats=IN_FLIGHT)


@pytest.mark.matrix
def test_a_worker_frozen_past_its_lease_is_replaced_and_its_late_writes_are_healed(scene: Scene) -> None:
    scene.runs("capture,intake,work")
    zombie = scene.run("work")
    zombie.probes.until_ready()
    with scene.load() as load:
        scene.pair.dam.fault(kind="latency", seconds=0.3, method="PATCH")
        for _ in range(3):
            load.edits(20)
            with zombie.frozen():
                load.edits(160)  # longer than the leases of 5 s
        load.edits(20)
        scene.pair.dam.heal()
    scene.ends_right(repeats=3 * IN_FLIGHT, stale=1)
    assert zombie.alive, zombie.said()


@pytest.mark.matrix
def test_a_capturer_frozen_past_its_lease_is_fenced(scene: Scene) -> None:
    zombie = scene.run("capture")
    scene.run("intake,work")
    scene.until(scene.filled, what="the first records")
    successor = scene.run("capture")
    with scene.load() as load:
        load.edits(20)
        with zombie.frozen():
            load.edits(120)  # longer than the lease of 3 s
        load.edits(40)
    scene.ends_right(repeats=IN_FLIGHT)
    scene.until(lambda: sorted(map(captures, (zombie, successor))) == [False, True], what="one says that it captures")
    assert zombie.alive, zombie.said()


@pytest.mark.matrix
def test_a_worker_frozen_for_a_minute_is_replaced_under_the_leases_as_shipped(make: Callable[..., Scene]) -> None:
    scene = make(**AS_SHIPPED)
    scene.runs("capture,intake,work")
    zombie = scene.run("work")
    zombie.probes.until_ready()
    with scene.load() as load:
        scene.pair.dam.fault(kind="latency", seconds=0.3, method="PATCH")
        load.edits(40)
        freeze_for_a_minute(zombie, load)
        load.edits(20)
        scene.pair.dam.heal()
    scene.ends_right(repeats=IN_FLIGHT, stale=1)
    assert zombie.alive, zombie.said()


@pytest.mark.matrix
def test_a_replica_frozen_for_a_minute_is_fenced_under_the_leases_as_shipped(make: Callable[..., Scene]) -> None:
    scene = make(**AS_SHIPPED)
    zombie = scene.runs()  # it captures, is in the group and has a producer: all of these expire
    scene.run()
    with scene.load() as load:
        load.edits(40)
        freeze_for_a_minute(zombie, load)
        load.edits(40)
    scene.ends_right(repeats=IN_FLIGHT, stale=1)
    assert zombie.alive, zombie.said()


def freeze_for_a_minute(zombie: Replica, load: Load) -> None:
    with zombie.frozen():
        thaws = time.monotonic() + 60.0
        while time.monotonic() < thaws:
            load.edits(20)


def captures(replica: Replica) -> bool:
    return replica.probes.until_ready().checks["capture/consonance"][1] == "captures"


@pytest.mark.matrix
def test_replicas_join_and_leave_and_two_share_the_work(scene: Scene) -> None:
    one = scene.runs()
    with scene.load() as load:
        load.edits(20)
        with one.probes.ready():
            two = scene.run()
            scene.until(lambda: "work: done" in two.said(10_000), what="the second one works")
            load.edits(40)
        with two.probes.ready():
            one.stop()
            assert one.process.returncode == 0, one.said()
            load.edits(40)
    scene.ends_right(repeats=0)
    assert two.alive, two.said()
