"""Joins convolutions and products of quantized numbers with what stands around them: integers go in and come out.

Models store such a layer as DequantizeLinear, Conv, QuantizeLinear, with a Relu, or a sum with another quantized
tensor, between. Sums are exact then; only the order of the float factors differs, so a result may be off by one step
where the real number lies half way between two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.quantized_conv import QuantizedConv, largest_sum_of
from enginewright.tensors import DataType, int8, uint8

Array = np.ndarray[Any, Any]
LONGEST_SUM = 1 << 16  # products of bytes that int32 holds in any case
WORD = 4  # channels that are multiplied at once
MOVES = ("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "MaxPool")


@dataclass(frozen=True)
class Scale:
    """Quantized numbers stand for (number - zero) * step."""

    step: float
    zero: int


def fuse_quantized_convs(network: Network) -> int:
    """Replace each convolution, or product by a constant, of a dequantized tensor; the number of layers replaced."""
    for layer in list(network.layers):
        if layer.kind == "QuantizeLinear":
            _make_unsigned(network, layer)
    replaced = 0
    for layer in list(network.layers):
        if layer.kind in MOVES:
            replaced += _move_quantized(network, layer)
        if layer.kind == "GlobalAveragePool":
            _average_channels_last(network, layer)
    for layer in list(network.layers):
        if layer.kind in ("Conv", "MatMul", "Gemm"):
            found = _operands(layer)
            if found is not None:
                _replace(network, layer, found)
                replaced += 1
    return replaced


# ---- what stands around a layer --------------------------------------------------------------------------------------


def _constant(tensor: Tensor | None) -> Array | None:
    return None if tensor is None or tensor.const is None else np.asarray(tensor.const)


def _input(layer: Layer, index: int) -> Tensor | None:
    return layer.inputs[index] if len(layer.inputs) > index else None


def _scale(layer: Layer) -> Scale | None:
    """The one scale of a layer that quantizes to bytes or back to float32."""
    if layer.kind not in ("QuantizeLinear", "DequantizeLinear") or layer.op.block_size:
        return None
    narrow, wide = (layer.outputs[0], layer.inputs[0]) if layer.kind[0] == "Q" else (layer.inputs[0], layer.outputs[0])
    step, point = _constant(_input(layer, 1)), _input(layer, 2)
    zero = np.zeros(1, np.uint8) if point is None else _constant(point)
    if wide is None or narrow is None or wide.dtype is not DataType.FLOAT32 or narrow.dtype not in (uint8, int8):
        return None
    if step is None or zero is None or step.size != 1 or zero.size != 1 or step.dtype != np.float32:
        return None
    return Scale(float(step.reshape(())), int(zero.reshape(())))


def _source(tensor: Tensor | None) -> tuple[Tensor, Scale] | None:
    """The uint8 tensor that another is the real form of."""
    layer = None if tensor is None else tensor.producer
    scale = _scale(layer) if layer is not None and layer.kind == "DequantizeLinear" else None
    if layer is None or scale is None or layer.inputs[0] is None or layer.inputs[0].dtype is not uint8:
        return None
    return layer.inputs[0], scale


def _reader(network: Network, tensor: Tensor, *kinds: str) -> Layer | None:
    """The one layer that reads a tensor, if it is of one of these kinds."""
    layer = network.sole_reader(tensor)
    return layer if layer is not None and layer.kind in kinds else None


def _make_unsigned(network: Network, layer: Layer) -> None:
    """Let int8 numbers that are only dequantized again be uint8, 128 higher, as their zero points."""
    scale, narrow = _scale(layer), layer.outputs[0]
    readers = list(dict.fromkeys(narrow.readers))
    if scale is None or narrow.dtype is not int8 or network.is_output(narrow) or not readers:
        return
    if any(reader.kind != "DequantizeLinear" or _scale(reader) is None for reader in readers):
        return
    for changed in (layer, *readers):
        found = _scale(changed)
        assert found is not None
        source = narrow if changed is not layer else layer.inputs[0]
        with network.at(changed):
            point = network.constant(np.array(found.zero + 128, np.uint8))
            made = network.add(replace(changed.op), source, changed.inputs[1], point)[0]
        made.name = changed.outputs[0].name
        if changed is layer:
            network.replace(narrow, made)
            narrow = made
        else:
            network.replace(changed.outputs[0], made)
    network.remove([layer, *readers])


def _move_quantized(network: Network, layer: Layer) -> bool:
    """Let a layer that only moves or chooses numbers, quantized alike before and behind, work on bytes."""
    source = _source(layer.inputs[0])
    after = _reader(network, layer.outputs[0], "QuantizeLinear") if len(layer.outputs) == 1 else None
    if source is None or after is None or _scale(after) != source[1] or after.outputs[0].dtype is not uint8:
        return False
    if layer.kind == "MaxPool" and source[0].rank not in (3, 4, 5):
        return False
    with network.at(layer):
        if layer.kind == "MaxPool":
            made = _with_channels_last(network, ChannelsLast(layer.op), source[0])
        else:
            made = network.add(replace(layer.op), source[0], *layer.inputs[1:])[0]
    made.name = after.outputs[0].name
    network.replace(after.outputs[0], made)
    network.remove([after, layer])
    return True


def _average_channels_last(network: Network, layer: Layer) -> None:
    """Let a mean over all places of dequantized numbers take them as convolutions leave them."""
    source, real = _source(layer.inputs[0]), layer.inputs[0]
    if source is None or real is None or source[0].rank not in (3, 4, 5):
        return
    rank = real.rank
    with network.at(layer):
        numbers = network.transpose(source[0], perm=(0, *range(2, rank), 1))
        assert real.producer is not None
        wide = network.add(replace(real.producer.op), numbers, *real.producer.inputs[1:])[0]
        mean = network.add(ChannelsLast(layer.op), wide)[0]
        made = network.transpose(mean, perm=(0, rank - 1, *range(1, rank - 1)))
    made.name = layer.outputs[0].name
    network.replace(layer.outputs[0], made)
    network.remove([layer])


def _with_channels_last(network: Network, op: Any, image: Tensor, *others: Tensor | None) -> Tensor:
    last = (0, *range(2, image.rank), 1)
    first = (0, image.rank - 1, *range(1, image.rank - 1))
    made = network.add(op, network.transpose(image, perm=last), *others)[0]
    return network.transpose(made, perm=first)


# ---- what a layer multiplies -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operands:
    """x less its zero point times weights [M, C / group, kernel], `steps` [M] wide, plus a real bias [M]."""

    x: Tensor
    scale: Scale
    weight: Array
    steps: Array
    bias: Array
    bias_is_whole: bool  # of steps of x times those of the weights


def _operands(layer: Layer) -> Operands | None:
    source = _source(layer.inputs[0])
    found = None if source is None else _weight(layer)
    if source is None or found is None or not _has_one_layout(layer, source[0]):
        return None
    weight, steps = found
    if weight[0].size > LONGEST_SUM or weight.size == 0:
        return None
    real = _constant(_real_bias(layer))
    bias = np.zeros(len(weight)) if _input(layer, 2) is None else real
    if bias is None or bias.dtype.kind != "f" or bias.size != len(weight):
        return None
    units = bias.reshape(-1).astype(np.float64) / (source[1].step * steps.astype(np.float64))
    whole = bool(np.all(np.abs(units - np.rint(units)) < 1e-3 + 1e-6 * np.abs(units)) and np.abs(units).max() < 1 << 30)
    return Operands(*source, weight, steps, units, whole)


def _has_one_layout(layer: Layer, x: Tensor) -> bool:
    if layer.kind == "Conv":
        return x.rank in (3, 4, 5) and _fills_words(layer)
    if layer.kind == "Gemm":
        return not layer.op.trans_a and layer.op.alpha == 1 and layer.op.beta == 1
    return x.rank in (2, 3)


def _fills_words(layer: Layer) -> bool:
    """Whether it has one group, is depthwise, or has groups of channels enough to be multiplied four at a time."""
    w, group = layer.inputs[1], layer.op.group
    if w is None or not isinstance(w.shape[1], int):
        return False
    return group == 1 or w.shape[1] >= WORD or w.shape[:2] == (group, 1)


def _real_bias(layer: Layer) -> Tensor | None:
    """A constant, dequantized or not."""
    bias = _input(layer, 2)
    if bias is None or bias.const is not None or bias.producer is None or bias.producer.kind != "DequantizeLinear":
        return bias
    numbers = [_constant(tensor) for tensor in bias.producer.inputs]
    if any(array is None for array in numbers):
        return None
    made = Tensor("bias", bias.spec)
    made.const = bias.producer.op.reference(*numbers)
    return made


def _weight(layer: Layer) -> tuple[Array, Array] | None:
    """Weights as int8 without zero points, outputs first, and the step of each output."""
    made = None if _input(layer, 1) is None else layer.inputs[1].producer  # type: ignore[union-attr]
    if made is None or made.kind != "DequantizeLinear" or made.op.block_size:
        return None
    numbers = [_constant(tensor) for tensor in made.inputs]
    weight, step, zero = (*numbers, None)[:3]
    if weight is None or step is None or step.dtype != np.float32 or weight.dtype not in (np.int8, np.uint8):
        return None
    if len(made.inputs) > 2 and zero is None:
        return None
    axis = 0 if layer.kind == "Conv" or (layer.kind == "Gemm" and layer.op.trans_b) else weight.ndim - 1
    zeros = np.zeros(1, np.int64) if zero is None else zero.reshape(-1).astype(np.int64)
    by_output = {step.size, zeros.size} == {1} or made.op.axis % weight.ndim == axis
    if not by_output or (layer.kind != "Conv" and weight.ndim != 2):
        return None
    outputs = np.moveaxis(weight.astype(np.int64), axis, 0)
    centered = outputs - zeros.reshape(-1, *(1,) * (weight.ndim - 1))
    if centered.size == 0 or centered.min() < -128 or centered.max() > 127:
        return None
    whole = np.ascontiguousarray(centered.astype(np.int8))
    return whole if layer.kind == "Conv" else whole[:, :, None], np.broadcast_to(step.reshape(-1), (len(whole),))


# ---- what becomes of its sums ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rounding:
    """A QuantizeLinear to uint8 and the range that the Relu or Clip before it leaves."""

    layer: Layer
    scale: Scale
    low: int
    high: int
    passed: tuple[Layer, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All that it replaces."""
        return (*self.passed, self.layer)


