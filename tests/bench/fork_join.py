"""What it costs to share work with a second thread and to wait for it: two tasks of some microseconds beside one."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np

import enginewright as ew
from enginewright.registry.registry import registry

FORKS, ROUNDS, TURNS = 100, 31, 50_000
SHARED = """
#include <string.h>
#include "enginewright.h"
static void work(void *arg, int64_t task) {
    (void)task;
    for (volatile int64_t left = *(const int64_t *)arg; left > 0; --left) {}
}
int32_t bench_shared(const ew_call *call) {
    int64_t turns = call->params[2].i;
    for (int64_t i = 0; i < call->params[0].i; ++i) call->host->parallel(call, call->params[1].i, work, &turns);
    memcpy(call->outputs[0].data, call->inputs[0].data, 16 * sizeof(float));
    return EW_OK;
}
"""


def fork_join_microseconds() -> float:
    """Two tasks of equal length on two threads, less one task alone: the median of 31 rounds of 100, in turns."""
    with registry.isolated():
        contexts = [_context(tasks) for tasks in (1, 2)]
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for context, found in zip(contexts, times, strict=True):
            start = time.perf_counter_ns()
            context.run()
            found.append((time.perf_counter_ns() - start) / 1e3 / FORKS)
    alone, shared = map(statistics.median, times)
    return shared - alone


def _context(tasks: int) -> Any:
    """One step that shares so many tasks 100 times."""

    @ew.operator(f"bench::Shared{tasks}")
    class Shared:
        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            return x

        def reference(self, x: Any) -> Any:
            return x

    @ew.tactic(Shared, kernel=ew.c_source(SHARED, "bench_shared"))
    def by_kernel(op: Shared, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=(FORKS, tasks, TURNS))

    net = ew.Network()
    (y,) = net.add(Shared(), net.input("x", ew.float32, (16,)))
    net.output("y", y)
    context = ew.load(ew.build(net, ew.BuilderConfig(timing_cache="", level=0, threads=2))).create_context()
    context.bind_input("x", np.ones(16, np.float32))
    context.bind_output("y", np.empty(16, np.float32))
    context.run()
    return context
