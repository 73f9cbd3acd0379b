"""Runs Pad natively, in every mode."""

from __future__ import annotations

from enginewright.dims import Size
from enginewright.ops.contents import is_unknown
from enginewright.ops.pad import MODES, Pad
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tensors import TensorSpec


@tactic(Pad, kernel="cpu_pad")
def pad(
    op: Pad,
    data: TensorSpec,
    pads: TensorSpec,
    constant_value: TensorSpec | None = None,
    axes: TensorSpec | None = None,
) -> Launch | str:
    """The kernel gets the mode, and for each axis what is added at its beginning; a map of each axis is its memory."""
    if is_unknown(axes):
        return "axes are known at run time only"
    begins, ends = op.amounts(data, pads, axes)
    places: Size = 0
    for size, begin, end in zip(data.shape, begins, ends, strict=True):
        places = places + (size + begin + end)
    inputs = (0,) if constant_value is None else (0, 2)
    params = (MODES.index(op.mode), *begins, *ends)
    return why_not_movable(data) or Launch(params=params, inputs=inputs, workspace=places * 8)
