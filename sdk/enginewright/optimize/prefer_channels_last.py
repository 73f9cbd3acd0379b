"""Lets convolutions and pools work on images whose channels lie last, and moves the conversions away.

Each such layer gets a transpose before and behind it; then transposes move down through layers that do not mind the
order of axes, until they meet their opposite and both go. What stays is a conversion where one is needed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.channels_last import ChannelsLast, ImageToChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.pool import GlobalAveragePool
from enginewright.ops.window import padding_pairs
from enginewright.optimize.fuse_pointwise import is_pointwise
from enginewright.tensors import bfloat16, float16, float32

IMAGES = ("Conv", "MaxPool", "AveragePool", "GlobalAveragePool")
ALSO_ON_CPUS = ("ConvTranspose", "LRN")
RANKS = (3, 4)
HALVES = (float16, bfloat16)
VECTOR = 8  # elements of 16 bits that kernels read at once
PADDED = 4  # an image with fewer channels gets this many
FEW_CHANNELS = 8  # of the output of a group: vectors along fewer are not worth a conversion


def put_channels_last(network: Network) -> int:
    """For CPUs: convert float32 convolutions, and the pools behind them; the number of layers converted.

    Vectors along the channels need no copies of patches, whatever the window is.
    """
    converted = 0
    # Transposes of rank 3 are common: they move only where there are such convolutions.
    ranks = {4, *(layer.outputs[0].rank for layer in network.layers if _wanted_on_cpu(layer))}
    for layer in list(network.layers):
        if _wanted_on_cpu(layer):
            _convert(network, layer)
            converted += 1
        elif _is_mean_of_places(layer):
            _convert_mean(network, layer)
        elif len(layer.outputs) == 1 and layer.outputs[0].rank in ranks:
            _sink(network, layer)
    return converted


def _last(rank: int) -> tuple[int, ...]:
    """The axes of an image with its channels first, in the order that puts them last."""
    return (0, *range(2, rank), 1)


def _first(rank: int) -> tuple[int, ...]:
    """The axes of an image with its channels last, in the order that puts them first."""
    return (0, rank - 1, *range(1, rank - 1))


def wants_channels_last(network: Network) -> bool:
    """Whether `put_channels_last` would change the network or one inside it."""
    inner = (item for _, _, item in network.nested())
    return any(map(_wanted_on_cpu, network.layers)) or any(map(wants_channels_last, inner))


def _wanted_on_cpu(layer: Layer) -> bool:
    """A float32 convolution by constant weights that fills vectors; any other, or a pool, behind a converted layer."""
    if layer.kind not in IMAGES and layer.kind not in ALSO_ON_CPUS:
        return False
    x, *others = layer.inputs
    if x is None or x.rank not in RANKS or x.dtype is not float32:
        return False
    turned = _turned(x, x.rank) is not None
    if "Conv" not in layer.kind:
        return turned
    w = others[0]
    if w is None or w.const is None or w.const.size == 0:
        return False
    if layer.kind == "ConvTranspose":
        return bool(turned and x.rank == 4 and layer.op.lies_side_by_side(w.const.shape[2:]))
    per_group = w.const.shape[0] // layer.op.group
    depthwise = per_group == w.const.shape[1] == 1
    return depthwise or per_group >= FEW_CHANNELS or (turned and layer.op.group == 1)


def _is_mean_of_places(layer: Layer) -> bool:
    """A mean over both spatial axes behind a converted layer."""
    if layer.kind != "ReduceMean" or len(layer.inputs) < 2:
        return False
    x, axes = layer.inputs[:2]
    if x is None or _turned(x, x.rank) is None or axes is None or axes.const is None:
        return False
    return sorted(axis % x.rank for axis in axes.const.ravel()) == list(range(2, x.rank))


def _convert_mean(network: Network, layer: Layer) -> None:
    x = layer.inputs[0]
    assert x is not None
    with network.at(layer):
        made = network.add(ChannelsLast(GlobalAveragePool()), _turned(x, x.rank))[0]
        if layer.op.keepdims:
            found = network.transpose(made, perm=_first(made.rank))
        else:
            found = network.squeeze(made, network.constant(np.arange(1, made.rank - 1)))
    found.name = layer.outputs[0].name
    network.replace(layer.outputs[0], found)
    network.remove([layer])


def prefer_channels_last(network: Network) -> int:
    """For GPUs: convert every image layer of 16-bit floats, then move the transposes; the number converted."""
    found = [layer for layer in network.layers if _wanted(layer)]
    for layer in found:
        _convert(network, layer)
    if found:
        for layer in list(network.layers):
            if len(layer.outputs) == 1 and layer.outputs[0].rank == 4:
                _sink(network, layer)
    return len(found)


def _wanted(layer: Layer) -> bool:
    x = layer.inputs[0] if layer.inputs else None
    if layer.kind not in IMAGES or x is None or x.rank != 4 or x.dtype not in HALVES:
        return False
    channels = (x.shape[1], layer.outputs[0].shape[1])
    if layer.kind == "Conv":
        w = layer.inputs[1]
        if w is None or w.const is None or not all(isinstance(size, int) for size in channels):
            return False
        depthwise = layer.op.group == channels[0] == channels[1]
        return layer.op.group == 1 or bool(depthwise)
    return isinstance(channels[0], int) and channels[0] % 8 == 0


def _convert(network: Network, layer: Layer) -> None:
    x = layer.inputs[0]
    assert x is not None
    op = layer.op
    with network.at(layer):
        inputs = [_image(network, layer, x), *layer.inputs[1:]]
        if _is_padded(layer, x):
            op, inputs[1] = _padded(network, op, layer.inputs[1])
        made = network.add(ChannelsLast(op), *inputs)[0]
        back = network.transpose(made, perm=_first(made.rank))
    back.name = layer.outputs[0].name
    network.replace(layer.outputs[0], back)
    network.remove([layer])


def _image(network: Network, layer: Layer, x: Tensor) -> Tensor:
    """The image with its channels last; of a network's input in one step with the cast, and padded."""
    if not _is_padded(layer, x):
        return network.transpose(x, perm=_last(x.rank))
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


