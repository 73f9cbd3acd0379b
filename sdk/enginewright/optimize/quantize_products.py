"""Multiplies weights that a model stores as int8 by integers: the other side is quantized row by row while running."""

from __future__ import annotations

from typing import Any

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.row_quantized import RowQuantizedMatMul
from enginewright.tensors import float32

Array = np.ndarray[Any, Any]


def quantize_products(network: Network) -> int:
    """Replace each product with a weight that is dequantized as a whole, or by column; the number of layers changed."""
    changed = 0
    for layer in list(network.layers):
        found = _weight(layer) if layer.kind == "MatMul" else None
        if found is not None:
            weight, scale = found
            with network.at(layer):
                b, b_scale = network.constant(weight), network.constant(scale)
                made = network.add(RowQuantizedMatMul(), layer.inputs[0], b, b_scale)[0]
            made.name = layer.outputs[0].name
            network.replace(layer.outputs[0], made)
            network.remove([layer])
            changed += 1
    return changed


def _weight(layer: Layer) -> tuple[Array, Array] | None:
    """The int8 matrix on the right of a float32 product, and its scale: one number, or one for each column."""
    a, b = layer.inputs[:2]
    if a is None or b is None or a.dtype is not float32 or b.rank != 2 or b.producer is None:
        return None
    found = _scaled(b.producer) if b.producer.kind == "Mul" else _dequantized(b.producer)
    if found is None:
        return None
    weight, scale = found
    if weight.dtype != np.int8 or weight.ndim != 2:
        return None
    if scale.size == 1:
        return weight, scale.reshape(())
    columns = (1,) * (2 - scale.ndim) + scale.shape == (1, weight.shape[1])
    return (weight, scale.reshape(-1)) if columns else None


def _scaled(layer: Layer) -> tuple[Array, Array] | None:
    """Cast, then multiplication by a constant."""
    for tensor, other in (layer.inputs, layer.inputs[::-1]):
        cast = None if tensor is None else tensor.producer
        if cast is None or cast.kind != "Cast" or other is None:
            continue
        weight, scale = _constant(cast.inputs[0]), _constant(other)
        if weight is not None and scale is not None:
            return weight, scale
    return None


def _dequantized(layer: Layer) -> tuple[Array, Array] | None:
    """DequantizeLinear without blocks and with zero points of 0; scales along the last axis."""
    if layer.kind != "DequantizeLinear" or layer.op.block_size:
        return None
    weight, scale = _constant(layer.inputs[0]), _constant(layer.inputs[1])
    zero = layer.inputs[2] if len(layer.inputs) > 2 else None
    zeros = None if zero is None else _constant(zero)
    if weight is None or scale is None or scale.dtype != np.float32 or (zero is not None and zeros is None):
        return None
    if zeros is not None and zeros.any():
        return None
    return (weight, scale) if scale.size == 1 or layer.op.axis % weight.ndim == weight.ndim - 1 else None


def _constant(tensor: Tensor | None) -> Array | None:
    return None if tensor is None or tensor.const is None else np.asarray(tensor.const)
