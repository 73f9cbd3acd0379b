"""Weights are hashed on other threads from `begin` on, and by nobody any more after `finish` or `cancel`."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable

import numpy as np
import pytest
import xxhash
from blake3 import blake3

from enginewright import BuilderConfig, Engine, Network, _native, build, float32
from enginewright._native import call_kernel, isas
from enginewright.errors import PlanCorrupt
from enginewright.plan import artifact, hashing
from enginewright.plan.artifact import Kind, open_artifact
from enginewright.plan.hashing import (
    BEGUN,
    ChunkHashing,
    Claim,
    Hashing,
    PieceHashing,
    chunk_digests,
    early_claim,
    piece_sums,
)
from enginewright_compat.layout import CHUNK, PIECE
from tests.compat.artifacts import WEIGHTS, example_cache, example_plan, heavy_plan

DATA = memoryview(np.random.default_rng(0).integers(0, 256, 3 * CHUNK + 77, dtype=np.uint8))
EXPECTED = b"".join(blake3(DATA[at : at + CHUNK]).digest() for at in range(0, len(DATA), CHUNK))


STARTS = range(0, len(DATA) - PIECE + 1, PIECE)
SUMS = b"".join(xxhash.xxh3_128_digest(DATA[a : len(DATA) if a == STARTS[-1] else a + PIECE]) for a in STARTS)
BOTH = pytest.mark.parametrize(
    ("hashing", "expected"), [(ChunkHashing, EXPECTED), (PieceHashing, SUMS)], ids=["digests", "sums"]
)
Make = Callable[[memoryview], Hashing]


@pytest.fixture(params=[1, 2, 5])
def cpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have so many CPUs."""
    monkeypatch.setattr(hashing.os, "sched_getaffinity", lambda _: range(request.param))


@BOTH
@pytest.mark.usefixtures("cpus")
def test_begun_or_not(hashing: Make, expected: bytes) -> None:
    for _ in range(3):
        begun = hashing(DATA)
        begun.begin()
        assert begun.finish() == expected
        assert hashing(DATA).finish() == expected


@BOTH
def test_who_cancels_hashes_nothing_more(hashing: Make, expected: bytes) -> None:
    begun = hashing(DATA)
    begun._found[:] = 7
    begun.cancel()
    assert begun._found.tobytes() == bytes([7]) * len(expected)


def test_functions() -> None:
    assert chunk_digests(DATA) == EXPECTED
    assert piece_sums(DATA) == SUMS


@BOTH
@pytest.mark.usefixtures("cpus")
def test_nobody_reads_after_it_was_cancelled(hashing: Make, expected: bytes) -> None:
    """The memory is gone at once, and the next to come has the threads again."""
    for _ in range(20):
        pages = mmap.mmap(-1, 16 << 20)
        view = memoryview(pages)
        begun = hashing(view)
        begun.begin()
        begun.cancel()
        del begun
        view.release()
        pages.close()
    assert hashing(DATA).finish() == expected


def test_two_at_the_same_time() -> None:
    first, second = ChunkHashing(DATA), ChunkHashing(DATA[CHUNK:])
    first.begin()
    second.begin()
    assert second.finish() == EXPECTED[32:]
    assert first.finish() == EXPECTED


def test_kernels_run_while_others_hash() -> None:
    begun = ChunkHashing(DATA)
    begun.begin()
    x, y = np.ones(1 << 16, np.float32), np.empty(1 << 16, np.float32)
    call_kernel(f"cpu_copy@{isas()[0]}", [x], [y])
    assert np.array_equal(x, y)
    assert begun.finish() == EXPECTED


def test_memory_of_all_threads_is_taken_while_others_hash() -> None:
    """All threads are called for that; those that hash on behalf of the same caller would never come."""
    net = Network("small")
    net.output("y", net.relu(net.input("x", float32, (8,))))
    with Engine(build(net, BuilderConfig(threads=2, timing_cache=""))) as engine:
        begun = ChunkHashing(DATA)
        begun.begin()
        context = _native.Context(engine.loaded.model, 0, 2)
        context.bind_input(0, np.ones(8, np.float32))
        context.bind_output(0, np.empty(8, np.float32))
        context.resolve()
        context.reserve()
        assert begun.finish() == EXPECTED
        context.close()


def test_many_threads_load() -> None:
    found: list[bytes] = []

    def hash_once() -> None:
        begun = ChunkHashing(DATA)
        begun.begin()
        found.append(begun.finish())

    threads = [threading.Thread(target=hash_once) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [EXPECTED] * 8


def test_nothing_and_little() -> None:
    for data in (b"", b"x", bytes(1000)):
        begun = ChunkHashing(memoryview(data))
        begun.begin()
        assert begun.finish() == (blake3(data).digest() if data else b"")
    for size in (PIECE, PIECE + 1, 2 * PIECE - 1):
        assert piece_sums(DATA[:size]) == xxhash.xxh3_128_digest(DATA[:size])


@pytest.mark.parametrize(("plan", "by_sums"), [(example_plan(), False), (heavy_plan(), True)], ids=["digests", "sums"])
def test_what_a_table_claims(plan: bytes, by_sums: bool) -> None:
    claim = early_claim(memoryview(plan))
    assert claim.by_sums == by_sums
    assert plan[claim.start : claim.end].startswith(WEIGHTS)
    for size in [*range(1000), len(plan) - 1]:
        assert early_claim(memoryview(plan)[:size]) in (Claim(), claim)
    noise = np.random.default_rng(1)
    for _ in range(1000):
        data = bytearray(plan)
        data[noise.integers(8, 1000)] = noise.integers(256)
        found = early_claim(memoryview(data))
        assert 0 <= found.start <= found.end <= len(data)
        found.hashing(memoryview(data)).cancel()


def test_a_cache_claims_nothing() -> None:
    assert early_claim(memoryview(example_cache())) == Claim()


@pytest.mark.parametrize("claim", [Claim(0, 64), Claim()])
def test_a_table_that_changes_while_it_is_read(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact, "early_claim", lambda _: claim)
    with pytest.raises(PlanCorrupt, match="WEIGHTS"):
        open_artifact(example_plan(), Kind.PLAN)


@pytest.mark.parametrize("place", ["begin", "_check_frame", "_check_machine", "finish"])
def test_whatever_is_raised_while_others_hash_ends_that(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C may come in any line: then too the threads are free for the next one, and nobody reads what is gone."""
    monkeypatch.setattr(hashing.os, "sched_getaffinity", lambda _: range(2))
    monkeypatch.setattr(ChunkHashing, "WORTH_WAKING", 1)
    begin = Hashing.begin

    def interrupted(*arguments: object) -> None:
        if place == "begin":
            begin(arguments[0])  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Hashing if place in ("begin", "finish") else artifact, place, interrupted)
        with pytest.raises(KeyboardInterrupt):
            open_artifact(example_plan(), Kind.PLAN)
    others = ChunkHashing(DATA)
    others.begin()
    assert others._numbers[BEGUN]
    assert others.finish() == EXPECTED
