"""Targets and sources that fail in every way that HTTP knows, while both sides are edited."""

from __future__ import annotations

from typing import Any

import pytest

from faults.scene import Scene

SYSTEMS = {"consonance": "consonance", "dam": "fourallportal"}
BOTH = pytest.mark.parametrize("side", ["consonance", "dam"])
#: What a lost answer leaves in doubt is read back; where a read shows an older state it is written once more.
DOUBTFUL = 20


def fires(scene: Scene, side: str, **rule: Any) -> None:
    """The fault strikes for a while, and more than once, and heals; no replica could do better, so ours serves."""
    sandbox, [one] = getattr(scene.pair, side), scene.replicas
    with one.probes.ready():
        sandbox.fault(**rule)
        scene.until(lambda: sandbox.get("/sandbox/faults")[0]["fired"] > 0, what=f"{rule} strikes")
        with scene.load() as load:
            load.edits(40)
            if "share" not in rule:
                one.probes.until_warned(f"feed/{SYSTEMS[side]}/")
        sandbox.heal()


@BOTH
@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({"kind": "status", "status": 500}, id="500"),
        pytest.param({"kind": "status", "status": 429, "retry_after": 1}, id="429 seconds"),
        pytest.param({"kind": "status", "status": 429, "retry_after": 2, "retry_after_date": True}, id="429 date"),
        pytest.param({"kind": "reset"}, id="reset before"),
    ],
)
@pytest.mark.matrix
def test_a_refusal_that_passes_is_retried(scene: Scene, side: str, rule: dict[str, Any]) -> None:
    one = scene.runs()
    fires(scene, side, **rule)
    with scene.load() as load:
        load.edits(20)
    scene.ends_right(repeats=0)
    assert one.alive, one.said()


@BOTH
@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({"kind": "status", "status": 500, "after": True}, id="500 after"),
        pytest.param({"kind": "reset", "after": True}, id="reset after"),
        pytest.param({"kind": "hang"}, id="hang"),
    ],
)
@pytest.mark.matrix
def test_a_write_whose_answer_was_lost_is_settled(scene: Scene, side: str, rule: dict[str, Any]) -> None:
    one = scene.runs()
    fires(scene, side, share=0.5, **rule)
    with scene.load() as load:
        load.edits(20)
    scene.ends_right(repeats=DOUBTFUL)
    assert one.alive, one.said()


def test_every_fault_of_a_target_one_after_the_other(scene: Scene) -> None:
    one = scene.runs()
    sandboxes = (scene.pair.consonance, scene.pair.dam)
    with scene.load() as load, one.probes.ready():
        for rule in (
            {"kind": "status", "status": 500, "after": True},
            {"kind": "status", "status": 429, "retry_after": 1, "retry_after_date": True},
            {"kind": "reset", "after": True},
            {"kind": "reset"},
        ):
            for sandbox in sandboxes:
                sandbox.fault(share=0.5, **rule)
            load.edits(20)
            for sandbox in sandboxes:
                sandbox.heal()
    scene.ends_right(repeats=2 * DOUBTFUL)
    assert one.alive, one.said()


@BOTH
@pytest.mark.matrix
def test_connections_that_are_half_open_are_given_up(scene: Scene, side: str) -> None:
    proxy = scene.to_consonance if side == "consonance" else scene.to_dam
    scene.gives_up_half_open(proxy, edits=100, repeats=DOUBTFUL, ready=True)


@BOTH
@pytest.mark.matrix
def test_a_network_that_slows_down_and_swallows_everything(scene: Scene, side: str) -> None:
    one = scene.runs()
    proxy = scene.to_consonance if side == "consonance" else scene.to_dam
    with scene.load() as load, one.probes.ready():
        proxy.delay(0.3)
        load.edits(40)
        proxy.hold()
        load.edits(120)
        proxy.heal()
        load.edits(20)
    # Requests that were held come late, after their successors: the second look puts that right.
    scene.ends_right(repeats=DOUBTFUL, stale=DOUBTFUL)
    assert one.alive, one.said()
