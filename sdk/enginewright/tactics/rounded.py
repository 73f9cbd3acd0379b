"""Products in bfloat16 on the CPU; instruction sets without it multiply the rounded numbers in float32."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from enginewright.ops.channels_last import ChannelsLast, ImageToChannelsLast, channels_first
from enginewright.ops.matmul import Gemm, MatMul
from enginewright.ops.rounded import Rounded
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.channel_shuffle import pixels_nhwc_f32
from enginewright.tactics.channels_last import (
    conv_transpose_nhwc_f32,
    depthwise_nhwc_f32,
    direct_launch,
    filtered_launch,
)
from enginewright.tactics.matmul import gemm_f32, gemm_packed_f32, matmul_f32, matmul_packed_f32, panel_bytes
from enginewright.tensors import TensorSpec, bfloat16, float32

Plan = Callable[..., Launch | str]
RANK_OF_IMAGES, MOST_CHANNELS, MOST_CHANNELS_OF_PIXELS = 4, 80, 512
"""Of convolutions by rows: with more, a tile takes so long that finding its positions costs nothing."""
PAIRS = 32
"""Channels in a vector of words, of the instruction set with the longest."""


def _product(op: Rounded, inputs: tuple[TensorSpec | None, ...], for_matmul: Plan, for_gemm: Plan) -> Launch | str:
    """What the float32 tactic of the anchor answers."""
    inputs = (*map(op.widened, inputs[:2]), *inputs[2:])
    if op.dtype is not bfloat16 or not isinstance(op.anchor, MatMul | Gemm):
        return "needs a matrix product in bfloat16"
    launch = (for_matmul if isinstance(op.anchor, MatMul) else for_gemm)(op.anchor, *inputs)
    if isinstance(launch, str) or isinstance(op.anchor, MatMul) or _adds_a_row(op.anchor, *inputs):
        return launch
    return replace(launch, output=float32)  # what is added is first written there


def _adds_a_row(gemm: Gemm, a: TensorSpec | None, b: TensorSpec | None, c: TensorSpec | None = None) -> bool:
    """Whether what a Gemm adds is nothing, or a number for each column."""
    if c is None or b is None or gemm.beta == 0:
        return True
    return gemm.beta == 1 and c.shape == (b.shape[0 if gemm.trans_b else 1],)


@tactic(Rounded, kernel="cpu_matmul_packed_bf16")
def matmul_packed_bf16(op: Rounded, *inputs: TensorSpec | None) -> Launch | str:
    """A constant matrix on the right: rounded, and packed into panels of pairs along K, when building."""
    launch, b = _product(op, inputs, matmul_packed_f32, gemm_packed_f32), inputs[1]
    if isinstance(launch, str):
        return launch
    assert b is not None
    k, n = (b.shape[0], b.shape[1]) if b.rank == 2 else (b.size, 1)
    assert isinstance(k, int)  # or the tactic would not have offered to pack it
    assert isinstance(n, int)
    transposed = isinstance(op.anchor, Gemm) and op.anchor.trans_b
    size = panel_bytes(-(-n // 2), k) if transposed else panel_bytes(-(-k // 2), n)
    return replace(launch, pack={1: Pack("cpu_pack_gemm_b_bf16", size, (int(transposed),))})


@tactic(Rounded, kernel="cpu_matmul_bf16")
def matmul_bf16(op: Rounded, *inputs: TensorSpec | None) -> Launch | str:
    """Both sides dynamic: each task rounds and packs its part of the right one."""
    return _product(op, inputs, matmul_f32, gemm_f32)


@tactic(Rounded, kernel="cpu_conv_nhwc_bf16")
def conv_nhwc_bf16(op: Rounded, *inputs: TensorSpec | None) -> Launch | str:
    """A convolution with channels last: an image of float32 is rounded first, weights are packed as pairs."""
    launch, w = _image(op, inputs, direct_launch), inputs[1]
    if isinstance(launch, str) or w is None:
        return launch if isinstance(launch, str) else "is no convolution"
    group, channels = op.anchor.anchor.group, w.shape[1]
    assert isinstance(channels, int)
    if group > 1 and channels % 2:
        return "groups have an odd number of channels"
    pairs = _has_pairs(op, inputs)
    if isinstance(pairs, str):
        return pairs
    size = launch.pack[1].size // channels * -(-channels // 2) if channels else 0
    return replace(launch, pack={1: Pack("cpu_pack_conv_nhwc_bf16", size, (group, int(pairs)))})


def _has_pairs(op: Rounded, inputs: tuple[TensorSpec | None, ...]) -> bool | str:
    """Whether words are pairs along a row, not of channels: there is an odd number of these, and all else is even."""
    x, w = inputs[:2]
    assert x is not None
    assert w is not None
    conv = op.anchor.anchor
    window, channels = conv.window(channels_first(x), w), w.shape[1]
    even = window.kernel[-1] % 2 == 0 and window.strides[-1] % 2 == 0
    if conv.group > 1 or channels % 2 == 0 or window.dilations[-1] != 1 or not even:
        return False
    begin = window.begins[-1]
    return begin % 2 == 0 if isinstance(begin, int) else "needs to know the padding when building"


def _image(op: Rounded, inputs: tuple[TensorSpec | None, ...], plan: Plan) -> Launch | str:
    """What the float32 tactic of a convolution with channels last answers."""
    if op.dtype is not bfloat16 or not isinstance(op.anchor, ChannelsLast):
        return "needs a convolution in bfloat16 with channels last"
    return plan(op.anchor, *map(op.widened, inputs[:2]), *inputs[2:])


@tactic(Rounded, kernel="cpu_pixels_nhwc_bf16")
def pixels_nhwc_bf16(op: Rounded, *inputs: TensorSpec | None) -> Launch | str:
    """1 x 1 in groups as words of two channels; in words that a group shares with others the weights of those are 0."""
    launch, x, w = _image(op, inputs, pixels_nhwc_f32), *inputs[:2]
    if isinstance(launch, str) or x is None or w is None:
        return launch if isinstance(launch, str) else "is no convolution"
    if x.dtype is not bfloat16 or not isinstance(x.shape[-1], int) or x.shape[-1] % 2:
        return "needs an image of bfloat16 with an even number of channels"
    channels, groups = w.shape[1], launch.pack[1].params[1]
    assert isinstance(channels, int)
    assert isinstance(groups, int)
    size = launch.pack[1].size // max(1, channels) * (channels // 2 + groups)
    return replace(launch, pack={1: replace(launch.pack[1], kernel="cpu_pack_pixels_bf16", size=size)})


@tactic(Rounded, kernel="cpu_conv_transpose_nhwc_bf16")
def conv_transpose_nhwc_bf16(op: Rounded, *inputs: TensorSpec | None) -> Launch | str:
    """Windows side by side: the products of a row are a row of the output; a row of float32 is rounded first."""
    launch, w = _image(op, inputs, conv_transpose_nhwc_f32), inputs[1]
    if isinstance(launch, str) or w is None:
        return launch if isinstance(launch, str) else "has no weights"
    channels, pack = w.shape[0], launch.pack[1]
    assert isinstance(channels, int)
    if channels % 2:
        return "needs an even number of channels"
    return replace(launch, pack={1: Pack("cpu_pack_conv_transpose_nhwc_bf16", pack.size // 2, pack.params)})


@tactic(ImageToChannelsLast, kernel="cpu_image_nhwc_bf16")
def image_nhwc_bf16(op: ImageToChannelsLast, x: TensorSpec) -> Launch | str:
    """An image of float32 as words of two channels."""
    channels = x.shape[1]
    if x.dtype is not float32 or op.to is not bfloat16 or x.rank < 3:
        return "needs an image of float32, to become bfloat16"
    if not isinstance(channels, int) or op.channels != channels + channels % 2:
        return "the number of channels is not made even, and no more"
    return Launch()


@tactic(Rounded, kernel="cpu_conv_rows_nhwc_bf16")
def conv_rows_nhwc_bf16(op: Rounded, *inputs: TensorSpec | None) -> Launch | str:
    """Few channels, or a window of one pixel: positions side by side, and what it sees of a row as one run of words.

    Rows of an image of float32 are rounded when the kernel copies them.
    """
    launch = conv_nhwc_bf16(op, *inputs)
    if isinstance(launch, str):
        return launch
    x, w = inputs[:2]
    conv = op.anchor.anchor
    if x is None or w is None or not isinstance(x.shape[-1], int):
        return "is no convolution"
    if x.dtype is bfloat16 and x.shape[-1] % 2:
        return "needs an even number of channels of bfloat16"
    if conv.group > 1 or x.rank != RANK_OF_IMAGES or set(conv.window(channels_first(x), w).dilations) != {1}:
        return "needs one group, two spatial axes, and no dilation"
    most = MOST_CHANNELS_OF_PIXELS if set(w.shape[2:]) == {1} and x.dtype is bfloat16 else MOST_CHANNELS
    if x.shape[-1] > most:
        return f"has more than {most} channels"
    return replace(launch, pack={1: replace(launch.pack[1], params=(conv.group, 0))})  # its words are of channels only


@tactic(Rounded, kernel="cpu_depthwise_nhwc_bf16")
def depthwise_nhwc_bf16(op: Rounded, *inputs: TensorSpec | None) -> Launch | str:
    """A depthwise convolution of an image of bfloat16, summed in float32: two lines of the window at once."""
    launch = narrow_image(op, inputs, depthwise_nhwc_f32)
    if isinstance(launch, str):
        return launch
    sizes = [size for size in (inputs[1].shape if inputs[1] is not None else ()) if isinstance(size, int)]
    channels, lines = sizes[0], math.prod(sizes[2:-1])
    size = 4 * -(-lines // 2) * sizes[-1] * -(-channels // PAIRS) * PAIRS
    return replace(launch, pack={1: Pack("cpu_pack_depthwise_nhwc_bf16", size, ())})


@tactic(Rounded, kernel="cpu_winograd2_nhwc_bf16")
def winograd2_nhwc_bf16(op: Rounded, *inputs: TensorSpec | None) -> Launch | str:
    """F(2, 3) with what has been turned rounded again, images and weights: 2.25 times fewer products of bfloat16.

    Within 1e-2 of the largest element.
    """
    launch, w = narrow_image(op, inputs, partial(filtered_launch, 4)), inputs[1]
    if isinstance(launch, str) or w is None:
        return launch if isinstance(launch, str) else "is no convolution"
    channels = w.shape[1]
    assert isinstance(channels, int)
    if channels % 2:
        return "groups have an odd number of channels"
    pack = launch.pack[1]
    return replace(launch, pack={1: Pack("cpu_pack_winograd2_nhwc_bf16", pack.size // 2, pack.params)}, output=bfloat16)


@tactic(Rounded, kernel="cpu_winograd4_nhwc_bf16")
def winograd4_nhwc_bf16(op: Rounded, *inputs: TensorSpec | None) -> Launch | str:
    """F(4, 3) in float32, from an image of bfloat16: 4 times fewer products; weights are not rounded."""
    launch = narrow_image(op, inputs, partial(filtered_launch, 6))
    return launch if isinstance(launch, str) else replace(launch, output=bfloat16)


def narrow_image(op: Rounded, inputs: tuple[TensorSpec | None, ...], plan: Plan) -> Launch | str:
    """The same, for an image of bfloat16."""
    if inputs[0] is None or inputs[0].dtype is not bfloat16:
        return "needs an image of bfloat16"
    return _image(op, inputs, plan)
