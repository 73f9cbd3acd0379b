"""What is said of a series of times: quantiles as trtexec names them, quartiles, and whether two series differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Times:
    """A series of times in milliseconds; `variation` is the coefficient of variation (standard deviation / mean)."""

    count: int
    min: float
    max: float
    mean: float
    median: float
    p25: float
    p75: float
    p90: float
    p95: float
    p99: float
    variation: float

    @staticmethod
    def of(nanoseconds: Sequence[int]) -> Times:
        """The statistics of at least one measurement."""
        values = np.asarray(nanoseconds, np.float64) / 1e6
        median, p25, p75, p90, p95, p99 = np.percentile(values, [50, 25, 75, 90, 95, 99]).tolist()
        mean = float(values.mean())
        variation = float(values.std()) / mean if mean else 0.0
        low, high = float(values.min()), float(values.max())
        return Times(len(values), low, high, mean, median, p25, p75, p90, p95, p99, variation)

    def differs(self, other: Times) -> bool:
        """Whether the difference is more than noise: the ranges between the quartiles do not overlap."""
        return self.p75 < other.p25 or other.p75 < self.p25
