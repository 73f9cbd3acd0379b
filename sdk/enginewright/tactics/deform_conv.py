"""Samples deformed windows natively."""

from __future__ import annotations

from enginewright.ops.deform_conv import DeformColumns
from enginewright.registry.registry import Launch, tactic
from enginewright.tensors import TensorSpec, float32


@tactic(DeformColumns, kernel="cpu_deform_columns_f32")
def deform_columns_f32(
    op: DeformColumns, x: TensorSpec, offset: TensorSpec, mask: TensorSpec | None = None
) -> Launch | str:
    """The places of an element of the window once for all channels of a group."""
    if x.dtype != float32:
        return f"not for {x.dtype}"
    window = op.resolve(x.shape[2:], op.kernel)
    sizes = (*window.strides, *window.dilations, *window.begins, *offset.shape[2:])
    return Launch(params=(op.offset_group, *op.kernel, *sizes))
