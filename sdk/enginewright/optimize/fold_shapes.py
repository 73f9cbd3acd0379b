"""Replaces shape arithmetic by its result: a constant where the sizes are known, else one layer that writes them."""

from __future__ import annotations

import numpy as np

from enginewright.dims import Dim, atom_uids
from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.shape import ShapeValue


def fold_shapes(network: Network) -> int:
    """Cut tensors with known contents off the layers that compute them; the number of tensors."""
    changes = 0
    for layer in list(network.layers):
        for tensor in layer.outputs:
            if tensor.spec.value is None or isinstance(layer.op, ShapeValue):
                continue
            if any(isinstance(value, Dim) for value in tensor.spec.value):
                changes += _replace(network, layer, tensor)
            else:
                shape = [size for size in tensor.shape if isinstance(size, int)]
                array = np.array(tensor.spec.value, tensor.dtype.numpy).reshape(shape)
                network.replace(tensor, network.constant(array, tensor.name))
                changes += 1
    return changes


def _replace(network: Network, layer: Layer, tensor: Tensor) -> bool:
    """Write the sizes with one layer, unless they read values or data-dependent sizes, which would end a segment."""
    values = tensor.spec.value or ()
    sizes = tuple(value for value in values if not isinstance(value, float))
    if len(sizes) != len(values) or atom_uids(sizes):
        return False
    with network.at(layer):
        shape = tuple(int(size) for size in tensor.shape if isinstance(size, int))
        (made,) = network.add(ShapeValue(sizes=sizes, dtype=tensor.dtype, shape=shape))
    network.replace(tensor, made)
    return True
