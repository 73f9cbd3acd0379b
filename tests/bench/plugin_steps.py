"""What plugins cost: a step in C and one in Python beside a built-in step, and the way to a first plugin."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import enginewright as ew
from enginewright.registry.registry import registry
from enginewright.tools.plugin_project import new_plugin

STEPS, ROUNDS, CALLS = 100, 30, 50
COPY = """
#include <string.h>
#include "enginewright.h"
int32_t bench_copy(const ew_call *call) {
    memcpy(call->outputs[0].data, call->inputs[0].data, (size_t)call->params[0].i);
    return EW_OK;
}
"""
BUILD = """
import numpy as np, enginewright as ew
net = ew.Network()
net.output("y", net.op("bench::Swish", net.input("x", ew.float32, ("N", 64)), beta=1.5))
print(ew.load(ew.build(net)).run({"x": np.ones((2, 64), np.float32)})["y"][0, 0])
"""


def step_microseconds(kernel: Any) -> float:
    """One step of a chain of 100 that copy 16 floats, by this kernel; None: in Python."""
    with registry.isolated():

        @ew.operator("bench::Copy")
        class Copy:
            def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
                return x

            def reference(self, x: Any) -> Any:
                return x

        if kernel is not None:

            @ew.tactic(Copy, kernel=kernel)
            def by_kernel(op: Copy, x: ew.TensorSpec) -> ew.Launch:
                return ew.Launch(params=(x.nbytes,))

        return _chain(Copy())


def _chain(op: Any) -> float:
    net = ew.Network()
    x = net.input("x", ew.float32, (16,))
    for _ in range(STEPS):
        (x,) = net.add(op, x)
    net.output("y", x)
    context = ew.load(ew.build(net, ew.BuilderConfig(timing_cache="", level=0, threads=1))).create_context()
    context.bind_input("x", np.ones(16, np.float32))
    context.bind_output("y", np.empty(16, np.float32))
    run, rounds = context.run, []
    run()
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        for _ in range(CALLS):
            run()
        rounds.append((time.perf_counter_ns() - start) / 1e3 / CALLS / STEPS)
    return statistics.median(rounds)


def first_plugin_seconds() -> float:
    """CPU seconds of: `plugin new`, install, its tests, a model built with it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        new_plugin(Path(folder), "bench-plugins", level=1)
        pip = ["-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", str(site)]
        _python(Path(folder), *pip, str(Path(folder) / "bench-plugins"))
        _python(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(folder) / "bench-plugins"))
        _python(site, "-c", BUILD)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _python(site: Path, *arguments: str) -> None:
    path = os.pathsep.join([str(site), *(entry for entry in sys.path if entry)])
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
