"""Computes float32 layers in float16 or bfloat16 where that is safe; the rules say which stay as they are, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from types import MappingProxyType
from typing import Any

import numpy as np

from enginewright.errors import DataTypeError
from enginewright.graph.network import Layer, Network, Tensor
from enginewright.graph.wide_layers import WideLayer
from enginewright.ops.pointwise_table import cast_array
from enginewright.optimize.fuse_pointwise import is_pointwise
from enginewright.tensors import DataType, bfloat16, float16, float32

KEPT = MappingProxyType(
    {
        "Pow": "squares of numbers above 255 leave the range of float16",
        "Exp": "the range of results exceeds float16",
        "Log": "small inputs lose their digits",
        "Reciprocal": "small inputs leave the range of float16",
        "ReduceSum": "long sums lose digits",
        "ReduceSumSquare": "squares leave the range",
        "ReduceProd": "products leave the range",
        "ReduceL1": "long sums lose digits",
        "ReduceL2": "squares leave the range",
        "ReduceLogSum": "long sums lose digits",
        "ReduceLogSumExp": "the range of the sum exceeds float16",
        "CumSum": "each sum carries the rounding of all before it",
        "Range": "positions above 2048 are not exact",
        "RandomNormal": "as the model asks", "RandomUniform": "as the model asks",
        "Cast": "the model chose this type",
        "If": "what is inside runs on the host", "Loop": "what is inside runs on the host",
        "Scan": "what is inside runs on the host",
        "LSTM": "runs on the host", "GRU": "runs on the host", "RNN": "runs on the host",
        "DynamicQuantizeLSTM": "runs on the host", "DynamicQuantizeLinear": "scales are exact in float32",
        "QuantizeLinear": "scales are exact in float32", "DequantizeLinear": "scales are exact in float32",
        "Resize": "positions between pixels need more digits", "GridSample": "positions need more digits",
        "NonMaxSuppression": "runs on the host", "RoiAlign": "positions need more digits",
        "TopK": "ties would change the order",
    }
)  # fmt: skip
"""Operators that stay in float32, and why. Layer norm, softmax and attention take halves: their sums are float32."""

WIDE = frozenset(
    {"Pow", "Exp", "Log", "Reciprocal", "ReduceSum", "ReduceSumSquare", "ReduceProd", "ReduceL1", "ReduceL2"}
    | {"ReduceLogSum", "ReduceLogSumExp", "CumSum", "Range"}
)
"""Those whose results need the range or digits of float32; what is computed of nothing else stays there, too."""

COUNTING = frozenset({"MatMulInteger", "ConvInteger"})
"""Products of integers: a sum and its scale leave the range of float16 long before their product does."""

ENDS = frozenset({"Softmax", "LogSoftmax", "Sigmoid", "Softplus", "Tanh"})
"""What makes results of the last sums: there a float16 of 80 is wrong by 3 % of a probability.

