"""Lets layers that compute the same from the same inputs be one."""

from __future__ import annotations

from enginewright.graph.network import Layer, Network, Tensor

RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli")


def eliminate_common(network: Network) -> int:
    """Common subexpression elimination by (operator, inputs); the number of layers that became one with another."""
    known: dict[object, Layer] = {}
    doubles: list[Layer] = []
    for layer in network.layers:
        first = known.setdefault(_identity(layer), layer)
        if first is not layer:
            for old, new in zip(layer.outputs, first.outputs, strict=True):
                network.replace(old, new)
            doubles.append(layer)
    network.remove(doubles)
    return len(doubles)


def _identity(layer: Layer) -> object:
    """What two layers have in common if they compute the same; a layer that is never the same as another is itself."""
    if layer.kind in RANDOM or any(tensor is not None and _opaque(tensor) for tensor in layer.inputs):
        return layer
    try:
        hash(layer.op)
    except TypeError:
        return layer
    return type(layer.op), layer.op, tuple(_constant(tensor) for tensor in layer.inputs), len(layer.outputs)


def _opaque(tensor: Tensor) -> bool:
    return tensor.const is not None and tensor.const.dtype == object


def _constant(tensor: Tensor | None) -> object:
    """Small constants by their content, everything else by itself."""
    if tensor is None or tensor.const is None or tensor.const.nbytes > 4096:
        return tensor
    return tensor.dtype, tensor.const.shape, tensor.const.tobytes()
