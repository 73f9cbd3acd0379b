"""What it costs to build a model and to begin with a built one: time and memory, beside other runtimes.

Each runtime starts in a process of its own, loads, runs once, and says how long that took and how much memory it had at
most: python -m tests.bench.loading RUNTIME FILE INPUTS THREADS.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np

import enginewright as ew
from tests.models import Arrays, TestModel

if TYPE_CHECKING:
    from enginewright.tools.peers import Peer

RUNTIMES = ("enginewright", "onnxruntime", "openvino")
TIMED = ("enginewright", "onnxruntime")
"""Whose loading is compared; of the other only the memory counts, so it starts once."""


@dataclass(frozen=True)
class Start:
    """One process: milliseconds to load, milliseconds of the first run, most memory in MB."""

    load: float
    first: float
    peak: float


@dataclass(frozen=True)
class Built:
    """Two builds: seconds with an empty timing cache and with that of the first, and whether their plans are equal."""

    seconds: float
    again: float
    same: bool


def build_twice(model: TestModel, config: ew.BuilderConfig, folder: Path) -> tuple[ew.Plan, Built]:
    """The first plan, which is saved in the folder as well, and what the two builds took."""
    seconds, files = [], (folder / "plan", folder / "again")
    plans = []
    for file in files:
        start = time.perf_counter()
        with mock.patch.dict(os.environ, ENGINEWRIGHT_CACHE_DIR=str(folder)):
            plans.append(ew.build(model.path, config))
        seconds.append(time.perf_counter() - start)
        plans[-1].save(file)
    same = files[0].read_bytes() == files[1].read_bytes()
    files[1].unlink()
    return plans[0], Built(*seconds, same)


def start_all(model: TestModel, plan: Path, inputs: Arrays, threads: int, processes: int) -> dict[str, Start | None]:
    """Of each runtime the medians of some processes; None where it refuses the model."""
    given = plan.with_suffix(".npz")
    np.savez(given, **inputs)
    files = {name: plan if name == RUNTIMES[0] else model.path for name in RUNTIMES}
    return {
        name: _starts((name, str(file), str(given), str(threads)), processes if name in TIMED else 1)
        for name, file in files.items()
    }


def _starts(arguments: tuple[str, ...], processes: int) -> Start | None:
    found = []
    for _ in range(processes):
        command = [sys.executable, "-m", "tests.bench.loading", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return None
        found.append(Start(**json.loads(done.stdout.splitlines()[-1])))
    median = statistics.median
    return Start(*(median(getattr(start, field) for start in found) for field in ("load", "first", "peak")))


def _child(runtime: str, file: str, given: str, threads: int) -> Start:
    """Load, run once, look at the memory; then load again, which is timed: until it is there, not until it is gone."""
    inputs = dict(np.load(given))
    made = _running(_load(runtime, file, threads))
    start = time.perf_counter()
    made.bind(inputs)
    made.run()
    first = time.perf_counter() - start
    peak = _peak_megabytes()
    del made
    start = time.perf_counter()
    again = _load(runtime, file, threads) if runtime in TIMED else None
    load = time.perf_counter() - start
    del again
    return Start(load * 1e3, first * 1e3, peak)


def _peak_megabytes() -> float:
    """Of this process; what getrusage tells may be that of the one that started it."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def _load(runtime: str, file: str, threads: int) -> ew.Engine | Peer:
    from enginewright.tools.peers import PEERS

    return ew.load(file, threads=threads) if runtime == "enginewright" else PEERS[runtime](file, threads)


def _running(loaded: ew.Engine | Peer) -> Peer:
    """What can bind inputs and run."""
    from enginewright.tools.peers import Ours

    return Ours(loaded) if isinstance(loaded, ew.Engine) else loaded


if __name__ == "__main__":
    print(json.dumps(asdict(_child(*sys.argv[1:4], int(sys.argv[4])))))
