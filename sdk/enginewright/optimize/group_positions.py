"""Computes several positions of a convolution of few outputs as one position of many, so that vectors are full.

Kernels for images with channels last have a vector of outputs; eight outputs fill half of one. Neighbours in a row see
almost the same window if that is wide: for each its weights stand in one wider window, between zeros. A NaN or an
infinity times such a zero is NaN, also for neighbours that do not see it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.channels_last import ChannelsLast, channels_first
from enginewright.ops.conv import Conv
from enginewright.ops.pointwise import Fused
from enginewright.ops.rounded import Rounded

Array = np.ndarray[Any, Any]
VECTOR, MOST = 16, 48
"""Outputs of a vector, and of three, which a tile of products has."""
GAIN = 1.3
"""By how much the vectors in use must be fewer."""
CUT = 1.2
"""What it costs to cut off positions beyond the last, as a factor."""
FEW, FILTERED = 4, 7
"""With more outputs a window of no more columns may be filtered instead."""


@dataclass(frozen=True)
class Row:
    """A convolution by constant weights along the last spatial axis: positions, pixels, and padding before them."""

    conv: Conv
    weight: Array
    width: int
    pixels: int
    begin: int
    stride: int

    @property
    def together(self) -> int:
        """How many positions are best one."""
        most = min(self.width, MOST // len(self.weight))
        best = min(range(1, most + 1), key=self._vectors, default=1)
        return best if self._vectors(best) * GAIN < self._vectors(1) else 1

    def _vectors(self, count: int) -> float:
        """Vectors of products for each output, in units of a window."""
        outputs, columns = len(self.weight), self.weight.shape[-1]
        lanes = -(-count * outputs // VECTOR) * VECTOR * -(-self.width // count) / (outputs * self.width)
        wider = (columns + (count - 1) * self.stride) / columns
        return float(lanes * wider * (CUT if self.width % count else 1))

    def wide(self, count: int) -> Array:
        """The weights of so many neighbours, each at its place in a wider window."""
        outputs, *window, columns = self.weight.shape
        wide = np.zeros((count, outputs, *window, columns + (count - 1) * self.stride), self.weight.dtype)
        for place in range(count):
            wide[place, ..., place * self.stride : place * self.stride + columns] = self.weight
        return wide.reshape(count * outputs, *wide.shape[2:])


def group_positions(network: Network) -> int:
    """Replace convolutions with channels last that leave much of a vector empty; the number replaced."""
    found = 0
    for layer in list(network.layers):
        row = _row(layer)
        if row is not None and row.together > 1:
            _group(network, layer, row)
            found += 1
    return found


def _row(layer: Layer) -> Row | None:
    """A convolution with channels last of few outputs, rounded or not; nothing that is no constant is added to it."""
    op: Any = layer.op
    if isinstance(op, Fused):
        if op.program.n_inputs > 1:
            return None
        op = op.anchor
    op = op.anchor if isinstance(op, Rounded) else op
    if not isinstance(op, ChannelsLast) or not isinstance(op.anchor, Conv):
        return None
    x, weight = layer.inputs[0], None if layer.inputs[1] is None else layer.inputs[1].const
    if x is None or weight is None:
        return None
    if any(tensor is not None and tensor.const is None for tensor in layer.inputs[1:]) or weight.size == 0:
        return None
    window = op.anchor.window(channels_first(x.spec), replace(x.spec, shape=weight.shape, value=None))
    width, pixels, begin = layer.outputs[0].shape[-2], x.shape[-2], window.begins[-1]
    if op.anchor.group > 1 or window.dilations[-1] != 1 or (len(weight) > FEW and weight.shape[-1] <= FILTERED):
        return None
    if not isinstance(width, int) or not isinstance(pixels, int) or not isinstance(begin, int):
        return None
    if not all(isinstance(size, int) for size in (*window.begins, *window.ends)):
        return None
    return Row(op.anchor, weight, width, pixels, begin, window.strides[-1])


def _group(network: Network, layer: Layer, row: Row) -> None:
    x, w, *others = layer.inputs
    assert x is not None
    assert w is not None
    count, outputs = row.together, len(row.weight)
    whole = -(-row.width // count) * count
    behind = (whole - 1) * row.stride + row.weight.shape[-1] - row.begin - row.pixels
    with network.at(layer):
        weight = network.constant(row.wide(count), w.name)
        tiled = [None if b is None or b.const is None else network.constant(np.tile(b.const, count)) for b in others]
        made = network.add(_with(layer.op, _grouped(row, x, max(0, behind))), x, weight, *tiled)[0]
        result = network.reshape(made, network.constant(np.array([*[0] * (x.rank - 2), whole, outputs])))
        if whole > row.width:
            begin, end, axis = (network.constant(np.array([number])) for number in (0, row.width, x.rank - 2))
            result = network.slice(result, begin, end, axis)
    result.name = layer.outputs[0].name
    network.replace(layer.outputs[0], result)
    network.remove([layer])


def _grouped(row: Row, x: Tensor, end: int) -> Conv:
    """The convolution at fewer positions, with so much padding behind the pixels."""
    conv, axes = row.conv, x.rank - 2
    window = conv.window(channels_first(x.spec), replace(x.spec, shape=row.weight.shape, value=None))
    padding: Any = (*window.begins, *window.ends[:-1], end)
    strides = (*window.strides[: axes - 1], row.together * row.stride)
    return replace(conv, stride=strides, dilation=tuple(window.dilations), padding=padding, auto_pad="NOTSET")


def _with(op: Any, conv: Conv) -> Any:
    """The operator around another convolution."""
    return conv if isinstance(op, Conv) else replace(op, anchor=_with(op.anchor, conv))
