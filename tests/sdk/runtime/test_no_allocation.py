"""The safety runtime allocates nothing after loading: counted in every library, thread, and in Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

import enginewright as ew
from tests.sdk.runtime.safe_plans import KEYS, convolutions, safe_plan, signed, values

SOURCE = Path(__file__).with_name("count_allocations.c")
PROGRAM = """
import ctypes, sys
import numpy as np
import enginewright as ew
from enginewright import _native
from tests.sdk.runtime.safe_plans import KEYS, values

path, which, threads, others = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if others:
    ctypes.c_int.in_dll(ctypes.CDLL(None), "threads_begin_late").value = 1
    made = [np.zeros(256, np.uint8), np.zeros(2, np.int64)]
    name = f"cpu_xxh3_pieces@{_native.isas()[0]}"
    _native.call_kernel(name, [np.zeros(1 << 20, np.uint8)], made, (1 << 16, 0), threads=others)
if which == "safety":
    engine = ew.load(path, runtime="safety", trust=KEYS, threads=threads)
else:
    engine = ew.Engine(ew.Plan.decode(ew_artifact(path)), threads=threads)
inputs = {"x": values(1, 8, 24, 24)}
engine.run(inputs)  # Python itself takes memory for code that it runs first
counting = ctypes.c_int.in_dll(ctypes.CDLL(None), "counting")
allocations = ctypes.c_long.in_dll(ctypes.CDLL(None), "allocations")
counting.value = 1
for _ in range(500):
    engine.run(inputs)
counting.value = 0
print(allocations.value)
"""
STANDARD = """
from enginewright.plan.artifact import check_file
def ew_artifact(path):
    return check_file(path)[0]
"""


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the library that counts."""
    compiler = os.environ.get("CC") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    library = tmp_path_factory.mktemp("counter") / "count_allocations.so"
    subprocess.run([compiler, "-O1", "-Wall", "-Werror", "-shared", "-fPIC", str(SOURCE), "-o", library], check=True)
    return library


def count(counter: Path, path: Path, *, runtime: str, threads: int, others: int = 0) -> int:
    """Return how many allocations 500 runs make in a new process, in which `others` threads did something before."""
    environment = os.environ | {
        "LD_PRELOAD": str(counter),
        "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *(p for p in sys.path if p)]),
    }
    command = [sys.executable, "-c", STANDARD + PROGRAM, str(path), runtime, str(threads), str(others)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return int(done.stdout)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_runs_allocate_nothing(tmp_path: Path, counter: Path, threads: int) -> None:
    path = signed(tmp_path, safe_plan(convolutions()))
    assert count(counter, path, runtime="safety", threads=threads) == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_nor_do_threads_that_were_begun_for_something_else(tmp_path: Path, counter: Path, threads: int) -> None:
    """On a busy machine they take their first memory late: loading waits for that."""
    path = signed(tmp_path, safe_plan(convolutions()))
    assert count(counter, path, runtime="safety", threads=threads, others=3) == 0


def test_the_counter_sees_the_standard_runtime_allocate(tmp_path: Path, counter: Path) -> None:
    path = signed(tmp_path, safe_plan(convolutions()))
    assert count(counter, path, runtime="standard", threads=2) > 500


def test_python_takes_no_memory_that_stays(tmp_path: Path) -> None:
    path = signed(tmp_path, safe_plan(convolutions()))
    with ew.load(path, runtime="safety", trust=KEYS) as engine:
        inputs = {"x": values(1, 8, 24, 24)}
        engine.run(inputs)
        tracemalloc.start()
        try:
            engine.run(inputs)
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            for _ in range(200):
                engine.run(inputs)
            after, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert after - before < 2048  # tracemalloc's own notes
    assert peak - before < 16 << 10, (
        "no array is made: the smallest tensor of the network has 40 bytes, the input 18 KB"
    )
