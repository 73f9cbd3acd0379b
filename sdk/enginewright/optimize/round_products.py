"""Rounds what products, convolutions and recurrent layers read to bfloat16, which CPUs multiply twice as fast."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from enginewright.graph.multiplications import multiplications
from enginewright.graph.network import Layer, Network
from enginewright.graph.wide_layers import WideLayer
from enginewright.ops.rounded import Rounded
from enginewright.optimize.autocast import MEASURED
from enginewright.registry.registry import Launch
from enginewright.tactics.recurrent import gru_units_f32, lstm_units_f32
from enginewright.tensors import bfloat16, float32

FEW_ROWS, RANK_OF_IMAGES = 8, 4
NO_SIZES: Mapping[str, int] = MappingProxyType({})
UNITS = {"LSTM": lstm_units_f32, "GRU": gru_units_f32}
"""Recurrent layers, and the tactics whose conditions are those of their kernels in bfloat16."""


def round_products(network: Network, largest_kept: float = -1, sizes: Mapping[str, int] = NO_SIZES) -> int:
    """Put each product of float32 into its rounded form; the number of layers changed.

    All else stays in float32 here; `narrow_tensors` makes tensors between layers bfloat16. Products of at most
    `largest_kept` multiplications, where named sizes have these lengths, stay in float32, too, and the network says so.
    """
    found = [layer for layer in network.layers if gains_by_rounding(layer)]
    if network.parent is None:
        kept = [layer for layer in found if multiplications(layer, sizes) <= largest_kept]
        network.wide += [WideLayer(layer.name, layer.kind, MEASURED, layer.sources) for layer in kept]
        found = [layer for layer in found if layer not in kept]
    for layer in found:
        with network.at(layer):
            made = network.add(Rounded(layer.op, bfloat16), *layer.inputs)
        for old, new in zip(layer.outputs, made, strict=True):
            new.name = old.name
            network.replace(old, new)
    network.remove(found)
    return len(found)


def gains_by_rounding(layer: Layer) -> bool:
    """Float32, and enough rows to pay for packing a right-hand side that is not constant; convolutions with one."""
    conv = layer.kind == "ChannelsLast" and layer.op.anchor.KEY.name == "Conv"
    if layer.kind in UNITS:
        return _has_units(layer)
    if layer.kind == "ChannelsLast" and layer.op.anchor.KEY.name == "ConvTranspose":
        return _spreads(layer)
    if not conv and layer.kind not in ("MatMul", "Gemm"):
        return False
    left, right = layer.inputs[:2]
    if left is None or right is None or left.dtype is not float32:
        return False
    if conv:
        return right.const is not None and _mixes_channels(right.const.shape, layer.op.anchor.group)
    rows = layer.outputs[0].shape[-2] if layer.outputs[0].rank > 1 else 1
    return right.const is not None or not isinstance(rows, int) or rows >= FEW_ROWS


def _spreads(layer: Layer) -> bool:
    """A transposed convolution of float32 by constant weights, of images of words, whose windows lie side by side."""
    x, w = layer.inputs[:2]
    if x is None or w is None or w.const is None or x.dtype is not float32 or w.const.shape[0] % 2:
        return False
    return x.rank == RANK_OF_IMAGES and bool(layer.op.anchor.lies_side_by_side(w.const.shape[2:]))


def _has_units(layer: Layer) -> bool:
    """A recurrent layer of float32 by constant weights that the kernels in bfloat16 can run."""
    specs = [None if tensor is None else tensor.spec for tensor in layer.inputs]
    weights = layer.inputs[1:3]
    constant = all(weight is not None and weight.const is not None for weight in weights)
    return constant and isinstance(UNITS[layer.kind](layer.op, *specs), Launch)


def _mixes_channels(weight: tuple[int, ...], group: int) -> bool:
    """Not depthwise; words of two channels do not cross from one group to the next."""
    return group == 1 or (weight[1] > 1 and weight[1] % 2 == 0)
