"""Lets matrix products of rows that were flattened for them work on the tensor as it was, so that layers can join."""

from __future__ import annotations

import numpy as np

from enginewright.dims import Size
from enginewright.graph.network import Layer, Network, Tensor
from enginewright.graph.strided import reshaped


def unflatten_products(network: Network) -> int:
    """Replace Gemm with constant weights between two reshapes by MatMul and Add; the number replaced."""
    found = 0
    for layer in list(network.layers):
        after = _unflattening(network, layer)
        if after is not None and _is_plain(layer):
            _replace(network, layer, after)
            found += 1
    return found


def _unflattening(network: Network, layer: Layer) -> Layer | None:
    """The reshape that alone reads a product of rows, and only cuts the axis of rows into several."""
    if layer.kind != "Gemm":
        return None
    reader = network.sole_reader(layer.outputs[0])
    if reader is None or reader.kind != "Reshape":
        return None
    shape, columns = reader.outputs[0].shape, layer.outputs[0].shape[1]
    return reader if len(shape) > 2 and shape[-1] == columns else None


def _is_plain(layer: Layer) -> bool:
    """Not scaled, constant weights, and if anything is added then a bias of each column."""
    weight, bias = layer.inputs[1], layer.inputs[2] if len(layer.inputs) > 2 else None
    if layer.op.trans_a or layer.op.alpha != 1 or weight is None or weight.const is None:
        return False
    if bias is None:
        return True
    return layer.op.beta == 1 and bias.const is not None and bias.shape == layer.outputs[0].shape[1:]


def _replace(network: Network, layer: Layer, after: Layer) -> None:
    rows, weight, bias = (*layer.inputs, None)[:3]
    assert rows is not None and weight is not None and weight.const is not None
    output = after.outputs[0]
    sources = dict.fromkeys((*layer.sources, *after.sources))
    with network.at(after, sources=sources, label=layer.name):  # where all sizes of the result are known
        given = _as_it_was(network, rows, (*output.shape[:-1], rows.shape[1]))
        if layer.op.trans_b:
            weight = network.constant(np.ascontiguousarray(weight.const.T), weight.name)
        made = network.matmul(given, weight)
        if bias is not None:
            made = network.add(made, bias)
    made.name = output.name
    network.replace(output, made)
    network.remove([after, layer])


def _as_it_was(network: Network, rows: Tensor, shape: tuple[Size, ...]) -> Tensor:
    """The rows in this shape: what was flattened, where it had it."""
    before = rows.producer
    source = before.inputs[0] if before is not None and before.kind in ("Reshape", "Flatten") else None
    return reshaped(network, source or rows, shape)
