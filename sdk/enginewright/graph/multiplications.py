"""Counts the multiplications of a network's products: what one run takes at least, if each is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from enginewright.dims import Dim, evaluate
from enginewright.errors import EnginewrightError
from enginewright.graph.network import Layer

Shape = Sequence[int]


def multiplications(layer: Layer, sizes: Mapping[str, int]) -> float:
    """Of one run of a product, a convolution, attention or a recurrent layer; 0 for all others.

    Images may have their channels last. Sizes that have a name are looked up in `sizes`; those that only a run tells
    count as 1.
    """
    count = COUNTS.get(layer.op.anchor.KEY.name if layer.kind == "ChannelsLast" else layer.kind)
    if count is None:
        return 0.0

    def number(size: int | Dim) -> int:
        try:
            return evaluate(size, sizes)
        except EnginewrightError:
            return 1

    shapes = [[] if tensor is None else [number(size) for size in tensor.shape] for tensor in layer.inputs]
    return float(count(shapes, [number(size) for size in layer.outputs[0].shape]))


def _matrices(inputs: Sequence[Shape], output: Shape) -> float:
    return math.prod(output) * inputs[0][-1]


def _gemm(inputs: Sequence[Shape], output: Shape) -> float:
    return math.prod(inputs[1]) * output[0]  # whichever of the two is transposed


def _windows(inputs: Sequence[Shape], output: Shape) -> float:
    return math.prod(output) * math.prod(inputs[1][1:])


def _quantized_windows(inputs: Sequence[Shape], output: Shape) -> float:
    return _windows(inputs[2:], output)  # each side is followed by its scale and zero point


def _spread_windows(inputs: Sequence[Shape], output: Shape) -> float:
    del output
    return math.prod(inputs[0]) * math.prod(inputs[1][1:])


def _steps(inputs: Sequence[Shape], output: Shape) -> float:
    """Weights of inputs and of states [directions, rows, columns], in either order, once a step and sequence."""
    del output
    return math.prod(inputs[0][:2]) * (math.prod(inputs[1]) + math.prod(inputs[2]))


def _attention(inputs: Sequence[Shape], output: Shape) -> float:
    """Queries, keys and values, each [N, L, heads * E] or [N, heads, L, E]: two products of scores."""
    queries, keys = inputs[:2]
    return math.prod(queries) * keys[-2] + math.prod(output) * keys[-2]


COUNTS: Mapping[str, Callable[[Sequence[Shape], Shape], float]] = MappingProxyType(
    {
        "MatMul": _matrices, "MatMulInteger": _matrices, "QLinearMatMul": _matrices, "Gemm": _gemm,
        "Conv": _windows, "ConvInteger": _windows, "QLinearConv": _quantized_windows, "ConvTranspose": _spread_windows,
        "LSTM": _steps, "GRU": _steps, "RNN": _steps, "DynamicQuantizeLSTM": _steps, "Attention": _attention,
    }
)  # fmt: skip
"""How to count, by operator."""
