"""Convolutions and pools on the CPU for images with their channels last: vectors along the channels, nothing copied."""

from __future__ import annotations

from enginewright.dims import Size, ceil_div, product
from enginewright.ops.channels_last import ChannelsLast, channels_first
from enginewright.ops.conv import Conv
from enginewright.ops.conv_transpose import ConvTranspose
from enginewright.ops.norm import LRN
from enginewright.ops.pool import AveragePool, GlobalAveragePool, MaxPool
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.conv import known_sizes, window_params
from enginewright.tensors import TensorSpec, bfloat16, float32, uint8

VECTOR = 16
"""Output channels of a group are padded to whole vectors, of the instruction set with the longest."""
POOLED = {float32: "f32", bfloat16: "bf16"}
FEW_CHANNELS, LEAST_TAPS, LEAST_TILE = 8, 2, 2
BY_ROWS, MOST_CHANNELS, RANK_OF_IMAGES = 8, 40, 4
"""Channels of convolutions by rows: always, and at most; with more a tile takes so long that finding its positions
costs nothing."""
FEW_TILES, SMALL = 32, 2**21
"""With fewer tiles the turned weights, 1.8 or 4 times as large, cost more than is saved: they come from memory at each
run, but from the cache when a layer is timed (7 x 7 x 512 by F(2, 3): 0.89 ms timed alone, 1.22 in ResNet-50).
Weights of SMALL bytes stay in a cache."""


def conv_of(op: ChannelsLast, x: TensorSpec, w: TensorSpec | None) -> tuple[Conv, tuple[int, ...]] | str:
    """The convolution and the shape of its weights, if they are known."""
    if not isinstance(op.anchor, Conv) or w is None:
        return "is no convolution"
    if x.dtype is not float32 or x.rank > 5:
        return "needs float32 and at most three spatial axes"
    shape = known_sizes(w)
    return shape if isinstance(shape, str) else (op.anchor, shape)


def conv_params(conv: Conv, x: TensorSpec, w: TensorSpec | None, b: TensorSpec | None) -> tuple[Size, ...]:
    """Group, number of inputs, stride, dilation and padding of each axis."""
    assert w is not None
    return (conv.group, 3 if b else 2, *window_params(conv.window(channels_first(x), w)))


