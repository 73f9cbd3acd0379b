"""Removes transposes whose result, seen from farther away, has its elements in the order in which they lie already."""

from __future__ import annotations

from enginewright.graph.network import Layer, Network
from enginewright.graph.strided import alike, dense, reshaped, strided


def reuse_order(network: Network) -> int:
    """Replace transposes behind reshapes and other transposes by one reshape of what came first; the number."""
    return sum(_reuse(network, layer) for layer in list(network.layers) if layer.kind == "Transpose")


def _reuse(network: Network, layer: Layer) -> bool:
    output = layer.outputs[0]
    found = strided(output)
    whole = found.base.spec.size == output.spec.size and found.offset == 0
    if found.base is output or not whole or not alike(output.shape, found.strides, dense(output.shape)):
        return False
    with network.at(layer):
        made = reshaped(network, found.base, output.shape)
    network.replace(output, made)
    network.remove([layer])
    return True
