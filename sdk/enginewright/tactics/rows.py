"""What tactics of kernels on rows share: sizes around an axis, and memory for 16-bit tensors widened to float32."""

from __future__ import annotations

from enginewright.dims import Size, product
from enginewright.tensors import TensorSpec, bfloat16, float16, float32, normalize_axis

HALVES = (float16, bfloat16)


def around(spec: TensorSpec, axis: int) -> tuple[Size, Size, Size]:
    """Elements before the axis, along it, and behind it."""
    axis = normalize_axis(axis, spec.rank)
    return product(spec.shape[:axis]), spec.shape[axis], product(spec.shape[axis + 1 :])


def wide_bytes(*specs: TensorSpec | None) -> Size:
    """Workspace of a kernel that computes 16-bit inputs and outputs in float32 (run_wide in native/cpu/rows.h)."""
    total: Size = 0
    for spec in specs:
        if spec is not None and spec.dtype in HALVES:
            total = total + (spec.size * 4 + 63) // 64 * 64
    return total


def is_narrow(spec: TensorSpec) -> bool:
    """Whether the kernels for float32 take the type: float32 itself, or a 16-bit type that they widen."""
    return spec.dtype is float32 or spec.dtype in HALVES