def _rounding(network: Network, tensor: Tensor) -> Rounding | None:
    """What rounds a tensor that nothing else reads."""
    passed: list[Layer] = []
    low, high = -np.inf, np.inf
    layer = _reader(network, tensor, "Relu", "Clip", "QuantizeLinear")
    while layer is not None and layer.kind != "QuantizeLinear":
        bounds = (0.0, np.inf) if layer.kind == "Relu" else _bounds(layer)
        if bounds is None:
            return None
        low, high = max(low, bounds[0]), min(high, bounds[1])
        passed.append(layer)
        layer = _reader(network, layer.outputs[0], "Relu", "Clip", "QuantizeLinear")
    scale = None if layer is None else _scale(layer)
    if layer is None or scale is None or layer.outputs[0].dtype is not uint8 or not low <= high:
        return None
    first, last = (
        np.clip(np.rint(end / scale.step) + scale.zero, 0, 255) for end in (np.float32(low), np.float32(high))
    )
    return Rounding(layer, scale, int(first), int(last), tuple(passed))


def _bounds(layer: Layer) -> tuple[float, float] | None:
    ends = []
    for index, default in ((1, -np.inf), (2, np.inf)):
        tensor = _input(layer, index)
        value = np.array(default) if tensor is None else _constant(tensor)
        if value is None or value.size != 1:
            return None
        ends.append(float(value.reshape(())))
    return ends[0], ends[1]


