"""Convolutions and pools on the CPU for images with their channels last: vectors along the channels, nothing copied."""

from __future__ import annotations

from enginewright.dims import Size
from enginewright.ops.channels_last import ChannelsLast, channels_first
from enginewright.ops.conv import Conv
from enginewright.ops.pool import AveragePool, GlobalAveragePool, MaxPool
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.conv import window_params
from enginewright.tensors import TensorSpec, float32

VECTOR = 16
"""Output channels of a group are padded to whole vectors, of the instruction set with the longest."""


def _conv(op: ChannelsLast, x: TensorSpec, w: TensorSpec | None) -> tuple[Conv, tuple[int, ...]] | str:
    """The convolution and the shape of its weights, if they are known."""
    if not isinstance(op.anchor, Conv) or w is None:
        return "is no convolution"
    if x.dtype is not float32 or x.rank > 5:
        return "needs float32 and at most three spatial axes"
    shape = tuple(size for size in w.shape if isinstance(size, int))
    return (op.anchor, shape) if len(shape) == w.rank else "the weight has sizes that are not known when building"


def _params(conv: Conv, x: TensorSpec, w: TensorSpec | None, b: TensorSpec | None) -> tuple[Size, ...]:
    assert w is not None
    return (conv.group, 3 if b else 2, *window_params(conv.window(channels_first(x), w)))


@tactic(ChannelsLast, kernel="cpu_conv_nhwc_f32")
def conv_nhwc_f32(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """Positions by output channels; every tap reads the pixels where they are."""
    found = _conv(op, x, w)
    if isinstance(found, str):
        return found
    conv, shape = found
    if conv.group > 1 and shape[1] == 1 and shape[0] == conv.group:
        return "depthwise: the direct kernel is better"
    rows = -(-(shape[0] // conv.group) // VECTOR) * VECTOR
    size = 4 * conv.group * rows
    for extent in shape[1:]:
        size *= extent
    pack = Pack("cpu_pack_conv_nhwc_f32", size, (conv.group,))
    return Launch(_params(conv, x, w, b), pack={1: pack}, split=x.rank - 1)


@tactic(ChannelsLast, kernel="cpu_depthwise_nhwc_f32")
def depthwise_nhwc_f32(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """Each channel by itself: a vector of weights for each tap."""
    found = _conv(op, x, w)
    if isinstance(found, str):
        return found
    conv, shape = found
    if shape[1] != 1 or shape[0] != conv.group:
        return "needs one input and one output channel in each group"
    size = 4
    for extent in shape:
        size *= extent
    pack = Pack("cpu_transpose", size, (*range(2, len(shape)), 0, 1))
    return Launch(_params(conv, x, w, b), pack={1: pack}, split=x.rank - 1)


@tactic(ChannelsLast, kernel="cpu_pool_nhwc_f32")
def pool_nhwc_f32(op: ChannelsLast, x: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """The largest element or the mean of each window."""
    pool = op.anchor
    if not isinstance(pool, MaxPool | AveragePool):
        return "is no pool"
    if x.dtype is not float32 or x.rank > 5:
        return "needs float32 and at most three spatial axes"
    window = pool.resolve(channels_first(x).shape[2:], pool.kernel_shape)
    axes = zip(window.kernel, window.strides, window.dilations, window.begins, window.ends, strict=True)
    kind = 1 + int(pool.count_include_pad) if isinstance(pool, AveragePool) else 0
    return Launch((kind, *(number for axis in axes for number in axis)))


@tactic(ChannelsLast, kernel="cpu_global_mean_nhwc_f32")
def global_mean_nhwc_f32(op: ChannelsLast, x: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """The mean over all places."""
    if not isinstance(op.anchor, GlobalAveragePool) or x.dtype is not float32:
        return "is no global mean of float32"
    return Launch()
