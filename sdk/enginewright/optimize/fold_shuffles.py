"""Moves channel shuffles into the convolutions behind them: as another order of weights, or of what they read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.channel_shuffle import Shuffled
from enginewright.ops.conv import Conv
from enginewright.optimize.fuse_pointwise import is_pointwise
from enginewright.tactics.channel_shuffle import MAX_SHUFFLED, sees_pixels

Array = np.ndarray[Any, Any]


def fold_shuffles(network: Network) -> int:
    """Take shuffles of channels that lie last past layers that work on each channel, until a convolution takes them."""
    changes = 0
    for layer in list(network.layers):
        current: Layer | None = layer
        while current is not None and current in network.layers and current.kind == "ChannelShuffle":
            reader = network.sole_reader(current.outputs[0])
            if reader is None or current.op.axis % current.outputs[0].rank != current.outputs[0].rank - 1:
                break
            if not (made := _passed(network, current, reader) or _taken(network, current, reader)):
                break
            network.replace(reader.outputs[0], made)
            network.remove([reader, current])
            current = made.producer
            changes += 1
    return changes


def _conv(layer: Layer) -> Conv | None:
    """A convolution of images with channels last whose weights are constants."""
    if layer.kind != "ChannelsLast" or not isinstance(layer.op.anchor, Conv):
        return None
    weights = layer.inputs[1:]
    return layer.op.anchor if all(tensor is None or tensor.const is not None for tensor in weights) else None


def _passed(network: Network, shuffle: Layer, reader: Layer) -> Tensor | None:
    """The shuffled output of a layer that reads the channels as they were, each by itself; None for another layer."""
    x, conv = shuffle.inputs[0], _conv(reader)
    inputs: list[Tensor | None] = [x]
    if conv is not None:
        w = reader.inputs[1]
        assert w is not None
        if w.shape[1] != 1 or w.shape[0] != conv.group:
            return None
        back = np.argsort(shuffle.op.order(conv.group))
        inputs += [_reordered(network, tensor, back, 0) for tensor in reader.inputs[1:]]
    elif not is_pointwise(reader) or len(reader.inputs) != 1:
        return None
    with network.at(reader, sources=dict.fromkeys((*shuffle.sources, *reader.sources))):
        made = network.add(reader.op, *inputs)[0]
        after: Tensor = network.add(shuffle.op, made)[0]
    after.name = reader.outputs[0].name
    return after


def _taken(network: Network, shuffle: Layer, reader: Layer) -> Tensor | None:
    """The output of a convolution that reads the channels as they were; None for another layer."""
    conv, x = _conv(reader), shuffle.inputs[0]
    if conv is None or x is None:
        return None
    w, op = reader.inputs[1], reader.op
    assert w is not None
    if conv.group == 1:
        channels = w.shape[1]
        assert isinstance(channels, int)
        w = _reordered(network, w, np.argsort(shuffle.op.order(channels)), 1)
    elif shuffle.op.groups <= MAX_SHUFFLED and sees_pixels(conv, x.spec, w.spec):
        op = replace(op, anchor=Shuffled(conv, shuffle.op.groups))
    else:
        return None
    with network.at(reader, sources=dict.fromkeys((*shuffle.sources, *reader.sources))):
        made: Tensor = network.add(op, x, w, *reader.inputs[2:])[0]
    made.name = reader.outputs[0].name
    return made


def _reordered(network: Network, tensor: Tensor | None, order: Array, axis: int) -> Tensor | None:
    if tensor is None or tensor.const is None:
        return tensor
    return network.constant(np.ascontiguousarray(np.take(tensor.const, order, axis)), tensor.name)
