"""Folds products and sums with constants by channel into the weights and bias of the convolution before them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor

Array = np.ndarray[Any, Any]


def fold_scales(network: Network) -> int:
    """Fold Mul, Add and Sub behind a convolution with constant weights; the number of layers folded."""
    folded = 0
    for layer in list(network.layers):
        if layer.kind in ("Mul", "Add", "Sub"):
            folded += _fold(network, layer)
    return folded


def _fold(network: Network, layer: Layer) -> bool:
    for index in (0, 1) if layer.kind != "Sub" else (0,):
        tensor, other = layer.inputs[index], layer.inputs[1 - index]
        if tensor is None or other is None or tensor.producer is None or not _is_conv(tensor.producer):
            continue
        values = _by_channel(other, tensor)
        if values is not None and network.sole_reader(tensor) is layer:
            _replace(network, tensor.producer, layer, values)
            return True
    return False


def _is_conv(layer: Layer) -> bool:
    """A convolution whose weights (and bias) are constants."""
    if layer.kind not in ("Conv", "ConvTranspose") or (layer.kind == "ConvTranspose" and layer.op.group != 1):
        return False
    return all(tensor is None or tensor.const is not None for tensor in layer.inputs[1:])


def _by_channel(tensor: Tensor, output: Tensor) -> Array | None:
    """The constant as one number for each channel of the convolution's output, None where it is not that."""
    channels = output.shape[1]
    if tensor.const is None or not isinstance(channels, int) or tensor.rank > output.rank:
        return None
    padded = (1,) * (output.rank - tensor.rank) + tensor.const.shape
    if padded[1] not in (1, channels) or any(size != 1 for axis, size in enumerate(padded) if axis != 1):
        return None
    return np.broadcast_to(tensor.const.astype(np.float64).reshape(-1), (channels,))


def _replace(network: Network, conv: Layer, layer: Layer, values: Array) -> None:
    x, weight = conv.inputs[:2]
    assert weight is not None
    assert weight.const is not None
    kernel = weight.const.astype(np.float64)
    bias = conv.inputs[2].const if len(conv.inputs) > 2 and conv.inputs[2] is not None else None
    shift = np.zeros(len(values)) if bias is None else bias.astype(np.float64)
    if layer.kind == "Mul":
        along = (-1,) + (1,) * (kernel.ndim - 1) if conv.kind == "Conv" else (1, -1) + (1,) * (kernel.ndim - 2)
        kernel, shift = kernel * values.reshape(along), shift * values
    else:
        shift = shift + values if layer.kind == "Add" else shift - values
    dtype = weight.dtype.numpy
    new_weight = weight if layer.kind != "Mul" else network.constant(kernel.astype(dtype), weight.name)
    with network.at(layer, sources=dict.fromkeys((*conv.sources, *layer.sources)), label=conv.name):
        made = network.add(replace(conv.op), x, new_weight, network.constant(shift.astype(dtype), f"{conv.name}.bias"))
    made[0].name = layer.outputs[0].name
    network.replace(layer.outputs[0], made[0])
    network.remove([layer, conv])
