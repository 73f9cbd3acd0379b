"""Computes layers whose inputs are all constants while building."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Layer, Network
from enginewright.optimize.eliminate_common import RANDOM
from enginewright.registry.registry import run_reference

MAX_BYTES, MAX_GROWTH = 2**20, 4
"""A folded result may have so many bytes, or be so many times as large as its sources: int8 weights become float32."""


def fold_constants(network: Network) -> int:
    """Replace layers of constants by constants, by the NumPy references; the number of layers folded."""
    folded: list[Layer] = []
    for layer in network.layers:
        if _foldable(layer):
            arrays = [None if tensor is None else tensor.const for tensor in layer.inputs]
            for tensor, array in zip(layer.outputs, run_reference(layer.op, arrays, layer.name), strict=True):
                network.make_constant(tensor, np.asarray(array))
            folded.append(layer)
    network.remove(folded)
    return len(folded)


def _foldable(layer: Layer) -> bool:
    if layer.kind in RANDOM or not layer.inputs or any(t is not None and t.const is None for t in layer.inputs):
        return False
    size, given = 0, sum(t.const.nbytes for t in layer.inputs if t is not None and t.const is not None)
    for tensor in layer.outputs:
        nbytes = tensor.spec.nbytes
        if not isinstance(nbytes, int) or tensor.dtype.is_container:
            return False
        size += nbytes
    return size <= max(MAX_BYTES, MAX_GROWTH * given) and not any(True for _ in _networks(layer))


def _networks(layer: Layer) -> list[Network]:
    return [value for value in vars(layer.op).values() if isinstance(value, Network)]
