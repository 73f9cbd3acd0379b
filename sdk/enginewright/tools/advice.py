"""Reads a measurement and says in a line what could be better, or why its numbers cannot be trusted."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from enginewright.tools.profile import PYTHON_KERNEL, StepProfile
from enginewright.tools.statistics import Times

MOST = 3
UNSTABLE, OUTLIER, PYTHON_SHARE = 0.05, 2.0, 0.10


@dataclass(frozen=True, slots=True)
class Advice:
    """One line of advice with the number behind it."""

    text: str


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the advice is drawn from: times, the CPU's clock before and after, threads in use, and the steps."""

    latency: Times
    clocks: tuple[float, float]
    threads: int
    steps: StepProfile | None = None


def advise(conditions: Conditions) -> tuple[Advice, ...]:
    """At most three lines, the most useful first."""
    return tuple(Advice(text) for text in (*_steps(conditions), *_machine(conditions), *_noise(conditions)))[:MOST]


def clock_mhz() -> float:
    """The fastest clock of this machine's CPUs now, 0 if it is not known."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0
    return max((float(value) for value in re.findall(r"^cpu MHz\s*:\s*([\d.]+)", text, re.MULTILINE)), default=0.0)


def _steps(conditions: Conditions) -> Iterator[str]:
    steps = conditions.steps
    if steps is not None and steps.python_share > PYTHON_SHARE:
        slowest = next(step for step in steps.slowest if step.kernel == PYTHON_KERNEL)
        yield f"layer {slowest.layer} runs in NumPy ({steps.python_share:.0%} of the time do): it lacks a kernel"


def _machine(conditions: Conditions) -> Iterator[str]:
    cores = len(os.sched_getaffinity(0))
    if conditions.threads > cores:
        yield f"{conditions.threads} threads on {cores} cores"


def _noise(conditions: Conditions) -> Iterator[str]:
    latency, (before, after) = conditions.latency, conditions.clocks
    if latency.variation > UNSTABLE:
        yield f"unstable: the times vary by {latency.variation:.0%}; raise --duration, end other work on this machine"
    if before and abs(after - before) > UNSTABLE * before:
        yield f"unstable: the clock changed from {before:.0f} to {after:.0f} MHz; lock clocks, raise --duration"
    if latency.p99 > OUTLIER * latency.median:
        yield f"outliers: p99 is {latency.p99 / latency.median:.1f} x the median; other load on this machine?"
