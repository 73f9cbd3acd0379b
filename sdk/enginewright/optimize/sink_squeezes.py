"""Moves squeezes behind convolutions down past elementwise layers, which then join the convolution."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.optimize.fuse_pointwise import is_pointwise
from enginewright.tensors import normalize_axis

IMAGES = ("Conv", "ConvTranspose")


def sink_squeezes(network: Network) -> int:
    """Let elementwise layers read the image, and squeeze their output; unsqueezes of the same axes go; the changes."""
    changes = 0
    for layer in list(network.layers):
        if layer.kind == "Unsqueeze":
            changes += _cancel(network, layer)
        elif is_pointwise(layer):
            changes += _sink(network, layer)
    return changes


def _cancel(network: Network, layer: Layer) -> bool:
    """Whether the unsqueeze put back what a squeeze had taken."""
    inner = layer.inputs[0].producer if layer.inputs[0] is not None else None
    if inner is None or inner.kind != "Squeeze" or inner.inputs[0] is None:
        return False
    source = inner.inputs[0]
    if _axes(layer, layer.outputs[0].rank) is None or _axes(layer, source.rank) != _axes(inner, source.rank):
        return False
    network.replace(layer.outputs[0], source)
    network.remove([layer])
    return True


def _axes(layer: Layer, rank: int) -> tuple[int, ...] | None:
    """The constant axes that a Squeeze or Unsqueeze names; None where it names none."""
    tensor = layer.inputs[1] if len(layer.inputs) > 1 else None
    if tensor is None or tensor.const is None:
        return None
    return tuple(sorted(normalize_axis(int(axis), rank) for axis in np.asarray(tensor.const).reshape(-1)))


def _sink(network: Network, layer: Layer) -> bool:
    """Pass one elementwise layer, if all it reads is one squeezed image, or several alike, and constants.

    All images must have the output's axes and those squeezed: else axes that met each other no longer would.
    """
    rank = layer.outputs[0].rank
    axes: set[tuple[int, ...] | None] = set()
    inputs: list[Tensor | None] = []
    for tensor in layer.inputs:
        if tensor is None or tensor.const is not None:
            inputs.append(tensor)
            continue
        inner = tensor.producer
        if inner is None or inner.kind != "Squeeze" or inner.inputs[0] is None or not _is_image(inner.inputs[0]):
            return False
        if tensor.rank != rank:
            return False
        axes.add(_axes(inner, inner.inputs[0].rank))
        inputs.append(inner.inputs[0])
    gone = axes.pop() if len(axes) == 1 else None
    if gone is None:
        return False
    with network.at(layer):
        wide = [_unsqueezed(network, tensor, gone, rank) for tensor in inputs]
        made = network.add(layer.op, *wide)[0]
        after = network.squeeze(made, network.constant(np.array(gone, np.int64)))
    after.name = layer.outputs[0].name
    network.replace(layer.outputs[0], after)
    network.remove([layer])
    return True


def _is_image(tensor: Tensor) -> bool:
    """Whether a convolution made the tensor, or elementwise layers behind one."""
    layer = tensor.producer
    while layer is not None and is_pointwise(layer):
        source = next((tensor for tensor in layer.inputs if tensor is not None and tensor.const is None), None)
        layer = None if source is None else source.producer
    return layer is not None and layer.kind in IMAGES


def _unsqueezed(network: Network, tensor: Tensor | None, axes: tuple[int, ...], rank: int) -> Tensor | None:
    """A constant of the squeezed `rank`, or broadcast to it, with the axes put in; what is no constant stays."""
    if tensor is None or tensor.const is None:
        return tensor
    array = np.asarray(tensor.const)
    shape = list((1,) * (rank - array.ndim) + array.shape)
    for axis in axes:
        shape.insert(axis, 1)
    return network.constant(array.reshape(shape), tensor.name)
