"""Runs Reshape and its kin as copies, where no view is possible, and writes sizes as data."""

from __future__ import annotations

from typing import Any

from enginewright.ops.shape import Flatten, Identity, Reshape, Shape, ShapeValue, Size, Squeeze, Unsqueeze
from enginewright.registry.registry import Launch, tactic
from enginewright.tensors import DataType, TensorSpec

WRITABLE = ("INT", "UINT", "BOOL", "FLOAT32", "FLOAT64")


def _copy(x: TensorSpec) -> Launch | str:
    return "strings are Python objects" if x.dtype is DataType.STRING else Launch(inputs=(0,))


@tactic(Reshape, kernel="cpu_copy")
@tactic(Flatten, kernel="cpu_copy")
@tactic(Squeeze, kernel="cpu_copy")
@tactic(Unsqueeze, kernel="cpu_copy")
@tactic(Identity, kernel="cpu_copy")
def copy(op: Any, x: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """The bytes as they are."""
    return _copy(x)


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
