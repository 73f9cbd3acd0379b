"""Sums of pieces: what the package xxhash gives, on every instruction set, at every edge of a stripe or block."""

from __future__ import annotations

import numpy as np
import pytest
import xxhash

from enginewright._native import call_kernel, isas
from enginewright.errors import EnginewrightError

LEAST = 241
SIZES = (*range(LEAST, LEAST + 70), 1023, 1024, 1025, 1087, 1088, 1089, 2047, 2048, 2049, 10_000, 262_144, 262_145)


def sums(data: np.ndarray, piece: int, isa: str, threads: int = 0) -> bytes:
    found = np.empty(16 * (len(data) // piece), np.uint8)
    outputs = [found, np.zeros(2, np.int64)]
    for begin_with in (threads, 0) if threads else (0,):
        call_kernel(f"cpu_xxh3_pieces@{isa}", [data], outputs, (piece, begin_with), threads=2)
    return found.tobytes()


def expected(data: np.ndarray, piece: int) -> bytes:
    starts = range(0, len(data) - piece + 1, piece)
    ends = [*starts[1:], len(data)]
    return b"".join(xxhash.xxh3_128_digest(data[start:end].tobytes()) for start, end in zip(starts, ends, strict=True))


@pytest.mark.parametrize("isa", isas())
def test_sums_are_xxh3(isa: str) -> None:
    rng = np.random.default_rng(0)
    for size in SIZES:
        data = rng.integers(0, 256, size, dtype=np.uint8)
        assert sums(data, size, isa) == expected(data, size), size
        assert sums(data, LEAST, isa) == expected(data, LEAST), size


@pytest.mark.parametrize("isa", isas())
def test_threads_that_share_the_work(isa: str) -> None:
    data = np.random.default_rng(1).integers(0, 256, 200 * 4096 + 77, dtype=np.uint8)
    for threads in (1, 2, 3):
        assert sums(data, 4096, isa, threads) == expected(data, 4096)


@pytest.mark.parametrize("isa", isas())
def test_misaligned_bytes(isa: str) -> None:
    data = np.random.default_rng(2).integers(0, 256, 9000, dtype=np.uint8)
    for start in range(1, 9):
        assert sums(data[start:-5], 1000, isa) == expected(data[start:-5], 1000)


@pytest.mark.parametrize(("size", "piece"), [(999, LEAST - 1), (999, 1000), (999, 0), (999, -1), (LEAST - 1, LEAST)])
def test_too_little_for_this_hash(size: int, piece: int) -> None:
    with pytest.raises(EnginewrightError, match="at least 241"):
        call_kernel(
            f"cpu_xxh3_pieces@{isas()[0]}",
            [np.zeros(size, np.uint8)],
            [np.empty(16, np.uint8), np.zeros(2, np.int64)],
            (piece, 0),
        )


@pytest.mark.parametrize("sizes", [(16, 2), (32, 1), (48, 2)])
def test_room_that_does_not_fit(sizes: tuple[int, int]) -> None:
    outputs = [np.empty(sizes[0], np.uint8), np.zeros(sizes[1], np.int64)]
    with pytest.raises(EnginewrightError, match="each piece has one sum"):
        call_kernel(f"cpu_xxh3_pieces@{isas()[0]}", [np.zeros(2000, np.uint8)], outputs, (1000, 0))
