"""A connector that kills itself with SIGKILL at the nth time that it passes a named step: crashing.py FILE STEP NTH."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from frontlist import process, runtime
from frontlist.settings import load


async def main(file: Path, name: str, nth: int) -> None:
    left = nth

    async def step(passed: str) -> None:
        nonlocal left
        left -= passed == name
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    async with runtime.opened(load(file), step=step) as it:
        await process.run(it, asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
