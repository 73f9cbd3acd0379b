"""Runs NonZero, Compress, TopK and OneHot natively."""

from __future__ import annotations

from enginewright.dims import dim_min, product
from enginewright.ops.select import Compress, NonZero, OneHot, TopK
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tensors import (
    DataType,
    TensorSpec,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int32,
    int64,
    normalize_axis,
    uint8,
)

COMPARABLE = (float32, float64, int64, int32, int8, uint8)
TOPK_TASKS = 64
"""The most tasks that the kernel makes, one row each at least; each has a heap of its own."""


@tactic(NonZero, kernel="cpu_nonzero")
def nonzero(op: NonZero, x: TensorSpec) -> Launch | str:
    """Counted first, so that the rows lie one after another."""
    known = x.dtype in (float16, bfloat16, float32, float64, bool_) or x.dtype.is_integer
    return why_not_movable(x) or (Launch() if known else f"{x.dtype} is not compared with zero")


@tactic(Compress, kernel="cpu_compress")
def compress(op: Compress, x: TensorSpec, condition: TensorSpec) -> Launch | str:
    """Run by run."""
    axis = -1 if op.axis is None else normalize_axis(op.axis, x.rank)
    return why_not_movable(x) or Launch(params=(axis,))


@tactic(TopK, kernel="cpu_topk")
def topk(op: TopK, x: TensorSpec, k: TensorSpec) -> Launch | str:
    """A heap of the best k while the row streams by."""
    if x.dtype not in COMPARABLE:
        return f"{x.dtype} is not compared natively"
    axis = normalize_axis(op.axis, x.rank)
    count = op.infer(x, k)[0].shape[axis]
    heaps = dim_min(product([size for i, size in enumerate(x.shape) if i != axis]), TOPK_TASKS)
    return Launch(params=(axis, int(op.largest)), inputs=(0,), workspace=count * heaps * 16)


@tactic(OneHot, kernel="cpu_one_hot")
def one_hot(op: OneHot, indices: TensorSpec, depth: TensorSpec, values: TensorSpec) -> Launch | str:
    """All off, then each index on."""
    if indices.dtype not in (int64, int32, float32, DataType.UINT8):
        return f"{indices.dtype} is no index natively"
    return why_not_movable(values) or Launch(params=(normalize_axis(op.axis, indices.rank + 1),), inputs=(0, 2))
