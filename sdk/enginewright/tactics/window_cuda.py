"""Convolutions and pools on CUDA of any float type and window, channels first: what the faster kernels don't take."""

from __future__ import annotations

from enginewright.dims import Size, product
from enginewright.ops.conv import Conv
from enginewright.ops.pool import AveragePool, GlobalAveragePool, GlobalMaxPool, MaxPool
from enginewright.ops.window import Window
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.rows import is_narrow
from enginewright.tensors import TensorSpec

MEAN, LARGEST = 1, 2
"""Numbers of cuda_reduction."""


def _window_params(window: Window, sizes: tuple[Size, ...], places: tuple[Size, ...]) -> tuple[Size, ...] | str:
    """Size, places, kernel, stride, dilation and padding before and behind of three axes; missing ones have size 1."""
    if len(sizes) > 3:
        return "needs at most three spatial axes"
    axes = zip(sizes, places, window.kernel, window.strides, window.dilations, window.begins, window.ends, strict=True)
    missing = (1, 1, 1, 1, 1, 0, 0) * (3 - len(sizes))
    return (*missing, *(number for axis in axes for number in axis))


@tactic(Conv, kernel="cuda_conv_any")
def conv_any(op: Conv, x: TensorSpec, w: TensorSpec, b: TensorSpec | None = None) -> Launch | str:
    """A product of tiles in float arithmetic, or a thread for each output where groups are small."""
    if not is_narrow(x):
        return f"no kernel for {x.dtype}"
    window = _window_params(op.window(x, w), x.shape[2:], op.infer(x, w, b).shape[2:])
    if isinstance(window, str):
        return window
    return Launch((x.shape[0], x.shape[1], w.shape[0], op.group, int(b is not None), *window))


def _pool(op: MaxPool | AveragePool, x: TensorSpec, mean: int, count_padding: int) -> Launch | str:
    if not is_narrow(x):
        return f"no kernel for {x.dtype}"
    found = op.resolve(x.shape[2:], op.kernel_shape)
    window = _window_params(found, x.shape[2:], op.infer(x).shape[2:])
    return window if isinstance(window, str) else Launch((product(x.shape[:2]), mean, count_padding, *window))


@tactic(MaxPool, kernel="cuda_pool_any")
def pool_max_any(op: MaxPool, x: TensorSpec) -> Launch | str:
    """A thread for each window."""
    return _pool(op, x, 0, 0)


@tactic(AveragePool, kernel="cuda_pool_any")
def pool_mean_any(op: AveragePool, x: TensorSpec) -> Launch | str:
    """A thread for each window."""
    return _pool(op, x, 1, int(op.count_include_pad))


def _global(x: TensorSpec, kind: int) -> Launch | str:
    if not is_narrow(x):
        return f"no kernel for {x.dtype}"
    return Launch((product(x.shape[:2]), product(x.shape[2:]), 1, kind))


@tactic(GlobalAveragePool, kernel="cuda_reduction")
def global_mean_any(op: GlobalAveragePool, x: TensorSpec) -> Launch | str:
    """A warp or a block for each channel."""
    return _global(x, MEAN)


@tactic(GlobalMaxPool, kernel="cuda_reduction")
def global_max_any(op: GlobalMaxPool, x: TensorSpec) -> Launch | str:
    """A warp or a block for each channel."""
    return _global(x, LARGEST)
