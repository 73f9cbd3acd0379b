"""Lets 1x1 convolutions read the images that a Concat would put side by side, and normalize them on the way.

In dense blocks every convolution reads all layers before it, normalized with numbers of its own: neither the joined
image nor the normalized one is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.channels_last import ChannelsLast, channels_first
from enginewright.ops.conv import Conv
from enginewright.ops.joined_conv import JoinedConv
from enginewright.ops.pointwise import Fused, Pointwise, PointwiseProgram
from enginewright.ops.rounded import Rounded
from enginewright.tensors import float32

Array = np.ndarray[Any, Any]
CHANNELS_AXIS = 3


@dataclass(frozen=True)
class Line:
    """x * scale + shift for each channel, negative numbers cut off to zero or not."""

    scale: Array
    shift: Array
    cut: bool = False


def join_channels(network: Network) -> int:
    """Replace convolutions behind a normalization, or behind a Concat that nothing else reads; their number."""
    found = 0
    for layer in list(network.layers):
        if _is_product(layer):
            found += _join(network, layer)
    return found


def _is_product(layer: Layer) -> bool:
    """A 1x1 convolution in steps of 1 with channels last and constant weights, rounded or not, fused or not."""
    anchor = layer.op.anchor if isinstance(layer.op, Fused) else layer.op
    anchor = anchor.anchor if isinstance(anchor, Rounded) else anchor
    if not isinstance(anchor, ChannelsLast) or not isinstance(anchor.anchor, Conv):
        return False
    x, w = layer.inputs[:2]
    if x is None or w is None or w.const is None or x.dtype is not float32 or x.rank != CHANNELS_AXIS + 1:
        return False
    if anchor.anchor.group != 1 or w.const.shape[2:] != (1, 1) or w.const.size == 0:
        return False
    window = anchor.anchor.window(channels_first(x.spec), w.spec)
    return {*window.strides} == {1} and {*window.begins, *window.ends} == {0}


def _join(network: Network, layer: Layer) -> bool:
    x = layer.inputs[0]
    assert x is not None
    if sum(tensor is x for tensor in layer.inputs) > 1:  # a residual, too
        return False
    source, line = _normalized(network, x)
    parts = _parts(source)
    if line is None and (len(parts) == 1 or network.sole_reader(source) is not layer):
        return False
    fused = isinstance(layer.op, Fused)
    anchor = layer.op.anchor if fused else layer.op
    dtype = anchor.dtype if isinstance(anchor, Rounded) else float32
    extras = layer.inputs[len(layer.inputs) - (layer.op.program.n_inputs - 1) :] if fused else ()
    taken = layer.inputs[1 : len(layer.inputs) - len(extras)]
    w, bias = taken[0], taken[1] if len(taken) > 1 else None
    op = JoinedConv(line is not None and line.cut, dtype)
    with network.at(layer):
        numbers = [None, None] if line is None else [network.constant(line.scale), network.constant(line.shift)]
        made = network.add(
            Fused(op, layer.op.program) if fused else op, parts[0], w, bias, *numbers, *parts[1:], *extras
        )[0]
    made.name = layer.outputs[0].name
    network.replace(layer.outputs[0], made)
    network.remove([layer])
    return True


def _parts(x: Tensor) -> list[Tensor]:
    """What Concats along the channels put side by side."""
    producer = x.producer
    if producer is None or producer.kind != "Concat" or producer.op.axis % x.rank != CHANNELS_AXIS:
        return [x]
    return [part for tensor in producer.inputs if tensor is not None for part in _parts(tensor)]


def _normalized(network: Network, x: Tensor) -> tuple[Tensor, Line | None]:
    """What a layer that only normalizes read, and how; the tensor itself if none made it, or others read it too."""
    layer = x.producer
    if layer is None or not isinstance(layer.op, Pointwise) or network.sole_reader(x) is None:
        return x, None
    data = [index for index, tensor in enumerate(layer.inputs) if tensor is None or tensor.const is None]
    channels = x.shape[-1]
    if len(data) != 1 or not isinstance(channels, int):
        return x, None
    source = layer.inputs[data[0]]
    if source is None or source.dtype is not float32 or source.shape != x.shape:
        return x, None
    constants = {i: t.const for i, t in enumerate(layer.inputs) if t is not None and t.const is not None}
    if any(c.size != 1 and c.shape[-1:] != (c.size,) for c in constants.values()):
        return x, None
    line = find_line(layer.op.program, data[0], constants)
    if line is None:
        return x, None
    full = [np.broadcast_to(v, (channels,)).astype(np.float32) for v in (line.scale, line.shift)]
    return source, Line(full[0], full[1], line.cut)


def find_line(program: PointwiseProgram, data: int, constants: dict[int, Array]) -> Line | None:
    """The program as one line for each channel, cut off at zero or not; None where it does something else."""
    if len(program.outputs) != 1 or any(dtype is not float32 for dtype in program.inputs):
        return None
    values: list[Line | Array] = [
        Line(np.ones(1), np.zeros(1)) if i == data else constants[i].astype(np.float64).ravel()
        for i in range(len(program.inputs))
    ]
    for step in program.instructions:
        if step.dtype is not float32:
            return None
        made = _step(step.opcode, [values[i] for i in step.args], step.immediate)
        if made is None:
            return None
        values.append(made)
    result = values[program.outputs[0]]
    return result if isinstance(result, Line) else None


def _step(opcode: str, args: list[Line | Array], immediate: Any) -> Line | Array | None:
    """A line or constant from others, None where it is neither."""
    if opcode == "constant":
        return np.array([float(immediate)])
    lines = [arg for arg in args if isinstance(arg, Line)]
    others = [arg for arg in args if not isinstance(arg, Line)]
    if len(args) != 2 or len(lines) != 1 or lines[0].cut:
        return None
    line, other = lines[0], others[0]
    if opcode == "mul":
        return Line(line.scale * other, line.shift * other)
    if opcode == "add":
        return Line(line.scale, line.shift + other)
    if opcode == "sub" and args[0] is line:
        return Line(line.scale, line.shift - other)
    if opcode == "max" and not np.any(other):
        return Line(line.scale, line.shift, cut=True)
    return None
