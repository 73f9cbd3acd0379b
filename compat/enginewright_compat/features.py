"""What a plan may need of the runtime that loads it, by name, and what the safety runtime offers of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from enginewright_compat.reason import Reason

PYTHON_STEPS = "python-steps"
PYTHON_VALUES = "python-values"
PLUGINS = "plugins"
DYNAMIC_SHAPES = "dynamic-shapes"
DATA_SIZES = "data-dependent-sizes"
DATA_MEMORY = "data-dependent-memory"
CONTROL_FLOW = "control-flow"
GPU = "gpu"
PROFILES = "profiles"

FEATURES = {
    PYTHON_STEPS: "layers that run in NumPy, for want of a kernel",
    PYTHON_VALUES: "strings, or 4-bit inputs and outputs, which Python converts at each run",
    PLUGINS: "operators of plugins",
    DYNAMIC_SHAPES: "an input whose size may vary",
    DATA_SIZES: "sizes that depend on the values in tensors",
    DATA_MEMORY: "kernels whose own memory depends on the values in tensors",
    CONTROL_FLOW: "If, Loop or Scan at run time",
    GPU: "layers that run on a GPU",
    PROFILES: "several profiles",
}
"""Each feature of a passport with its meaning."""

SAFETY_FEATURES = (PROFILES,)
"""What the safety runtime offers: everything else needs memory after loading, or Python."""


def judge_features(features: Sequence[str]) -> Iterator[Reason]:
    """Rule S1: yield each feature of a safe plan that the safety runtime does not offer."""
    for feature in features:
        if feature not in SAFETY_FEATURES:
            remedy = "build the model without it: the safety runtime has none of that"
            yield Reason("EW-P004", "features", feature, ", ".join(SAFETY_FEATURES), remedy)
