"""A broker that restarts, is gone, or is a black hole; and what should not be on a topic."""

from __future__ import annotations

import os
import time

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from faults.scene import Scene, wait_for

#: Titles that were on their way to a target may be planned twice.
SOME = 20


@pytest.fixture
def admin(scene: Scene) -> AdminClient:
    return AdminClient({"bootstrap.servers": scene.place.to_kafka.address, "log_level": 0})


def test_a_broker_that_restarts_is_waited_for(scene: Scene) -> None:
    one = scene.runs()
    with scene.load() as load:
        load.edits(20)
        scene.place.kafka.restart()
        load.edits(40)
    scene.ends_right(repeats=0)
    assert one.alive, one.said()


@pytest.mark.matrix
def test_a_broker_that_is_gone_for_two_minutes_is_waited_for(scene: Scene) -> None:
    one = scene.runs()
    standby = scene.run("capture")
    standby.probes.until_ready()
    with scene.load() as load:
        load.edits(20)
        scene.place.kafka.kill()
        away = time.monotonic() + 120
        with one.probes.unready("intake"), standby.probes.unready("kafka"):
            wait_for(lambda: time.monotonic() > away, seconds=150, what="two minutes")
        scene.place.kafka.restart()
        load.edits(40)
    scene.ends_right(repeats=0)
    assert one.alive, one.said()


@pytest.mark.matrix
@pytest.mark.parametrize("how", ["gone", "a black hole"])
def test_sigterm_while_the_broker_does_not_answer_ends_in_time(scene: Scene, how: str) -> None:
    stopped = scene.stops_without(scene.place.to_kafka, how, edits=40, repeats=SOME)
    assert stopped.process.returncode == 0, stopped.said()


@pytest.mark.matrix
def test_connections_to_kafka_that_are_half_open_are_given_up(scene: Scene) -> None:
    scene.gives_up_half_open(scene.place.to_kafka, edits=40, repeats=0)


@pytest.mark.matrix
def test_a_kafka_that_swallows_everything_for_a_while_is_waited_for(scene: Scene) -> None:
    one = scene.runs()
    with scene.load() as load:
        load.edits(20)
        scene.place.to_kafka.hold()
        with one.probes.unready("intake"):
            load.edits(300)
        scene.place.to_kafka.heal()
        load.edits(40)
    scene.ends_right(repeats=0)
    assert one.alive, one.said()


def test_poison_on_our_topics_stops_nothing(scene: Scene) -> None:
    one = scene.runs()
    names = ("consonance.metadata", "fourallportal.metadata", "links", "decisions")
    refused: list[object] = []
    producer = Producer({"bootstrap.servers": scene.place.to_kafka.address})
    with scene.load() as load, one.probes.ready():
        load.edits(20)
        for name in names:
            topic = f"{scene.prefix}.{name}.v1"
            for key, value, headers in (
                (b"\xff\xfe", os.urandom(200), []),
                (b"work:61001", b"\x00" * 50, []),
                (b"work:61002", b'{"body": {"title": "\\u0000"}}', [("ce_sequence", b"1" * 40)]),
                (b"nonsense", b"[" * 50_000, [("ce_type", b"\xff")]),
            ):
                producer.produce(topic, value, key, headers=headers, on_delivery=lambda error, _: refused.append(error))
        assert producer.flush(20) == 0
        assert set(refused) == {None}
        load.edits(40)
    scene.ends_right(repeats=0)
    assert one.alive, one.said()
    places = scene.sql("SELECT title FROM finding WHERE consumer = 'intake' AND closed_at IS NULL")
    found = {name.partition("[")[0] for name in places}
    assert found == {f"topic:{scene.prefix}.{name}.v1" for name in names}, scene.told()


@pytest.mark.matrix
def test_a_topic_that_was_made_anew_is_refused_and_republish_cures(scene: Scene, admin: AdminClient) -> None:
    one = scene.runs()
    name = f"{scene.prefix}.consonance.metadata.v1"
    with scene.load() as load:
        load.edits(20)
        for future in admin.delete_topics([name], operation_timeout=10).values():
            future.result(10)
        wait_for(lambda: name not in admin.list_topics(timeout=10).topics, what="the topic is gone")
        wait_for(lambda: f"made {name}" in scene.command("topics", "apply"), what="the topic made anew")
        assert one.ended() == 2
        assert "frontlist republish" in one.said()
        scene.command("republish")
        scene.run()
        load.edits(20)
    scene.ends_right(repeats=SOME)


@pytest.mark.matrix
def test_records_that_were_deleted_before_we_read_them_are_refused_and_republish_cures(
    scene: Scene, admin: AdminClient
) -> None:
    scene.runs().stop()
    capturing = scene.run("capture")
    name = f"{scene.prefix}.consonance.metadata.v1"
    with scene.load() as load:
        load.edits(60)
    capturing.stop()
    # The broker protects compacted topics until somebody changes their policy.
    policy = ConfigEntry("cleanup.policy", "compact,delete", incremental_operation=AlterConfigOpType.SET)
    changed = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[policy])
    for future in admin.incremental_alter_configs([changed]).values():
        future.result(10)
    parts = [TopicPartition(name, p, -1) for p in range(2)]  # -1: everything that is there
    for future in admin.delete_records(parts).values():
        future.result(10)
    one = scene.run()
    assert one.ended() == 2
    assert "frontlist republish" in one.said()
    assert not any(each.ready for each in one.probes.readiness), "who refuses is never in service"
    scene.command("republish")
    scene.run()
    scene.ends_right(repeats=SOME)
