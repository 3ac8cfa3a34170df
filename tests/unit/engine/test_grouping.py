"""Groups: one run for many, an answer for each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError

from frontlist.grouping import Group


class Log:
    """A run that keeps what it was given, fails over some items, and may be made to wait."""

    def __init__(self, *bad: int) -> None:
        self.bad, self.runs, self.go = set(bad), list[list[int]](), asyncio.Event()
        self.go.set()
        self.lost = 0

    async def __call__(self, items: Sequence[int]) -> list[str]:
        self.runs.append(list(items))
        await self.go.wait()
        if self.lost:
            self.lost -= 1
            raise DBAPIError("", None, state("40P01"))
        if self.bad & set(items):
            raise ValueError(f"bad among {items}")
        return [f"done {item}" for item in items]


class state(Exception):
    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


async def test_what_comes_while_it_runs_goes_together_next() -> None:
    log = Log()
    log.go.clear()
    group: Group[int, str] = Group(log)
    tasks = [asyncio.create_task(group(i)) for i in range(4)]
    await asyncio.sleep(0)
    log.go.set()
    assert await asyncio.gather(*tasks) == [f"done {i}" for i in range(4)]
    assert sorted(each for run in log.runs for each in run) == [0, 1, 2, 3]
    assert len(log.runs) <= 2


async def test_one_bad_item_fails_alone() -> None:
    log = Log(3)
    group: Group[int, str] = Group(log)
    answers = await asyncio.gather(*(group(i) for i in range(8)), return_exceptions=True)
    assert [i for i, each in enumerate(answers) if isinstance(each, ValueError)] == [3]
    assert [each for each in answers if isinstance(each, str)] == [f"done {i}" for i in range(8) if i != 3]


async def test_a_run_that_lost_against_another_transaction_is_repeated_whole() -> None:
    log = Log()
    log.lost = 2
    group: Group[int, str] = Group(log)
    assert await asyncio.gather(group(1), group(2)) == ["done 1", "done 2"]
    assert log.runs[0] == log.runs[1] == log.runs[2]


async def test_a_database_that_is_gone_fails_all_at_once() -> None:
    async def away(items: Sequence[int]) -> list[None]:
        raise OperationalError("", None, ConnectionError("gone"))

    group: Group[int, None] = Group(away)
    answers = await asyncio.gather(*(group(i) for i in range(3)), return_exceptions=True)
    assert all(isinstance(each, OperationalError) for each in answers)


async def test_who_is_cancelled_does_not_cancel_the_run() -> None:
    log = Log()
    log.go.clear()
    group: Group[int, str] = Group(log)
    first, second = asyncio.create_task(group(1)), asyncio.create_task(group(2))
    await asyncio.sleep(0)
    first.cancel()
    log.go.set()
    assert await second == "done 2"
    with pytest.raises(asyncio.CancelledError):
        await first
