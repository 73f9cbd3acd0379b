"""Convolutions, also transposed, and pools on CUDA of any float type, window and layout: what faster kernels leave."""

from __future__ import annotations

from dataclasses import replace

from enginewright.dims import Size, product
from enginewright.ops.channels_last import ChannelsLast, channels_first
from enginewright.ops.conv import Conv
from enginewright.ops.conv_transpose import ConvTranspose
from enginewright.ops.pool import AveragePool, GlobalAveragePool, GlobalMaxPool, MaxPool
from enginewright.ops.window import Window
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.channels_last_cuda import conv_nhwc, depthwise_nhwc, pool_nhwc
from enginewright.tactics.rows import is_narrow
from enginewright.tensors import TensorSpec

TAKEN = "a faster kernel takes it"
MEAN, LARGEST = 1, 2
"""Numbers of cuda_reduction."""


def _window_params(window: Window, sizes: tuple[Size, ...], places: tuple[Size, ...]) -> tuple[Size, ...] | str:
    """Size, places, kernel, stride, dilation and padding before and behind of three axes; missing ones have size 1."""
    if len(sizes) > 3:
        return "needs at most three spatial axes"
    axes = zip(sizes, places, window.kernel, window.strides, window.dilations, window.begins, window.ends, strict=True)
    missing = (1, 1, 1, 1, 1, 0, 0) * (3 - len(sizes))
    return (*missing, *(number for axis in axes for number in axis))


def _conv(op: Conv, last: int, x: TensorSpec, w: TensorSpec, b: TensorSpec | None) -> Launch | str:
    """x as the operator sees it, channels first; last: how it lies."""
    if not is_narrow(x):
        return f"no kernel for {x.dtype}"
    window = _window_params(op.window(x, w), x.shape[2:], op.infer(x, w, b).shape[2:])
    if isinstance(window, str):
        return window
    return Launch((x.shape[0], x.shape[1], w.shape[0], op.group, int(b is not None), last, *window))


@tactic(Conv, kernel="cuda_conv_any")
def conv_any(op: Conv, x: TensorSpec, w: TensorSpec, b: TensorSpec | None = None) -> Launch | str:
    """A product of tiles in float arithmetic, or a thread for each output where groups are small."""
    return _conv(op, 0, x, w, b)


@tactic(ChannelsLast, kernel="cuda_conv_any")
def conv_any_nhwc(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """The same on images with their channels last."""
    if not isinstance(op.anchor, Conv) or w is None:
        return "is no convolution"
    if isinstance(conv_nhwc((0, 1), op, x, w, b), Launch) or isinstance(depthwise_nhwc(op, x, w, b), Launch):
        return TAKEN
    return _conv(op.anchor, 1, channels_first(x), w, b)


@tactic(ConvTranspose, kernel="cuda_conv_transpose_any")
def conv_transpose_any(op: ConvTranspose, x: TensorSpec, w: TensorSpec, b: TensorSpec | None = None) -> Launch | str:
    """A thread for each output."""
    if not is_narrow(x):
        return f"no kernel for {x.dtype}"
    output, found = op.infer(x, w, b), op.window(x, w)
    if any(isinstance(begin, int) and begin < 0 for begin in found.begins):
        return "adds zeros before the data"
    window = _window_params(replace(found, ends=(0,) * len(found.ends)), x.shape[2:], output.shape[2:])
    if isinstance(window, str):
        return window
    return Launch((x.shape[0], x.shape[1], output.shape[1], op.group, int(b is not None), *window))


def _pool(op: MaxPool | AveragePool, last: int, x: TensorSpec) -> Launch | str:
    if not is_narrow(x):
        return f"no kernel for {x.dtype}"
    found = op.resolve(x.shape[2:], op.kernel_shape)
    window = _window_params(found, x.shape[2:], op.infer(x).shape[2:])
    kind = (1, int(op.count_include_pad), last) if isinstance(op, AveragePool) else (0, 0, last)
    return window if isinstance(window, str) else Launch((*x.shape[:2], *kind, *window))


@tactic(MaxPool, kernel="cuda_pool_any")
def pool_max_any(op: MaxPool, x: TensorSpec) -> Launch | str:
    """A thread for each window."""
    return _pool(op, 0, x)


@tactic(AveragePool, kernel="cuda_pool_any")
def pool_mean_any(op: AveragePool, x: TensorSpec) -> Launch | str:
    """A thread for each window."""
    return _pool(op, 0, x)


@tactic(ChannelsLast, kernel="cuda_pool_any")
def pool_any_nhwc(op: ChannelsLast, x: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """A thread for each window, channels last."""
    if not isinstance(op.anchor, MaxPool | AveragePool):
        return "is no pool"
    if isinstance(pool_nhwc(op, x), Launch):
        return TAKEN
    return _pool(op.anchor, 1, channels_first(x))


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
