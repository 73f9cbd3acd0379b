"""Normalization by norms: LpNormalization, LRN over channels, and MeanVarianceNormalization."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.errors import NetworkError, ShapeError
from enginewright.ops.element_types import FLOATS, check_type
from enginewright.ops.elementwise import import_plainly
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, bfloat16, float16, float32, float64, normalize_axis

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::LpNormalization")
class LpNormalization:
    """x divided by its norm along `axis`: p = 1, the sum of magnitudes, or 2, the root of the sum of squares.

    0 where the norm is 0.
    """

    axis: int = -1
    p: int = 2

    def infer(self, x: TensorSpec) -> TensorSpec:
        """The shape of x."""
        check_type(x, FLOATS, "the input of LpNormalization")
        normalize_axis(self.axis, x.rank)
        if self.p not in (1, 2):
            raise NetworkError(f"p is {self.p}", hint="Use 1 or 2.")
        return TensorSpec(x.dtype, x.shape)

    def reference(self, x: Array) -> Array:
        """In float64, rounded once."""
        wide = x.astype(np.float64)
        total = (np.abs(wide) if self.p == 1 else np.square(wide)).sum(axis=self.axis, keepdims=True)
        norm = total if self.p == 1 else np.sqrt(total)
        with np.errstate(all="ignore"):
            return np.asarray(np.where(norm == 0, 0, wide / norm).astype(x.dtype))

    @staticmethod
    def examples() -> Iterator[tuple[LpNormalization, list[TensorSpec | Array]]]:
        """Both norms, each axis, zeros, every type."""
        for p in (1, 2):
            for axis in (0, 1, -1):
                yield LpNormalization(axis, p), [TensorSpec(float32, (3, 5, 33))]
            yield LpNormalization(0, p), [np.zeros((3, 2), np.float32)]
        for dtype in (float64, float16, bfloat16):
            yield LpNormalization(), [TensorSpec(dtype, (4, 9))]


@operator("ew::LRN")
class LRN:
    """x / (bias + alpha / size * s) ** beta, where s sums the squares of the `size` channels around each one."""

    size: int
    alpha: float = 0.0001
    beta: float = 0.75
    bias: float = 1.0

    def infer(self, x: TensorSpec) -> TensorSpec:
        """The shape of x."""
        check_type(x, FLOATS, "the input of LRN")
        if x.rank < 2:
            raise ShapeError(f"LRN of {x.rank} axes", hint="Give it a batch and a channel axis.")
        if self.size < 1:
            raise NetworkError(f"size is {self.size}", hint="Use at least 1.")
        return TensorSpec(x.dtype, x.shape)

    def reference(self, x: Array) -> Array:
        """In float64, rounded once."""
        squares = np.square(x.astype(np.float64))
        before, after = (self.size - 1) // 2, self.size // 2
        total = np.zeros_like(squares)
        count = x.shape[1]
        for channel in range(count):
            window = squares[:, max(0, channel - before) : min(count, channel + after + 1)]
            total[:, channel] = window.sum(axis=1)
        scale = (self.bias + self.alpha / self.size * total) ** self.beta
        return np.asarray((x.astype(np.float64) / scale).astype(x.dtype))

    @staticmethod
    def examples() -> Iterator[tuple[LRN, list[TensorSpec]]]:
        """Odd and even windows, wider than the channels, other powers, every type."""
        yield LRN(5), [TensorSpec(float32, (2, 7, 3, 5))]
        yield LRN(4, alpha=0.1, beta=0.5, bias=2.0), [TensorSpec(float32, (6, 6, 7, 3))]
        yield LRN(9, alpha=0.5, beta=1.25), [TensorSpec(float32, (1, 3, 1, 17))]
        for dtype in (float64, float16, bfloat16):
            yield LRN(3, alpha=0.2), [TensorSpec(dtype, (4, 4, 3, 3))]


import_plainly(LpNormalization)
import_plainly(LRN)


@onnx_rule("ai.onnx::MeanVarianceNormalization", since=9)
def mean_variance_normalization(net: Network, node: OnnxNode) -> Tensor:
    """(x - mean) / (standard deviation + 1e-9) over the axes, as ONNX's function body says."""
    x = node.input(0)
    axes = net.constant(np.array(node.integers("axes", (0, 2, 3)), np.int64))
    mean = net.reduce_mean(x, axes)
    variance = net.sub(net.reduce_mean(net.mul(x, x), axes), net.mul(mean, mean))
    deviation = net.add(net.sqrt(variance), net.constant(np.array(1e-9, x.dtype.numpy)))
    return net.div(net.sub(x, mean), deviation)
