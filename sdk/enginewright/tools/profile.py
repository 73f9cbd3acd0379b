"""Says where the time of an engine goes: the time of every step, with the ONNX nodes inside it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from enginewright.runtime.engine import Engine
from enginewright.tools.peers import Ours

PYTHON_KERNEL = "python"
AGREEMENT = 0.05
LEAST_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class StepTime:
    """The mean time of one step of the plan, in milliseconds, and its share of all steps."""

    step: int
    layer: str
    kernel: str
    sources: tuple[str, ...]
    milliseconds: float
    share: float


@dataclass(frozen=True, slots=True)
class StepProfile:
    """The steps in the order of the plan; `total` is the mean time of a whole run while the steps were timed.

    `call` is the time from the last step of a run to the first of the next: entering native code, looking up the sizes,
    copying what no step wrote in place. The engine times it as it does a step; the total is by Python's clock.
    """

    runs: int
    steps: tuple[StepTime, ...]
    total: float
    call: float = 0.0

    @property
    def sum(self) -> float:
        """All steps together, in milliseconds."""
        return sum(step.milliseconds for step in self.steps)

    @property
    def agrees(self) -> bool:
        """Whether the steps and the call account for the total within 5 %."""
        return abs(self.sum + self.call - self.total) <= AGREEMENT * self.total

    @property
    def slowest(self) -> tuple[StepTime, ...]:
        """The steps, the one that takes longest first."""
        return tuple(sorted(self.steps, key=lambda step: -step.milliseconds))

    @property
    def python_share(self) -> float:
        """The share of steps that run in NumPy."""
        return sum(step.share for step in self.steps if step.kernel == PYTHON_KERNEL)


def profile_steps(engine: Engine, ours: Ours, runs: int) -> StepProfile:
    """Time the steps of at least `runs` inferences, more of short ones; `ours` has its inputs bound."""
    runs = max(runs, _runs_that_fill(LEAST_SECONDS, ours))
    program = engine.plan.meta.programs[ours.context.active_profile]
    totals = ours.context.start_step_times(between=True)
    start = time.perf_counter_ns()
    for _ in range(runs):
        ours.run()
    whole = (time.perf_counter_ns() - start) / runs / 1e6
    ours.context.stop_step_times()
    *times, call = (totals / runs / 1e6).tolist()
    everything = sum(times) or 1.0
    steps = tuple(
        StepTime(index, step.layer, step.kernel, tuple(step.sources), spent, spent / everything)
        for index, (step, spent) in enumerate(zip(program.steps, times, strict=True))
    )
    return StepProfile(runs, steps, whole, call)


def _runs_that_fill(seconds: float, ours: Ours) -> int:
    """So many that beginning and end, of which only a part is in the times, do not count."""
    ours.run()
    start = time.perf_counter_ns()
    ours.run()
    return int(seconds * 1e9 / (time.perf_counter_ns() - start))
