"""Finds what a plan needs of a runtime, and the first layer or input for which it needs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from enginewright.plan.meta import Meta, Program, Step
from enginewright.tensors import DataType
from enginewright_compat.features import (
    CONTROL_FLOW,
    DATA_MEMORY,
    DATA_SIZES,
    DYNAMIC_SHAPES,
    GPU,
    PLUGINS,
    PROFILES,
    PYTHON_STEPS,
    PYTHON_VALUES,
)
from enginewright_compat.passport import PluginUse

PYTHON_KERNEL = "python"
FOUR_BITS = frozenset({DataType.UINT4, DataType.INT4, DataType.FLOAT4E2M1})
ROI_ALIGN, SAMPLING = "cpu_roi_align_f32", 2
"""With the parameter SAMPLING at 0, the boxes themselves decide how many points are sampled."""


def find_features(meta: Meta, plugins: Sequence[PluginUse] = ()) -> dict[str, str]:
    """Return each feature that a plan needs, with the first place that needs it."""
    found: dict[str, str] = {}
    for feature, place in _needs(meta, plugins):
        found.setdefault(feature, place)
    return dict(sorted(found.items()))


def _needs(meta: Meta, plugins: Sequence[PluginUse]) -> Iterator[tuple[str, str]]:
    for use in plugins:
        yield PLUGINS, f"operator {use.key}"
    for port in (*meta.inputs, *meta.outputs):
        if DataType(port.dtype).is_object or port.dtype in FOUR_BITS:
            yield PYTHON_VALUES, f'"{port.name}"'
    if len(meta.profiles) > 1:
        yield PROFILES, f'profile "{meta.profiles[1].name}"'
    n_main = max(1, len(meta.profiles))
    for index, program in enumerate(meta.programs):
        for step in program.steps:
            yield from ((feature, f'layer "{step.layer}"') for feature in _step_needs(step, program))
        yield from _size_needs(program, meta if index < n_main else None)


def _size_needs(program: Program, meta: Meta | None) -> Iterator[tuple[str, str]]:
    """What the sizes of a program need; only the inputs of a main program, which has `meta`, are those of the plan."""
    for op, a, b in program.exprs:
        if op == "input_dim" and meta is not None:
            yield DYNAMIC_SHAPES, f'input "{meta.inputs[a].name}", axis {b}'
        elif op in ("value", "data"):
            writer = next((step.layer for step in program.steps if a in step.outputs), None)
            yield DATA_SIZES, f'layer "{writer}"' if writer is not None else f'tensor "{program.tensors[a].name}"'


def _step_needs(step: Step, program: Program) -> Iterator[str]:
    if step.device:
        yield GPU
    if step.programs:
        yield CONTROL_FLOW
    if step.operator is not None:
        yield PYTHON_STEPS
    elif step.kernel == PYTHON_KERNEL:
        yield PYTHON_VALUES
    written = [program.tensors[index] for index in step.outputs if index >= 0]
    if any(None in tensor.shape or program.storages[tensor.storage].kind == "grown" for tensor in written):
        yield DATA_SIZES
    if any(tensor.dtype == DataType.STRING for tensor in written):
        yield PYTHON_VALUES
    if step.kernel.partition("@")[0] == ROI_ALIGN and step.params[SAMPLING] == 0:
        yield DATA_MEMORY
