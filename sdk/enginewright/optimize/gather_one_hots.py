"""Makes look-ups of products with one-hot rows, and computes what follows once for each row of the table."""

from __future__ import annotations

from typing import Any

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.graph.patterns import AnyTensor, Constant, Match, find, node, replace_match, sources
from enginewright.optimize.fuse_pointwise import is_pointwise
from enginewright.tensors import int32, int64

Array = np.ndarray[Any, Any]
ONE_HOT = node("Cast", node("Equal", AnyTensor("which"), Constant("numbers")))
PRODUCT = node("MatMul", ONE_HOT, Constant("table"))
SMALL = 1 << 16
"""Elements of a table that is computed when building: what depends on it may be read many more times."""


def gather_one_hots(network: Network) -> int:
    """Replace cast(x == 0, 1, ... K - 1) by a constant matrix, then elementwise layers behind such a look-up."""
    found = 0
    for match in find(network, PRODUCT):
        if _is_one_hot(match):
            replace_match(network, match, _look_up(network, match))
            found += 1
    return found + sum(_fold(network, layer) for layer in list(network.layers) if is_pointwise(layer))


def _is_one_hot(match: Match) -> bool:
    which, table, numbers = match.tensors["which"], match.tensors["table"].const, match.tensors["numbers"].const
    if table is None or numbers is None or table.ndim != 2 or table.dtype != np.float32:
        return False
    rows = len(table)
    if which.dtype not in (int32, int64) or which.rank < 1 or which.shape[-1] != 1 or numbers.ndim > which.rank:
        return False
    counts = numbers.shape[-1:] == (rows,) and numbers.size == rows and (numbers.ravel() == np.arange(rows)).all()
    return bool(counts and np.isfinite(table).all())


def _look_up(network: Network, match: Match) -> Tensor:
    """Numbers that are no row find one of zeros, before the first or behind the last."""
    which, table = match.tensors["which"], match.tensors["table"].const
    assert table is not None
    with network.at(match.layers[0], sources=sources(match)):
        low, high, one = (network.constant(np.array(n, which.dtype.numpy)) for n in (-1, len(table), 1))
        row = network.add(network.clip(which, low, high), one)
        row = network.squeeze(row, network.constant(np.array([which.rank - 1])))
        return network.gather(network.constant(np.pad(table, ((1, 1), (0, 0)))), row, axis=0)


def _fold(network: Network, layer: Layer) -> bool:
    """Whether the layer read rows of small tables picked by the same indices, and numbers for their columns."""
    tables: list[Array | None] = []
    picks: set[Tensor] = set()
    counts: set[int] = set()
    for tensor in layer.inputs:
        if tensor is None:
            return False
        pick = tensor.producer
        if tensor.const is not None and set(tensor.const.shape[:-1]) <= {1}:
            tables.append(tensor.const.reshape(tensor.const.shape[-1:]))
        elif pick is not None and _is_small(pick) and tensor.shape == layer.outputs[0].shape:
            data, indices = pick.inputs[:2]
            assert data is not None and data.const is not None
            assert indices is not None
            counts.add(len(data.const))
            picks.add(indices)
            tables.append(data.const)
        else:
            return False
    if len(picks) != 1 or len(counts) != 1:
        return False
    with network.at(layer):
        table = network.constant(np.ascontiguousarray(layer.op.reference(*tables)))
        made = network.gather(table, picks.pop(), axis=0)
    made.name = layer.outputs[0].name
    network.replace(layer.outputs[0], made)
    network.remove([layer])
    return True


def _is_small(layer: Layer) -> bool:
    """Whether the layer picks rows of a small constant matrix."""
    data = layer.inputs[0] if layer.kind == "Gather" and layer.op.axis == 0 else None
    return data is not None and data.const is not None and data.rank == 2 and data.const.size <= SMALL
