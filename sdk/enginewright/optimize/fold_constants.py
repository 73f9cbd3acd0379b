"""Computes layers whose inputs are all constants while building."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from enginewright.graph.network import Layer, Network, network_fields
from enginewright.ops.transpose import Transpose
from enginewright.optimize.eliminate_common import RANDOM
from enginewright.registry.registry import run_reference

Array = np.ndarray[Any, Any]
LARGE = 16 << 20
MAX_BYTES, MAX_GROWTH = 2**20, 4
"""A folded result may have so many bytes, or be so many times as large as its sources: int8 weights become float32."""


def fold_constants(network: Network) -> int:
    """Replace layers of constants by constants, by the NumPy references; the number of layers folded."""
    folded: list[Layer] = []
    for layer in network.layers:
        if _foldable(layer):
            arrays = [None if tensor is None else tensor.const for tensor in layer.inputs]
            for tensor, array in zip(layer.outputs, _results(layer, arrays), strict=True):
                network.make_constant(tensor, np.asarray(array))
            folded.append(layer)
    network.remove(folded)
    return len(folded)


def _results(layer: Layer, arrays: list[Array | None]) -> Sequence[Array]:
    data = arrays[0]
    if isinstance(layer.op, Transpose) and data is not None and data.nbytes >= LARGE:
        return [copy_dense(np.transpose(data, layer.op.order(data.ndim)))]
    return run_reference(layer.op, arrays, layer.name)


def copy_dense(array: Array) -> Array:
    """The array in row-major order, copied by all CPUs; for 154 MB one takes 0.42 s, most of it to be given memory."""
    made = np.empty(array.shape, array.dtype)
    cpus = len(os.sched_getaffinity(0))
    parts = zip(np.array_split(made, cpus), np.array_split(array, cpus), strict=True)
    with ThreadPoolExecutor(cpus) as pool:
        list(pool.map(lambda part: np.copyto(*part), parts))
    return made


def _foldable(layer: Layer) -> bool:
    if layer.kind in RANDOM or not layer.inputs or any(t is not None and t.const is None for t in layer.inputs):
        return False
    size, given = 0, sum(t.const.nbytes for t in layer.inputs if t is not None and t.const is not None)
    for tensor in layer.outputs:
        nbytes = tensor.spec.nbytes
        if not isinstance(nbytes, int) or tensor.dtype.is_container:
            return False
        size += nbytes
    return size <= max(MAX_BYTES, MAX_GROWTH * given) and not any(network_fields(layer.op))
