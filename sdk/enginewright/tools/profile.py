"""Says where the time of an engine goes: the time of every step, with the ONNX nodes inside it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from enginewright.runtime.engine import Engine
from enginewright.tools.peers import Ours

PYTHON_KERNEL = "python"
AGREEMENT = 0.05


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
    """The steps in the order of the plan; `total` is the mean time of a whole run while the steps were timed."""

    runs: int
    steps: tuple[StepTime, ...]
    total: float

    @property
    def sum(self) -> float:
        """All steps together, in milliseconds."""
        return sum(step.milliseconds for step in self.steps)

    @property
    def agrees(self) -> bool:
        """Whether the steps account for the total within 5 %; the rest is the cost of each call."""
        return abs(self.sum - self.total) <= AGREEMENT * self.total

    @property
    def slowest(self) -> tuple[StepTime, ...]:
        """The steps, the one that takes longest first."""
        return tuple(sorted(self.steps, key=lambda step: -step.milliseconds))

    @property
    def python_share(self) -> float:
        """The share of steps that run in NumPy."""
        return sum(step.share for step in self.steps if step.kernel == PYTHON_KERNEL)


def profile_steps(engine: Engine, ours: Ours, runs: int) -> StepProfile:
    """Time the steps of `runs` inferences; `ours` has its inputs bound."""
    ours.run()
    program = engine.plan.meta.programs[ours.context.active_profile]
    totals = ours.context.start_step_times()
    start = time.perf_counter_ns()
    for _ in range(runs):
        ours.run()
    whole = (time.perf_counter_ns() - start) / runs / 1e6
    ours.context.stop_step_times()
    times = (totals / runs / 1e6).tolist()
    everything = sum(times) or 1.0
    steps = tuple(
        StepTime(index, step.layer, step.kernel, tuple(step.sources), spent, spent / everything)
        for index, (step, spent) in enumerate(zip(program.steps, times, strict=True))
    )
    return StepProfile(runs, steps, whole)
