"""The times that the project promises: one call, loading a plan, and starting the program."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import enginewright as ew
from tests.bench.fork_join import fork_join as measure_fork_join
from tests.bench.large_model import import_seconds, largest_model, many_nodes
from tests.bench.large_plan import verification_milliseconds, write_large_plan
from tests.bench.plugin_steps import COPY, first_plugin_seconds, step_microseconds
from tests.models import cache_folder, load_model

CALL_MICROSECONDS = 3.0
FORK_JOIN_MICROSECONDS = 2.0
LOAD_MILLISECONDS = 15.0
CHECK_MILLISECONDS = 100.0
VERIFY_MILLISECONDS = 268.0  # of 1 GiB: 4 GB/s
IMPORT_SECONDS, IMPORT_LARGEST_SECONDS = 3.0, 2.0
NODES = 5000
STARTS = 25
C_STEP_MICROSECONDS, PYTHON_STEP_MICROSECONDS = 1.0, 15.0  # over a built-in step
FIRST_PLUGIN_SECONDS = 60.0
START_MILLISECONDS = {"import enginewright": 60.0, "enginewright --help": 150.0, "enginewright --version": 150.0}


@dataclass(frozen=True)
class Promise:
    """One figure: what was measured, and the most that it may be."""

    name: str
    value: float
    limit: float
    unit: str

    @property
    def kept(self) -> bool:
        """Whether the figure is within its limit."""
        return self.value <= self.limit

    def __str__(self) -> str:
        verdict = "ok    " if self.kept else "MISSED"
        return f"{verdict}  {self.name:<44} {self.value:8.2f} {self.unit} (limit {self.limit:g})"


def report() -> int:
    """Print every promise; 1 if one is missed."""
    found = []
    for measure in (
        call_overhead,
        fork_join,
        import_many,
        import_largest,
        load_time,
        check_time,
        verify_time,
        c_step,
        python_step,
        first_plugin,
        *(start_up(name) for name in START_MILLISECONDS),
    ):
        found.append(measure())
        print(found[-1], flush=True)
    return int(not all(promise.kept for promise in found))


def call_overhead() -> Promise:
    """One Context.run of one Add of 16 floats, bound once: the median of 50 rounds of 1,000 calls."""
    net = ew.Network()
    x = net.input("x", ew.float32, (1, 16))
    net.output("y", net.add(x, net.constant(np.ones((1, 16), np.float32))))
    context = ew.load(ew.build(net, ew.BuilderConfig(timing_cache=""))).create_context()
    context.bind_input("x", np.ones((1, 16), np.float32))
    context.bind_output("y", np.empty((1, 16), np.float32))
    run, rounds = context.run, []
    for _ in range(50):
        start = time.perf_counter_ns()
        for _ in range(1000):
            run()
        rounds.append((time.perf_counter_ns() - start) / 1e6)
    return Promise("Context.run of one Add", statistics.median(rounds), CALL_MICROSECONDS, "us")


def fork_join() -> Promise:
    """Bringing a second thread to two tasks that wait for each other, and waiting until both are done: the median."""
    found = measure_fork_join()
    return Promise(f"fork and join of two threads (90 %: {found.p90:.2f})", found.median, FORK_JOIN_MICROSECONDS, "us")


def import_many() -> Promise:
    """ew.parse of a model of 5,000 nodes."""
    return Promise(f"import of {NODES:,} nodes", import_seconds(many_nodes(NODES)), IMPORT_SECONDS, "s")


def import_largest() -> Promise:
    """ew.parse of the largest benchmark model that is there, beyond reading its file."""
    path = largest_model() or load_model("light_resnet50").path
    name = f"import of {path.parent.name} ({path.stat().st_size / 1e6:.0f} MB, without reading it)"
    return Promise(name, import_seconds(path), IMPORT_LARGEST_SECONDS, "s")


def load_time() -> Promise:
    """ew.load of ResNet-50's plan, the file being cached by the system: the median of 15."""
    exported = cache_folder() / "generated" / "resnet50" / "model.onnx"
    name = "resnet50" if exported.exists() else "light_resnet50"  # the same network; this one needs no torch
    plan = ew.build(load_model(name).path, ew.BuilderConfig(level=1))
    times = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "resnet50.plan"
        plan.save(path)
        ew.load(path).close()
        for _ in range(15):
            start = time.perf_counter_ns()
            engine = ew.load(path)
            times.append((time.perf_counter_ns() - start) / 1e6)
            engine.close()
        size = path.stat().st_size / 1e6
    return Promise(f"ew.load of {name} ({size:.0f} MB)", statistics.median(times), LOAD_MILLISECONDS, "ms")


def check_time() -> Promise:
    """`plan check` of a plan of 1 GiB, start of the program included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.plan"
        write_large_plan(path)
        value = _start(f"from enginewright.cli import main; main(['plan', 'check', {str(path)!r}])") - _start("pass")
    return Promise("plan check of 1 GiB (without Python's own start)", value, CHECK_MILLISECONDS, "ms")


def verify_time() -> Promise:
    """Every byte of a plan of 1 GiB, as `plan verify` and loading check it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.plan"
        write_large_plan(path)
        value = verification_milliseconds(path)
    return Promise("full verification of 1 GiB on two CPUs", value, VERIFY_MILLISECONDS, "ms")


def c_step() -> Promise:
    """A step whose kernel is a plugin's C source, over one with a built-in kernel that does the same."""
    value = step_microseconds(ew.c_source(COPY, "bench_copy")) - step_microseconds("cpu_copy")
    return Promise("plugin step in C over a built-in step", value, C_STEP_MICROSECONDS, "us")


def python_step() -> Promise:
    """A step that runs a plugin's NumPy reference, over one with a built-in kernel."""
    value = step_microseconds(None) - step_microseconds("cpu_copy")
    return Promise("plugin step in Python over a built-in step", value, PYTHON_STEP_MICROSECONDS, "us")


def first_plugin() -> Promise:
    """From nothing to a model built with a plugin of one's own: CPU time of new, install, its tests, a build."""
    return Promise("plugin new, install, tests, build (CPU time)", first_plugin_seconds(), FIRST_PLUGIN_SECONDS, "s")


def start_up(name: str) -> Callable[[], Promise]:
    """How a start of the program is measured: the median of 25, less what Python itself takes."""

    def measure() -> Promise:
        words = name.split()
        code = name if words[0] == "import" else f"from enginewright.cli import main; main({words[1:]!r})"
        value = _start(code) - _start("pass")
        return Promise(f"{name} (without Python's own start)", value, START_MILLISECONDS[name], "ms")

    return measure


def _start(code: str) -> float:
    """The median time of a Python process; with compiled modules, as installing a wheel leaves them."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    times = []
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=environment)
    for _ in range(STARTS):
        start = time.perf_counter_ns()
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=environment)
        times.append((time.perf_counter_ns() - start) / 1e6)
    return statistics.median(times)
