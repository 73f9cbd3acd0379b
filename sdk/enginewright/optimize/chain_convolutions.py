"""Joins 1 x 1 and depthwise convolutions that follow each other, as mobile networks have them, to one layer."""

from __future__ import annotations

from typing import Any

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv_chain import ConvChain
from enginewright.ops.pointwise import Fused
from enginewright.tactics.conv_chain import conv_chain_nhwc_f32


def chain_convolutions(network: Network) -> int:
    """Join a depthwise convolution with the 1 x 1 before it and the 1 x 1 behind it; the number of layers joined.

    The tuner takes a chain apart again where its parts are faster.
    """
    joined = 0
    for layer in list(network.layers):
        if layer in network.layers and _is_depthwise(layer):
            chain = [part for part in (_before(network, layer), layer, _behind(network, layer)) if part is not None]
            joined += _join(network, chain) if len(chain) > 1 else 0
    return joined


def anchor_of(op: Any) -> Any:
    """The operator without the program fused behind it."""
    return op.anchor if isinstance(op, Fused) else op


def own_inputs(layer: Layer) -> int:
    """How many inputs belong to a layer's anchor, and not to the program fused behind it."""
    return len(layer.inputs) - (layer.op.program.n_inputs - 1 if isinstance(layer.op, Fused) else 0)


def _is_depthwise(layer: Layer) -> bool:
    """A float32 convolution of each channel by itself; with constant weights, as kernels pack them."""
    w = _weight(layer)
    return w is not None and w.shape[1] == 1 and w.shape[0] == anchor_of(layer.op).anchor.group


def _is_pixels(layer: Layer) -> bool:
    w = _weight(layer)
    return w is not None and not _is_depthwise(layer) and all(size == 1 for size in w.shape[2:])


def _weight(layer: Layer) -> Tensor | None:
    """The constant weights of a convolution that a chain may have."""
    if not isinstance(anchor_of(layer.op), ChannelsLast) or len(layer.inputs) < 2 or len(layer.outputs) != 1:
        return None
    others = layer.inputs[1 : own_inputs(layer)]
    known = all(tensor is not None and tensor.const is not None for tensor in others)
    return others[0] if known and others and _chain_of([layer]) is not None else None


def _chain_of(layers: list[Layer]) -> ConvChain | None:
    """The operator; None where no kernel can run it."""
    ops = [layer.op for layer in layers[:-1]] + [anchor_of(layers[-1].op)]
    op = ConvChain(tuple(ops), tuple(own_inputs(layer) - 1 for layer in layers))
    specs = [tensor.spec if tensor is not None else None for tensor in _inputs(layers)]
    return None if specs[0] is None or isinstance(conv_chain_nhwc_f32(op, *specs), str) else op


def _inputs(layers: list[Layer]) -> list[Tensor | None]:
    return [layers[0].inputs[0], *(tensor for layer in layers for tensor in layer.inputs[1 : own_inputs(layer)])]


def _before(network: Network, layer: Layer) -> Layer | None:
    """The 1 x 1 convolution that only this layer reads, as input 0 alone, without further inputs of a fused program."""
    x = layer.inputs[0]
    maker = None if x is None else x.producer
    if x is None or maker is None or network.sole_reader(x) is not layer or not _is_pixels(maker):
        return None
    if x in layer.inputs[1:]:  # a residual
        return None
    return maker if own_inputs(maker) == len(maker.inputs) else None


def _behind(network: Network, layer: Layer) -> Layer | None:
    """The 1 x 1 convolution that alone reads this layer's output, if that is no more than its input 0."""
    reader = network.sole_reader(layer.outputs[0])
    if reader is None or not _is_pixels(reader) or own_inputs(layer) != len(layer.inputs):
        return None
    return reader if layer.outputs[0] not in reader.inputs[1:] else None


def _join(network: Network, layers: list[Layer]) -> int:
    op, last = _chain_of(layers), layers[-1]
    if op is None:
        return 0
    whole = Fused(op, last.op.program) if isinstance(last.op, Fused) else op
    sources = dict.fromkeys(source for layer in layers for source in layer.sources)
    with network.at(last, sources=sources, label=layers[0].name):
        made = network.add(whole, *_inputs(layers), *last.inputs[own_inputs(last) :])[0]
    made.name = last.outputs[0].name
    network.replace(last.outputs[0], made)
    network.remove(layers[::-1])
    return len(layers)
