"""Chunks are hashed on other threads from `begin` on, and by nobody any more after `digests` or `cancel`."""

from __future__ import annotations

import mmap
import threading

import numpy as np
import pytest
from blake3 import blake3

from enginewright import BuilderConfig, Engine, Network, _native, build, float32
from enginewright._native import call_kernel, isas
from enginewright.errors import PlanCorrupt
from enginewright.plan import artifact, hashing
from enginewright.plan.artifact import Kind, open_artifact
from enginewright.plan.hashing import BEGUN, ChunkHashing, chunk_digests, claimed_weights
from enginewright_compat.layout import CHUNK
from tests.compat.artifacts import WEIGHTS, example_cache, example_plan

DATA = memoryview(np.random.default_rng(0).integers(0, 256, 3 * CHUNK + 77, dtype=np.uint8))
EXPECTED = b"".join(blake3(DATA[at : at + CHUNK]).digest() for at in range(0, len(DATA), CHUNK))


@pytest.fixture(params=[1, 2, 5])
def cpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have so many CPUs."""
    monkeypatch.setattr(hashing.os, "sched_getaffinity", lambda _: range(request.param))


@pytest.mark.usefixtures("cpus")
def test_begun_or_not() -> None:
    for _ in range(3):
        begun = ChunkHashing(DATA)
        begun.begin()
        assert begun.digests() == EXPECTED
    assert chunk_digests(DATA) == EXPECTED


@pytest.mark.usefixtures("cpus")
def test_nobody_reads_after_it_was_cancelled() -> None:
    """The memory is gone at once, and the next to come has the threads again."""
    for _ in range(20):
        pages = mmap.mmap(-1, 16 << 20)
        view = memoryview(pages)
        begun = ChunkHashing(view)
        begun.begin()
        begun.cancel()
        del begun
        view.release()
        pages.close()
    assert chunk_digests(DATA) == EXPECTED


def test_two_at_the_same_time() -> None:
    first, second = ChunkHashing(DATA), ChunkHashing(DATA[CHUNK:])
    first.begin()
    second.begin()
    assert second.digests() == EXPECTED[32:]
    assert first.digests() == EXPECTED


def test_kernels_run_while_others_hash() -> None:
    begun = ChunkHashing(DATA)
    begun.begin()
    x, y = np.ones(1 << 16, np.float32), np.empty(1 << 16, np.float32)
    call_kernel(f"cpu_copy@{isas()[0]}", [x], [y])
    assert np.array_equal(x, y)
    assert begun.digests() == EXPECTED


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
        assert begun.digests() == EXPECTED
        context.close()


def test_many_threads_load() -> None:
    found: list[bytes] = []

    def hash_once() -> None:
        begun = ChunkHashing(DATA)
        begun.begin()
        found.append(begun.digests())

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
        assert begun.digests() == (blake3(data).digest() if data else b"")


def test_what_a_table_claims() -> None:
    plan = memoryview(example_plan())
    assert bytes(plan[claimed_weights(plan)]) == WEIGHTS
    assert claimed_weights(memoryview(example_cache())) == slice(0, 0)
    for size in range(len(plan)):
        assert plan[claimed_weights(plan[:size])] in (b"", WEIGHTS)
    noise = np.random.default_rng(1)
    for _ in range(1000):
        data = bytearray(plan)
        data[noise.integers(8, 1000)] = noise.integers(256)
        claimed = claimed_weights(memoryview(data))
        assert 0 <= claimed.start <= claimed.stop <= len(data)


def test_a_table_that_changes_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact, "claimed_weights", lambda _: slice(0, 64))
    with pytest.raises(PlanCorrupt, match="WEIGHTS"):
        open_artifact(example_plan(), Kind.PLAN)


@pytest.mark.parametrize("place", ["begin", "_check_frame", "_check_machine", "digests"])
def test_whatever_is_raised_while_others_hash_ends_that(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C may come in any line: then too the threads are free for the next one, and nobody reads what is gone."""
    monkeypatch.setattr(hashing.os, "sched_getaffinity", lambda _: range(2))
    monkeypatch.setattr(hashing, "WORTH_WAKING", 1)
    begin = ChunkHashing.begin

    def interrupted(*arguments: object) -> None:
        if place == "begin":
            begin(arguments[0])  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ChunkHashing if place in ("begin", "digests") else artifact, place, interrupted)
        with pytest.raises(KeyboardInterrupt):
            open_artifact(example_plan(), Kind.PLAN)
    others = ChunkHashing(DATA)
    others.begin()
    assert others._numbers[BEGUN]
    assert others.digests() == EXPECTED
