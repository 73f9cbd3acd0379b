"""Pooling on the CPU: windows reduced by rows first, then along the row; global pools; unpooling."""

from __future__ import annotations

from enginewright.dims import Size
from enginewright.ops.max_unpool import MaxUnpool
from enginewright.ops.pool import (
    AveragePool,
    GlobalAveragePool,
    GlobalLpPool,
    GlobalMaxPool,
    LpPool,
    MaxPool,
    MaxPoolWithIndices,
)
from enginewright.registry.registry import Launch, tactic
from enginewright.tensors import TensorSpec, bfloat16, float16, float32, float64, int8, uint8

FLOATS = (float16, bfloat16, float32, float64)


def _launch(op: MaxPool | MaxPoolWithIndices | AveragePool | LpPool, option: int, x: TensorSpec) -> Launch | str:
    """`option`, then kernel, stride, dilation and padding before and behind for each spatial axis."""
    if x.rank > 5:
        return "needs at most three spatial axes"
    if x.dtype not in (*FLOATS, int8, uint8):
        return "needs a float type, int8 or uint8"
    window = op.resolve(x.shape[2:], op.kernel_shape)
    axes = zip(window.kernel, window.strides, window.dilations, window.begins, window.ends, strict=True)
    params: tuple[Size, ...] = tuple(number for axis in axes for number in axis)
    return Launch((option, *params))


@tactic(MaxPool, kernel="cpu_pool_max")
def pool_max(op: MaxPool, x: TensorSpec) -> Launch | str:
    """The largest element of each window."""
    return _launch(op, 0, x)


@tactic(MaxPoolWithIndices, kernel="cpu_pool_max_places")
def pool_max_places(op: MaxPoolWithIndices, x: TensorSpec) -> Launch | str:
    """The largest element of each window and its place."""
    return _launch(op, op.storage_order, x)


@tactic(AveragePool, kernel="cpu_pool_mean")
def pool_mean(op: AveragePool, x: TensorSpec) -> Launch | str:
    """The mean of each window."""
    return _launch(op, int(op.count_include_pad), x)


@tactic(LpPool, kernel="cpu_pool_norm")
def pool_norm(op: LpPool, x: TensorSpec) -> Launch | str:
    """The p-norm of each window."""
    return _launch(op, op.p, x)


@tactic(GlobalMaxPool, kernel="cpu_pool_global")
def global_pool_max(op: GlobalMaxPool, x: TensorSpec) -> Launch | str:
    """The largest element of each channel."""
    return Launch((0, 0))


@tactic(GlobalAveragePool, kernel="cpu_pool_global")
def global_pool_mean(op: GlobalAveragePool, x: TensorSpec) -> Launch | str:
    """The mean of each channel."""
    return Launch((1, 0))


@tactic(GlobalLpPool, kernel="cpu_pool_global")
def global_pool_norm(op: GlobalLpPool, x: TensorSpec) -> Launch | str:
    """The p-norm of each channel."""
    return Launch((2, op.p))


@tactic(MaxUnpool, kernel="cpu_max_unpool")
def max_unpool(op: MaxUnpool, x: TensorSpec, indices: TensorSpec, output_shape: TensorSpec | None = None) -> Launch:
    """Zeros, then every element to its place; params: the spatial sizes that indices count in."""
    return Launch(op.natural_shape(x.shape)[2:], inputs=(0, 1))
