"""Measures matrix products beside those of oneDNN, which are near the peak: python -m tests.bench.gemm [MxKxN ...]."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

import enginewright as ew
from tests.bench.onednn import BF16, F32, S8, S32, U8, OneDnn, Product
from tests.bench.page import write_page

SHAPES = (
    "1024x1024x1024", "128x768x768", "128x768x3072", "128x3072x768", "197x768x3072", "196x3072x768",
    "128x384x384", "128x384x1536", "128x1536x384", "196x256x1024", "49x512x2048", "784x128x512",
    "1x4096x1024", "1x1024x4096", "2x1024x4096", "4x1024x4096", "8x1024x4096", "16x1024x4096",
)  # fmt: skip
PASSES, ROUNDS, WARM_SECONDS, BLOCK_SECONDS, LEAST_CALLS = 3, 14, 0.004, 0.005, 3
BAR = 0.95
TYPES = {"f32": (F32, F32, F32), "bf16": (BF16, BF16, F32), "int8": (U8, S8, S32)}
COLUMNS = ("type", "M x K x N", "threads", "ours us", "ours GFLOP/s", "oneDNN GFLOP/s", "ratio", "quartiles")
LINE = "{:>5} {:>15} {:>8} {:>9} {:>13} {:>15} {:>6}  {}"
INTRO = (
    "Ours and oneDNN take turns in short rounds, as the clock moves, in several passes over all shapes, as others may "
    "hold a processor for a second. A ratio is oneDNN's time over ours: the median of those of all rounds, with their "
    "quartiles; GFLOP/s are of the fastest round."
)
Run = Callable[[], None]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """A product and how many threads compute it."""

    type: str
    shape: str
    threads: int

    @property
    def sizes(self) -> tuple[int, int, int]:
        """M, K and N."""
        m, k, n = map(int, self.shape.split("x"))
        return m, k, n

    def sides(self) -> tuple[Array, Array]:
        """Random matrices as ours takes them: float32, also for bfloat16; or uint8 and int8."""
        rng, (m, k, n) = np.random.default_rng(0), self.sizes
        if self.type == "int8":
            return rng.integers(0, 256, (m, k)).astype(np.uint8), rng.integers(-128, 128, (k, n)).astype(np.int8)
        return rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)


@dataclass(frozen=True)
class Row:
    """Seconds of a call in the fastest round; oneDNN's time over ours in all rounds, median and quartiles."""

    case: Case
    ours: float
    theirs: float
    ratio: float
    low: float
    high: float

    @property
    def cells(self) -> tuple[str, ...]:
        """The line as texts."""
        work = 2e-9 * np.prod([float(size) for size in self.case.sizes])
        times = (f"{self.ours * 1e6:.1f}", f"{work / self.ours:.1f}", f"{work / self.theirs:.1f}")
        spread = f"{self.low:.2f} to {self.high:.2f}"
        return (self.case.type, self.case.shape, str(self.case.threads), *times, f"{self.ratio:.3f}", spread)


def our_product(case: Case) -> Run:
    """A plan of one step, its weights packed when building; in bfloat16 the time of rounding `a` counts."""
    a, b = case.sides()
    network = ew.Network()
    x, weight = network.input("x", ew.DataType.of(a), a.shape), network.constant(b)
    integers = case.type == "int8"
    network.output("y", network.mat_mul_integer(x, weight) if integers else network.matmul(x, weight))
    precision = "bf16" if case.type == "bf16" else "fp32"
    config = ew.BuilderConfig(threads=case.threads, level=1, timing_cache="", precision=precision)
    context = ew.load(ew.build(network, config)).create_context()
    context.bind_input("x", a)
    context.bind_output("y", np.zeros((a.shape[0], b.shape[1]), np.int32 if integers else np.float32))
    return context.run


def their_product(case: Case) -> Run:
    """The same of oneDNN, on numbers that are rounded already."""
    a, b = case.sides()
    if case.type == "bf16":
        a, b = a.astype(ml_dtypes.bfloat16), b.astype(ml_dtypes.bfloat16)
    library = OneDnn()
    library.set_threads(case.threads)
    return Product(library, a, b, TYPES[case.type]).run


