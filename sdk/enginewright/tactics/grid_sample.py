"""Runs GridSample natively."""

from __future__ import annotations

from enginewright.ops.grid_sample import GridSample
from enginewright.registry.registry import Launch, tactic
from enginewright.tensors import TensorSpec, float32

MODES = ("nearest", "linear", "cubic")
PADDINGS = ("zeros", "border", "reflection")


@tactic(GridSample, kernel="cpu_grid_sample_f32")
def grid_sample_f32(op: GridSample, x: TensorSpec, grid: TensorSpec) -> Launch | str:
    """Point by point, for one to three spatial axes."""
    if x.dtype != float32 or grid.dtype != float32:
        return f"not for {x.dtype} at places of {grid.dtype}"
    if x.rank > 5:
        return f"not for {x.rank - 2} spatial axes"
    return Launch(params=(MODES.index(op.mode), PADDINGS.index(op.padding_mode), int(op.align_corners)))
