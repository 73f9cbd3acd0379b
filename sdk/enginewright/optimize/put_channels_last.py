"""Lets convolutions of a CPU, and the pools behind them, work on images whose channels lie last (image_order.py)."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Layer, Network
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.pool import GlobalAveragePool
from enginewright.optimize.image_order import (
    IMAGES,
    RANKS,
    convert_to_channels_last,
    first_order,
    sink_conversions,
    turned_from,
)
from enginewright.tensors import float32

ALSO_ON_CPUS = ("ConvTranspose", "LRN")
FEW_CHANNELS = 8  # of the output of a group: vectors along fewer are not worth a conversion


def put_channels_last(network: Network) -> int:
    """For CPUs: convert float32 convolutions, and the pools behind them; the number of layers converted.

    Vectors along the channels need no copies of patches, whatever the window is.
    """
    converted = 0
    # Transposes of rank 3 are common: they move only where there are such convolutions.
    ranks = {4, *(layer.outputs[0].rank for layer in network.layers if _wanted(layer))}
    for layer in list(network.layers):
        if _wanted(layer):
            convert_to_channels_last(network, layer)
            converted += 1
        elif _is_mean_of_places(layer):
            _convert_mean(network, layer)
        elif len(layer.outputs) == 1 and layer.outputs[0].rank in ranks:
            sink_conversions(network, layer)
    return converted


def wants_channels_last(network: Network) -> bool:
    """Whether `put_channels_last` would change the network or one inside it."""
    inner = (item for _, _, item in network.nested())
    return any(map(_wanted, network.layers)) or any(map(wants_channels_last, inner))


def _wanted(layer: Layer) -> bool:
    """A float32 convolution by constant weights that fills vectors; any other, or a pool, behind a converted layer."""
    if layer.kind not in IMAGES and layer.kind not in ALSO_ON_CPUS:
        return False
    x, *others = layer.inputs
    if x is None or x.rank not in RANKS or x.dtype is not float32:
        return False
    turned = turned_from(x, x.rank) is not None
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
    if x is None or turned_from(x, x.rank) is None or axes is None or axes.const is None:
        return False
    return sorted(axis % x.rank for axis in axes.const.ravel()) == list(range(2, x.rank))


def _convert_mean(network: Network, layer: Layer) -> None:
    x = layer.inputs[0]
    assert x is not None
    with network.at(layer):
        made = network.add(ChannelsLast(GlobalAveragePool()), turned_from(x, x.rank))[0]
        if layer.op.keepdims:
            found = network.transpose(made, perm=first_order(made.rank))
        else:
            found = network.squeeze(made, network.constant(np.arange(1, made.rank - 1)))
    found.name = layer.outputs[0].name
    network.replace(layer.outputs[0], found)
    network.remove([layer])
