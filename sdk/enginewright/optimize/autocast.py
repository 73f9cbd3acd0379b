"""Computes float32 layers in float16 or bfloat16 where that is safe; the rules say which stay as they are, and why."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np

from enginewright.errors import DataTypeError
from enginewright.graph.network import Layer, Network, Tensor
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

PRODUCTS = frozenset({"Conv", "ConvTranspose", "MatMul", "Gemm"})
MOVING = frozenset(
    {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Expand", "Slice", "Split", "Concat", "Pad"}
)

LARGEST = MappingProxyType({float16: 65504.0, bfloat16: (2 - 2.0**-7) * 2.0**127})


def autocast_fp16(network: Network) -> int:
    """Compute in float16; the number of layers changed."""
    return _autocast(network, float16)


def autocast_bf16(network: Network) -> int:
    """Compute in bfloat16; the number of layers changed."""
    return _autocast(network, bfloat16)


def _autocast(network: Network, dtype: DataType) -> int:
    if network.parent is not None:
        return 0  # what is nested runs on the host, in the type of the model
    narrow: dict[Tensor, Tensor] = {}
    changed = 0
    wide: set[Tensor] = set()
    logged = _before_logs(network)
    for layer in list(network.layers):
        if layer in logged or _is_wide(layer, wide):
            wide.update(layer.outputs)
        elif layer.kind not in KEPT and _has_floats(layer) and _convert(network, layer, dtype, narrow):
            changed += 1
    return changed


def _is_wide(layer: Layer, wide: set[Tensor]) -> bool:
    """Whether results leave the range or need all digits: by operator, squares, and elementwise layers behind those."""
    if layer.kind in WIDE:
        return True
    read = [tensor for tensor in layer.inputs if tensor is not None and tensor.const is None]
    if layer.kind == "Mul" and len(read) == 2 and read[0] is read[1]:
        return True
    return bool(read) and is_pointwise(layer) and layer.kind != "Cast" and all(tensor in wide for tensor in read)


def _before_logs(network: Network) -> set[Layer]:
    """The layers between a logarithm and the products before it, which make the small numbers that it looks at."""
    found: set[Layer] = set()
    todo = [layer for layer in network.layers if layer.kind == "Log"]
    while todo:
        layer = todo.pop()
        if layer in found:
            continue
        found.add(layer)
        if layer.kind not in PRODUCTS and (is_pointwise(layer) or layer.kind in MOVING or layer.kind in WIDE):
            todo += [tensor.producer for tensor in layer.inputs if tensor is not None and tensor.producer is not None]
    return found


def _has_floats(layer: Layer) -> bool:
    """Whether the layer computes with float32 tensors, more than numbers that its shape rule reads."""
    outputs = any(tensor.dtype is float32 for tensor in layer.outputs)
    return outputs and any(tensor is not None and tensor.dtype is float32 for tensor in layer.inputs)


def _convert(network: Network, layer: Layer, dtype: DataType, narrow: dict[Tensor, Tensor]) -> bool:
    """The same layer on narrow inputs; its outputs are cast back for whoever wants float32."""
    with network.at(layer):
        inputs = [_narrowed(network, tensor, dtype, narrow) for tensor in layer.inputs]
        try:
            made = network.add(layer.op, *inputs)
        except DataTypeError:
            return False
        for old, new in zip(layer.outputs, made, strict=True):
            if new.dtype is old.dtype:
                network.replace(old, new)
                continue
            wide = network.cast(new, to=old.dtype)
            wide.name = old.name
            narrow[wide] = new
            network.replace(old, wide)
    network.remove([layer])
    return True


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
