"""Quantized convolutions on the CPU: pixels where they lie times packed weights, rounded to bytes in the tile."""

from __future__ import annotations

import math

from enginewright.dims import Size, ceil_div, product
from enginewright.ops.channels_last import channels_first
from enginewright.ops.quantized_conv import QuantizedConv
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.channels_last import VECTOR
from enginewright.tactics.conv import known_sizes, window_params
from enginewright.tensors import TensorSpec

FEW_TILES = 9
"""With fewer tiles the turned weights, eight times as large, cost more than is saved."""
WIDE = 32
"""Numbers of 16 bits in a vector of the largest instruction set."""
LARGEST_SUM = 1 << 25
"""What is left of 32 bits when the way back from the points was divided by 64."""


def _sizes(x: TensorSpec, w: TensorSpec) -> tuple[int, ...] | str:
    """Those of the weight, if a kernel can have them."""
    if x.rank > 5:
        return "needs at most three spatial axes"
    if 0 in w.shape[2:]:
        return "its window is empty"
    return known_sizes(w) if w.constant else "the weight is not known when building"


def _params(op: QuantizedConv, x: TensorSpec, w: TensorSpec) -> tuple[Size | float, ...]:
    return (
        *(op.anchor.group, op.x_zero, op.zero, op.low, op.high),
        *(float(op.step), float(op.addend_step), op.addend_zero, op.sum_zero, op.sum_low, op.sum_high),
        *window_params(op.anchor.resolve(channels_first(x).shape[2:], w.shape[2:])),
    )


def _is_depthwise(op: QuantizedConv, sizes: tuple[int, ...]) -> bool:
    return sizes[1] == 1 and sizes[0] == op.anchor.group > 1


@tactic(QuantizedConv, kernel="cpu_quantized_conv_nhwc")
def quantized_conv_nhwc(op: QuantizedConv, x: TensorSpec, w: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """Positions by output channels, four products a lane and instruction."""
    sizes = _sizes(x, w)
    if isinstance(sizes, str):
        return sizes
    if _is_depthwise(op, sizes):
        return "depthwise: the direct kernel is better"
    group, (m, channels) = op.anchor.group, sizes[:2]
    joined = group == 1 and op.anchor.resolve(channels_first(x).shape[2:], w.shape[2:]).dilations[-1] == 1
    last = sizes[-1] if joined else 1  # pixels that are multiplied as one run
    words = group * -(-(m // group) // VECTOR) * VECTOR * (math.prod(sizes[2:]) // last) * -(-channels * last // 4)
    pack = Pack("cpu_pack_quantized_conv_nhwc", 4 * (words + m), (group, int(joined)))
    return Launch(_params(op, x, w), pack={1: pack})


@tactic(QuantizedConv, kernel="cpu_quantized_depthwise_nhwc")
def quantized_depthwise_nhwc(
    op: QuantizedConv, x: TensorSpec, w: TensorSpec, *others: TensorSpec | None
) -> Launch | str:
    """Each channel by itself: a vector of weights for each tap."""
    sizes = _sizes(x, w)
    if isinstance(sizes, str):
        return sizes
    if not _is_depthwise(op, sizes):
        return "needs one input and one output channel in each group"
    words = -(-sizes[0] // VECTOR) * VECTOR * math.prod(sizes[2:])
    return Launch(_params(op, x, w), pack={1: Pack("cpu_pack_quantized_depthwise_nhwc", 4 * (words + sizes[0]))})


@tactic(QuantizedConv, kernel="cpu_quantized_winograd_nhwc")
def quantized_winograd_nhwc(
    op: QuantizedConv, x: TensorSpec, w: TensorSpec, *others: TensorSpec | None
) -> Launch | str:
    """A quarter of the products, of int16 instead of bytes, and the same sums."""
    sizes = _sizes(x, w)
    if isinstance(sizes, str):
        return sizes
    image = channels_first(x).shape[2:]
    window = op.anchor.resolve(image, w.shape[2:])
    if (sizes[2:], op.anchor.group) != ((3, 3), 1) or {*window.strides, *window.dilations} != {1}:
        return "needs a window of 3 x 3 in steps of 1, undilated, and one group"
    if sizes[1] % WIDE:
        return f"needs a multiple of {WIDE} input channels"
    tiles = product((x.shape[0], *(ceil_div(places, 4) for places in window.positions(image))))
    if isinstance(tiles, int) and tiles < FEW_TILES:
        return "has too few tiles for so many weights, which come from memory at each run"
    if not 0 < op.largest_sum < LARGEST_SUM:
        return f"sums may leave ±{LARGEST_SUM}"
    words = 36 * sizes[1] // 2 * -(-sizes[0] // VECTOR) * VECTOR
    return Launch(_params(op, x, w), pack={1: Pack("cpu_pack_quantized_winograd_nhwc", 4 * (words + sizes[0]))})
