"""Python's garbage collector, set for a process with many titles in flight."""

from __future__ import annotations

import gc


def collect_rarely() -> None:
    """What is loaded by now stays, and is not looked through again; what comes is looked through less often.

    As shipped, a fifth of the processor time of work goes there (benchmarks/README.md).
    """
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
