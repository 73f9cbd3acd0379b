"""Makes one layer of a GRU cell that an exporter wrote out: two products, their slices, and the gates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from enginewright.graph.network import Network, Tensor
from enginewright.graph.patterns import AnyTensor, Constant, Match, Node, Number, find, node, replace_match, sources
from enginewright.ops.recurrent import GRU
from enginewright.tensors import float32, normalize_axis

Array = np.ndarray[Any, Any]
GIVEN = node("Gemm", AnyTensor("x"), Constant("w"), Constant("b"), name="given")
BACK = node("Gemm", AnyTensor("h"), Constant("u"), Constant("d"), name="back")
RESET, UPDATE, NEW = range(3)
ORDER = (UPDATE, RESET, NEW)
"""Exporters write the reset gate first, ONNX the update gate."""


def _part(whole: Node, gate: int) -> Node:
    return node("Slice", whole, Constant(f"start{gate}"), Constant(f"end{gate}"), Constant("axes"))


def _sum(gate: int) -> Node:
    return node("Sigmoid", node("Add", _part(GIVEN, gate), _part(BACK, gate)))


Z = _sum(UPDATE)
MADE = node("Tanh", node("Add", _part(GIVEN, NEW), node("Mul", _sum(RESET), _part(BACK, NEW))))
PATTERNS = (
    node("Add", node("Mul", node("Sub", Number(1.0), Z), MADE), node("Mul", Z, AnyTensor("h"))),
    node("Add", node("Mul", node("Sub", AnyTensor("h"), MADE), Z), MADE),
)


def fuse_gru_cell(network: Network) -> int:
    """Replace (1 - z) tanh(x' + r h') + z h by a GRU of one step; the number replaced."""
    found = 0
    for pattern in PATTERNS:
        for match in find(network, pattern):
            if _fits(match):
                replace_match(network, match, _cell(network, match))
                found += 1
    return found


def _fits(match: Match) -> bool:
    """Whether the weights are matrices of float32, the slices their three parts, and the batches one."""
    x, h, w, u = (match.tensors[name] for name in ("x", "h", "w", "u"))
    weights = [_rows(match, name, product) for name, product in (("w", "given"), ("u", "back"))]
    n = h.shape[-1]
    if not isinstance(n, int) or any(tensor.dtype is not float32 or tensor.rank != 2 for tensor in (x, h, w, u)):
        return False
    if x.shape[0] != h.shape[0]:  # one of them may be spread over the other
        return False
    if any(found is None or found.shape[0] != 3 * n for found in weights):
        return False
    if any(_numbers(match, name) is None or len(_numbers(match, name) or ()) != 3 * n for name in ("b", "d")):
        return False
    axes = _numbers(match, "axes")
    if axes is None or [normalize_axis(int(axis), 2) for axis in axes] != [1]:
        return False
    parts = [(_numbers(match, f"start{gate}"), _numbers(match, f"end{gate}")) for gate in range(3)]
    return all(
        start is not None and end is not None and (*start, min(*end, 3 * n)) == (gate * n, (gate + 1) * n)
        for gate, (start, end) in enumerate(parts)
    )


def _numbers(match: Match, name: str) -> Sequence[float] | None:
    const = match.tensors[name].const
    return None if const is None or const.ndim != 1 else const.tolist()


def _rows(match: Match, name: str, product: str) -> Array | None:
    """The weight of a plain product as [gates, inputs]; None where it is scaled or turned otherwise."""
    layer, const = match.tensors[product].producer, match.tensors[name].const
    if layer is None or const is None or layer.op.trans_a or (layer.op.alpha, layer.op.beta) != (1, 1):
        return None
    return const if layer.op.trans_b else np.ascontiguousarray(const.T)


def _ordered(array: Array) -> Array:
    parts = np.split(array, 3)
    return np.concatenate([parts[gate] for gate in ORDER])[np.newaxis]


def _cell(network: Network, match: Match) -> Tensor:
    w, u = _rows(match, "w", "given"), _rows(match, "u", "back")
    b, d = match.tensors["b"].const, match.tensors["d"].const
    assert w is not None
    assert u is not None
    assert b is not None
    assert d is not None
    first = network.constant(np.array([0]))
    with network.at(match.layers[0], sources=sources(match)):
        x, h = (network.unsqueeze(match.tensors[name], first) for name in ("x", "h"))
        weights = [network.constant(_ordered(array)) for array in (w, u)]
        bias = network.constant(np.concatenate([_ordered(b), _ordered(d)], axis=1))
        _, last = network.add(GRU(linear_before_reset=True), x, *weights, bias, None, h)
        return network.squeeze(last, first)
