"""Makes one layer of squeeze and excitation: means of channels, two small products, a sigmoid, and the scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.squeeze_excite import SqueezeExcite
from enginewright.tactics.squeeze_excite_cuda import GROUPS, squeeze_excite

Array = np.ndarray[Any, Any]
INNER = {"Relu": "relu", "Swish": "silu"}


def fuse_squeeze_excite(network: Network) -> int:
    """Replace what a kernel can do at once, on images with their channels last; the number replaced."""
    return sum(_fuse(network, layer) for layer in list(network.layers) if layer.kind == "Mul")


@dataclass
class _Walk:
    """Goes up from a tensor, as long as each result is read by one layer."""

    network: Network
    tensor: Tensor | None
    layers: list[Layer]

    def step(self, *kinds: str, anchor: str = "") -> Layer | None:
        """The layer that makes the tensor, if it is one of these; its first input is next."""
        layer = None if self.tensor is None else self.tensor.producer
        if layer is None or layer.kind not in kinds or self.network.sole_reader(layer.outputs[0]) is None:
            return None
        if anchor and layer.op.anchor.KEY.name != anchor:
            return None
        self.layers.append(layer)
        self.tensor = layer.inputs[0]
        return layer


def _fuse(network: Network, layer: Layer) -> bool:
    for x, gate in (layer.inputs, layer.inputs[::-1]):
        if x is not None and gate is not None and x.rank == 4 and _replace(network, layer, x, gate):
            return True
    return False


def _replace(network: Network, layer: Layer, x: Tensor, gate: Tensor) -> bool:
    walk = _Walk(network, gate, [layer])
    sigmoid = walk.step("Sigmoid")
    outer = walk.step("ChannelsLast", anchor="Conv")
    act = walk.step(*INNER)
    inner = walk.step("ChannelsLast", anchor="Conv")
    mean = walk.step("ChannelsLast", anchor="GlobalAveragePool")
    if sigmoid is None or outer is None or act is None or inner is None or mean is None or walk.tensor is not x:
        return False
    weights = [_weights(conv) for conv in (inner, outer)]
    if any(pair is None for pair in weights) or getattr(act.op, "alpha", 1) != 1:
        return False
    op = SqueezeExcite(INNER[act.kind])
    sources = dict.fromkeys(source for part in reversed(walk.layers) for source in part.sources)
    with network.at(layer, sources=sources):
        given = [x, *(network.constant(array, name) for pair in weights if pair for array, name in pair)]
        if all(isinstance(squeeze_excite(g, op, *(tensor.spec for tensor in given)), str) for g in GROUPS):
            return False
        made = network.add(op, *given)[0]
    made.name = layer.outputs[0].name
    network.replace(layer.outputs[0], made)
    network.remove(walk.layers)
    return True


def _weights(conv: Layer) -> list[tuple[Array, str]] | None:
    """Weights [out, in] and bias of a 1 x 1 convolution without groups; None for another one."""
    if len(conv.inputs) != 3 or conv.op.anchor.group != 1:
        return None
    weight, bias = conv.inputs[1:]
    if weight is None or bias is None or weight.const is None or bias.const is None:
        return None
    if weight.shape[2:] != (1, 1) or conv.inputs[0] is None or conv.inputs[0].shape[1:3] != (1, 1):
        return None
    if conv.outputs[0].shape[1:3] != (1, 1):
        return None  # padded
    return [(weight.const.reshape(weight.const.shape[:2]), weight.name), (bias.const, bias.name)]
