"""Runs channel shuffles natively: as transpositions, or inside the 1 x 1 convolution in groups that reads them."""

from __future__ import annotations

from enginewright.dims import product
from enginewright.ops.channel_shuffle import ChannelShuffle, Shuffled
from enginewright.ops.channels_last import ChannelsLast, channels_first
from enginewright.ops.conv import Conv
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.channels_last import VECTOR
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tensors import TensorSpec, float32, normalize_axis

MAX_SHUFFLED = 16
"""Parts of channels that the kernel can deal out."""


@tactic(ChannelShuffle, kernel="cpu_transpose_reshaped")
def transpose_groups(op: ChannelShuffle, x: TensorSpec) -> Launch | str:
    """x seen with an axis of groups and one of the channels of each, which change places."""
    axis = normalize_axis(op.axis, x.rank)
    seen = product(x.shape[:axis]), op.groups, x.shape[axis] // op.groups, product(x.shape[axis + 1 :])
    return why_not_movable(x) or Launch(params=(*seen, 0, 2, 1, 3))


@tactic(ChannelsLast, kernel="cpu_pixels_nhwc_f32")
def pixels_nhwc_f32(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """1 x 1 in groups: all groups of some pixels in one pass, channels taken from where they were before a shuffle."""
    if isinstance(op.anchor, Conv) and op.anchor.group == 1:
        return "needs groups"
    return pixels(op, x, w, b)


def pixels(op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None) -> Launch | str:
    """The same for any number of groups."""
    conv, groups = (op.anchor.anchor, op.anchor.groups) if isinstance(op.anchor, Shuffled) else (op.anchor, 1)
    if not isinstance(conv, Conv) or w is None:
        return "is no convolution"
    shape = tuple(size for size in w.shape if isinstance(size, int))
    if x.dtype is not float32 or len(shape) != w.rank:
        return "needs float32 and weights of a size known when building"
    if groups > MAX_SHUFFLED:
        return "has too many groups to shuffle"
    if not sees_pixels(conv, x, w):
        return "needs a window of one element in steps of 1, and no padding"
    size = 4 * conv.group * (-(-(shape[0] // conv.group) // VECTOR) * VECTOR) * shape[1]
    pack = Pack("cpu_pack_pixels_f32", size, (conv.group, groups))
    return Launch((conv.group, 3 if b else 2, groups), pack={1: pack}, split=x.rank - 1)


def sees_pixels(conv: Conv, x: TensorSpec, w: TensorSpec) -> bool:
    """Whether each pixel of the output sees the one at its own place, of an image with channels last."""
    window = conv.window(channels_first(x), w)
    zeros = all(isinstance(pad, int) and pad == 0 for pad in (*window.begins, *window.ends))
    return zeros and all(size == 1 for size in (*w.shape[2:], *window.strides))
