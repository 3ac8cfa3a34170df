"""A database that is gone, hangs, locks, deadlocks, or comes back older than it was."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import asyncpg
import pytest

from faults.scene import Scene
from frontlist.embedded.postgres import binaries
from frontlist.ending import HUNG

SOME = 20


def tool(scene: Scene, name: str, *arguments: str) -> None:
    """pg_dump, pg_restore or psql on the installation's database, around the proxy."""
    url = urlsplit(scene.place.postgres.url)._replace(path=f"/{scene.prefix}").geturl()
    subprocess.run([str(binaries() / name), "-d", url, *arguments], check=True, capture_output=True, timeout=120)


def back_up(scene: Scene) -> None:
    if scene.sqlite:
        scene.sql("VACUUM INTO '" + str(scene.folder / "backup") + "'")
    else:
        tool(scene, "pg_dump", "-Fc", "-f", str(scene.folder / "backup"))


def restore(scene: Scene) -> None:
    if scene.sqlite:
        for each in scene.folder.glob("frontlist.sqlite-*"):
            each.unlink()
        shutil.copy(scene.folder / "backup", scene.folder / "frontlist.sqlite")
        return
    scene.place.postgres.databases.drop(scene.prefix)
    scene.place.postgres.create_database(scene.prefix)
    tool(scene, "pg_restore", str(scene.folder / "backup"))


def test_a_database_that_is_gone_for_a_while_is_waited_for(scene: Scene) -> None:
    one = scene.runs()
    with scene.load() as load:
        load.edits(20)
        scene.place.postgres.kill()
        with one.probes.unready("database"):
            load.edits(60)
        scene.place.postgres.restart()
        load.edits(40)
    scene.ends_right(repeats=SOME)
    assert one.alive, one.said()


@pytest.mark.matrix
@pytest.mark.parametrize("how", ["gone", "a black hole"])
def test_sigterm_while_the_database_does_not_answer_ends_in_time(scene: Scene, how: str) -> None:
    stopped = scene.stops_without(scene.place.to_postgres, how, edits=20, repeats=SOME)
    assert stopped.process.returncode in ({0} if how == "gone" else {0, HUNG}), stopped.said()


@pytest.mark.matrix
def test_connections_to_the_database_that_are_half_open_are_given_up(scene: Scene) -> None:
    scene.gives_up_half_open(scene.place.to_postgres, edits=40, repeats=SOME)


@pytest.mark.matrix
@pytest.mark.parametrize("sqlite", [False, True], ids=["postgresql", "sqlite"])
def test_a_database_from_an_older_backup_is_read_back(make: Callable[..., Scene], sqlite: bool) -> None:
    scene = make(sqlite=sqlite)
    one = scene.runs()
    with scene.load() as load:
        load.edits(20)
        back_up(scene)
        load.edits(60)
    scene.until(lambda: not scene.missing(), what="the edits after the backup")
    one.stop()
    restore(scene)
    two = scene.run()
    scene.until(lambda: "older than what Kafka was told" in two.said(10_000), what="it is noticed")
    with scene.load() as load:
        load.edits(20)
    scene.ends_right(repeats=SOME)


@pytest.mark.matrix
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "beside another, and one that starts"])
def test_a_database_that_comes_back_older_under_a_running_process_is_read_back(scene: Scene, alone: bool) -> None:
    running = [scene.runs() for _ in range(1 if alone else 2)]
    with scene.load() as load:
        load.edits(20)
        back_up(scene)
        load.edits(60)
    scene.until(lambda: not scene.missing(), what="the edits after the backup")
    scene.place.to_postgres.refuse()
    with running[0].probes.unready("database"):
        restore(scene)
    if not alone:
        running.append(scene.run())
    scene.place.to_postgres.heal()
    scene.until(
        lambda: any("older than what Kafka was told" in each.said(10_000) for each in running), what="it is noticed"
    )
    with scene.load() as load:
        load.edits(20)
    scene.ends_right(repeats=SOME)
    assert all(each.alive for each in running), [each.said() for each in running]


@pytest.mark.matrix
def test_a_lock_that_takes_too_long_passes(scene: Scene) -> None:
    """Ours give up a lock after 40 s."""
    one = scene.runs()
    with scene.load() as load:
        load.edits(20)
        locking = threading.Thread(
            target=tool,
            args=(scene, "psql", "-c", "BEGIN; LOCK TABLE work IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(45); COMMIT"),
        )
        locking.start()
        with one.probes.unready("work", "intake"):
            load.edits(40)
        locking.join(120)
        load.edits(40)
    scene.ends_right(repeats=SOME)
    assert one.alive, one.said()
    assert any("lock timeout" in each.unready.get("work", "") for each in one.probes.readiness), one.said()


async def deadlock(url: str, seconds: float = 120.0) -> int:
    """Takes work rows from the last to the first, against ours, until PostgreSQL ended a deadlock; answers how many.

    It holds the last row until one of ours waits for it, and then wants the others; it never is the victim itself.
    """
    count = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND $1 = ANY(pg_blocking_pids(pid))"
    one, watching = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        before = await watching.fetchval(count)
        async with asyncio.timeout(seconds):
            while (found := await watching.fetchval(count) - before) == 0:
                async with one.transaction():
                    await one.execute("SET LOCAL deadlock_timeout = '1h'")
                    rows = await one.fetch("SELECT consumer, title FROM work ORDER BY consumer DESC, title DESC")
                    for turn, row in enumerate(rows):
                        await one.execute("SELECT 1 FROM work WHERE consumer = $1 AND title = $2 FOR UPDATE", *row)
                        for _ in range(60 if turn == 0 else 0):
                            if await watching.fetchval(waits, one.get_server_pid()):
                                break
                            await asyncio.sleep(0.05)
                await asyncio.sleep(0.2)
        return int(found)
    finally:
        await one.close()
        await watching.close()


@pytest.mark.matrix
def test_deadlocks_with_somebody_elses_transaction_pass(scene: Scene) -> None:
    one = scene.runs()
    url = urlsplit(scene.place.postgres.url)._replace(path=f"/{scene.prefix}").geturl()
    with scene.load() as load, one.probes.ready():
        load.edits(20)
        assert asyncio.run(deadlock(url)) > 0
        load.edits(20)
    scene.ends_right(repeats=SOME)
    assert one.alive, one.said()


@pytest.mark.matrix
def test_a_text_with_u_0000_stops_nothing(scene: Scene) -> None:
    one = scene.runs()
    with scene.load() as load, one.probes.ready():
        load.edits(20)
        scene.pair.consonance.send("PATCH", "/sandbox/works/61002", {"subtitle": "No\x00thing"})
        load.edits(40)
    scene.ends_right(repeats=0)
    assert one.alive, one.said()
