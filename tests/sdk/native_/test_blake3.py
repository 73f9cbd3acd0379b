"""Digests of chunks: the same as the package blake3 gives, on every instruction set, at every edge of the tree."""

from __future__ import annotations

import numpy as np
import pytest
from blake3 import blake3

from enginewright._native import call_kernel, isas
from enginewright.errors import EnginewrightError
from enginewright.plan.hashing import chunk_digests
from enginewright_compat.layout import CHUNK

UNIT = 128 * 1024
SIZES = (
    1, 63, 64, 65, 1023, 1024, 1025, 2048, 2049, 3 * 1024, 15 * 1024, 16 * 1024, 17 * 1024 + 5, UNIT - 1023, UNIT,
    UNIT + 1, UNIT + 1025, 3 * UNIT, 5 * UNIT + 700, 8 * UNIT, 11 * UNIT + 33,
)  # fmt: skip


def expected(data: np.ndarray, chunk: int) -> bytes:
    return b"".join(blake3(data[at : at + chunk].tobytes()).digest() for at in range(0, len(data), chunk))


def digests(data: np.ndarray, chunk: int, isa: str, threads: int = 0) -> bytes:
    count = -(-len(data) // chunk)
    found = np.empty(32 * count, np.uint8)
    outputs = [found, np.zeros(2 + count, np.int64), np.empty(-(-len(data) // UNIT) * 512, np.uint8)]
    for begin_with in (threads, 0) if threads else (0,):
        call_kernel(f"cpu_blake3_chunks@{isa}", [data], outputs, (chunk, begin_with), threads=2)
    return found.tobytes()


@pytest.mark.parametrize("isa", isas())
@pytest.mark.parametrize("chunk", [UNIT, 4 * UNIT])
def test_digests_are_blake3(isa: str, chunk: int) -> None:
    rng = np.random.default_rng(0)
    for size in SIZES:
        data = rng.integers(0, 256, size, dtype=np.uint8)
        assert digests(data, chunk, isa) == expected(data, chunk), size


@pytest.mark.parametrize("isa", isas())
def test_threads_that_share_the_work(isa: str) -> None:
    data = np.random.default_rng(3).integers(0, 256, 30 * UNIT + 1, dtype=np.uint8)
    for threads in (1, 2, 3):
        assert digests(data, 4 * UNIT, isa, threads) == expected(data, 4 * UNIT)


def test_misaligned_bytes() -> None:
    data = np.random.default_rng(1).integers(0, 256, 3 * UNIT + 8, dtype=np.uint8)[3:-5]
    assert digests(data, UNIT, isas()[0]) == expected(data, UNIT)


def test_chunks_of_a_plan() -> None:
    data = np.random.default_rng(2).integers(0, 256, 2 * CHUNK + 12345, dtype=np.uint8)
    assert chunk_digests(memoryview(data)) == expected(data, CHUNK)
    assert chunk_digests(memoryview(b"")) == b""


def test_a_chunk_that_is_no_multiple_of_a_unit() -> None:
    with pytest.raises(EnginewrightError, match="128 KiB"):
        digests(np.zeros(10, np.uint8), UNIT + 1024, isas()[0])


@pytest.mark.parametrize("sizes", [(32, 512, 2), (32, 511, 3), (31, 512, 3)])
def test_room_that_does_not_fit(sizes: tuple[int, int, int]) -> None:
    digest, nodes, numbers = sizes
    outputs = [np.empty(digest, np.uint8), np.zeros(numbers, np.int64), np.empty(nodes, np.uint8)]
    with pytest.raises(EnginewrightError, match="each chunk has one digest"):
        call_kernel(f"cpu_blake3_chunks@{isas()[0]}", [np.zeros(10, np.uint8)], outputs, (UNIT, 0))
