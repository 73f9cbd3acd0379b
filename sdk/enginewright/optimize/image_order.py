"""Image layers on images whose channels lie last: how one is converted, and how the conversions move behind others.

A converted layer gets a transpose before and behind it; then transposes move down through layers that do not mind the
order of axes, until they meet their opposite and both go. What stays is a conversion where one is needed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.channels_last import ChannelsLast, ImageToChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.window import padding_pairs
from enginewright.optimize.fuse_pointwise import is_pointwise
from enginewright.tensors import bfloat16, float16

IMAGES = ("Conv", "MaxPool", "AveragePool", "GlobalAveragePool")
RANKS = (3, 4)
HALVES = (float16, bfloat16)
VECTOR = 8  # elements of 16 bits that kernels read at once
PADDED = 4  # an image with fewer channels gets this many


def last_order(rank: int) -> tuple[int, ...]:
    """The axes of an image with its channels first, in the order that puts them last."""
    return (0, *range(2, rank), 1)


def first_order(rank: int) -> tuple[int, ...]:
    """The axes of an image with its channels last, in the order that puts them first."""
    return (0, rank - 1, *range(1, rank - 1))


def convert_to_channels_last(network: Network, layer: Layer) -> None:
    """Put a layer that runs on images with their channels last in its place, and the orders around it."""
    x = layer.inputs[0]
    assert x is not None
    op = layer.op
    with network.at(layer):
        inputs = [_image(network, layer, x), *layer.inputs[1:]]
        if _is_padded(layer, x):
            op, inputs[1] = _padded(network, op, layer.inputs[1])
        made = network.add(ChannelsLast(op), *inputs)[0]
        back = network.transpose(made, perm=first_order(made.rank))
    back.name = layer.outputs[0].name
    network.replace(layer.outputs[0], back)
    network.remove([layer])


def _image(network: Network, layer: Layer, x: Tensor) -> Tensor:
    """The image with its channels last; of a network's input in one step with the cast, and padded."""
    if not _is_padded(layer, x):
        return network.transpose(x, perm=last_order(x.rank))
    cast = x.producer
    source = cast.inputs[0] if cast is not None and cast.kind == "Cast" and cast.inputs[0] is not None else x
    return network.add(ImageToChannelsLast(PADDED, x.dtype), source)[0]


def _is_padded(layer: Layer, x: Tensor) -> bool:
    """Whether the image gets more channels: each of those of a depthwise convolution has its own output."""
    channels = x.shape[1]
    if layer.kind != "Conv" or layer.op.group > 1:
        return False
    return x.dtype in HALVES and isinstance(channels, int) and channels < PADDED


def _padded(network: Network, op: Conv, w: Tensor | None) -> tuple[Conv, Tensor]:
    """The weights with zeros for the channels added, and for one more column where rows would be no whole vectors."""
    assert w is not None and w.const is not None
    more, column = PADDED - w.const.shape[1], 0
    if w.const.shape[3] % (VECTOR // PADDED) and op.auto_pad == "NOTSET" and op.dilation in (1, (1, 1)):
        begins, ends = padding_pairs(op.padding, 2)
        column = 1
        op = replace(op, padding=(*begins, ends[0], ends[1] + 1))
    return op, network.constant(np.pad(w.const, ((0, 0), (0, more), (0, 0), (0, column))), w.name)


# ---- moving transposes -----------------------------------------------------------------------------------------------


def sink_conversions(network: Network, layer: Layer) -> None:
    """Let the layer work with channels last where some input has just been turned, and turn its output instead."""
    if layer not in network.layers or len(layer.outputs) != 1 or layer.outputs[0].rank not in RANKS:
        return
    images = layer.inputs[:1] if layer.kind in ("Resize", "Slice") else layer.inputs
    rank = layer.outputs[0].rank
    if not any(turned_from(tensor, rank) is not None for tensor in images):
        return
    op = _moved(layer)
    if op is None:
        return
    with network.at(layer):
        inputs = [*(_with_channels_last(network, tensor, rank) for tensor in images), *layer.inputs[len(images) :]]
        if layer.kind == "Slice":
            axes = inputs[3].const if inputs[3] is not None else None
            assert axes is not None
            inputs[3] = network.constant(np.array([first_order(rank)[axis] for axis in axes], np.int64))
        made = network.add(op, *inputs)[0]
        back = network.transpose(made, perm=first_order(rank))
    back.name = layer.outputs[0].name
    network.replace(layer.outputs[0], back)
    network.remove([layer])


def turned_from(tensor: Tensor | None, rank: int) -> Tensor | None:
    """What the tensor is the channels-first form of, None where it is not, or where its rank is not the layer's.

    Spread to a higher rank, the axes of what was turned would meet other axes than those of the tensor.
    """
    producer = None if tensor is None else tensor.producer
    if producer is None or producer.kind != "Transpose" or tensor is None or tensor.rank != rank:
        return None
    if rank not in RANKS or tuple(producer.op.perm or ()) != first_order(rank):
        return None
    return producer.inputs[0]


def _moved(layer: Layer) -> Any:
    """The operator that does the same to images with channels last; None where there is none."""
    rank = layer.outputs[0].rank
    if is_pointwise(layer):
        return layer.op
    if layer.kind in ("Concat", "ChannelShuffle"):
        return replace(layer.op, axis=first_order(rank)[layer.op.axis % rank])
    if layer.kind == "Slice" and len(layer.inputs) > 3 and layer.inputs[3] is not None:
        return layer.op if layer.inputs[3].const is not None else None
    if layer.kind == "Resize" and rank == 4:
        return replace(layer.op, axes=tuple(first_order(4)[axis % 4] for axis in layer.op.axes or range(4)))
    return None


def _with_channels_last(network: Network, tensor: Tensor | None, rank: int) -> Tensor | None:
    if tensor is None or tensor.spec.size == 1:
        return tensor
    turned = turned_from(tensor, rank)
    if turned is not None:
        return turned
    if tensor.const is not None:
        shape = (*(1,) * (rank - tensor.rank), *tensor.const.shape)
        return network.constant(
            np.ascontiguousarray(tensor.const.reshape(shape).transpose(last_order(rank))), tensor.name
        )
    if tensor.rank < rank:
        tensor = network.unsqueeze(tensor, network.constant(np.arange(rank - tensor.rank)))
    return network.transpose(tensor, perm=last_order(rank))
