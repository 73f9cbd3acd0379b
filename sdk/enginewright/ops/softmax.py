"""Softmax, LogSoftmax and Hardmax along one axis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, float32, normalize_axis

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::Softmax")
class Softmax:
    """exp(x) / sum(exp(x)) along `axis`; output of the shape and type of x."""

    axis: int = -1

    def infer(self, x: TensorSpec) -> TensorSpec:
        """Same shape and type."""
        normalize_axis(self.axis, x.rank)
        return TensorSpec(x.dtype, x.shape)

    def reference(self, x: Array) -> Array:
        """With the largest value subtracted, so that nothing overflows."""
        wide = x.astype(np.float64 if x.dtype == np.float64 else np.float32)
        powers = np.exp(wide - wide.max(axis=self.axis, keepdims=True, initial=-np.inf))
        return (powers / powers.sum(axis=self.axis, keepdims=True)).astype(x.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[Softmax, list[TensorSpec]]]:
        """Last, first and middle axis; one element."""
        yield Softmax(), [TensorSpec(float32, (2, 3, 17))]
        yield Softmax(axis=0), [TensorSpec(float32, (5, 4))]
        yield Softmax(axis=1), [TensorSpec(float32, (2, 33, 3))]
        yield Softmax(), [TensorSpec(float32, (1, 1))]


@onnx_rule("ai.onnx::Softmax", since=13)
def softmax(net: Network, node: OnnxNode) -> Tensor:
    """One axis, the last by default."""
    return net.softmax(node.input(0), axis=node.integer("axis", -1))


@onnx_rule("ai.onnx::Softmax", since=1)
def softmax_flattened(net: Network, node: OnnxNode) -> Tensor:
    """Before opset 13 all axes from `axis` on are one: reshape, softmax, reshape back."""
    x = node.input(0)
    axis = normalize_axis(node.integer("axis", 1), x.rank)
    if axis == x.rank - 1:
        return net.softmax(x, axis=axis)
    flat = net.flatten(x, axis=axis)
    return net.reshape(net.softmax(flat, axis=1), net.shape(x))
