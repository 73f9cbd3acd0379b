"""Measures what this machine can do at most with so many threads, and from it the least time of a model: its floor."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from enginewright.compiler.fixed_sizes import fix_sizes
from enginewright.device.c_compiler import compiled
from enginewright.graph.multiplications import COUNTS, multiplications
from enginewright.graph.network import Network
from enginewright.optimize import optimize
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.optimize.fold_constants import fold_constants
from enginewright.optimize.fold_shapes import fold_shapes
from tests.models import Arrays

FLAGS = ("-std=gnu11", "-O3", "-march=native", "-ffp-contract=fast", "-Wall", "-Wno-psabi")
TURNS, READ_BYTES, TRIES = 4_000_000, 256 << 20, 5
BYTES = {"fp32": 4, "bf16": 2, "int8": 1}
"""Of a weight, in each precision."""


@dataclass(frozen=True)
class Limits:
    """Of so many threads: operations a second (a product and its sum are two; None: not in the CPU), bytes a second."""

    threads: int
    fp32: float
    bf16: float | None
    int8: float | None
    read: float
    cache: int = 0

    def __str__(self) -> str:
        """In billions."""
        shown = {"float32": self.fp32, "bfloat16": self.bf16, "int8": self.int8}
        peaks = ", ".join(f"{name} {peak / 1e9:.0f} Gop/s" for name, peak in shown.items() if peak)
        return f"{peaks}, memory read at {self.read / 1e9:.1f} GB/s"


@dataclass(frozen=True)
class Floor:
    """The least time of one run in milliseconds; `memory`: that of reading the weights, which is longer."""

    milliseconds: float
    memory: bool


def measure_limits(threads: int) -> Limits:
    """The best of five tries each; a second or two."""
    library = ctypes.CDLL(str(compiled((Path(__file__).parent / "limits.c").read_text(), FLAGS, "limits.c")))
    with ThreadPoolExecutor(threads) as pool:
        peaks = [_peak(getattr(library, f"limit_{name}"), threads, pool) for name in ("f32", "bf16", "int8")]
        read = _read(library.limit_read, threads, pool)
    assert peaks[0] is not None
    return Limits(threads, peaks[0], peaks[1], peaks[2], read, _cache_bytes())


def _peak(function: Any, threads: int, pool: ThreadPoolExecutor) -> float | None:
    """Operations a second of all threads together."""
    function.restype, function.argtypes = ctypes.c_int64, (ctypes.c_int64, ctypes.c_void_p)
    sinks = [np.array([1, 0, 0, 0], np.float32) for _ in range(threads)]
    operations = function(1, sinks[0].ctypes.data)
    if not operations:
        return None
    seconds = _fastest(lambda thread: function(TURNS, sinks[thread].ctypes.data), threads, pool)
    return float(threads * operations * TURNS / seconds)


def _read(function: Any, threads: int, pool: ThreadPoolExecutor) -> float:
    """Bytes a second of all threads together, each with a part of memory that no cache holds."""
    function.restype, function.argtypes = ctypes.c_int64, (ctypes.c_void_p, ctypes.c_int64)
    parts = [np.ones(READ_BYTES // threads // 4096 * 4096, np.uint8) for _ in range(threads)]
    starts = [part.ctypes.data + -part.ctypes.data % 256 for part in parts]
    size = len(parts[0]) - 4096
    return threads * size / _fastest(lambda thread: function(starts[thread], size), threads, pool)


def _fastest(work: Callable[[int], object], threads: int, pool: ThreadPoolExecutor) -> float:
    """Seconds until all threads have done it, in the best of some tries."""
    found = []
    for _ in range(TRIES):
        start = time.perf_counter()
        list(pool.map(work, range(threads)))
        found.append(time.perf_counter() - start)
    return min(found)


def _cache_bytes() -> int:
    """Of the last cache, where weights stay between runs; 0 if the system does not tell."""
    sizes = [path.read_text().strip() for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    return max((int(size[:-1]) << 10 for size in sizes if size.endswith("K")), default=0)


def floor_of(network: Network, inputs: Arrays, precision: str, limits: Limits) -> Floor | None:
    """Operations over the peak, or bytes of weights that no cache holds over the bandwidth if that is longer.

    None where the CPU has no instruction of this precision, or products stand in nested networks. Filtering leaves out
    products, so that a run may take less. The network is changed.
    """
    peak = getattr(limits, precision)
    if peak is None or any(_products(inner) for _, _, inner in network.nested()):
        return None
    sizes = {
        str(size): length
        for tensor in network.inputs
        for size, length in zip(tensor.shape, inputs[tensor.name].shape, strict=True)
    }
    fix_sizes(network, sizes)
    network.infer()
    optimize(network, (fold_shapes, fold_constants, eliminate_dead))
    counted = [layer for layer in network.layers if layer.kind in COUNTS]
    weights = {tensor for layer in counted for tensor in layer.inputs[1:] if tensor is not None}
    size = BYTES[precision] * sum(tensor.const.size for tensor in weights if tensor.const is not None)
    products = 2e3 * sum(multiplications(layer, sizes) for layer in counted) / peak
    reading = 1e3 * size / limits.read if size > limits.cache else 0.0
    return Floor(max(products, reading), reading > products)


def _products(network: Network) -> bool:
    """Whether there are any, at any depth."""
    return any(layer.kind in COUNTS for layer in network.layers) or any(
        _products(inner) for _, _, inner in network.nested()
    )