@dataclass(frozen=True)
class Sum:
    """A sum with another quantized tensor, and its rounding."""

    add: Layer
    other: Tensor
    scale: Scale
    rounding: Rounding


def _sum(network: Network, rounded: Rounding) -> Sum | None:
    """The sum that alone reads a rounded tensor, if it is rounded, too."""
    real = _reader(network, rounded.layer.outputs[0], "DequantizeLinear")
    if real is None or _scale(real) != rounded.scale:
        return None
    add = _reader(network, real.outputs[0], "Add")
    if add is None or add.inputs[0] is add.inputs[1]:
        return None
    tensor = add.inputs[1] if add.inputs[0] is real.outputs[0] else add.inputs[0]
    other, rounding = _source(tensor), _rounding(network, add.outputs[0])
    if other is None or rounding is None or other[0].shape != real.outputs[0].shape:
        return None
    return Sum(add, *other, rounding)


# ---- the layer that does it all --------------------------------------------------------------------------------------


def _replace(network: Network, layer: Layer, operands: Operands) -> None:
    rounding = _rounding(network, layer.outputs[0])
    total = None if rounding is None else _sum(network, rounding)
    last = total.rounding.layer if total is not None else rounding.layer if rounding is not None else layer
    parts = [layer, *(rounding.layers if rounding else ()), *((total.add, *total.rounding.layers) if total else ())]
    with network.at(last, sources=dict.fromkeys(name for part in parts for name in part.sources), label=layer.name):
        made = _add(network, layer, operands, rounding, total)
    made.name = last.outputs[0].name
    network.replace(last.outputs[0], made)
    gone = list(parts)
    if total is not None and rounding is not None:
        gone.insert(1 + len(rounding.layers), rounding.layer.outputs[0].readers[0])
    network.remove(reversed(gone))


