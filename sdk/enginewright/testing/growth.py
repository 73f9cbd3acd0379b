"""Tells whether something leaks: memory and Python objects after each of several batches of runs."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from functools import cache
from itertools import pairwise

BATCHES, RUNS = 5, 200
LEAST_BYTES = 8
"""Of growth in each run that count as a leak, if every batch grows."""


class _MallocInfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


@cache
def _mallinfo() -> Callable[[], _MallocInfo] | None:
    found = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if found is not None:
        found.restype = _MallocInfo
    return found


def heap_bytes() -> int:
    """Bytes that C code of this process holds; 0 where the C library does not tell."""
    ask = _mallinfo()
    if ask is None:
        return 0
    info = ask()
    return int(info.uordblks + info.hblkhd)


def growth(run: Callable[[], object]) -> str:
    """How each of 1,000 runs leaves something behind, after 200 that may fill caches; empty if nothing does."""
    for _ in range(RUNS):
        run()
    marks = [_mark()]
    for _ in range(BATCHES):
        for _ in range(RUNS):
            run()
        marks.append(_mark())
    for what, least, column in (("bytes of memory", LEAST_BYTES, 0), ("Python objects", 1, 1)):
        steps = [(after[column] - before[column]) / RUNS for before, after in pairwise(marks)]
        if min(steps) >= least * 0.9:
            return f"each run leaves {sum(steps) / BATCHES:,.0f} {what} behind"
    return ""


def _mark() -> tuple[int, int]:
    gc.collect()
    return heap_bytes(), sys.getallocatedblocks()