@tactic(ChannelsLast, kernel="cpu_conv_nhwc_f32")
def conv_nhwc_f32(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """Positions by output channels; every tap reads the pixels where they are."""
    launch = direct_launch(op, x, w, b)
    if isinstance(launch, str) or _rows_refuse(op, x, w) or w is None or w.shape[1] not in range(1, BY_ROWS + 1):
        return launch
    return "so few channels go by rows"


@tactic(ChannelsLast, kernel="cpu_conv_rows_nhwc_f32")
def conv_rows_nhwc_f32(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """Few channels: positions side by side, and what the window sees of a row as one run of numbers."""
    launch = direct_launch(op, x, w, b)
    return launch if isinstance(launch, str) else _rows_refuse(op, x, w) or launch


def direct_launch(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """How kernels that take weights by panels, tap by tap, run a convolution; why they can't."""
    found = conv_of(op, x, w)
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
    return Launch(conv_params(conv, x, w, b), pack={1: pack}, split=x.rank - 1)


def _rows_refuse(op: ChannelsLast, x: TensorSpec, w: TensorSpec | None) -> str | None:
    """Why the kernel that goes by rows can't run a convolution."""
    found = conv_of(op, x, w)
    if isinstance(found, str) or w is None:
        return str(found)
    conv, shape = found
    if conv.group > 1 or x.rank != RANK_OF_IMAGES or set(conv.window(channels_first(x), w).dilations) != {1}:
        return "needs one group, two spatial axes, and no dilation"
    return f"has more than {MOST_CHANNELS} channels" if shape[1] > MOST_CHANNELS else None


def filtered_launch(
    points: int, op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """Tiles of T x T outputs from `points` squared products for each pair of channels.

    `points` is T + R - 1, with R the taps along an axis of every phase of the steps.
    """
    found = conv_of(op, x, w)
    if isinstance(found, str):
        return found
    conv, shape = found
    window = conv.window(channels_first(x), w) if w is not None else None
    if window is None or len(window.kernel) != 2 or window.strides[0] != window.strides[1]:
        return "needs two spatial axes and the same steps along both"
    step, (rows, columns) = window.strides[0], window.kernel
    taps = -(-rows // step)
    tile = points + 1 - taps
    if taps != -(-columns // step) or taps < LEAST_TAPS or tile < LEAST_TILE or set(window.dilations) != {1}:
        return "needs a square window, of as many taps as its points are for, without dilation"
    depth, per_group = shape[1] * step**2, shape[0] // conv.group
    if min(depth, per_group) < FEW_CHANNELS:
        return "has too few channels to be worth the transforms"
    size = 4 * conv.group * points**2 * depth * (-(-per_group // VECTOR) * VECTOR)
    tiles = product((x.shape[0], *(ceil_div(extent, tile) for extent in op.infer(x, w).shape[1:-1])))
    if isinstance(tiles, int) and tiles < FEW_TILES and size > SMALL:
        return "has too few tiles for so many weights, which come from memory at each run"
    pack = Pack(f"cpu_pack_winograd{points - 2}_nhwc_f32", size, (conv.group, step))
    return Launch(conv_params(conv, x, w, b), pack={1: pack}, split=x.rank - 1)


@tactic(ChannelsLast, kernel="cpu_winograd2_nhwc_f32")
def winograd2_nhwc_f32(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """Four points: F(2, 3) takes 2.25 times fewer products, as exact as a plain sum."""
    return filtered_launch(4, op, x, w, b)


@tactic(ChannelsLast, kernel="cpu_winograd4_nhwc_f32")
def winograd4_nhwc_f32(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """Six points: F(4, 3) takes 4 times fewer products, F(2, 5) 2.8 times, within 1e-5 of the largest element."""
    return filtered_launch(6, op, x, w, b)


@tactic(ChannelsLast, kernel="cpu_depthwise_nhwc_f32")
def depthwise_nhwc_f32(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """Each channel by itself: a vector of weights for each tap."""
    found = conv_of(op, x, w)
    if isinstance(found, str):
        return found
    conv, shape = found
    if shape[1] != 1 or shape[0] != conv.group:
        return "needs one input and one output channel in each group"
    size = 4
    for extent in shape:
        size *= extent
    pack = Pack("cpu_transpose", size, (*range(2, len(shape)), 0, 1))
    return Launch(conv_params(conv, x, w, b), pack={1: pack}, split=x.rank - 1)


@tactic(ChannelsLast, kernel="cpu_conv_transpose_nhwc_f32")
def conv_transpose_nhwc_f32(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """Windows side by side: the products of a row are a row of the output."""
    conv = op.anchor
    if not isinstance(conv, ConvTranspose) or w is None:
        return "is no transposed convolution"
    shape = tuple(size for size in w.shape if isinstance(size, int))
    if x.dtype is not float32 or x.rank != 4 or len(shape) != 4 or not conv.lies_side_by_side(shape[2:]):
        return "needs float32, two spatial axes, and steps as wide as the kernel"
    size = 4 * shape[0] * shape[2] * (-(-shape[1] * shape[3] // VECTOR) * VECTOR)
    pack = Pack("cpu_pack_conv_transpose_nhwc_f32", size, (1,))
    window = conv.window(channels_first(x), w)
    axes = (number for step in window.strides for number in (step, 1, 0))
    return Launch((1, 3 if b else 2, *axes), pack={1: pack}, split=3)


@tactic(ChannelsLast, kernel="cpu_pool_nhwc_f32")
def pool_last(op: ChannelsLast, x: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """The largest element or the mean of each window, summed in float32."""
    if x.dtype not in POOLED:
        return "needs float32 or bfloat16"
    return _pool(op, x, f"cpu_pool_nhwc_{POOLED[x.dtype]}")


@tactic(ChannelsLast, kernel="cpu_pool_nhwc_u8")
def pool_nhwc_u8(op: ChannelsLast, x: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """The largest byte of each window."""
    if not isinstance(op.anchor, MaxPool) or x.dtype is not uint8:
        return "is no maximum of uint8"
    return _pool(op, x, "cpu_pool_nhwc_u8")


def _pool(op: ChannelsLast, x: TensorSpec, kernel: str) -> Launch | str:
    pool = op.anchor
    if not isinstance(pool, MaxPool | AveragePool):
        return "is no pool"
    if x.rank > 5:
        return "has more than three spatial axes"
    window = pool.resolve(channels_first(x).shape[2:], pool.kernel_shape)
    axes = zip(window.kernel, window.strides, window.dilations, window.begins, window.ends, strict=True)
    kind = 1 + int(pool.count_include_pad) if isinstance(pool, AveragePool) else 0
    return Launch((kind, *(number for axis in axes for number in axis)), kernel=kernel)


@tactic(ChannelsLast, kernel="cpu_global_mean_nhwc_f32")
def global_mean_last(op: ChannelsLast, x: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """The mean over all places, summed in float32."""
    if not isinstance(op.anchor, GlobalAveragePool) or x.dtype not in POOLED:
        return "is no global mean of float32 or bfloat16"
    return Launch(kernel=f"cpu_global_mean_nhwc_{POOLED[x.dtype]}")


@tactic(ChannelsLast, kernel="cpu_lrn_nhwc_f32")
def lrn_nhwc_f32(op: ChannelsLast, x: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """The window moves along a row of channels."""
    lrn = op.anchor
    if not isinstance(lrn, LRN) or x.dtype is not float32:
        return "is no local response normalization of float32"
    return Launch((lrn.size, float(lrn.alpha / lrn.size), float(lrn.beta), float(lrn.bias)), inplace=(0,))
