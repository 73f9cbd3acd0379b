"""Measures matrix products beside those of oneDNN, which are near the peak: python -m tests.bench.gemm [MxKxN ...]."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np

import enginewright as ew
from tests.bench.onednn import BF16, F32, S8, S32, U8, OneDnn, Product

SHAPES = (
    "1024x1024x1024", "128x768x768", "128x768x3072", "128x3072x768", "197x768x3072", "196x3072x768",
    "128x384x384", "128x384x1536", "128x1536x384", "196x256x1024", "49x512x2048", "784x128x512",
    "1x4096x1024", "1x1024x4096", "2x1024x4096", "4x1024x4096", "8x1024x4096", "16x1024x4096",
)  # fmt: skip
ROUNDS, BLOCK_SECONDS, PAUSE_SECONDS = 8, 0.02, 0.03
TYPES = {"f32": (F32, F32, F32), "bf16": (BF16, BF16, F32), "int8": (U8, S8, S32)}
Run = Callable[[], None]
Array = np.ndarray[Any, Any]


def sides(kind: str, m: int, k: int, n: int) -> tuple[Array, Array]:
    """Random matrices as ours takes them: float32, also for bfloat16; or uint8 and int8."""
    rng = np.random.default_rng(0)
    if kind == "int8":
        return rng.integers(0, 256, (m, k)).astype(np.uint8), rng.integers(-128, 128, (k, n)).astype(np.int8)
    return rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)


def our_product(kind: str, a: Array, b: Array, threads: int) -> Run:
    """A plan of one step, its weights packed when building; in bfloat16 the time of rounding `a` counts."""
    network = ew.Network()
    x, weight = network.input("x", ew.DataType.of(a), a.shape), network.constant(b)
    network.output("y", network.mat_mul_integer(x, weight) if kind == "int8" else network.matmul(x, weight))
    precision = "bf16" if kind == "bf16" else "fp32"
    plan = ew.build(network, ew.BuilderConfig(threads=threads, level=1, timing_cache="", precision=precision))
    context = ew.load(plan).create_context()
    context.bind_input("x", a)
    context.bind_output("y", np.zeros((a.shape[0], b.shape[1]), np.int32 if kind == "int8" else np.float32))
    return context.run


def their_product(library: OneDnn, kind: str, a: Array, b: Array) -> Run:
    """The same of oneDNN, on numbers that are rounded already."""
    if kind == "bf16":
        a, b = a.astype(ml_dtypes.bfloat16), b.astype(ml_dtypes.bfloat16)
    return Product(library, a, b, TYPES[kind]).run


def block(run: Run) -> float:
    """The median time of a call, in seconds, after a pause in which other threads fall asleep."""
    time.sleep(PAUSE_SECONDS)
    times: list[float] = []
    until = time.perf_counter() + BLOCK_SECONDS
    while time.perf_counter() < until or len(times) < 5:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times[len(times) // 4 :]))


def compare(library: OneDnn, kind: str, shape: str, threads: int) -> float:
    """Print one line; the time of oneDNN over ours."""
    m, k, n = map(int, shape.split("x"))
    a, b = sides(kind, m, k, n)
    library.set_threads(threads)
    theirs, ours = their_product(library, kind, a, b), our_product(kind, a, b, threads)
    times = [(block(ours), block(theirs)) for _ in range(ROUNDS)]
    mine, other = (min(column) for column in zip(*times, strict=True))
    work = 2e-9 * m * k * n
    numbers = f"{mine * 1e6:9.1f} us {work / mine:7.1f} {work / other:7.1f}  {other / mine:5.2f}"
    print(f"{shape:>16} {threads:2} {numbers}", flush=True)
    return other / mine


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table: shape, threads, our time, GFLOP/s of ours and of oneDNN, oneDNN's time over ours."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gemm", description=__doc__.splitlines()[0])
    parser.add_argument("shapes", nargs="*", metavar="MxKxN", default=SHAPES)
    parser.add_argument("--type", choices=list(TYPES), default="f32")
    parser.add_argument("--threads", type=int, action="append", help="default: 1 and 2")
    options = parser.parse_args(arguments)
    library = OneDnn()
    print("           shape  t      ours     GFLOP/s  oneDNN  ratio")
    threads = options.threads or (1, 2)
    ratios = [compare(library, options.type, shape, t) for shape in options.shapes for t in threads]
    print(f"geometric mean {np.exp(np.mean(np.log(ratios))):.2f}, least {min(ratios):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
