"""Resize on CUDA: nearest and linear, told the same as on the CPU."""

from __future__ import annotations

from enginewright.ops.resize import Resize
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.resize import resize
from enginewright.tensors import TensorSpec, bfloat16, float16, float32


@tactic(Resize, kernel="cuda_resize")
def resize_cuda(op: Resize, x: TensorSpec, *told: TensorSpec | None) -> Launch | str:
    """All axes in one launch; scales and crop must be known when building."""
    if x.rank == 0:
        return "there is no axis to resize"
    if op.mode == "cubic":
        return "cubic runs on the host"
    linear = op.mode == "linear"
    if linear and (op.antialias or op.exclude_outside):
        return "more than two neighbours along an axis, or fewer at its ends, are weighed on the host"
    numbers = linear or op.coordinate_transformation_mode == "tf_crop_and_resize"
    if numbers and x.dtype not in (float32, float16, bfloat16):
        return f"{x.dtype} is interpolated on the host"
    return resize(op, x, *told)
