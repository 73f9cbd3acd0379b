"""Runs Reshape and its kin as copies, where no view is possible, and writes sizes as data."""

from __future__ import annotations

from typing import Any

from enginewright.ops.contents import is_unknown
from enginewright.ops.shape import Flatten, Identity, Reshape, Shape, ShapeValue, Size, Squeeze, Unsqueeze
from enginewright.registry.registry import Launch, tactic
from enginewright.tensors import DataType, TensorSpec

WRITABLE = ("INT", "UINT", "BOOL", "FLOAT32", "FLOAT64")


@tactic(Reshape, kernel="cpu_copy")
@tactic(Flatten, kernel="cpu_copy")
@tactic(Squeeze, kernel="cpu_copy")
@tactic(Unsqueeze, kernel="cpu_copy")
@tactic(Identity, kernel="cpu_copy")
def copy(op: Any, x: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """The bytes as they are."""
    if x.dtype is DataType.STRING:
        return "strings are Python objects"
    if isinstance(op, Squeeze | Unsqueeze) and any(is_unknown(axes) for axes in others):
        return "axes are known at run time only"
    return Launch(inputs=(0,))


@tactic(Shape, kernel="cpu_shape_value")
def shape_value_of_shape(op: Shape, data: TensorSpec) -> Launch | str:
    """The sizes are numbers that the kernel gets."""
    return Launch(params=data.shape[op.start : op.end], inputs=())


@tactic(Size, kernel="cpu_shape_value")
def shape_value_of_size(op: Size, data: TensorSpec) -> Launch | str:
    """The product of the sizes is a number that the kernel gets."""
    return Launch(params=(data.size,), inputs=())


@tactic(ShapeValue, kernel="cpu_shape_value")
def shape_value(op: ShapeValue) -> Launch | str:
    """The sizes are numbers that the kernel gets."""
    if not op.dtype.name.startswith(WRITABLE) or op.dtype.bits % 8:
        return f"sizes are not written as {op.dtype}"
    return Launch(params=op.sizes)