In bfloat16 the sums themselves are no better than that, so that one rounding more does not count.
"""

PRODUCTS = frozenset({"Conv", "ConvTranspose", "MatMul", "Gemm"})
MOVING = frozenset(
    {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Expand", "Slice", "Split", "Concat", "Pad"}
)

FOLLOWING = frozenset({"ReduceMax", "ReduceMin", "Softmax", "LogSoftmax"})
"""What takes float32 as it comes, besides elementwise layers and those that move data."""

RECURRENT = frozenset({"LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"})
"""Run in float32 on the host: what lies between two of them is not rounded for a transpose."""

MEASURED = "measured: with it and others like it in bfloat16, outputs would be too far off"
BETWEEN = "reads nothing but what layers that stay by measurement give, or the caller"
LOGS = "makes what a logarithm looks at: small numbers that would lose their digits"
FOR_ENDS = "turns the last sums into probabilities: a float16 of 80 is wrong by 3 % of one"
SQUARE = "squares leave the range of float16"
INTEGERS = "sums of integers leave the range of float16"
FOLLOWS = "is computed of nothing but what stays in float32"
UNTAKEN = "the operator does not take this type"

LARGEST = MappingProxyType({float16: 65504.0, bfloat16: (2 - 2.0**-7) * 2.0**127})


def autocast_fp16(network: Network) -> int:
    """Compute in float16; the number of layers changed."""
    return _autocast(network, float16)


def autocast_bf16(network: Network, keep: Collection[str] = ()) -> int:
    """Compute in bfloat16, but not the layers that `keep` names, and what lies between these; the layers changed."""
    return _autocast(network, bfloat16, keep)


def _autocast(network: Network, dtype: DataType, keep: Collection[str] = ()) -> int:
    if network.parent is not None:
        return 0  # what is nested runs on the host, in the type of the model
    narrow: dict[Tensor, Tensor] = {}
    changed = 0
    wide: set[Tensor] = set()
    held = set(network.inputs) if keep else set()
    kept = dict.fromkeys(_ends(network) if dtype is float16 else (), FOR_ENDS)
    kept |= dict.fromkeys(_before_logs(network), LOGS)
    network.wide = []
    for layer in list(network.layers):
        reason = ""
        if layer.name in keep or _is_between(layer, held):
            held.update(layer.outputs)
            reason = MEASURED if layer.name in keep else BETWEEN
        elif why := kept.get(layer) or _why_wide(layer, wide | held):
            wide.update(layer.outputs)
            reason = why
        elif layer.kind in KEPT or not _has_floats(layer):
            reason = KEPT.get(layer.kind, "")
        elif _convert(network, layer, dtype, narrow):
            changed += 1
        else:
            reason = UNTAKEN
        if reason and any(tensor.dtype is float32 for tensor in layer.outputs):
            network.wide.append(WideLayer(layer.name, layer.kind, reason, layer.sources))
    return changed


def _is_between(layer: Layer, held: set[Tensor]) -> bool:
    """Whether a layer other than a product reads nothing but what layers that were named gave, or the caller."""
    read = [tensor for tensor in layer.inputs if tensor is not None and tensor.const is None]
    return bool(read) and layer.kind not in PRODUCTS and all(tensor in held for tensor in read)


def _why_wide(layer: Layer, wide: set[Tensor]) -> str:
    """Why results leave the range or need all digits, by operator, square or what they are computed of; else empty."""
    if layer.kind in WIDE or layer.kind in RECURRENT or layer.kind == "DynamicQuantizeLinear":
        return KEPT[layer.kind]
    read = [tensor for tensor in layer.inputs if tensor is not None and tensor.const is None]
    if layer.kind == "Mul" and len(read) == 2 and read[0] is read[1]:
        return SQUARE
    if layer.kind == "Cast":
        counts = any(tensor.producer is not None and tensor.producer.kind in COUNTING for tensor in read)
        return INTEGERS if counts else ""
    follows = is_pointwise(layer) or layer.kind in MOVING | FOLLOWING
    return FOLLOWS if read and follows and all(tensor in wide for tensor in read) else ""


def _ends(network: Network) -> set[Layer]:
    """The layers between the last products and an output that is a probability or the like."""
    found: set[Layer] = set()
    for _, tensor in network.outputs:
        behind, layer = set(), tensor.producer
        while layer is not None and layer.kind in MOVING:
            behind.add(layer)
            layer = next(iter(_producers(layer)), None)
        if layer is not None and layer.kind in ENDS:
            found |= behind | {one for one in _before([layer]) if one.kind not in PRODUCTS}
    return found


def _before_logs(network: Network) -> set[Layer]:
    """The layers that make the small numbers that a logarithm looks at, back to the first filter of a signal."""
    found = _before(layer for layer in network.layers if layer.kind == "Log")
    todo = [producer for layer in found if layer.kind in PRODUCTS for producer in _producers(layer)]
    while todo:
        layer = todo.pop()
        if layer not in found and layer.kind in PRODUCTS | MOVING:
            found.add(layer)
            todo += _producers(layer)
    return found


def _before(last: Iterable[Layer]) -> set[Layer]:
    """These layers, those between them and the products before, and those products."""
    found: set[Layer] = set()
    todo = list(last)
    while todo:
        layer = todo.pop()
        if layer in found:
            continue
        found.add(layer)
        if layer.kind not in PRODUCTS and (is_pointwise(layer) or layer.kind in MOVING | WIDE | ENDS):
            todo += _producers(layer)
    return found


def _producers(layer: Layer) -> list[Layer]:
    return [tensor.producer for tensor in layer.inputs if tensor is not None and tensor.producer is not None]


def _has_floats(layer: Layer) -> bool:
    """Whether the layer computes with float32 tensors, more than numbers that its shape rule reads."""
    outputs = any(tensor.dtype is float32 for tensor in layer.outputs)
    return outputs and any(tensor is not None and tensor.dtype is float32 for tensor in layer.inputs)


def _convert(network: Network, layer: Layer, dtype: DataType, narrow: dict[Tensor, Tensor]) -> bool:
    """The same layer on narrow inputs; its outputs are cast back for whoever wants float32."""
    between = dtype is bfloat16 and _has_number(layer)
    with network.at(layer):
        inputs = [_narrowed(network, tensor, dtype, narrow) for tensor in layer.inputs]
        if between:
            inputs = [_widened(network, *pair) for pair in zip(layer.inputs, inputs, strict=True)]
        try:
            made = network.add(layer.op, *inputs)
        except DataTypeError:
            return False
        for old, computed in zip(layer.outputs, made, strict=True):
            new = network.cast(computed, to=dtype) if between and computed.dtype is float32 else computed
            if new.dtype is old.dtype:
                network.replace(old, new)
                continue
            wide = network.cast(new, to=old.dtype)
            wide.name = old.name
            narrow[wide] = new
            network.replace(old, wide)
    network.remove([layer])
    return True


def _has_number(layer: Layer) -> bool:
    """Whether an elementwise layer reads a single number that bfloat16 cannot hold.

    Rounded, it would be wrong for all elements alike: errors that add up, where those of weights mostly cancel. Between
    two casts it is exact, and casts cost nothing in the program that the layer becomes a part of.
    """
    numbers = (tensor.const for tensor in layer.inputs if tensor is not None and tensor.dtype is float32)
    single = [const for const in numbers if const is not None and const.size == 1]
    return is_pointwise(layer) and any((cast_array(const, bfloat16) != const).any() for const in single)


def _widened(network: Network, tensor: Tensor | None, narrowed: Tensor | None) -> Tensor | None:
    """The float32 constant itself, else what was made of the tensor, in float32 again."""
    if tensor is None or narrowed is tensor or tensor.const is not None or narrowed is None:
        return tensor
    return network.cast(narrowed, to=float32)


def _narrowed(network: Network, tensor: Tensor | None, dtype: DataType, narrow: dict[Tensor, Tensor]) -> Tensor | None:
    if tensor is None or tensor.dtype is not float32:
        return tensor
    if tensor not in narrow:
        if tensor.const is not None:
            narrow[tensor] = network.constant(_finite(np.asarray(tensor.const), dtype), tensor.name)
        else:
            narrow[tensor] = network.cast(tensor, to=dtype)
    return narrow[tensor]


def _finite(weights: np.ndarray[Any, Any], dtype: DataType) -> np.ndarray[Any, Any]:
    """Cast weights; numbers beyond the range, as the -3.4e38 of masks, become the largest there is.

    As infinities they would make NaN of a product with 0.
    """
    made = cast_array(weights, dtype)
    beyond = np.isinf(made) & np.isfinite(weights)
    if not beyond.any():
        return made
    largest = np.array(LARGEST[dtype], dtype.numpy)
    return np.where(beyond, np.where(weights < 0, -largest, largest), made)
