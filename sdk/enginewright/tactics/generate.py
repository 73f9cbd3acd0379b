"""Runs ConstantOfShape, Range and EyeLike natively."""

from __future__ import annotations

import numpy as np

from enginewright.ops.generate import ConstantOfShape, EyeLike, Range
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tensors import DataType, TensorSpec

COUNTABLE = (
    DataType.FLOAT32,
    DataType.FLOAT64,
    DataType.INT64,
    DataType.INT32,
    DataType.INT16,
    DataType.INT8,
    DataType.UINT8,
    DataType.UINT16,
    DataType.UINT32,
    DataType.UINT64,
)


def element_bits(value: float, dtype: DataType) -> int:
    """The bytes of one element as an integer."""
    raw = np.asarray(value).astype(dtype.numpy).tobytes()
    return int.from_bytes(raw.ljust(8, b"\0")[:8], "little", signed=True)


@tactic(ConstantOfShape, kernel="cpu_fill")
def fill(op: ConstantOfShape, shape: TensorSpec) -> Launch | str:
    """The kernel gets the element's bytes."""
    if op.dtype.bits % 8 or op.dtype.bits > 64:
        return f"an element of {op.dtype} is not 1 to 8 bytes"
    return Launch(params=(element_bits(op.value, op.dtype),), inputs=())


@tactic(Range, kernel="cpu_range")
def range_(op: Range, start: TensorSpec, limit: TensorSpec, delta: TensorSpec) -> Launch | str:
    """The kernel reads the three numbers."""
    return Launch() if start.dtype in COUNTABLE else f"{start.dtype} is not counted natively"


@tactic(EyeLike, kernel="cpu_eye")
def eye(op: EyeLike, x: TensorSpec) -> Launch | str:
    """The kernel gets the diagonal and the bytes of a 1."""
    dtype = op.dtype or x.dtype
    return why_not_movable(TensorSpec(dtype)) or Launch(params=(op.k, element_bits(1, dtype)), inputs=())
