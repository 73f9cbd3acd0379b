"""Makes windows as high as the image windows along one axis: rows and channels together are the channels then.

Along one axis minimal filtering leaves out half of the products; what it costs is a transpose.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.window import padding_pairs

TAPS = range(3, 8)
"""Of minimal filtering along one axis."""


def flatten_windows(network: Network) -> int:
    """Replace convolutions with channels last whose window has all rows of the image; the number replaced."""
    found = 0
    for layer in list(network.layers):
        if layer.kind == "ChannelsLast" and isinstance(layer.op.anchor, Conv) and _has_all_rows(layer):
            _flatten(network, layer)
            found += 1
    return found


def _has_all_rows(layer: Layer) -> bool:
    x, w = layer.inputs[:2]
    conv: Any = layer.op.anchor
    if x is None or w is None or w.const is None or x.rank != 4 or conv.group > 1 or conv.auto_pad != "NOTSET":
        return False
    begins, ends = padding_pairs(conv.padding, 2)
    rows, columns = w.const.shape[2:]
    if rows == 1 or x.shape[1] != rows or columns not in TAPS:
        return False
    return begins[0] == ends[0] == 0 and {conv.stride, conv.dilation} <= {1, (1, 1)}


def _flatten(network: Network, layer: Layer) -> None:
    x, w, *others = layer.inputs
    assert x is not None
    assert w is not None
    assert w.const is not None
    outputs, channels, rows, columns = w.const.shape
    conv = layer.op.anchor
    begins, ends = padding_pairs(conv.padding, 2)
    with network.at(layer):
        turned = network.transpose(x, perm=(0, 2, 1, 3))
        joined = network.reshape(turned, network.constant(np.array([0, 0, rows * channels])))
        image = network.unsqueeze(joined, network.constant(np.array([1])))
        weight = np.moveaxis(w.const, 2, 1).reshape(outputs, rows * channels, 1, columns)
        flat = replace(conv, padding=(0, begins[1], 0, ends[1]))
        made: Tensor = network.add(
            ChannelsLast(flat), image, network.constant(np.ascontiguousarray(weight), w.name), *others
        )[0]
    made.name = layer.outputs[0].name
    network.replace(layer.outputs[0], made)
    network.remove([layer])
