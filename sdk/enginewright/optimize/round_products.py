"""Rounds what matrix products and convolutions read to bfloat16, which CPUs multiply twice as fast as float32."""

from __future__ import annotations

from enginewright.graph.network import Layer, Network
from enginewright.ops.rounded import Rounded
from enginewright.tensors import bfloat16, float32

FEW_ROWS = 8
MOST_CHANNELS = 4
"""Of an image as a user gives it: rounding it first takes longer than what fewer products save (640 x 480 x 3: 1.97 ms,
0.75 in float32)."""


def round_products(network: Network) -> int:
    """Put each product of float32 into its rounded form; the number of layers changed.

    All else stays in float32 here; `narrow_tensors` makes tensors between layers bfloat16.
    """
    found = [layer for layer in network.layers if _gains(network, layer)]
    for layer in found:
        with network.at(layer):
            made = network.add(Rounded(layer.op, bfloat16), *layer.inputs)[0]
        made.name = layer.outputs[0].name
        network.replace(layer.outputs[0], made)
    network.remove(found)
    return len(found)


def _gains(network: Network, layer: Layer) -> bool:
    """Float32, and enough rows to pay for packing a right-hand side that is not constant; convolutions with one."""
    conv = layer.kind == "ChannelsLast" and layer.op.anchor.KEY.name == "Conv"
    if not conv and layer.kind not in ("MatMul", "Gemm"):
        return False
    left, right = layer.inputs[:2]
    if left is None or right is None or left.dtype is not float32:
        return False
    if conv and left in network.inputs and left.shape[-1] <= MOST_CHANNELS:
        return False
    if conv:
        return right.const is not None and _mixes_channels(right.const.shape, layer.op.anchor.group)
    rows = layer.outputs[0].shape[-2] if layer.outputs[0].rank > 1 else 1
    return right.const is not None or not isinstance(rows, int) or rows >= FEW_ROWS


def _mixes_channels(weight: tuple[int, ...], group: int) -> bool:
    """Not depthwise; words of two channels do not cross from one group to the next."""
    return group == 1 or (weight[1] > 1 and weight[1] % 2 == 0)
