"""What it costs to bring a second thread to work and to wait for it: two tasks, each of which waits for the other."""

from __future__ import annotations

import functools
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from enginewright import _native
from tests.sdk.native_.toys import compile_toys, sign_in
from tests.sdk.native_.words import Words, run

MEETINGS, ROUNDS = 1000, 5
APART_NANOSECONDS = 10_000
"""Work of one thread between two meetings, as the small steps of a model are."""


@dataclass(frozen=True)
class ForkJoin:
    """Microseconds from sharing two tasks to the end of both."""

    median: float
    p90: float


def fork_join(apart_nanoseconds: int = APART_NANOSECONDS) -> ForkJoin:
    """Of 1,000 meetings in a run; the middle of five runs."""
    _sign_in_toys()
    words = Words()
    program = words.program()
    program.step("toy_meetings", [], [program.output([MEETINGS])], [apart_nanoseconds])
    context = _native.Context(words.model(), threads=2)
    found = np.percentile([run(context)[0] for _ in range(ROUNDS)], (50, 90), axis=1)
    return ForkJoin(statistics.median(found[0].tolist()), statistics.median(found[1].tolist()))


@functools.cache
def _sign_in_toys() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sign_in(compile_toys("cc", Path(folder)))
