"""Runs Slice natively, in steps and backwards too."""

from __future__ import annotations

from enginewright.dims import Size
from enginewright.ops.contents import is_unknown
from enginewright.ops.slice import Slice
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tensors import TensorSpec


@tactic(Slice, kernel="cpu_slice")
def slice_strided(op: Slice, data: TensorSpec, *bounds: TensorSpec | None) -> Launch | str:
    """The kernel gets the place of the first element and the step of each axis."""
    if any(is_unknown(bound) for bound in bounds[2:]):
        return "axes and steps are known at run time only"
    ranges = op.ranges(data, *bounds)
    params: list[Size] = []
    for axis in range(data.rank):
        first, _, step = ranges.get(axis, (0, 0, 1))
        params += [first, step]
    return why_not_movable(data) or Launch(params=tuple(params), inputs=(0,))