def block(run: Run) -> float:
    """The median time of a call, in seconds, once threads are awake, each on its processor."""
    until = time.perf_counter() + WARM_SECONDS
    while time.perf_counter() < until:
        run()
    times: list[float] = []
    until += BLOCK_SECONDS
    while time.perf_counter() < until or len(times) < LEAST_CALLS:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def serve(connection: Connection, make: Callable[[Case], Run], case: Case) -> None:
    """What the process of a side does: a block whenever it is asked for one."""
    run = make(case)
    while connection.recv():
        connection.send(block(run))


class Side:
    """A process that is stopped but for its blocks: threads that wait for work awake would disturb the other side."""

    def __init__(self, make: Callable[[Case], Run], case: Case) -> None:
        """Start it, warm."""
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, make, case), daemon=True)
        self._process.start()
        theirs.close()
        self.block()

    def block(self) -> float:
        """The median time of a call."""
        self._signal(signal.SIGCONT)
        self._connection.send(True)
        seconds = float(self._connection.recv())
        self._signal(signal.SIGSTOP)
        return seconds

    def close(self) -> None:
        """End it."""
        self._signal(signal.SIGCONT)
        self._connection.send(False)
        self._process.join()

    def _signal(self, number: signal.Signals) -> None:
        if self._process.pid is not None:
            os.kill(self._process.pid, number)


def both(ours: Side, theirs: Side, *, swapped: bool) -> tuple[float, float]:
    """One round, in either order."""
    if swapped:
        other = theirs.block()
        return ours.block(), other
    return ours.block(), theirs.block()


def measure(case: Case, rounds: int) -> Array:
    """Seconds of a call, ours and oneDNN's, in each round; both in processes of their own."""
    ours, theirs = Side(our_product, case), Side(their_product, case)
    times = [both(ours, theirs, swapped=i % 2 == 1) for i in range(rounds)]
    ours.close()
    theirs.close()
    return np.array(times)


def summary(case: Case, times: Array) -> Row:
    """What the rounds say."""
    low, ratio, high = map(float, np.quantile(times[:, 1] / times[:, 0], (0.25, 0.5, 0.75)))
    return Row(case, float(times[:, 0].min()), float(times[:, 1].min()), ratio, low, high)


def report(rows: Sequence[Row]) -> list[str]:
    """What the table shows."""
    slow = [f"{row.case.type} {row.case.shape}, {row.case.threads}: {row.ratio:.3f}" for row in rows if row.ratio < BAR]
    mean = float(np.exp(np.mean([np.log(row.ratio) for row in rows])))
    return [f"geometric mean {mean:.3f}; below {BAR}: {len(slow)} of {len(rows)}", *slow]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gemm", description=__doc__.splitlines()[0])
    parser.add_argument("shapes", nargs="*", metavar="MxKxN", default=SHAPES)
    parser.add_argument("--type", choices=list(TYPES), action="append", help="default: f32")
    parser.add_argument("--threads", type=int, action="append", help="default: 1 and 2")
    parser.add_argument("--passes", type=int, default=PASSES, help=f"over all shapes; default: {PASSES}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of a shape in a pass; default: {ROUNDS}")
    parser.add_argument("--markdown", type=Path, help="write the table as a page")
    parser.add_argument("--json", type=Path, help="write the rows")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and which ratios are below the bar."""
    options = parse(arguments)
    cases = [Case(*case) for case in product(options.type or ["f32"], options.shapes, options.threads or [1, 2])]
    passes = [[measure(case, options.rounds) for case in cases] for _ in range(options.passes)]
    rows = [summary(case, np.concatenate(times)) for case, *times in zip(cases, *passes, strict=True)]
    for cells in (COLUMNS, *(row.cells for row in rows)):
        print(LINE.format(*cells))
    print("\n".join(report(rows)))
    if options.markdown:
        write_page(options.markdown, "Matrix products beside oneDNN", INTRO, COLUMNS, [row.cells for row in rows])
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
