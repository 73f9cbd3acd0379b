"""Quantized convolutions on the CPU: pixels where they lie times packed weights, rounded to bytes in the tile."""

from __future__ import annotations

import math

from enginewright.dims import Size
from enginewright.ops.channels_last import channels_first
from enginewright.ops.quantized_conv import QuantizedConv
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.channels_last import VECTOR
from enginewright.tactics.conv import window_params
from enginewright.tensors import TensorSpec


def _sizes(x: TensorSpec, w: TensorSpec) -> list[int] | str:
    """Those of the weight, if a kernel can have them."""
    sizes = [size for size in w.shape if isinstance(size, int)]
    if x.rank > 5:
        return "needs at most three spatial axes"
    return sizes if w.constant and len(sizes) == w.rank else "the weight is not known when building"


def _params(op: QuantizedConv, x: TensorSpec, w: TensorSpec) -> tuple[Size | float, ...]:
    return (
        *(op.anchor.group, op.x_zero, op.zero, op.low, op.high),
        *(float(op.step), float(op.addend_step), op.addend_zero, op.sum_zero, op.sum_low, op.sum_high),
        *window_params(op.anchor.resolve(channels_first(x).shape[2:], w.shape[2:])),
    )


def _is_depthwise(op: QuantizedConv, sizes: list[int]) -> bool:
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
