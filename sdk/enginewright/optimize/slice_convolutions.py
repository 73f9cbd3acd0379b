"""Leaves out the first positions of a convolution that a slice drops anyway, as transforms of overlapping frames do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from enginewright.dims import MAX_DIM
from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.window import padding_pairs
from enginewright.optimize.eliminate_common import eliminate_common
from enginewright.tensors import normalize_axis

RANK, PLACES = 3, 2
"""Of a signal [N, C, places]."""


def slice_convolutions(network: Network) -> int:
    """Slice what a convolution along one axis reads instead of what it writes; the number of slices moved."""
    moved = sum(_swap(network, layer) for layer in list(network.layers))
    if moved:
        eliminate_common(network)
    return moved + sum(_move(network, layer) for layer in list(network.layers))


def _start(layer: Layer) -> int:
    """Where a slice of places begins that goes on to the end; 0: it is no such slice."""
    if layer.kind != "Slice" or layer.outputs[0].rank != RANK:
        return 0
    bounds = [None if tensor is None else tensor.const for tensor in layer.inputs[1:]]
    if len(bounds) < RANK or any(bound is None or bound.size != 1 for bound in bounds):
        return 0
    start, end, axis, *step = (int(bound.item()) for bound in bounds if bound is not None)
    to_the_end = end >= MAX_DIM and normalize_axis(axis, RANK) == PLACES and step in ([], [1])
    return start if to_the_end and start > 0 else 0


def _convolution(tensor: Tensor | None) -> Layer | None:
    layer = None if tensor is None else tensor.producer
    return layer if layer is not None and layer.kind == "Conv" else None


def _swap(network: Network, layer: Layer) -> bool:
    """Whether channels that were picked first are now picked behind the places."""
    source = layer.inputs[0] if _start(layer) else None
    inner = None if source is None else source.producer
    if inner is None or inner.kind != "Slice" or network.sole_reader(inner.outputs[0]) is not layer:
        return False
    axes = inner.inputs[3].const if len(inner.inputs) > RANK and inner.inputs[3] is not None else None
    if axes is None or _convolution(inner.inputs[0]) is None or {int(axis) % RANK for axis in axes} != {1}:
        return False
    with network.at(layer, sources=dict.fromkeys((*inner.sources, *layer.sources))):
        places = network.add(layer.op, inner.inputs[0], *layer.inputs[1:])[0]
        made = network.add(inner.op, places, *inner.inputs[1:])[0]
    made.name = layer.outputs[0].name
    network.replace(layer.outputs[0], made)
    network.remove([layer, inner])
    return True


def _move(network: Network, layer: Layer) -> bool:
    """Whether the slice went before the convolution, which has no padding that it would need."""
    start = _start(layer)
    conv = _convolution(layer.inputs[0]) if start else None
    if conv is None or network.sole_reader(conv.outputs[0]) is not layer or conv.op.auto_pad != "NOTSET":
        return False
    begins, ends = padding_pairs(conv.op.padding, 1)
    if begins != (0,) or conv.inputs[0] is None:
        return False
    stride = conv.op.stride if isinstance(conv.op.stride, int) else conv.op.stride[0]
    with network.at(conv, sources=dict.fromkeys((*conv.sources, *layer.sources))):
        first, end, axis = (network.constant(np.array([n])) for n in (start * stride, MAX_DIM, PLACES))
        data = network.slice(conv.inputs[0], first, end, axis)
        made = network.add(replace(conv.op, padding=(0, *ends)), data, *conv.inputs[1:])[0]
    made.name = layer.outputs[0].name
    network.replace(layer.outputs[0], made)
    network.remove([layer, conv])
    return True