def _add(network: Network, layer: Layer, operands: Operands, rounding: Rounding | None, total: Sum | None) -> Tensor:
    """The new layer, and conversions of its layout around it."""
    steps = operands.scale.step * operands.steps.astype(np.float64)
    factor = steps if rounding is None else steps / rounding.scale.step
    whole = np.rint(operands.bias).astype(np.int32) if operands.bias_is_whole else np.zeros(len(factor), np.int32)
    shift = None if operands.bias_is_whole else network.constant((operands.bias * factor).astype(np.float32))
    op = _operator(layer, operands, rounding, total)
    others = [
        network.constant(operands.weight, f"{layer.name}.weight"),
        network.constant(whole),
        network.constant(factor.astype(np.float32)),
        shift,
    ]
    if layer.kind == "Conv":
        rank = operands.x.rank
        addend = None if total is None else network.transpose(total.other, perm=(0, *range(2, rank), 1))
        return _with_channels_last(network, op, operands.x, *others, addend)
    one = network.constant(np.array([0]))
    flat = operands.x.rank == 2
    x = network.unsqueeze(operands.x, one) if flat else operands.x
    addend = None if total is None else network.unsqueeze(total.other, one) if flat else total.other
    made = network.add(op, x, *others, addend)[0]
    return network.squeeze(made, one) if flat else made


def _operator(layer: Layer, operands: Operands, rounding: Rounding | None, total: Sum | None) -> QuantizedConv:
    op = QuantizedConv(
        layer.op if layer.kind == "Conv" else Conv(),
        x_zero=operands.scale.zero,
        real=rounding is None,
        largest_sum=largest_sum_of(operands.weight),
    )
    if rounding is not None:
        op = replace(op, zero=rounding.scale.zero, low=rounding.low, high=rounding.high)
    if total is None or rounding is None:
        return op
    last = total.rounding
    return replace(
        op,
        step=rounding.scale.step / last.scale.step,
        addend_step=total.scale.step / last.scale.step,
        addend_zero=total.scale.zero,
        sum_zero=last.scale.zero,
        sum_low=last.low,
        sum_high=last.high,
    )
