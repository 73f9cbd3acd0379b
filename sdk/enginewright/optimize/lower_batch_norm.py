"""Writes inference batch normalization as a product and a sum, which other passes fold into the weights before it."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Layer, Network


def lower_batch_norm(network: Network) -> int:
    """Replace BatchNormalization layers whose statistics are constants; the number replaced."""
    found = [layer for layer in network.layers if layer.kind == "BatchNormalization" and _constant(layer)]
    for layer in found:
        _lower(network, layer)
    network.remove(found)
    return len(found)


def _constant(layer: Layer) -> bool:
    statistics = layer.inputs[1:5]
    return len(layer.outputs) == 1 and all(t is not None and t.const is not None for t in statistics)


def _lower(network: Network, layer: Layer) -> None:
    x = layer.inputs[0]
    assert x is not None
    scale, shift, mean, variance = (np.asarray(t.const, np.float64) for t in layer.inputs[1:5] if t is not None)
    factor = scale / np.sqrt(variance + layer.op.epsilon)
    shape = (-1,) + (1,) * (x.rank - 2)
    dtype = x.dtype.numpy
    with network.at(layer):
        product = network.mul(x, network.constant(factor.reshape(shape).astype(dtype)))
        result = network.add(product, network.constant((shift - mean * factor).reshape(shape).astype(dtype)))
    network.replace(layer.outputs[0], result)
