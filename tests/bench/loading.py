"""What it costs to build a model and to begin with a built one: time and memory, beside other runtimes.

Each runtime starts in a process of its own, loads, runs once, and says how long that took and how much memory it had at
most: python -m tests.bench.loading RUNTIME FILE INPUTS.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np

import enginewright as ew
from tests.bench.page import write_page
from tests.models import Arrays, TestModel, load_model, names

if TYPE_CHECKING:
    from enginewright.tools.peers import Peer

RUNTIMES = ("enginewright", "onnxruntime", "openvino", "openvino-default")
STARTS = 5
COLUMNS = (
    "model", "weights MB", "load ms", "ONNX Runtime / ours",
    *(f"peak MB {name}" for name in RUNTIMES),
    "build s", "again s", "same bytes",
)  # fmt: skip
INTRO = """\
By `python -m tests.bench loading`. Loading means `ew.load` of the built plan, every byte of it verified, beside the
creation of a session of ONNX Runtime from the model: the second time in a process that has loaded its libraries by the
first; medians of five processes, files cached by the system. The peak is that of a process that has loaded and run
once. A build begins with an empty timing cache, the one after it finds the timings of the first; then the two plans are
compared byte by byte."""


@dataclass(frozen=True)
class Start:
    """One process: milliseconds to load, milliseconds of the first run, most memory in MB."""

    load: float
    first: float
    peak: float


def report(wanted: Sequence[str], page: Path | None) -> int:
    """Print and write the table; 1 if a model cannot be measured."""
    rows, failed = [], 0
    for name in wanted or names():
        try:
            rows.append(measure(load_model(name)))
        except ew.EnginewrightError as error:
            failed += 1
            rows.append((name, f"{error.code}: {error.message}", *[""] * (len(COLUMNS) - 2)))
        print("  ".join(rows[-1]), flush=True)
    if page is not None:
        write_page(page, "Building and loading on the CPU", INTRO, COLUMNS, rows)
    return int(failed > 0)


def measure(model: TestModel) -> tuple[str, ...]:
    """One row."""
    with tempfile.TemporaryDirectory() as folder:
        plan, given = Path(folder) / "plan", Path(folder) / "inputs.npz"
        seconds, digests = [], []
        for _ in range(2):
            start = time.perf_counter()
            with mock.patch.dict(os.environ, ENGINEWRIGHT_CACHE_DIR=folder):
                built = ew.build(model.path)
            seconds.append(time.perf_counter() - start)
            built.save(plan)
            digests.append(plan.read_bytes())
        np.savez(given, **model.inputs)
        starts = {name: _starts(name, plan if name == RUNTIMES[0] else model.path, given) for name in RUNTIMES}
    ours, theirs = starts["enginewright"], starts["onnxruntime"]
    assert ours is not None
    peaks = ("fails" if start is None else f"{start.peak:.0f}" for start in starts.values())
    faster = "fails" if theirs is None else f"{theirs.load / ours.load:.1f}"
    same = "yes" if digests[0] == digests[1] else "no"
    size = model.path.stat().st_size / 1e6
    times = (f"{seconds[0]:.1f}", f"{seconds[1]:.2f}")
    return (model.name, f"{size:.1f}", f"{ours.load:.2f}", faster, *peaks, *times, same)


def _starts(runtime: str, file: Path, inputs: Path) -> Start | None:
    """The median of some processes; None where the runtime refuses the model."""
    command = [sys.executable, "-m", "tests.bench.loading", runtime, str(file), str(inputs)]
    found = []
    for _ in range(STARTS):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return None
        found.append(Start(**json.loads(done.stdout.splitlines()[-1])))
    median = statistics.median
    return Start(*(median(getattr(start, field) for start in found) for field in ("load", "first", "peak")))


def _child(runtime: str, file: str, given: str) -> Start:
    """Load, run once, look at the memory; then load again, which is timed."""
    inputs = dict(np.load(given))
    made = _load(runtime, file, inputs)
    start = time.perf_counter()
    made.bind(inputs)
    made.run()
    first = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    del made
    start = time.perf_counter()
    _load(runtime, file, inputs)
    return Start((time.perf_counter() - start) * 1e3, first * 1e3, peak)


def _load(runtime: str, file: str, inputs: Arrays) -> Peer:
    from enginewright.tools.peers import PEERS, Ours

    if runtime == "enginewright":
        return Ours(ew.load(file))
    peer = PEERS[runtime](file, len(os.sched_getaffinity(0)))
    if runtime != "onnxruntime":
        peer.bind(inputs)  # compiles
    return peer


if __name__ == "__main__":
    print(json.dumps(_child(*sys.argv[1:4]).__dict__))