def _sink(network: Network, layer: Layer) -> None:
    """Let the layer work with channels last where some input has just been turned, and turn its output instead."""
    if layer not in network.layers or len(layer.outputs) != 1 or layer.outputs[0].rank not in RANKS:
        return
    images = layer.inputs[:1] if layer.kind in ("Resize", "Slice") else layer.inputs
    rank = layer.outputs[0].rank
    if not any(_turned(tensor, rank) is not None for tensor in images):
        return
    op = _moved(layer)
    if op is None:
        return
    with network.at(layer):
        inputs = [*(_with_channels_last(network, tensor, rank) for tensor in images), *layer.inputs[len(images) :]]
        if layer.kind == "Slice":
            axes = inputs[3].const if inputs[3] is not None else None
            assert axes is not None
            inputs[3] = network.constant(np.array([_first(rank)[axis] for axis in axes], np.int64))
        made = network.add(op, *inputs)[0]
        back = network.transpose(made, perm=_first(rank))
    back.name = layer.outputs[0].name
    network.replace(layer.outputs[0], back)
    network.remove([layer])


def _turned(tensor: Tensor | None, rank: int) -> Tensor | None:
    """What the tensor is the channels-first form of, None where it is not, or where its rank is not the layer's.

    Spread to a higher rank, the axes of what was turned would meet other axes than those of the tensor.
    """
    producer = None if tensor is None else tensor.producer
    if producer is None or producer.kind != "Transpose" or tensor is None or tensor.rank != rank:
        return None
    if rank not in RANKS or tuple(producer.op.perm or ()) != _first(rank):
        return None
    return producer.inputs[0]


def _moved(layer: Layer) -> Any:
    """The operator that does the same to images with channels last; None where there is none."""
    rank = layer.outputs[0].rank
    if is_pointwise(layer):
        return layer.op
    if layer.kind in ("Concat", "ChannelShuffle"):
        return replace(layer.op, axis=_first(rank)[layer.op.axis % rank])
    if layer.kind == "Slice" and len(layer.inputs) > 3 and layer.inputs[3] is not None:
        return layer.op if layer.inputs[3].const is not None else None
    if layer.kind == "Resize" and rank == 4:
        return replace(layer.op, axes=tuple(_first(4)[axis % 4] for axis in layer.op.axes or range(4)))
    return None


def _with_channels_last(network: Network, tensor: Tensor | None, rank: int) -> Tensor | None:
    if tensor is None or tensor.spec.size == 1:
        return tensor
    turned = _turned(tensor, rank)
    if turned is not None:
        return turned
    if tensor.const is not None:
        shape = (*(1,) * (rank - tensor.rank), *tensor.const.shape)
        return network.constant(np.ascontiguousarray(tensor.const.reshape(shape).transpose(_last(rank))), tensor.name)
    if tensor.rank < rank:
        tensor = network.unsqueeze(tensor, network.constant(np.arange(rank - tensor.rank)))
    return network.transpose(tensor, perm=_last(rank))
